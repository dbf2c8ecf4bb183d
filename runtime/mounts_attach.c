#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"
#include "runtime/mounts_impl.h"

/* ---- places ---- */

/* The link itself, when it is one. In proc it is the kernel's, and what would be mounted on it
 * stays for whoever comes to have this number of a process. *FD stays -1 when there is nothing. */
static int open_unfollowed(const char *path, int root_fd, int *fd, struct err *e)
{
    struct statfs fs;
    auto_fd int found = rootfs_open(root_fd, path, O_PATH | O_NOFOLLOW);
    if (found < 0 && errno == ENOENT)
        return 0;
    if (found < 0 || fstatfs(found, &fs) < 0)
        return err_sys(e, errno, "mounts: open %s in the root file system", path);
    if (fs.f_type == PROC_SUPER_MAGIC)
        return err_input(e, "mounts: %s: \"dest-nofollow\" is not for what is in a proc", path);
    *fd = take_fd(&found);
    return 0;
}

int mounts_place_find(struct rootfs_cursor *c, const struct mounts_item *m, int root_fd,
                      const char *path, bool is_dir, struct mounts_place *out, struct err *e)
{
    *out = (struct mounts_place){ .target_fd = -1, .name = rootfs_cursor_name(c, path) };
    if (out->name && rootfs_make_entry(c->dir_fd, out->name, is_dir) > 0) {
        out->is_new = true;
        return 0;
    }
    out->name = NULL;
    if (str_eq(m->spec->type, "proc") || str_eq(m->spec->type, "sysfs")) {
        out->target_fd = rootfs_make_unlinked(root_fd, path, e);
        return out->target_fd < 0 ? err_wrap(e, "mounts") : 0;
    }
    if (!m->target_nofollow)
        out->target_fd = rootfs_open(root_fd, path, O_PATH);
    else if (open_unfollowed(path, root_fd, &out->target_fd, e) < 0)
        return -1;
    if (out->target_fd >= 0)
        return 0;
    out->is_new = true;
    out->target_fd = rootfs_make(root_fd, path, is_dir, e);
    return out->target_fd < 0 ? err_wrap(e, "mounts: %s", m->spec->destination) : 0;
}

int mounts_place_use(struct rootfs_cursor *c, struct mounts_place *place, int owned_fd,
                     const char *path, struct err *e)
{
    auto_fd int fd = owned_fd;
    auto_fd int target = place->target_fd;
    place->target_fd = -1;
    if (target < 0) {
        /* One name that was just made, no link: nothing is resolved. The directory stays. */
        if (move_mount(fd, "", c->dir_fd, place->name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
            return err_sys(e, errno, "mounts: mount on %s", path);
        return 0;
    }
    struct stat source, there;
    if (fstat(fd, &source) == 0 && fstat(target, &there) == 0 &&
        S_ISDIR(source.st_mode) != S_ISDIR(there.st_mode))
        return err_input(e, "mounts: %s: is %s directory in the root file system, the source is %s",
                         path, S_ISDIR(there.st_mode) ? "a" : "no",
                         S_ISDIR(source.st_mode) ? "one" : "none");
    if (rootfs_attach(fd, target, path, e) < 0)
        return err_wrap(e, "mounts");
    rootfs_cursor_set(c, take_fd(&fd), path, strlen(path));
    return 0;
}

void mounts_place_done(struct mounts_place *place)
{
    fd_close(&place->target_fd);
}

/* ---- kinds ---- */

/* A mount that shall be read-only when all is made below it. */
static int keep_for_seal(struct mounts_item *m, int fd, struct err *e)
{
    if (!m->is_sealed_late)
        return 0;
    m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return m->fd < 0 ? err_sys(e, errno, "mounts: %s: keep the mount", m->spec->destination) : 0;
}

static bool has_option(const struct mounts_item *m, const char *prefix)
{
    for (const char **option = m->data; *option; option++)
        if (str_starts(*option, prefix))
            return true;
    return false;
}

/* A tmpfs without a mode has that of the directory it covers, as in runc and crun; else the
 * kernel's, 1777. "" where there is nothing to say. */
static int find_mode(const struct mounts_item *m, const struct mounts_place *place, char text[16],
                     struct err *e)
{
    struct stat st;
    text[0] = '\0';
    if (place->is_new || !str_eq(m->spec->type, "tmpfs") || has_option(m, "mode="))
        return 0;
    if (fstat(place->target_fd, &st) < 0)
        return err_sys(e, errno, "mounts: %s: read the mode", m->spec->destination);
    (void)snprintf(text, 16, "mode=%o", st.st_mode & 07777);
    return 0;
}

static int fill(struct mounts_item *m, const struct mounts_place *place, int fd, struct err *e)
{
    if (!m->copies_up || place->is_new)
        return 0;
    unsigned keeps = (has_option(m, "mode=") ? MOUNTS_KEEP_MODE : 0U) |
                     (has_option(m, "uid=") || has_option(m, "gid=") ? MOUNTS_KEEP_OWNER : 0U);
    return mounts_copy_up(place->target_fd, fd, keeps, m->spec->destination, e);
}

/* What the kernel did not let us mount, from the caller's. */
static int bind_instead(const struct mounts_item *m, struct err *e)
{
    if (!m->host_path || e->errnum != EPERM)
        return -1;
    struct mounts_item copy = *m;
    copy.is_recursive = true;
    copy.below_set |= copy.attr_set; /* it is not only ours */
    auto_fd int fd = open_tree(AT_FDCWD, m->host_path,
                               OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_RECURSIVE);
    if (fd < 0 || mounts_set_attributes(&copy, fd, e) < 0)
        return -1;
    return take_fd(&fd);
}

static int attach_fs(struct mounts_item *m, struct rootfs_cursor *c, int root_fd, struct err *e)
{
    const char *path = m->spec->destination;
    char mode[16];
    auto_place struct mounts_place place = { .target_fd = -1 };
    if (mounts_place_find(c, m, root_fd, path, true, &place, e) < 0 ||
        find_mode(m, &place, mode, e) < 0)
        return -1;
    uint64_t attrs = mounts_new_attributes(m);
    if (m->is_sealed_late)
        attrs &= ~(uint64_t)MOUNT_ATTR_RDONLY;
    auto_fd int fd = mounts_make_fs(m, m->spec->type, m->data, mode[0] ? mode : NULL, attrs, e);
    if (fd < 0)
        fd = bind_instead(m, e);
    if (fd < 0 || fill(m, &place, fd, e) < 0 || keep_for_seal(m, fd, e) < 0)
        return -1;
    auto_fd int again = m->propagation ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (mounts_place_use(c, &place, take_fd(&fd), path, e) < 0)
        return -1;
    struct mount_attr attr = { .propagation = m->propagation };
    if (m->propagation && mount_setattr(again, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return err_sys(e, errno, "mounts: %s: set propagation", path);
    return 0;
}

static int make_link(const struct mounts_item *m, int root_fd, struct err *e)
{
    const char *path = m->spec->destination;
    const char *slash = strrchr(path, '/');
    char dir[PATH_LIMIT], there[PATH_LIMIT];
    size_t len = (size_t)(slash - path);
    if (len >= sizeof(dir) || !slash[1])
        return err_input(e, "mounts: %.80s: no place for a link", path);
    memcpy(dir, path, len);
    dir[len] = '\0';
    auto_fd int parent = rootfs_make(root_fd, len ? dir : "/", true, e);
    if (parent < 0)
        return err_wrap(e, "mounts: %s", path);
    if (symlinkat(m->link, parent, slash + 1) == 0)
        return 0;
    if (errno != EEXIST)
        return err_sys(e, errno, "mounts: link %s", path);
    ssize_t n = readlinkat(parent, slash + 1, there, sizeof(there));
    if (n >= 0 && (size_t)n == strlen(m->link) && memcmp(there, m->link, (size_t)n) == 0)
        return 0;
    return err_host(e, "mounts: %s: is there already and does not link to %s", path, m->link);
}

/* Binds, and what the parent made. */
static int attach_opened(struct mounts_item *m, struct rootfs_cursor *c, int root_fd, struct err *e)
{
    struct stat st;
    const char *path = m->spec->destination;
    auto_place struct mounts_place place = { .target_fd = -1 };
    if (m->link)
        return make_link(m, root_fd, e);
    if (fstat(m->fd, &st) < 0)
        return err_sys(e, errno, "mounts: %s: read the source", path);
    if (mounts_place_find(c, m, root_fd, path, S_ISDIR(st.st_mode), &place, e) < 0)
        return -1;
    return mounts_place_use(c, &place, take_fd(&m->fd), path, e);
}

/* mount(8): options that are named change, the others stay. */
static int remount(const struct mounts_item *m, int root_fd, struct err *e)
{
    const char *path = m->spec->destination;
    struct statx st;
    auto_fd int target = rootfs_open(root_fd, path, O_PATH);
    if (target < 0 || statx(target, "", AT_EMPTY_PATH, 0, &st) < 0)
        return err_sys(e, errno, "mounts: %s: remount", path);
    if (!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT)) {
        (void)err_input(e, "mounts: %s: option \"remount\": nothing is mounted there", path);
        err_hint(e, "an earlier entry of mounts has to");
        return -1;
    }
    if (mounts_reconfigure_fs(m, target, e) < 0)
        return -1;
    return mounts_set_attributes(m, target, e);
}

static int attach_item(struct mounts_item *m, struct mounts_plan *p, struct rootfs_cursor *c,
                       int root_fd, const struct cgroup_host *cgroups, struct err *e)
{
    if (m->is_root)
        return 0;
    if (m->is_remount)
        return remount(m, root_fd, e);
    if (m->is_bind || m->is_made_outside)
        return attach_opened(m, c, root_fd, e);
    if (m->is_cgroup)
        return mounts_attach_cgroup(m, p, c, root_fd, cgroups, e);
    return attach_fs(m, c, root_fd, e);
}

int mounts_attach(struct mounts_plan *p, int root_fd, const struct cgroup_host *cgroups,
                  struct err *e)
{
    struct rootfs_cursor cursor = { .dir_fd = -1 };
    int result = 0;
    for (size_t i = 0; result == 0 && i < p->count; i++)
        result = attach_item(&p->items[i], p, &cursor, root_fd, cgroups, e);
    fd_close(&cursor.dir_fd);
    return result;
}

int mounts_seal(const struct mounts_plan *p, struct err *e)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
    for (size_t i = 0; i < p->count; i++) {
        const struct mounts_item *m = &p->items[i];
        if (m->is_sealed_late && mount_setattr(m->fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
            return err_sys(e, errno, "mounts: %s: make read-only", m->spec->destination);
    }
    return 0;
}
