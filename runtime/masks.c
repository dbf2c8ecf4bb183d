#include "runtime/masks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/rootfs.h"

/* The first of each is made, the others are copies of it: one superblock for all masks. -1: none
 * yet. An attached mount can be copied, a detached one not before Linux 6.15. */
struct masks {
    int host_null_fd; /* the caller's */
    int null_fd, empty_fd;
};

static int host_null_mount(int host_null_fd, struct err *e)
{
    struct stat st;
    struct mount_attr attr = { .propagation = MS_PRIVATE };
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
    auto_fd int fd = open_tree(host_null_fd, "", flags);
    if (fd < 0)
        return err_sys(e, errno, "linux.maskedPaths: copy /dev/null of the host");
    if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        return err_host(e, "linux.maskedPaths: /dev/null of this machine is not the null device");
    if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return err_sys(e, errno, "linux.maskedPaths: make /dev/null private");
    return take_fd(&fd);
}

static int empty_dir_mount(struct err *e)
{
    static const char what[] = "linux.maskedPaths: make an empty directory";
    unsigned attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    auto_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "mode", "555", 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_sys(e, errno, "%s", what);
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
    return fd < 0 ? err_sys(e, errno, "%s", what) : fd;
}

static int mask_one(struct masks *m, const char *path, int root_fd, struct err *e)
{
    struct stat st;
    auto_fd int target = rootfs_open(root_fd, path, O_PATH);
    if (target < 0 && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
        return 0;
    if (target < 0 || fstat(target, &st) < 0)
        return err_sys(e, errno, "linux.maskedPaths: open %s", path);
    bool is_dir = S_ISDIR(st.st_mode);
    int *first = is_dir ? &m->empty_fd : &m->null_fd;
    if (*first < 0) {
        *first = is_dir ? empty_dir_mount(e) : host_null_mount(m->host_null_fd, e);
        if (*first < 0)
            return -1;
        return rootfs_attach(*first, target, path, e) < 0 ? err_wrap(e, "linux.maskedPaths") : 0;
    }
    auto_fd int copy = open_tree(*first, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (copy < 0)
        return err_sys(e, errno, "linux.maskedPaths: copy the mask for %s", path);
    return rootfs_attach(copy, target, path, e) < 0 ? err_wrap(e, "linux.maskedPaths") : 0;
}

/* A copy of the mount keeps its other options (nosuid, …), which may be locked in a user namespace;
 * only read-only is added. */
static int make_readonly(const char *path, int root_fd, struct err *e)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;
    auto_fd int target = rootfs_open(root_fd, path, O_PATH);
    if (target < 0 && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
        return 0;
    auto_fd int copy = target < 0 ? -1 : open_tree(target, "", flags);
    if (copy < 0 || mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
        return err_sys(e, errno, "linux.readonlyPaths: make %s read-only", path);
    return rootfs_attach(copy, target, path, e) < 0 ? err_wrap(e, "linux.readonlyPaths") : 0;
}

int masks_open_null(struct err *e)
{
    int fd = open("/dev/null", O_PATH | O_CLOEXEC);
    return fd < 0 ? err_sys(e, errno, "linux.maskedPaths: open /dev/null of the host") : fd;
}

int masks_apply(const struct oci_config *c, int root_fd, int null_fd, struct err *e)
{
    struct masks masks = { null_fd, -1, -1 };
    int result = 0;
    for (size_t i = 0; result == 0 && i < c->readonly_paths.count; i++)
        result = make_readonly(c->readonly_paths.items[i], root_fd, e);
    for (size_t i = 0; result == 0 && i < c->masked_paths.count; i++)
        result = mask_one(&masks, c->masked_paths.items[i], root_fd, e);
    fd_close(&masks.null_fd);
    fd_close(&masks.empty_fd);
    return result;
}
