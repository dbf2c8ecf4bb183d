#pragma once
/* SCMP_ACT_NOTIFY: the fd of a filter's notifications goes to an agent, which listens at
 * linux.seccomp.listenerPath, before the program begins (runtime-spec config-linux.md §Seccomp,
 * §The Container Process State).
 *
 * From the moment that the filter is there, any system call of the process may wait for the agent,
 * those that would hand out the fd included. So a sibling that shares the table of fds is made
 * before; the process tells it by a store to shared memory, and the sibling sends the fd to the
 * runtime process that waits for the program (`start`, `exec`), which knows the host's paths and
 * pids and has them delivered. No system call must be kept from a profile for that; defaultAction
 * must. */
#include <sys/types.h>

#include "runtime/seccomp.h"
#include "specs/oci_config.h"
#include "specs/oci_state.h"

/* Child. Installs the filter and returns when the agent has its fd; RUNTIME_FD leads to who waits.
 */
must_check int seccomp_notify_install(const struct seccomp_plan *p, int runtime_fd, struct err *e);

struct seccomp_notify_state {
    const struct oci_config *config;
    const struct oci_state *state;
    const char *status;
    pid_t pid; /* of the process with the filter, as we see it */
};
/* Runtime. Blocks while the agent does not take it; LISTENER_FD stays the caller's. */
must_check int seccomp_notify_deliver(const struct seccomp_notify_state *s, int listener_fd,
                                      struct err *e);
/* Runtime: tells the child that it may go on, when RESULT is 0; else it is killed, by PIDFD, since
 * without an agent not even its exit may be allowed. Returns RESULT, or -1. */
must_check int seccomp_notify_answer(int sock, int pidfd, int result, struct err *e);
