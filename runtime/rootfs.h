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
 * empty file. A link that leads to nothing is followed, inside of the root, and its target made. */
must_check int rootfs_make(int root_fd, const char *path, bool is_dir, struct err *e);
/* A directory that no link leads to, made when it is not there: for /proc, /sys and /dev, where a
 * link of the image would redirect what is written there later (CVE-2019-19921, 2023-27561). */
must_check int rootfs_make_unlinked(int root_fd, const char *path, struct err *e);
/* Attaches the detached mount MOUNT_FD on TARGET_FD. */
must_check int rootfs_attach(int mount_fd, int target_fd, const char *what, struct err *e);
/* Makes the root of NEW_ROOT_FD's mount the root of this mount namespace and leaves the old one. */
must_check int rootfs_pivot(int root_fd, bool no_pivot, struct err *e);

/* Remembers the directory of the last step, for lists whose entries mostly share one. Zeroed but
 * for dir_fd = -1. FD stays that directory for as long as nothing is mounted on it. */
struct rootfs_cursor {
    int dir_fd;       /* -1: none. Owned */
    const char *path; /* of it; borrowed */
    size_t len;
};
/* The last name of PATH when its directory is the remembered one, and the name is an ordinary one;
 * else NULL. */
const char *rootfs_cursor_name(const struct rootfs_cursor *c, const char *path);
/* OWNED_FD is from now on the directory of the first LEN bytes of PATH. -1: forget. */
void rootfs_cursor_set(struct rootfs_cursor *c, int owned_fd, const char *path, size_t len);
/* Makes NAME in DIR_FD: 1, or 0 when something of that name is there, or -1 with errno. */
must_check int rootfs_make_entry(int dir_fd, const char *name, bool is_dir);
/* What the failure ERRNUM to make something in the root means to the reader. */
void rootfs_hint(struct err *e, int errnum);
