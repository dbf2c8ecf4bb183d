#pragma once
/* A child that is made in the name of this process by another one: who makes it enters namespaces
 * first, which then are those that the child begins in, or that its new ones belong to
 * (user_namespaces(7), pid_namespaces(7): a pid namespace is entered by children only). The one in
 * between ends at once, the child is ours. Blocking until then. Threads: none. */
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"

struct sibling {
    /* In between: enters. No allocation, no stdio. */
    int (*enter)(void *self, struct err *e);
    /* In the child; does not return. */
    void (*become)(void *self);
    void *self;
    uint64_t flags; /* CLONE_NEW* of the child */
    int cgroup_fd;  /* v2 directory that it begins in; -1: ours */
};

/* *PIDFD is the caller's. */
must_check int sibling_clone(const struct sibling *s, pid_t *pid, int *pidfd, struct err *e);
