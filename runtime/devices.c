#include "runtime/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/rootfs.h"

static const struct oci_device defaults[] = {
    { 'c', "/dev/null", 1, 3, 0666, 0, 0 },    { 'c', "/dev/zero", 1, 5, 0666, 0, 0 },
    { 'c', "/dev/full", 1, 7, 0666, 0, 0 },    { 'c', "/dev/random", 1, 8, 0666, 0, 0 },
    { 'c', "/dev/urandom", 1, 9, 0666, 0, 0 }, { 'c', "/dev/tty", 5, 0, 0666, 0, 0 },
};

static const struct {
    const char *path, *target;
} links[] = {
    { "/dev/fd", "/proc/self/fd" },       { "/dev/stdin", "/proc/self/fd/0" },
    { "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
    { "/dev/core", "/proc/kcore" },       { "/dev/ptmx", "pts/ptmx" },
};

static mode_t type_bits(char type)
{
    return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

static int open_host_node(const struct oci_device *d, struct err *e)
{
    struct stat st;
    int fd =
        open_tree(AT_FDCWD, d->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    if (fd < 0)
        return err_sys(e, errno, "linux.devices: open %s of the host", d->path);
    struct mount_attr attr = { .propagation = MS_PRIVATE };
    bool is_it = fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type_bits(d->type) &&
                 (d->type == 'p' || st.st_rdev == makedev((unsigned)d->major, (unsigned)d->minor));
    if (!is_it || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
        fd_close(&fd);
        (void)err_host(e, "linux.devices: %s of the host is not device %c %lld:%lld", d->path,
                       d->type, (long long)d->major, (long long)d->minor);
        err_hint(e, "in a user namespace a device must exist on the host at the same path");
        return -1;
    }
    return fd;
}

static int add(struct devices_plan *p, const struct oci_device *d, bool binds, struct err *e)
{
    if (p->count == DEVICES_MAX)
        return err_input(e, "linux.devices: more than %d devices", DEVICES_MAX);
    int fd = -1;
    if (binds) {
        fd = open_host_node(d, e);
        if (fd < 0)
            return -1;
    }
    p->items[p->count] = *d;
    p->fds[p->count++] = fd;
    return 0;
}

static bool is_listed(const struct oci_config *c, const char *path)
{
    for (size_t i = 0; i < c->device_count; i++)
        if (str_eq(c->devices[i].path, path))
            return true;
    return false;
}

int devices_open(const struct oci_config *c, bool binds, struct devices_plan *out, struct err *e)
{
    out->count = 0;
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        if (!is_listed(c, defaults[i].path) && add(out, &defaults[i], binds, e) < 0)
            return -1;
    for (size_t i = 0; i < c->device_count; i++)
        if (add(out, &c->devices[i], binds, e) < 0)
            return -1;
    return 0;
}

void devices_done(struct devices_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        fd_close(&p->fds[i]);
    p->count = 0;
}

/* The directory of PATH beneath the root, its last name in *NAME. */
static int open_parent(int root_fd, const char *path, const char **name, struct err *e)
{
    char dir[256];
    const char *slash = strrchr(path, '/');
    *name = slash + 1;
    size_t len = (size_t)(slash - path);
    if (len >= sizeof(dir))
        return err_input(e, "linux.devices: path is too long: %.80s", path);
    memcpy(dir, path, len);
    dir[len] = '\0';
    return rootfs_make(root_fd, len ? dir : "/", true, e);
}

/* By an fd that was looked at: whoever shares the directory could have put a link there since. */
static int give_node(const struct oci_device *d, int dir, const char *name, dev_t dev,
                     struct err *e)
{
    struct stat st;
    auto_fd int node = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (node < 0 || fstat(node, &st) < 0)
        return err_sys(e, errno, "linux.devices: open %s", d->path);
    if ((st.st_mode & S_IFMT) != type_bits(d->type) || (d->type != 'p' && st.st_rdev != dev))
        return err_host(e, "linux.devices: %s was replaced while it was made", d->path);
    if (fchownat(node, "", d->uid, d->gid, AT_EMPTY_PATH) < 0)
        return err_sys(e, errno, "linux.devices: set the owner of %s", d->path);
    return 0;
}

static int make_one(const struct oci_device *d, int fd, int root_fd, struct err *e)
{
    if (fd >= 0) {
        auto_fd int target = rootfs_make(root_fd, d->path, false, e);
        return target < 0 ? -1 : rootfs_attach(fd, target, d->path, e);
    }
    const char *name;
    auto_fd int dir = open_parent(root_fd, d->path, &name, e);
    if (dir < 0)
        return -1;
    dev_t dev = makedev((unsigned)d->major, (unsigned)d->minor);
    if (mknodat(dir, name, type_bits(d->type) | d->mode, dev) < 0) {
        if (errno == EEXIST)
            return 0; /* the image brings its own /dev */
        return err_sys(e, errno, "linux.devices: make %s", d->path);
    }
    return d->uid || d->gid ? give_node(d, dir, name, dev, e) : 0;
}

int devices_make(const struct devices_plan *p, int root_fd, struct err *e)
{
    (void)umask(0); /* modes as they are written; the program's is set right before execve */
    for (size_t i = 0; i < p->count; i++)
        if (make_one(&p->items[i], p->fds[i], root_fd, e) < 0)
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        const char *name;
        auto_fd int dir = open_parent(root_fd, links[i].path, &name, e);
        if (dir < 0)
            return -1;
        if (symlinkat(links[i].target, dir, name) < 0 && errno != EEXIST && errno != EROFS)
            return err_sys(e, errno, "link %s", links[i].path);
    }
    return 0;
}
