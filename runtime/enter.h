#pragma once
/* A further process in a running container: cloned into its pid namespace and its cgroups, then
 * into its other namespaces by one setns(2) on the pidfd of its first process, then on to the
 * payload. It is a child of the caller. Nothing of the host is held open in there but
 * close-on-exec fds, and nobody in there may look into it before execve (CVE-2016-9962). */
#include "runtime/container.h"
#include "runtime/payload.h"

struct enter_options {
    const struct oci_process *process;
    const char *cgroup;                /* a sub-cgroup of the container's; NULL: its own */
    unsigned preserve_fds, listen_fds; /* the former includes the latter */
    bool dies_with_caller;
    int console_fd; /* gets the terminal's master when process->terminal; -1: none. Borrowed. */
};

/* Returns when the program was executed, or gives the reason why it was not. *PID is as seen from
 * here, *PIDFD the caller's. CONFIG is the container's: seccomp and user namespace come from it. */
must_check int enter_container(const struct container *c, const struct oci_config *config,
                               const struct enter_options *options, pid_t *pid, int *pidfd,
                               struct err *e);
