#pragma once
/* From "inside the container" to execve: terminal, ids, capabilities, seccomp, limits, program.
 * Used by the init of a container and by `exec`. Parent: payload_plan_init. Child: payload_find,
 * then payload_exec, which does not return on success. No allocation, no stdio in the child.
 *
 * Order: the session before the terminal (a controlling terminal belongs to a session); seccomp
 * without no_new_privs needs CAP_SYS_ADMIN, so before the capabilities go; the bounding set needs
 * CAP_SETPCAP, so before the ids change; limits after all that opens files; seccomp with
 * no_new_privs last, so that the filter needs to allow nothing but execve. */
#include "runtime/base/limits.h"
#include "runtime/caps.h"
#include "runtime/landlock.h"
#include "runtime/lsm.h"
#include "runtime/memory_policy.h"
#include "runtime/rlimits.h"
#include "runtime/scheduling.h"
#include "runtime/seccomp.h"
#include "specs/oci_config.h"

enum {
    PAYLOAD_ENV_MAX = 4096
};

struct payload {
    const struct oci_process *process;
    struct caps_plan caps;
    struct rlimits_plan rlimits;
    struct seccomp_plan seccomp;
    struct lsm_plan lsm; /* applied before payload_find, where the root is built */
    struct landlock_plan *landlock;
    struct scheduling_plan scheduling;
    struct memory_policy_plan memory_policy;
    long personality;      /* -1: as it is */
    unsigned preserve_fds; /* 3 … 3+N-1 stay open */
    bool has_userns;
    bool is_init_wanted; /* pid 1 is ours, the program its child */
    bool makes_cwd;      /* a container's first process: a directory that is missing is made */
    bool keeps_groups;   /* those of who called us (podman run --group-add keep-groups) */
    int terminal_fd;     /* slave; -1: none */
    int notify_fd;       /* to the runtime process that waits for the program (seccomp_notify.h) */
    struct err *last_words; /* for payload_end, when there is a filter (sync.h); else NULL */
    int parent_fd; /* hangs up when the parent dies, and so does the program; -1: it stays */
    char home[PATH_LIMIT]; /* "HOME=/root" when process.env has none, else "" */
    char path[PATH_LIMIT]; /* the program, found by payload_find */
    char listen_fds[32];   /* "LISTEN_FDS=2", then there is a LISTEN_PID=1 too; or "" */
};

/* Parent, before it opens anything: the COUNT fds from 3 on must be open, else a number that the
 * caller left free would be one of our own. ERR_INPUT. */
must_check int payload_check_preserved(unsigned count, struct err *e);
/* Parent: sockets that were passed by the protocol of sd_listen_fds(3), so before the COUNT that
 * --preserve-fds names. 0 when LISTEN_FDS is not set, or not true. */
unsigned payload_listen_fds(void);
/* Of PRESERVE_FDS the first LISTEN_FDS are such sockets. */
must_check int payload_plan_init(const struct oci_config *c, const struct oci_process *process,
                                 unsigned preserve_fds, unsigned listen_fds, struct payload *out,
                                 struct err *e);
void payload_done(struct payload *p);
/* Parent: pipes among fds 0, 1, 2 become the user's, so that a program may open /dev/stdout again
 * (which is by the pipe's owner and mode). Files and terminals stay whose they are. */
void payload_give_streams(const struct oci_config *c, const struct oci_process *process);
/* Child: a session keyring of its own, where the kernel has keyrings. */
void payload_new_keyring(void);
/* Child, inside the root: enters the working directory, finds the program. ERR_INPUT with the words
 * that clients classify by: "executable file not found in $PATH", "no such file or directory". */
must_check int payload_find(struct payload *p, struct err *e);
/* Returns only on failure, and then payload_end is all that may be called: a filter may deny the
 * rest. */
int payload_exec(struct payload *p, struct err *e);
/* Child: tells WHY, by SYNC_FD or by last words, and ends, whatever the filter says. */
_Noreturn void payload_end(struct payload *p, int sync_fd, const struct err *why);
