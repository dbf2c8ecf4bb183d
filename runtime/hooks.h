#pragma once
/* Hooks: programs run at points of the lifecycle with the state on their standard input
 * (runtime-spec config.md §POSIX-platform Hooks). Runs in the parent or in the child: it neither
 * allocates nor uses stdio. A hook gets no fd of ours but 0, 1, 2. Blocking until all have ended or
 * one failed; a hook past its timeout is killed. */
#include <stddef.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

/* NAME is the member of "hooks" they come from, for messages: "createRuntime". STATE is the JSON
 * text for standard input, LEN bytes. */
must_check int hooks_run(const struct oci_hooks *hooks, const char *name, const char *state,
                         size_t len, struct err *e);
