#include "runtime/masks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/rootfs.h"

int masks_open(const struct oci_config *c, struct masks_plan *out, struct err *e)
{
    struct stat st;
    out->count = 0;
    if (c->masked_paths.count > MASKS_MAX)
        return err_input(e, "linux.maskedPaths: more than %d paths", MASKS_MAX);
    if (c->masked_paths.count &&
        (stat("/dev/null", &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)))
        return err_host(e, "/dev/null of this machine is not the null device");
    for (size_t i = 0; i < c->masked_paths.count; i++) {
        int fd = open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0)
            return err_sys(e, errno, "open /dev/null for a mask");
        out->null_fds[out->count++] = fd;
        struct mount_attr attr = { .propagation = MS_PRIVATE };
        if (fstat(fd, &st) < 0 || st.st_rdev != makedev(1, 3) ||
            mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
            return err_host(e, "/dev/null of this machine is not the null device");
    }
    return 0;
}

void masks_done(struct masks_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        fd_close(&p->null_fds[i]);
    p->count = 0;
}

/* The first one is made, the others are copies of it: one superblock for all masks. */
static int empty_dir_mount(int *first_fd, struct err *e)
{
    if (*first_fd >= 0) {
        int fd = open_tree(*first_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
        return fd < 0 ? err_sys(e, errno, "copy an empty directory for a mask") : fd;
    }
    auto_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", "0", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "mode", "555", 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_sys(e, errno, "make an empty directory for a mask");
    unsigned attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
    if (fd < 0)
        return err_sys(e, errno, "make an empty directory for a mask");
    *first_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return fd;
}

static int mask_one(const char *path, int null_fd, int *empty_fd, int root_fd, struct err *e)
{
    struct stat st;
    auto_fd int target = rootfs_open(root_fd, path, O_PATH);
    if (target < 0)
        return errno == ENOENT || errno == EACCES ? 0 : err_sys(e, errno, "mask %s", path);
    if (fstat(target, &st) < 0)
        return err_sys(e, errno, "mask %s", path);
    if (!S_ISDIR(st.st_mode))
        return rootfs_attach(null_fd, target, path, e);
    auto_fd int fd = empty_dir_mount(empty_fd, e);
    return fd < 0 ? -1 : rootfs_attach(fd, target, path, e);
}

static int make_readonly(const char *path, int root_fd, struct err *e)
{
    auto_fd int target = rootfs_open(root_fd, path, O_PATH);
    if (target < 0)
        return errno == ENOENT || errno == EACCES ? 0
                                                  : err_sys(e, errno, "make %s read-only", path);
    auto_fd int copy =
        open_tree(target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
    if (copy < 0 || mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
        return err_sys(e, errno, "make %s read-only", path);
    return rootfs_attach(copy, target, path, e);
}

int masks_apply(const struct oci_config *c, const struct masks_plan *p, int root_fd, struct err *e)
{
    auto_fd int empty_fd = -1;
    for (size_t i = 0; i < c->readonly_paths.count; i++)
        if (make_readonly(c->readonly_paths.items[i], root_fd, e) < 0)
            return -1;
    for (size_t i = 0; i < c->masked_paths.count; i++)
        if (mask_one(c->masked_paths.items[i], p->null_fds[i], &empty_fd, root_fd, e) < 0)
            return -1;
    return 0;
}
