#pragma once
/* linux.sysctl: only names that belong to a namespace of the container; any other would change the
 * whole machine. config-linux.md §Sysctl, sysctl(5) for the two ways to write a name. */
#include "runtime/base/err.h"
#include "specs/oci_config.h"

/* Pure. ERR_INPUT names what is not namespaced, or whose namespace the container does not have. */
must_check int sysctl_check(const struct oci_config *c, struct err *e);
/* In the child, in its namespaces: by a procfs of its own that no path of the container leads to
 * (CVE-2019-16884, 2025-52881). No allocation, no stdio. */
must_check int sysctl_apply(const struct oci_config *c, struct err *e);
