#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/mounts_impl.h"

/* The hierarchy at INDEX: a new mount, or the container's own directory when it has no cgroup
 * namespace (mounts_open_cgroups). */
static int open_hierarchy(const struct mounts_item *m, struct mounts_plan *p,
                          const struct cgroup_host *host, size_t index, struct err *e)
{
    const struct cgroup_hierarchy *h = &host->items[index];
    if (index < p->cgroup_count)
        return take_fd(&p->cgroup_fds[index]);
    const char *data[] = { h->options[0] ? h->options : NULL, NULL };
    return mounts_make_fs(m, h->version == 2 ? "cgroup2" : "cgroup", data, NULL,
                          mounts_new_attributes(m), e);
}

/* "cpu,cpuacct" is one hierarchy that programs look for under both names too. */
static int link_controllers(const struct mounts_item *m, int top_fd, const char *name,
                            const char *options, struct err *e)
{
    char word[64];
    for (; *options; options += strcspn(options, ",") + (strchr(options, ',') != NULL)) {
        size_t len = strcspn(options, ",");
        if (len >= sizeof(word) || str_starts(options, "name="))
            continue;
        memcpy(word, options, len);
        word[len] = '\0';
        if (symlinkat(name, top_fd, word) < 0 && errno != EEXIST)
            return err_sys(e, errno, "mounts: link %s/%s", m->spec->destination, word);
    }
    return 0;
}

static int attach_one(const struct mounts_item *m, struct mounts_plan *p, int top_fd,
                      const struct cgroup_host *host, size_t index, struct err *e)
{
    const struct cgroup_hierarchy *h = &host->items[index];
    const char *slash = strrchr(h->mountpoint, '/');
    const char *name = slash ? slash + 1 : "cgroup";
    auto_fd int fd = open_hierarchy(m, p, host, index, e);
    if (fd < 0)
        return -1;
    if (mkdirat(top_fd, name, 0755) < 0 ||
        move_mount(fd, "", top_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_sys(e, errno, "mounts: mount cgroup on %s/%s", m->spec->destination, name);
    return h->version == 1 ? link_controllers(m, top_fd, name, h->options, e) : 0;
}

/* v1 and hybrid: a tmpfs with one directory per hierarchy, as programs expect it. ITEM has no
 * options but those of the mount. */
static int attach_v1(struct mounts_item *item, struct oci_mount *spec, struct mounts_plan *p,
                     struct rootfs_cursor *c, struct mounts_place *place,
                     const struct cgroup_host *host, struct err *e)
{
    static const char *const tmpfs_data[] = { "mode=755", "size=64k", NULL };
    struct mount_attr attr = { .attr_set = mounts_new_attributes(item) & MOUNT_ATTR_RDONLY };
    spec->source = "tmpfs";
    int fd = mounts_make_fs(item, "tmpfs", tmpfs_data, NULL,
                            mounts_new_attributes(item) & ~(uint64_t)MOUNT_ATTR_RDONLY, e);
    auto_fd int top = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || mounts_place_use(c, place, fd, spec->destination, e) < 0)
        return -1;
    spec->source = "cgroup";
    for (size_t i = 0; i < host->count; i++)
        if (attach_one(item, p, top, host, i, e) < 0)
            return -1;
    /* podman --systemd binds systemd's hierarchy here, in which the container has no directory. */
    if (mkdirat(top, "systemd", 0755) < 0 && errno != EEXIST)
        return err_sys(e, errno, "mounts: make %s/systemd", spec->destination);
    if (attr.attr_set && mount_setattr(top, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return err_sys(e, errno, "mounts: %s: make read-only", spec->destination);
    return 0;
}

int mounts_attach_cgroup(const struct mounts_item *m, struct mounts_plan *p,
                         struct rootfs_cursor *c, int root_fd, const struct cgroup_host *host,
                         struct err *e)
{
    const char *path = m->spec->destination, *no_options[] = { NULL };
    bool is_whole = host->layout != CGROUP_V2 && !str_eq(m->spec->type, "cgroup2");
    size_t v2 = 0;
    while (v2 < host->count && host->items[v2].version != 2)
        v2++;
    if (host->layout == CGROUP_NONE || (!is_whole && v2 == host->count))
        return err_host(e, "mounts: %s: this machine has no cgroups for it", path);
    struct oci_mount spec = *m->spec;
    struct mounts_item item = *m;
    item.spec = &spec;
    item.super = no_options;
    spec.source = "cgroup";
    auto_place struct mounts_place place = { .target_fd = -1 };
    if (mounts_place_find(c, m, root_fd, path, true, &place, e) < 0)
        return -1;
    if (is_whole)
        return attach_v1(&item, &spec, p, c, &place, host, e);
    int fd = open_hierarchy(&item, p, host, v2, e);
    return fd < 0 ? -1 : mounts_place_use(c, &place, fd, path, e);
}
