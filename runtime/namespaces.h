#pragma once
/* Namespaces: which are new, which are joined by path, in what order. Those of kinds user and pid
 * come with clone3. The child makes the others, while its parent does something else (a network
 * namespace takes half a millisecond): as root of its user namespace, which owns them then; the
 * cgroup namespace last, when it has joined its cgroups, and the time namespace by itself, because
 * its offsets are written before anybody is in it. config-linux.md §Namespaces; namespaces(7). */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

struct namespaces_plan {
    uint64_t clone_flags;   /* for clone3 */
    uint64_t unshare_flags; /* for namespaces_enter */
    bool is_cgroup_new, is_time_new;
    int join_fds[OCI_NS_COUNT_]; /* -1: not joined */
    /* Some must be entered before the clone (sibling.h): a pid namespace, a user namespace that the
     * new ones are to belong to, and with a new one those that only we may enter. */
    bool are_entered_before;
};

/* Opens the paths and checks that each is a namespace of its kind. */
must_check int namespaces_plan_init(const struct oci_config *c, struct namespaces_plan *out,
                                    struct err *e);
/* The container has a namespace of KIND that is not ours: what is set in it does not change the
 * whole machine. A path to our own is none. */
bool namespaces_is_private(const struct oci_config *c, enum oci_namespace_type kind);
void namespaces_done(struct namespaces_plan *p);
/* Who makes the child: enters what it may as the caller, then the user namespace, then the others.
 * Fds of what was entered are closed: nothing is left of them for namespaces_enter. */
must_check int namespaces_enter_before(struct namespaces_plan *p, struct err *e);
/* Child, root of its user namespace if it has one: joins those with an fd, makes the others, but
 * not the cgroup namespace. */
must_check int namespaces_enter(const struct namespaces_plan *p, const struct oci_config *c,
                                struct err *e);
/* Child, after it joined its cgroups, where a new namespace has its root. */
must_check int namespaces_enter_cgroup(const struct namespaces_plan *p, struct err *e);
/* All namespaces of process PIDFD/PID in which it differs from the caller, for setns(2). */
must_check int namespaces_differing(pid_t pid, uint64_t *flags, struct err *e);
