#include "runtime/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"
#include "runtime/idmap.h"
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

static bool is_device(const struct stat *st, const struct oci_device *d)
{
    return (st->st_mode & S_IFMT) == type_bits(d->type) &&
           (d->type == 'p' || st->st_rdev == makedev((unsigned)d->major, (unsigned)d->minor));
}

static int open_host_node(const struct oci_device *d, struct err *e)
{
    struct stat st;
    int fd =
        open_tree(AT_FDCWD, d->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    if (fd < 0) {
        (void)err_sys(e, errno, "linux.devices: open %s of the host", d->path);
        err_hint(e, "without the right to make nodes, a device must exist on the host at the same "
                    "path");
        return -1;
    }
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                               .propagation = MS_PRIVATE };
    bool is_it = fstat(fd, &st) == 0 && is_device(&st, d);
    if (!is_it || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
        fd_close(&fd);
        (void)err_host(e, "linux.devices: %s of the host is not device %c %lld:%lld", d->path,
                       d->type, (long long)d->major, (long long)d->minor);
        err_hint(e, "in a user namespace a device must exist on the host at the same path");
        return -1;
    }
    return fd;
}

static int open_nodes(struct err *e)
{
    auto_fd int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "711", 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_sys(e, errno, "linux.devices: make a tmpfs for nodes");
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    return fd < 0 ? err_sys(e, errno, "linux.devices: make a tmpfs for nodes") : fd;
}

/* A node for a user namespace, on the tmpfs. 0: we may not. */
static int make_outside(struct devices_plan *p, const struct oci_config *c,
                        const struct oci_device *d, struct err *e)
{
    char name[16];
    uint32_t uid, gid;
    /* The mappings of a joined user namespace are not known, and to a joined mount namespace
     * nothing is attached but the root. */
    if (!c->uid_mappings.count || c->namespaces[OCI_NS_MOUNT].path)
        return 0;
    if (!idmap_to_host(&c->uid_mappings, d->uid, &uid) ||
        !idmap_to_host(&c->gid_mappings, d->gid, &gid))
        return err_input(e, "linux.devices: %s: owner %u:%u is not mapped", d->path, d->uid,
                         d->gid);
    if (p->nodes_fd < 0)
        p->nodes_fd = open_nodes(e);
    if (p->nodes_fd < 0)
        return e->errnum == EPERM ? 0 : -1;
    (void)snprintf(name, sizeof(name), "%zu", p->count);
    dev_t dev = makedev((unsigned)d->major, (unsigned)d->minor);
    if (mknodat(p->nodes_fd, name, type_bits(d->type) | d->mode, dev) < 0)
        return errno == EPERM ? 0 : err_sys(e, errno, "linux.devices: make %s", d->path);
    if (fchmodat(p->nodes_fd, name, d->mode, 0) < 0 ||
        fchownat(p->nodes_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(e, errno, "linux.devices: set the owner of %s", d->path);
    return 1;
}

static int add(struct devices_plan *p, const struct oci_config *c, const struct oci_device *d,
               bool binds, struct err *e)
{
    if (p->count == DEVICES_MAX)
        return err_input(e, "linux.devices: more than %d devices", DEVICES_MAX);
    int fd = -1, made = 0;
    if (binds && c) {
        made = make_outside(p, c, d, e);
        if (made < 0)
            return -1;
    }
    if (binds && !made) {
        fd = open_host_node(d, e);
        if (fd < 0)
            return -1;
    }
    p->items[p->count] = *d;
    p->is_ours[p->count] = made > 0;
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

static bool is_dev_bound(const struct oci_config *c)
{
    for (size_t i = 0; i < c->mount_count; i++) {
        const struct oci_mount *m = &c->mounts[i];
        bool is_bind = str_eq(m->type, "bind") || str_eq(m->type, "rbind");
        for (size_t k = 0; k < m->options.count && !is_bind; k++)
            is_bind = str_eq(m->options.items[k], "bind") || str_eq(m->options.items[k], "rbind");
        if (is_bind && str_starts(m->destination, "/dev") &&
            m->destination[4 + strspn(m->destination + 4, "/")] == '\0')
            return true;
    }
    return false;
}

/* PATH without slashes at its end; one that leads elsewhere by "." or ".." is refused. */
static const char *clean_path(struct arena *a, const char *path, struct err *e)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    for (const char *name = path; name < path + len;) {
        name += strspn(name, "/");
        size_t n = strcspn(name, "/");
        if ((n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.')) {
            (void)err_input(e, "linux.devices: path \"%.200s\" has a \"%.*s\" in it", path, (int)n,
                            name);
            return NULL;
        }
        name += n;
    }
    if (len == 1) {
        (void)err_input(e, "linux.devices: \"/\" cannot be a device");
        return NULL;
    }
    return path[len] ? arena_printf(a, "%.*s", (int)len, path) : path;
}

int devices_open(struct arena *a, const struct oci_config *c, bool binds, struct devices_plan *out,
                 struct err *e)
{
    out->count = 0;
    out->leaves_dev = is_dev_bound(c);
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        if (!out->leaves_dev && !is_listed(c, defaults[i].path) &&
            add(out, NULL, &defaults[i], binds, e) < 0)
            return -1;
    out->default_count = out->count;
    for (size_t i = 0; i < c->device_count; i++) {
        struct oci_device d = c->devices[i];
        d.path = clean_path(a, d.path, e);
        if (!d.path)
            return -1;
        if (!(out->leaves_dev && str_starts(d.path, "/dev/")) && add(out, c, &d, binds, e) < 0)
            return -1;
    }
    return 0;
}

void devices_done(struct devices_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        fd_close(&p->fds[i]);
    fd_close(&p->nodes_fd);
    p->count = 0;
}

/* The directory of PATH beneath the root, as the cursor's, and the last name of PATH. */
static const char *go_to(struct rootfs_cursor *cursor, const char *path, int root_fd, struct err *e)
{
    char dir[PATH_LIMIT];
    const char *name = rootfs_cursor_name(cursor, path);
    if (name)
        return name;
    const char *slash = strrchr(path, '/');
    size_t len = (size_t)(slash - path);
    if (len >= sizeof(dir)) {
        (void)err_input(e, "linux.devices: path is too long: %.80s", path);
        return NULL;
    }
    memcpy(dir, path, len);
    dir[len] = '\0';
    int fd = str_starts(path, "/dev/") ? rootfs_make_unlinked(root_fd, dir, e)
                                       : rootfs_make(root_fd, len ? dir : "/", true, e);
    if (fd < 0) {
        (void)err_wrap(e, "linux.devices: %s", path);
        return NULL;
    }
    rootfs_cursor_set(cursor, fd, path, len);
    return slash + 1;
}

/* Something is there already, as the image or a mount brought it. A default device is then left to
 * them; else config-linux.md §Devices: "MUST generate an error" when it is not the one. */
static int check_existing(const struct oci_device *d, int dir, const char *name, bool is_default,
                          struct err *e)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(e, errno, "linux.devices: look at %s", d->path);
    if (is_default || is_device(&st, d))
        return 0;
    return err_host(e, "linux.devices: %s is there already and is not device %c %lld:%lld", d->path,
                    d->type, (long long)d->major, (long long)d->minor);
}

static int bind_one(const struct oci_device *d, int fd, int dir, const char *name, bool is_default,
                    struct err *e)
{
    struct stat st;
    int made = rootfs_make_entry(dir, name, false);
    if (made < 0) {
        int errnum = errno;
        (void)err_sys(e, errnum, "linux.devices: make %s", d->path);
        rootfs_hint(e, errnum);
        return -1;
    }
    /* A file is what a mount point looks like. */
    if (made == 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
        return check_existing(d, dir, name, is_default, e);
    if (move_mount(fd, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_sys(e, errno, "linux.devices: mount on %s", d->path);
    return 0;
}

/* By an fd that was looked at: whoever shares the directory could have put a link there since. */
static int give_node(const struct oci_device *d, int dir, const char *name, struct err *e)
{
    struct stat st;
    auto_fd int node = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (node < 0 || fstat(node, &st) < 0)
        return err_sys(e, errno, "linux.devices: open %s", d->path);
    if (!is_device(&st, d))
        return err_host(e, "linux.devices: %s was replaced while it was made", d->path);
    if (fchownat(node, "", d->uid, d->gid, AT_EMPTY_PATH) < 0)
        return err_sys(e, errno, "linux.devices: set the owner of %s", d->path);
    return 0;
}

static int make_one(const struct oci_device *d, int dir, const char *name, bool is_default,
                    struct err *e)
{
    dev_t dev = makedev((unsigned)d->major, (unsigned)d->minor);
    if (mknodat(dir, name, type_bits(d->type) | d->mode, dev) < 0) {
        int errnum = errno;
        if (errnum == EEXIST)
            return check_existing(d, dir, name, is_default, e);
        (void)err_sys(e, errnum, "linux.devices: make %s", d->path);
        if (errnum == EPERM)
            err_hint(e, "making a device node needs CAP_MKNOD on the machine");
        rootfs_hint(e, errnum);
        return -1;
    }
    return d->uid || d->gid ? give_node(d, dir, name, e) : 0;
}

/* A node of the attached tmpfs: only what is attached can be copied before Linux 6.15. */
static int copy_node(const struct devices_plan *p, size_t i, struct err *e)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "%zu", i);
    int fd =
        open_tree(p->nodes_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
    return fd < 0 ? err_sys(e, errno, "linux.devices: copy %s", p->items[i].path) : fd;
}

static int make_all(const struct devices_plan *p, struct rootfs_cursor *cursor, int root_fd,
                    struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct oci_device *d = &p->items[i];
        const char *name = go_to(cursor, d->path, root_fd, e);
        auto_fd int ours = -1;
        if (!name)
            return -1;
        if (p->is_ours[i] && (ours = copy_node(p, i, e)) < 0)
            return -1;
        int fd = p->is_ours[i] ? ours : p->fds[i];
        bool is_default = i < p->default_count;
        int result = fd >= 0 ? bind_one(d, fd, cursor->dir_fd, name, is_default, e)
                             : make_one(d, cursor->dir_fd, name, is_default, e);
        if (result < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(links) && !p->leaves_dev; i++) {
        const char *name = go_to(cursor, links[i].path, root_fd, e);
        if (!name)
            return -1;
        if (symlinkat(links[i].target, cursor->dir_fd, name) < 0 && errno != EEXIST &&
            errno != EROFS)
            return err_sys(e, errno, "link %s", links[i].path);
    }
    return 0;
}

/* Over a directory of the host that nobody needs any more: the old root goes with all that is on
 * it.
 */
static int attach_nodes(const struct devices_plan *p, struct err *e)
{
    if (p->nodes_fd >= 0 &&
        move_mount(p->nodes_fd, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_sys(e, errno, "linux.devices: attach the nodes");
    return 0;
}

int devices_make(const struct devices_plan *p, int root_fd, struct err *e)
{
    struct rootfs_cursor cursor = { .dir_fd = -1 };
    if (attach_nodes(p, e) < 0)
        return -1;
    mode_t mask = umask(0); /* fileMode is exact */
    int result = make_all(p, &cursor, root_fd, e);
    (void)umask(mask);
    fd_close(&cursor.dir_fd);
    return result;
}
