#pragma once
/* Network namespaces as fds and pins. A pin is a file on which a namespace is bind-mounted: it
 * keeps the namespace alive without a process and lets another process find it by path.
 *
 * The calling process changes its namespace for the length of a few system calls only (ns_create,
 * between ns_enter and ns_leave); it is single-threaded, so nothing else can run meanwhile. */
#include "runtime/base/err.h"

/* A new, empty network namespace, IPv4 only and not forwarding whatever the host's defaults are.
 * The fd is the caller's. */
must_check int ns_create(struct err *e);
/* The caller's own network namespace; the fd is the caller's. */
must_check int ns_self(struct err *e);

/* Moves the process into NETNS_FD and gives in *home_fd what ns_leave needs. */
must_check int ns_enter(int netns_fd, int *home_fd, struct err *e);
/* Moves the process back and closes *home_fd. Aborts when that is not possible: a supervisor that
 * goes on in the wrong namespace is worse than one that is restarted. */
void ns_leave(int *home_fd);

/* Whether both fds are the same namespace: 1, 0, -1. */
must_check int ns_same(int a_fd, int b_fd, struct err *e);

/* Bind-mounts NETNS_FD on the file PIN, made when missing; its directory exists. */
must_check int ns_pin(int netns_fd, const char *pin, struct err *e);
/* Opens the namespace pinned at PIN: 0 with *out the caller's, or -1 in *out when nothing is pinned
 * there (no file, or a file without a namespace on it). */
must_check int ns_open_pin(const char *pin, int *out, struct err *e);
/* Unmounts and removes the pin; success when there is none. */
must_check int ns_unpin(const char *pin, struct err *e);
