#pragma once
/* Hooks: programs run at points of the lifecycle with the state on their standard input
 * (runtime-spec config.md §POSIX-platform Hooks). Runs in the parent or in the child: it neither
 * allocates nor uses stdio. A hook gets no fd of ours but 0, 1, 2. Blocking until all have ended or
 * one failed; a hook past its timeout is killed. */
#include <stddef.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

/* What every hook of one kind gets. */
struct hooks_state {
    char *text; /* JSON for standard input, LEN bytes */
    size_t len;
    const char *folder; /* working directory, when it can be entered; NULL: the caller's */
};

/* A pid as wide as any, to be replaced: runtime.md §State, "For hooks executed in the container
 * namespace, it is the pid as seen by the container", which only the child knows. */
#define HOOKS_PID_PLACE 1000000000

/* Child: its own pid, in front of it spaces, in place of HOOKS_PID_PLACE. */
void hooks_set_pid(struct hooks_state *state, pid_t pid);
/* NAME is the member of "hooks" they come from, for messages: "createRuntime". Output of a hook
 * goes to our stderr: standard output is the container's. */
must_check int hooks_run(const struct oci_hooks *hooks, const char *name,
                         const struct hooks_state *state, struct err *e);
