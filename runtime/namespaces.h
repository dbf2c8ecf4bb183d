#pragma once
/* Namespaces: which are new, which are joined by path, in what order. Namespaces of kinds cgroup
 * and time are unshared by the child (the first after it joined its cgroups, the second because its
 * offsets are written before anybody is in it), the others come with clone3.
 * config-linux.md §Namespaces; namespaces(7). */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

struct namespaces_plan {
    uint64_t clone_flags;        /* for clone3 */
    uint64_t unshare_flags;      /* CLONE_NEWCGROUP, CLONE_NEWTIME */
    int join_fds[OCI_NS_COUNT_]; /* -1: not joined */
};

/* Opens the paths and checks that each is a namespace of its kind. */
must_check int namespaces_plan_init(const struct oci_config *c, struct namespaces_plan *out,
                                    struct err *e);
/* The container has a namespace of KIND that is not ours: what is set in it does not change the
 * whole machine. A path to our own is none. */
bool namespaces_is_private(const struct oci_config *c, enum oci_namespace_type kind);
void namespaces_done(struct namespaces_plan *p);
/* Child: enters those with an fd, but pid and time (which only children enter; user and mount are
 * refused). */
must_check int namespaces_join(const struct namespaces_plan *p, struct err *e);
/* Child: a new time namespace with the offsets, entered. */
must_check int namespaces_enter_time(const struct oci_config *c, struct err *e);
/* All namespaces of process PIDFD/PID in which it differs from the caller, for setns(2). */
must_check int namespaces_differing(pid_t pid, uint64_t *flags, struct err *e);
