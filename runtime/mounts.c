#include "runtime/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"
#include "runtime/idmap.h"
#include "runtime/mount_options.h"
#include "runtime/overlay.h"
#include "runtime/rootfs.h"

/* ---- plan ---- */

static int plan_item(struct arena *a, const struct oci_config *c, const struct oci_mount *spec,
                     struct mounts_item *m, struct err *e)
{
    *m = (struct mounts_item){ .spec = spec, .fd = -1 };
    if (mount_options_parse(a, m, e) < 0)
        return -1;
    m->is_bind = m->is_bind || str_eq(spec->type, "bind") || str_eq(spec->type, "rbind");
    m->is_cgroup = !m->is_bind && (str_eq(spec->type, "cgroup") || str_eq(spec->type, "cgroup2"));
    m->is_overlay = str_eq(spec->type, "overlay");
    m->is_root = spec->destination[strspn(spec->destination, "/")] == '\0';
    if (m->copies_up)
        return err_input(e, "mounts: %s: option \"tmpcopyup\" is not supported yet",
                         spec->destination);
    if (!m->is_bind && !spec->type)
        return err_input(e, "mounts: %s: type is missing", spec->destination);
    if (m->is_bind && !spec->source)
        return err_input(e, "mounts: %s: source is missing", spec->destination);
    if (m->is_root && !m->is_bind && !m->is_overlay)
        return err_input(e, "mounts: /: only a bind or an overlay can be the root");
    bool has_own_map = spec->uid_mappings.count > 0;
    m->wants_idmap = m->wants_idmap || has_own_map;
    if (m->wants_idmap && !has_own_map && !c->uid_mappings.count)
        return err_input(e, "mounts: %s: \"idmap\" needs uidMappings, here or in linux",
                         spec->destination);
    (void)idmap_to_host(has_own_map ? &spec->uid_mappings : &c->uid_mappings, 0, &m->root_uid);
    (void)idmap_to_host(has_own_map ? &spec->gid_mappings : &c->gid_mappings, 0, &m->root_gid);
    return 0;
}

/* A sysfs shows a network namespace, and only its owner may mount one (fs/sysfs/mount.c): in a user
 * namespace without a network namespace of its own it is the caller's /sys, without what is mounted
 * below. */
static void plan_sysfs(const struct oci_config *c, struct mounts_item *m, struct arena *a)
{
    const struct oci_namespace *net = &c->namespaces[OCI_NS_NETWORK];
    bool owns_net = net->is_wanted && !net->path;
    if (owns_net || !c->namespaces[OCI_NS_USER].is_wanted || !str_eq(m->spec->type, "sysfs"))
        return;
    struct oci_mount *spec = arena_alloc(a, sizeof(*spec));
    *spec = *m->spec;
    spec->source = "/sys";
    m->spec = spec;
    m->is_bind = true;
}

/* Without a mount on "/", the root is a bind of root.path. */
static void plan_root(struct mounts_plan *p, const struct oci_config *c, struct arena *a)
{
    struct oci_mount *spec = arena_alloc(a, sizeof(*spec));
    const char *path =
        c->root.path[0] == '/' ? c->root.path : arena_printf(a, "%s/%s", c->bundle, c->root.path);
    *spec = (struct oci_mount){ .destination = "/", .type = "bind", .source = path };
    p->root_bind = (struct mounts_item){
        .spec = spec, .is_bind = true, .is_recursive = true, .is_root = true, .fd = -1
    };
    p->root_bind.data = arena_alloc(a, sizeof(*p->root_bind.data));
    p->root = &p->root_bind;
}

int mounts_plan_init(struct arena *a, const struct oci_config *c, struct mounts_plan *out,
                     struct err *e)
{
    out->items = arena_alloc(a, (c->mount_count + 1) * sizeof(*out->items));
    for (size_t i = 0; i < c->mount_count; i++) {
        struct mounts_item *m = &out->items[out->count];
        if (plan_item(a, c, &c->mounts[i], m, e) < 0)
            return -1;
        plan_sysfs(c, m, a);
        if (m->is_bind && m->spec->source[0] != '/') {
            struct oci_mount *spec = arena_alloc(a, sizeof(*spec));
            *spec = *m->spec;
            spec->source = arena_printf(a, "%s/%s", c->bundle, m->spec->source);
            m->spec = spec;
        }
        out->count++;
        if (m->is_root && out->root)
            return err_input(e, "mounts: two mounts on /");
        if (m->is_root)
            out->root = m;
    }
    if (!out->root)
        plan_root(out, c, a);
    if (c->root.readonly)
        out->root->attr_set |= MOUNT_ATTR_RDONLY;
    return 0;
}

/* ---- parent ---- */

/* Attributes, then those for the whole tree, then propagation: a bind of a shared mount would else
 * stay in the peer group of the host's. */
static int set_attributes(const struct mounts_item *m, int fd, struct err *e)
{
    struct mount_attr attr = { .attr_set = m->attr_set, .attr_clr = m->attr_clear };
    attr.propagation = m->propagation ? m->propagation : MS_PRIVATE;
    struct mount_attr below = { .attr_set = m->below_set,
                                .attr_clr = m->below_clear,
                                .propagation = attr.propagation };
    bool is_whole = m->is_recursive && (m->propagation_below || !m->propagation);
    if (!is_whole)
        below.propagation = 0;
    bool has_below = below.attr_set || below.attr_clr || below.propagation;
    if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
        (has_below &&
         mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &below, sizeof(below)) < 0))
        return err_sys(e, errno, "mounts: %s: set the options of the mount", m->spec->destination);
    return 0;
}

static int open_bind(struct mounts_item *m, struct err *e)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (m->is_recursive ? AT_RECURSIVE : 0);
    m->fd = open_tree(AT_FDCWD, m->spec->source, flags);
    if (m->fd < 0)
        return err_sys(e, errno, "mounts: %s: open %s", m->spec->destination, m->spec->source);
    return set_attributes(m, m->fd, e);
}

static int open_root(struct mounts_item *m, struct err *e)
{
    struct stat st;
    m->fd = open_tree(AT_FDCWD, m->spec->source,
                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_RECURSIVE);
    if (m->fd < 0 || fstat(m->fd, &st) < 0)
        return err_sys(e, errno, "root.path: open %s", m->spec->source);
    if (!S_ISDIR(st.st_mode))
        return err_input(e, "root.path: %s is not a directory", m->spec->source);
    return set_attributes(m, m->fd, e);
}

int mounts_open(struct mounts_plan *p, struct err *e)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].is_bind && open_bind(&p->items[i], e) < 0)
            return -1;
    return p->root == &p->root_bind ? open_root(p->root, e) : 0;
}

static int map_item(struct mounts_item *m, int userns_fd, struct err *e)
{
    auto_fd int own = -1;
    if (m->spec->uid_mappings.count) {
        own = idmap_userns_open(&m->spec->uid_mappings, &m->spec->gid_mappings, e);
        if (own < 0)
            return -1;
        userns_fd = own;
    }
    if (m->is_overlay && m->is_root) {
        struct overlay_owner owner = { .userns_fd = m->wants_idmap ? userns_fd : -1,
                                       .root_uid = m->root_uid,
                                       .root_gid = m->root_gid };
        m->fd = overlay_open(m->data, &owner, e);
        return m->fd < 0 ? -1 : set_attributes(m, m->fd, e);
    }
    if (!m->is_bind)
        return err_input(e, "mounts: %s: only binds can be idmapped", m->spec->destination);
    return idmap_mount(m->fd, userns_fd, m->idmap_below, m->spec->source, e);
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
    fd_close(&p->root_bind.fd);
}

/* ---- child ---- */

/* CVE-2019-19921, 2023-27561: a /proc or /sys that a link leads elsewhere would redirect what is
 * written there later. Nothing is made behind a link either: it is not ENOENT. */
static int make_unlinked(const char *path, int root_fd, struct err *e)
{
    const uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
    const char *name = path + strspn(path, "/");
    auto_fd int fd = fd_open_beneath(root_fd, name, O_PATH, 0, resolve);
    if (fd < 0 && errno == ENOENT) {
        auto_fd int made = rootfs_make(root_fd, path, true, e);
        if (made < 0)
            return -1;
        fd = fd_open_beneath(root_fd, name, O_PATH, 0, resolve);
    }
    struct stat st;
    if (fd < 0 && errno != ELOOP && errno != ENOTDIR)
        return err_sys(e, errno, "mounts: open %s in the root file system", path);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_host(e, "mounts: %s is not a directory in the root file system", path);
    return take_fd(&fd);
}

/* What is mounted on, made when it is not there. */
static int make_target(const struct mounts_item *m, int root_fd, const char *path, bool is_dir,
                       struct err *e)
{
    if (str_eq(m->spec->type, "proc") || str_eq(m->spec->type, "sysfs"))
        return make_unlinked(path, root_fd, e);
    return rootfs_make(root_fd, path, is_dir, e);
}

static int configure(int fs, const char *option, const struct mounts_item *m, struct err *e)
{
    char key[64];
    const char *value = strchr(option, '=');
    size_t len = value ? (size_t)(value - option) : strlen(option);
    if (len >= sizeof(key))
        return err_input(e, "mounts: %s: unknown option \"%.60s\"", m->spec->destination, option);
    memcpy(key, option, len);
    key[len] = '\0';
    int result = value ? fsconfig(fs, FSCONFIG_SET_STRING, key, value + 1, 0)
                       : fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
    if (result < 0)
        return err_sys(e, errno, "mounts: %s: option \"%s\"", m->spec->destination, option);
    return 0;
}

/* A new file system of TYPE as a detached mount. */
static int make_fs(const struct mounts_item *m, const char *type, const char *const *data,
                   struct err *e)
{
    auto_fd int fs = fsopen(type, FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_sys(e, errno, "mounts: %s: file system \"%s\"", m->spec->destination, type);
    if (m->spec->source && fsconfig(fs, FSCONFIG_SET_STRING, "source", m->spec->source, 0) < 0)
        return err_sys(e, errno, "mounts: %s: source \"%s\"", m->spec->destination,
                       m->spec->source);
    for (; *data; data++)
        if (configure(fs, *data, m, e) < 0)
            return -1;
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_sys(e, errno, "mounts: mount %s on %s", type, m->spec->destination);
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)(m->attr_set | m->below_set));
    if (fd < 0)
        return err_sys(e, errno, "mounts: mount %s on %s", type, m->spec->destination);
    return fd;
}

static int attach_fs(const struct mounts_item *m, const char *type, const char *const *data,
                     int root_fd, const char *path, struct err *e)
{
    auto_fd int target = make_target(m, root_fd, path, true, e);
    if (target < 0)
        return -1;
    auto_fd int fd = make_fs(m, type, data, e);
    if (fd < 0)
        return -1;
    struct mount_attr attr = { .propagation = m->propagation };
    if (rootfs_attach(fd, target, path, e) < 0)
        return -1;
    if (m->propagation && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return err_sys(e, errno, "mounts: %s: set propagation", m->spec->destination);
    return 0;
}

/* v1 and hybrid: a tmpfs with one directory per hierarchy, as programs expect it. */
static int attach_cgroup_v1(const struct mounts_item *m, int root_fd,
                            const struct cgroup_host *host, struct err *e)
{
    static const char *const tmpfs_data[] = { "mode=755", "size=64k", NULL };
    struct mounts_item top = *m;
    struct oci_mount spec = *m->spec;
    spec.source = "tmpfs";
    top.spec = &spec;
    top.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY; /* until its directories are made */
    if (attach_fs(&top, "tmpfs", tmpfs_data, root_fd, spec.destination, e) < 0)
        return -1;
    spec.source = "cgroup";
    for (size_t i = 0; i < host->count; i++) {
        const struct cgroup_hierarchy *h = &host->items[i];
        char path[PATH_LIMIT];
        const char *name = strrchr(h->mountpoint, '/');
        const char *data[] = { h->options[0] ? h->options : NULL, NULL };
        (void)snprintf(path, sizeof(path), "%.1024s%s", m->spec->destination,
                       name ? name : "/cgroup");
        top.attr_set = m->attr_set;
        if (attach_fs(&top, h->version == 2 ? "cgroup2" : "cgroup", data, root_fd, path, e) < 0)
            return -1;
    }
    struct mount_attr attr = { .attr_set = m->attr_set };
    auto_fd int target = rootfs_open(root_fd, m->spec->destination, O_PATH);
    if (target < 0 || mount_setattr(target, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return err_sys(e, errno, "mounts: %s: set the options of the mount", m->spec->destination);
    return 0;
}

static int attach_cgroup(const struct mounts_item *m, int root_fd, const struct cgroup_host *host,
                         struct err *e)
{
    static const char *const no_data[] = { NULL };
    if (host->layout == CGROUP_NONE)
        return err_host(e, "mounts: %s: this machine has no cgroups", m->spec->destination);
    if (host->layout != CGROUP_V2)
        return attach_cgroup_v1(m, root_fd, host, e);
    struct mounts_item v2 = *m;
    struct oci_mount spec = *m->spec;
    spec.source = "cgroup";
    v2.spec = &spec;
    return attach_fs(&v2, "cgroup2", no_data, root_fd, spec.destination, e);
}

static int attach_bind(const struct mounts_item *m, int root_fd, struct err *e)
{
    struct stat st, there;
    const char *path = m->spec->destination;
    if (fstat(m->fd, &st) < 0)
        return err_sys(e, errno, "mounts: %s: read the source", path);
    auto_fd int target = make_target(m, root_fd, path, S_ISDIR(st.st_mode), e);
    if (target < 0)
        return -1;
    if (fstat(target, &there) == 0 && S_ISDIR(there.st_mode) != S_ISDIR(st.st_mode))
        return err_input(e, "mounts: %s: is %s directory in the root file system, the source is %s",
                         path, S_ISDIR(there.st_mode) ? "a" : "no",
                         S_ISDIR(st.st_mode) ? "one" : "none");
    return rootfs_attach(m->fd, target, path, e);
}

int mounts_attach(const struct mounts_plan *p, int root_fd, const struct cgroup_host *cgroups,
                  struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct mounts_item *m = &p->items[i];
        int result;
        if (m->is_root)
            continue;
        if (m->is_bind)
            result = attach_bind(m, root_fd, e);
        else if (m->is_cgroup)
            result = attach_cgroup(m, root_fd, cgroups, e);
        else
            result = attach_fs(m, m->spec->type, m->data, root_fd, m->spec->destination, e);
        if (result < 0)
            return -1;
    }
    return 0;
}
