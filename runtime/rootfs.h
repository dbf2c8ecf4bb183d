#pragma once
/* Walking and making things beneath a container's root, by fds only: no path string is resolved
 * outside of openat2(RESOLVE_IN_ROOT), so that links of a hostile root lead nowhere else
 * (CVE-2021-30465, 2024-45310 and their kin). For the child: no allocation, no stdio. */
#include <stdbool.h>
#include <sys/types.h>

#include "runtime/base/err.h"

/* An O_PATH fd of PATH (absolute as the container sees it); -1 with errno. */
must_check int rootfs_open(int root_fd, const char *path, int flags);
/* The same, after making what is missing: directories up to it, and itself as a directory or an
 * empty file. */
must_check int rootfs_make(int root_fd, const char *path, bool is_dir, struct err *e);
/* A detached copy of the mount below OWNER's fd; for masks. */
must_check int rootfs_attach(int mount_fd, int target_fd, const char *what, struct err *e);
/* Makes the root of NEW_ROOT_FD's mount the root of this mount namespace and leaves the old one. */
must_check int rootfs_pivot(int root_fd, bool no_pivot, struct err *e);
