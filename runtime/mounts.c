#include "runtime/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/idmap.h"
#include "runtime/lsm.h"
#include "runtime/mount_options.h"
#include "runtime/mounts_impl.h"
#include "runtime/overlay.h"

#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */
#define TTY_GID      5

/* ---- plan ---- */

/* A copy of ITEM's spec that may be changed. */
static struct oci_mount *own_spec(struct arena *a, struct mounts_item *m)
{
    struct oci_mount *spec = arena_alloc(a, sizeof(*spec));
    *spec = *m->spec;
    m->spec = spec;
    return spec;
}

static int check_item(const struct mounts_item *m, struct err *e)
{
    const struct oci_mount *spec = m->spec;
    const char *dest = spec->destination;
    if (!m->is_bind && !m->is_remount && !spec->type)
        return err_input(e, "mounts: %s: type is missing", dest);
    if (m->is_bind && !m->is_remount && (!spec->source || !spec->source[0]))
        return err_input(e, "mounts: %s: source is missing", dest);
    if (m->copies_up && (m->is_bind || !str_eq(spec->type, "tmpfs")))
        return err_input(e, "mounts: %s: option \"tmpcopyup\" is for a tmpfs", dest);
    if (m->is_root && !m->is_bind && !m->is_overlay && !m->is_remount)
        return err_input(e, "mounts: /: only a bind or an overlay can be the root");
    if (m->copies_symlink && (m->source_nofollow || m->target_nofollow))
        return err_input(e,
                         "mounts: %s: \"copy-symlink\" excludes \"src-nofollow\" and "
                         "\"dest-nofollow\"",
                         dest);
    if ((m->copies_symlink || m->source_nofollow) && !m->is_bind)
        return err_input(e, "mounts: %s: \"copy-symlink\" and \"src-nofollow\" are for binds",
                         dest);
    if (!spec->uid_mappings.count != !spec->gid_mappings.count)
        return err_input(e, "mounts: %s: uidMappings and gidMappings go together", dest);
    return 0;
}

static int plan_idmap(struct arena *a, const struct oci_config *c, struct mounts_item *m,
                      struct err *e)
{
    if (m->idmap_text) {
        struct oci_mount *spec = own_spec(a, m);
        spec->uid_mappings = spec->gid_mappings = (struct oci_idmaps){ 0 };
        if (idmap_parse(a, m->idmap_text, spec->destination, &c->uid_mappings, &c->gid_mappings,
                        &spec->uid_mappings, &spec->gid_mappings, e) < 0)
            return -1;
    }
    bool has_own_map = m->spec->uid_mappings.count > 0;
    m->wants_idmap = m->wants_idmap || has_own_map;
    if (m->wants_idmap && !has_own_map && !c->uid_mappings.count)
        return err_input(e, "mounts: %s: \"idmap\" needs uidMappings, here or in linux",
                         m->spec->destination);
    if (m->wants_idmap && !m->is_bind && !(m->is_overlay && m->is_root))
        return err_input(e, "mounts: %s: only binds can be idmapped", m->spec->destination);
    (void)idmap_to_host(has_own_map ? &m->spec->uid_mappings : &c->uid_mappings, 0, &m->root_uid);
    (void)idmap_to_host(has_own_map ? &m->spec->gid_mappings : &c->gid_mappings, 0, &m->root_gid);
    return 0;
}

/* These show a namespace, and only the owner of that may mount them (fs/proc/root.c,
 * fs/sysfs/mount.c, ipc/mqueue.c): in a user namespace without a namespace of that kind of its own,
 * what the caller has is shown. Of /sys without what is mounted below: cgroups of the machine. */
static const struct {
    const char *type, *path;
    enum oci_namespace_type kind;
    bool is_recursive;
} shown[] = {
    { "mqueue", "/dev/mqueue", OCI_NS_IPC, false },
    { "proc", "/proc", OCI_NS_PID, true },
    { "sysfs", "/sys", OCI_NS_NETWORK, false },
};

static int plan_shown(const struct oci_config *c, struct mounts_item *m, struct arena *a,
                      struct err *e)
{
    if (m->is_bind || m->is_remount || !c->namespaces[OCI_NS_USER].is_wanted)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        const struct oci_namespace *ns = &c->namespaces[shown[i].kind];
        if (!str_eq(m->spec->type, shown[i].type))
            continue;
        bool is_sysfs = shown[i].kind == OCI_NS_NETWORK;
        if (ns->is_wanted && (!is_sysfs || !ns->path || c->namespaces[OCI_NS_USER].path)) {
            /* Refused even to the owner when the machine's is covered in part. The processes and
             * queues of others are never shown instead. */
            m->host_path = is_sysfs ? shown[i].path : NULL;
            return 0;
        }
        if (m->data[0])
            return err_input(e,
                             "mounts: %s: option \"%s\" has no effect: the user namespace has no "
                             "such namespace of its own, so it is the machine's %s",
                             m->spec->destination, m->data[0], shown[i].path);
        own_spec(a, m)->source = shown[i].path;
        m->is_bind = true;
        m->is_recursive = shown[i].is_recursive;
    }
    return 0;
}

/* Every engine says group 5, "tty", and a user namespace that does not map it cannot name it:
 * terminals then have the group of who opens them. Of any other group the kernel's refusal is told.
 */
static void plan_devpts(const struct oci_config *c, struct mounts_item *m)
{
    uint32_t host;
    if (!str_eq(m->spec->type, "devpts") || !c->namespaces[OCI_NS_USER].is_wanted ||
        !c->gid_mappings.count || idmap_to_host(&c->gid_mappings, TTY_GID, &host))
        return;
    size_t kept = 0;
    for (size_t i = 0; m->data[i]; i++)
        if (!str_eq(m->data[i], "gid=5"))
            m->data[kept++] = m->data[i];
    m->data[kept] = NULL;
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}

/* Devices are made in /dev, and a later mount may need its mount point. */
static bool gets_things_below(const struct oci_config *c, size_t index)
{
    const char *dest = c->mounts[index].destination;
    if (is_below("/dev", dest))
        return true;
    for (size_t i = index + 1; i < c->mount_count; i++)
        if (is_below(c->mounts[i].destination, dest))
            return true;
    for (size_t i = 0; i < c->device_count; i++)
        if (is_below(c->devices[i].path, dest))
            return true;
    return false;
}

/* The kernel, and with it other runtimes, passes over them. */
static void warn_of_options(const struct mounts_item *m)
{
    char destination[256], option[256];
    for (size_t i = 0; i < m->spec->options.count; i++)
        if (mount_options_needs_fs(m->spec->options.items[i]))
            log_event(LOG_WARN, NULL, "mount.option_ignored",
                      "destination=%s option=%s reason=\"a bind cannot change the file system that "
                      "it shows\"",
                      log_quote(destination, sizeof(destination), m->spec->destination),
                      log_quote(option, sizeof(option), m->spec->options.items[i]));
}

static int plan_item(struct arena *a, const struct oci_config *c, size_t index,
                     struct mounts_item *m, struct err *e)
{
    const struct oci_mount *spec = &c->mounts[index];
    *m = (struct mounts_item){ .spec = spec, .fd = -1 };
    mount_options_parse(a, m);
    m->is_bind = m->is_bind || str_eq(spec->type, "bind") || str_eq(spec->type, "rbind");
    m->is_cgroup = !m->is_bind && (str_eq(spec->type, "cgroup") || str_eq(spec->type, "cgroup2"));
    m->is_overlay = !m->is_bind && str_eq(spec->type, "overlay");
    m->is_root = spec->destination[strspn(spec->destination, "/")] == '\0';
    if (check_item(m, e) < 0)
        return -1;
    if (m->is_remount) {
        m->is_bind = false;
        return 0;
    }
    if (m->is_bind)
        warn_of_options(m);
    if (plan_shown(c, m, a, e) < 0 || plan_idmap(a, c, m, e) < 0)
        return -1;
    plan_devpts(c, m);
    m->is_made_outside =
        !m->is_bind && !m->is_root &&
        (m->is_overlay || (!m->is_cgroup && spec->source && spec->source[0] == '/' &&
                           !str_eq(spec->type, "tmpfs") && !str_eq(spec->type, "fuse")));
    m->is_sealed_late = str_eq(spec->type, "tmpfs") && !m->is_bind &&
                        mounts_new_attributes(m) & MOUNT_ATTR_RDONLY &&
                        (m->copies_up || gets_things_below(c, index));
    if (m->is_bind && m->spec->source[0] != '/')
        own_spec(a, m)->source = arena_printf(a, "%s/%s", c->bundle, spec->source);
    return 0;
}

/* Without a mount on "/", the root is a bind of root.path. It has to be a slave from the beginning
 * where it shall be one; shared it becomes at the end, pivot_root refuses it before. */
static void plan_root(struct mounts_plan *p, const struct oci_config *c, struct arena *a)
{
    struct oci_mount *spec = arena_alloc(a, sizeof(*spec));
    const char *path =
        c->root.path[0] == '/' ? c->root.path : arena_printf(a, "%s/%s", c->bundle, c->root.path);
    *spec = (struct oci_mount){ .destination = "/", .type = "bind", .source = path };
    p->root_bind = (struct mounts_item){
        .spec = spec, .is_bind = true, .is_recursive = true, .is_root = true, .fd = -1
    };
    if (str_eq(c->rootfs_propagation, "slave") || str_eq(c->rootfs_propagation, "rslave")) {
        p->root_bind.propagation = MS_SLAVE;
        p->root_bind.propagation_below = true;
    }
    p->root_bind.data = arena_alloc(a, sizeof(*p->root_bind.data));
    p->root = &p->root_bind;
}

/* "remount" of "/": the root's own options. */
static void merge_into_root(struct mounts_plan *p, const struct mounts_item *m)
{
    struct mounts_item *root = p->root;
    root->attr_set = (root->attr_set & ~m->attr_clear) | m->attr_set;
    root->attr_clear = (root->attr_clear & ~m->attr_set) | m->attr_clear;
}

/* config-linux.md §Mount Label. What is bound keeps the labels that it has. */
static void plan_label(struct arena *a, const char *label, const struct lsm_host *host,
                       struct mounts_item *m)
{
    const char *option = m->is_bind || m->is_remount || m->is_cgroup
                             ? NULL
                             : lsm_mount_option(a, label, host, m->spec->type);
    size_t count = 0;
    if (!option)
        return;
    while (m->data[count])
        count++;
    const char **data = arena_alloc(a, (count + 2) * sizeof(*data));
    memcpy(data, m->data, count * sizeof(*data));
    data[count] = option;
    m->data = data;
}

int mounts_plan_init(struct arena *a, const struct oci_config *c, struct mounts_plan *out,
                     struct err *e)
{
    struct lsm_host host = { 0 };
    if (c->mount_label && c->mount_label[0]) {
        lsm_host_read(&host);
        if (!host.has_selinux)
            log_event(LOG_WARN, NULL, "mount.label_ignored",
                      "reason=\"linux.mountLabel: SELinux is not at work on this machine\"");
    }
    out->items = arena_alloc(a, (c->mount_count + 1) * sizeof(*out->items));
    for (size_t i = 0; i < c->mount_count; i++) {
        struct mounts_item *m = &out->items[out->count++];
        if (plan_item(a, c, i, m, e) < 0)
            return -1;
        plan_label(a, c->mount_label, &host, m);
        if (!m->is_root || m->is_remount)
            continue;
        if (out->root)
            return err_input(e, "mounts: two mounts on /");
        out->root = m;
    }
    if (!out->root)
        plan_root(out, c, a);
    for (size_t i = 0; i < out->count; i++)
        if (out->items[i].is_root && out->items[i].is_remount)
            merge_into_root(out, &out->items[i]);
    if (c->root.readonly)
        out->root->attr_set |= MOUNT_ATTR_RDONLY;
    return 0;
}

/* ---- parent ---- */

/* What the source says when it is a link and shall be made again. */
static int read_link(struct arena *a, struct mounts_item *m, struct err *e)
{
    char text[PATH_MAX];
    ssize_t n = readlink(m->spec->source, text, sizeof(text) - 1);
    if (n >= 0) {
        text[n] = '\0';
        m->link = arena_strdup(a, text);
        return 0;
    }
    if (errno == EINVAL) /* no link: an ordinary bind */
        return 0;
    return err_sys(e, errno, "mounts: %s: read the link %s", m->spec->destination, m->spec->source);
}

static int open_source(struct mounts_item *m)
{
    unsigned flags =
        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (m->source_nofollow ? AT_SYMLINK_NOFOLLOW : 0U);
    if (m->is_recursive)
        return open_tree(AT_FDCWD, m->spec->source, flags | AT_RECURSIVE);
    int fd = open_tree(AT_FDCWD, m->spec->source, flags);
    /* In a user namespace what is mounted below cannot be taken away (mount_namespaces(7)). */
    if (fd < 0 && errno == EINVAL) {
        m->is_recursive = true;
        fd = open_tree(AT_FDCWD, m->spec->source, flags | AT_RECURSIVE);
    }
    return fd;
}

static int open_bind(struct arena *a, struct mounts_item *m, struct err *e)
{
    if (m->copies_symlink && read_link(a, m, e) < 0)
        return -1;
    if (m->link)
        return 0;
    m->fd = open_source(m);
    if (m->fd < 0) {
        int errnum = errno;
        if (m->is_root)
            (void)err_sys(e, errnum, "root.path: open %s", m->spec->source);
        else
            (void)err_sys(e, errnum, "mounts: %s: open %s", m->spec->destination, m->spec->source);
        if (errnum == EINVAL)
            err_hint(e, "is it mounted unbindable?");
        return -1;
    }
    struct statfs fs;
    struct stat st;
    if (m->is_root && (fstat(m->fd, &st) < 0 || !S_ISDIR(st.st_mode)))
        return err_input(e, "root.path: %s is not a directory", m->spec->source);
    if (str_eq(m->spec->type, "mqueue") && (fstatfs(m->fd, &fs) < 0 || fs.f_type != MQUEUE_MAGIC))
        return err_host(e, "mounts: %s: %s of this machine is not a mqueue", m->spec->destination,
                        m->spec->source);
    return mounts_set_attributes(m, m->fd, e);
}

int mounts_open(struct arena *a, struct mounts_plan *p, struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        struct mounts_item *m = &p->items[i];
        if (m->is_bind && open_bind(a, m, e) < 0)
            return -1;
        if (!m->is_made_outside)
            continue;
        m->fd = mounts_make_fs(m, m->spec->type, m->data, NULL, mounts_new_attributes(m), e);
        if (m->fd < 0)
            return -1;
    }
    return p->root == &p->root_bind ? open_bind(a, p->root, e) : 0;
}

bool mounts_have_cgroup(const struct mounts_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].is_cgroup)
            return true;
    return false;
}

int mounts_open_cgroups(struct mounts_plan *p, const struct cgroup_host *host, const char *path,
                        struct err *e)
{
    const struct mounts_item *m = NULL;
    for (size_t i = 0; i < p->count && !m; i++)
        if (p->items[i].is_cgroup)
            m = &p->items[i];
    for (size_t i = 0; m && i < host->count; i++) {
        char own[PATH_MAX];
        int len = snprintf(own, sizeof(own), "%s%s", host->items[i].mountpoint, path);
        if (len < 0 || (size_t)len >= sizeof(own))
            return err_input(e, "linux.cgroupsPath: too long: %.80s…", path);
        int fd = open_tree(AT_FDCWD, own, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0)
            return err_sys(e, errno, "mounts: %s: open %s", m->spec->destination, own);
        p->cgroup_fds[p->cgroup_count++] = fd;
        if (mounts_set_attributes(m, fd, e) < 0)
            return -1;
    }
    return 0;
}

static int map_item(struct mounts_item *m, int userns_fd, struct err *e)
{
    auto_fd int own = -1;
    if (m->spec->uid_mappings.count) {
        own = idmap_userns_open(&m->spec->uid_mappings, &m->spec->gid_mappings, e);
        if (own < 0)
            return err_wrap(e, "mounts: %s", m->spec->destination);
        userns_fd = own;
    }
    if (m->is_overlay && m->is_root) {
        struct overlay_owner owner = { .userns_fd = m->wants_idmap ? userns_fd : -1,
                                       .root_uid = m->root_uid,
                                       .root_gid = m->root_gid };
        m->fd = overlay_open(m->data, &owner, e);
        return m->fd < 0 ? -1 : mounts_set_attributes(m, m->fd, e);
    }
    return m->link ? 0 : idmap_mount(m->fd, userns_fd, m->idmap_below, m->spec->source, e);
}

int mounts_idmap(struct mounts_plan *p, int userns_fd, struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        struct mounts_item *m = &p->items[i];
        if ((m->wants_idmap || (m->is_overlay && m->is_root)) && map_item(m, userns_fd, e) < 0)
            return -1;
    }
    return 0;
}

int mounts_root_fd(const struct mounts_plan *p)
{
    return p->root->fd;
}

void mounts_done(struct mounts_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        fd_close(&p->items[i].fd);
    for (size_t i = 0; i < p->cgroup_count; i++)
        fd_close(&p->cgroup_fds[i]);
    fd_close(&p->root_bind.fd);
}
