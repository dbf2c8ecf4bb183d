#pragma once
/* Confines the calling process for good: for our processes that read what strangers send (proxy,
 * prober). Called once, single-threaded, as root, before the first byte is read.
 *
 * Afterwards: the given network namespace; an empty, read-only root; uid and gid nobody; no
 * capability in any set; no_new_privs; not dumpable; no core; only the listed fds; and a seccomp
 * allow-list of the role, so that exec, fork, ptrace, mounting, opening by absolute path and new
 * kinds of sockets are over. Order matters and is explained in sandbox.c. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"

enum sandbox_role {
    SANDBOX_PROXY,  /* accepts and connects TCP, reads files beneath directory fds it was given */
    SANDBOX_PROBER, /* connects TCP; no files, no accept */
    SANDBOX_ROLE_COUNT_
};

enum {
    SANDBOX_NOBODY = 65534
};

struct sandbox_plan {
    enum sandbox_role role;
    int netns_fd;        /* joined and closed; -1: stay */
    const int *keep_fds; /* besides 0, 1, 2: everything else is closed */
    size_t keep_count;
    uint64_t nofile; /* RLIMIT_NOFILE, lowered to the hard limit; 0: as it is */
};

/* Blocking. ERR_HOST when the kernel or a privilege is missing. After a failure the process is in
 * an undefined, half-confined state: it must exit. */
must_check int sandbox_enter(const struct sandbox_plan *plan, struct err *e);
