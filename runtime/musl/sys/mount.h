#pragma once
/* For svc-runtime built with musl (see the Makefile): musl's <sys/mount.h> has not got the mount
 * API of Linux 5.2 and later, which glibc's has since 2.36. Same names, same arguments, so that the
 * sources know nothing of it. */
#include_next <sys/mount.h>

#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int open_tree(int dir_fd, const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, dir_fd, path, flags);
}

static inline int move_mount(int from_fd, const char *from, int to_fd, const char *to,
                             unsigned flags)
{
    return (int)syscall(SYS_move_mount, from_fd, from, to_fd, to, flags);
}

static inline int fsopen(const char *type, unsigned flags)
{
    return (int)syscall(SYS_fsopen, type, flags);
}

static inline int fspick(int dir_fd, const char *path, unsigned flags)
{
    return (int)syscall(SYS_fspick, dir_fd, path, flags);
}

static inline int fsconfig(int fd, unsigned command, const char *key, const void *value, int aux)
{
    return (int)syscall(SYS_fsconfig, fd, command, key, value, aux);
}

static inline int fsmount(int fd, unsigned flags, unsigned attributes)
{
    return (int)syscall(SYS_fsmount, fd, flags, attributes);
}

static inline int mount_setattr(int dir_fd, const char *path, unsigned flags,
                                struct mount_attr *attr, size_t size)
{
    return (int)syscall(SYS_mount_setattr, dir_fd, path, flags, attr, size);
}
