#pragma once
/* linux.maskedPaths and readonlyPaths. The source of a mask is the host's /dev/null, opened and
 * checked before the container's root is entered (CVE-2025-31133: the container's own may be a
 * link); directories get an empty read-only tmpfs. A path that is not there is left alone. */
#include "runtime/base/err.h"
#include "specs/oci_config.h"

enum {
    MASKS_MAX = 128
};
struct masks_plan {
    int null_fds[MASKS_MAX]; /* detached mounts of /dev/null, one per masked path */
    size_t count;
};

/* Parent. */
must_check int masks_open(const struct oci_config *c, struct masks_plan *out, struct err *e);
void masks_done(struct masks_plan *p);
/* Child, after all mounts. */
must_check int masks_apply(const struct oci_config *c, const struct masks_plan *p, int root_fd,
                           struct err *e);
