#include "runtime/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"

enum {
    LINKS_MAX = 40 /* as path_resolution(7) */
};

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

int rootfs_make_entry(int dir_fd, const char *name, bool is_dir)
{
    int result = is_dir ? mkdirat(dir_fd, name, 0755) : mknodat(dir_fd, name, S_IFREG | 0644, 0);
    if (result < 0)
        return errno == EEXIST ? 0 : -1;
    return 1;
}

/* TEXT is "DIR/NAME/REST" cut after NAME, which is a link that leads to nothing, in PARENT_FD:
 * becomes "DIR/LINK/REST", or "LINK/REST" for an absolute link. */
static int replace_link(int parent_fd, char text[PATH_LIMIT], const char *name, const char *rest)
{
    char link[PATH_LIMIT], made[PATH_LIMIT];
    ssize_t n = readlinkat(parent_fd, name, link, sizeof(link) - 1);
    if (n < 0)
        return -1;
    link[n] = '\0';
    int dir_len = link[0] == '/' ? 0 : (int)(name - text);
    int len = snprintf(made, sizeof(made), "%.*s%s%s%s", dir_len, text, relative(link),
                       rest ? "/" : "", rest ? rest : "");
    if (len < 0 || (size_t)len >= sizeof(made)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(text, made, (size_t)len + 1);
    return 0;
}

/* One walk along TEXT; each prefix is looked up from the root, so that a link on the way is
 * followed inside of it. 0 when a link was replaced and the walk must begin again. */
static int walk(int root_fd, char text[PATH_LIMIT], bool is_dir, int *out)
{
    auto_fd int dir = -1;
    int parent = root_fd;
    for (char *name = text;;) {
        char *slash = strchr(name, '/');
        if (slash)
            *slash = '\0';
        int next = rootfs_open(root_fd, text, O_PATH);
        if (next < 0 && errno == ENOENT) {
            int made = rootfs_make_entry(parent, name, slash || is_dir);
            if (made >= 0)
                next = rootfs_open(root_fd, text, O_PATH);
            if (made == 0 && next < 0 && errno == ENOENT)
                return replace_link(parent, text, name, slash ? slash + 1 : NULL);
        }
        if (next < 0)
            return -1;
        fd_close(&dir);
        if (!slash) {
            *out = next;
            return 1;
        }
        parent = dir = next;
        *slash = '/';
        name = slash + 1;
        while (*name == '/')
            name++;
    }
}

void rootfs_hint(struct err *e, int errnum)
{
    if (errnum == EROFS)
        err_hint(e, "it is read-only there: make the mount point in the image, or mount something "
                    "writable above it first");
    else if (errnum == EACCES || errnum == EPERM || errnum == EOVERFLOW)
        err_hint(e, "the container's root may not write there: the root file system must belong to "
                    "it or be idmapped, or have the mount point already");
}

int rootfs_make(int root_fd, const char *path, bool is_dir, struct err *e)
{
    char text[PATH_LIMIT];
    int fd = rootfs_open(root_fd, path, O_PATH);
    if (fd >= 0)
        return fd;
    if (str_copy(text, sizeof(text), relative(path)) < 0)
        return err_input(e, "path is too long: %.80s…", path);
    int result = 0;
    for (int links = 0; result == 0 && links < LINKS_MAX; links++) {
        size_t len = strlen(text);
        while (len && text[len - 1] == '/')
            text[--len] = '\0';
        result = walk(root_fd, text, is_dir, &fd);
    }
    if (result > 0)
        return fd;
    int errnum = result == 0 ? ELOOP : errno;
    (void)err_sys(e, errnum, "create %s in the root file system", path);
    rootfs_hint(e, errnum);
    return -1;
}

int rootfs_make_unlinked(int root_fd, const char *path, struct err *e)
{
    const uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
    int fd = fd_open_beneath(root_fd, relative(path), O_PATH | O_DIRECTORY, 0, resolve);
    if (fd < 0 && errno == ENOENT) {
        auto_fd int made = rootfs_make(root_fd, path, true, e);
        if (made < 0)
            return -1;
        fd = fd_open_beneath(root_fd, relative(path), O_PATH | O_DIRECTORY, 0, resolve);
    }
    if (fd < 0 && errno != ELOOP && errno != ENOTDIR)
        return err_sys(e, errno, "open %s in the root file system", path);
    if (fd < 0)
        return err_host(e, "%s is not a directory in the root file system", path);
    return fd;
}

const char *rootfs_cursor_name(const struct rootfs_cursor *c, const char *path)
{
    if (c->dir_fd < 0 || strncmp(path, c->path, c->len) != 0 || path[c->len] != '/')
        return NULL;
    const char *name = path + c->len + 1;
    bool is_ordinary = *name && !strchr(name, '/') && !str_eq(name, ".") && !str_eq(name, "..");
    return is_ordinary ? name : NULL;
}

void rootfs_cursor_set(struct rootfs_cursor *c, int owned_fd, const char *path, size_t len)
{
    fd_close(&c->dir_fd);
    *c = (struct rootfs_cursor){ owned_fd, path, len };
}

int rootfs_attach(int mount_fd, int target_fd, const char *what, struct err *e)
{
    unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    if (move_mount(mount_fd, "", target_fd, "", flags) < 0) {
        int errnum = errno;
        (void)err_sys(e, errnum, "mount on %s", what);
        if (errnum == ENOTDIR || errnum == EINVAL)
            err_hint(e, "a directory goes onto a directory, anything else onto a file");
        return -1;
    }
    return 0;
}

int rootfs_pivot(int root_fd, bool no_pivot, struct err *e)
{
    if (fchdir(root_fd) < 0)
        return err_sys(e, errno, "enter the root file system");
    if (no_pivot) /* it lies on top of / already */
        return chroot(".") < 0 ? err_sys(e, errno, "make the root file system /") : 0;
    /* man 2 pivot_root NOTES: with "." twice the old root ends up on top of the new one, and is
     * what umount2 then finds. Its mounts are slaves since before, so that this does not reach the
     * host; mount(2) with "." would find the new root, and make slaves of the container's mounts.
     */
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return err_sys(e, errno, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0)
        return err_sys(e, errno, "leave the old root");
    return chdir("/") < 0 ? err_sys(e, errno, "chdir /") : 0;
}
