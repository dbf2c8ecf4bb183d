#pragma once
/* linux.maskedPaths and readonlyPaths. For the child, before it leaves the host's root: the source
 * of a mask is the host's /dev/null, checked to be it (CVE-2025-31133: the container's own may be a
 * link). Directories get an empty read-only tmpfs. A path that is not there is left alone. */
#include "runtime/base/err.h"
#include "specs/oci_config.h"

/* The host's /dev/null, before anything of the container is looked at. */
must_check int masks_open_null(struct err *e);
/* After all mounts; NULL_FD: of the former. */
must_check int masks_apply(const struct oci_config *c, int root_fd, int null_fd, struct err *e);
