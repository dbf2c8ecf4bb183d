#pragma once
/* See mount.h beside this: statx(2). */
#include_next <sys/stat.h>

#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int statx(int dir_fd, const char *path, int flags, unsigned mask, struct statx *to)
{
    return (int)syscall(SYS_statx, dir_fd, path, flags, mask, to);
}
