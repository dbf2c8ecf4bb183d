#include "runtime/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"

static const char *relative(const char *path)
{
    while (*path == '/')
        path++;
    return *path ? path : ".";
}

int rootfs_open(int root_fd, const char *path, int flags)
{
    return fd_open_beneath(root_fd, relative(path), flags, 0,
                           RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* Makes NAME in the directory PARENT_FD; an existing one is fine. */
static int make_entry(int parent_fd, const char *name, bool is_dir)
{
    if (is_dir)
        return mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST ? -1 : 0;
    int fd = openat(parent_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return errno == EEXIST ? 0 : -1;
    fd_close(&fd);
    return 0;
}

/* Each prefix is looked up from the root: a link on the way is followed inside of it. */
int rootfs_make(int root_fd, const char *path, bool is_dir, struct err *e)
{
    int fd = rootfs_open(root_fd, path, O_PATH);
    if (fd >= 0)
        return fd;
    char prefix[PATH_LIMIT];
    if (str_copy(prefix, sizeof(prefix), relative(path)) < 0)
        return err_input(e, "path is too long: %.80s…", path);
    size_t len = strlen(prefix);
    while (len && prefix[len - 1] == '/')
        prefix[--len] = '\0';
    auto_fd int parent = rootfs_open(root_fd, "/", O_PATH | O_DIRECTORY);
    for (char *name = prefix; parent >= 0;) {
        char *slash = strchr(name, '/');
        if (slash)
            *slash = '\0';
        int next = rootfs_open(root_fd, prefix, O_PATH);
        if (next < 0 && errno == ENOENT && make_entry(parent, name, slash || is_dir) == 0)
            next = rootfs_open(root_fd, prefix, O_PATH);
        if (next < 0)
            return err_sys(e, errno, "create %s in the root file system", path);
        fd_close(&parent);
        if (!slash)
            return next;
        parent = next;
        *slash = '/';
        name = slash + 1;
        while (*name == '/')
            name++;
    }
    return err_sys(e, errno, "open the root file system");
}

int rootfs_attach(int mount_fd, int target_fd, const char *what, struct err *e)
{
    if (move_mount(mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
        0)
        return err_sys(e, errno, "mount on %s", what);
    return 0;
}

int rootfs_pivot(int root_fd, bool no_pivot, struct err *e)
{
    if (fchdir(root_fd) < 0)
        return err_sys(e, errno, "enter the root file system");
    if (no_pivot) /* it lies on top of / already */
        return chroot(".") < 0 ? err_sys(e, errno, "make the root file system /") : 0;
    /* man 2 pivot_root NOTES: with "." twice the old root ends up on top of the new one, and is
     * what umount2 then finds. Slave first, so that the unmount does not reach the host. */
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return err_sys(e, errno, "pivot_root");
    if (mount("", ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
        return err_sys(e, errno, "leave the old root");
    return chdir("/") < 0 ? err_sys(e, errno, "chdir /") : 0;
}
