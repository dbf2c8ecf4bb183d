/* Parts of a container's cgroup for others: the container itself (delegation), processes of `exec`
 * (sub-cgroups). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"
#include "runtime/idmap.h"

enum {
    LIST_MAX = 4096
};

/* ---- delegation ---- */

static bool has_option(const struct oci_mount *m, const char *option)
{
    for (size_t i = 0; i < m->options.count; i++)
        if (str_eq(m->options.items[i], option))
            return true;
    return false;
}

static bool is_delegated(const struct oci_config *c)
{
    const struct oci_namespace *ns = &c->namespaces[OCI_NS_CGROUP];
    /* Who the user is on the host cannot be told in a user namespace that was joined. */
    if (!ns->is_wanted || ns->path || c->namespaces[OCI_NS_USER].path)
        return false;
    for (size_t i = 0; i < c->mount_count; i++) {
        const struct oci_mount *m = &c->mounts[i];
        bool is_cgroup = str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2");
        if (is_cgroup && str_eq(m->destination, "/sys/fs/cgroup") && !has_option(m, "ro"))
            return true;
    }
    return false;
}

/* The user of the container's process as the host knows it. */
static int owner_of(const struct oci_config *c, uid_t *out, struct err *e)
{
    uint32_t uid = c->process.user.uid;
    *out = uid;
    if (!c->namespaces[OCI_NS_USER].is_wanted || idmap_to_host(&c->uid_mappings, uid, out))
        return 0;
    return err_input(e, "process.user.uid: %u is not in linux.uidMappings", uid);
}

static int give(int dir_fd, const char *file, uid_t uid, struct err *e)
{
    if (fchownat(dir_fd, file, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0 || errno == ENOENT)
        return 0; /* not every listed file is in every cgroup */
    return err_sys(e, errno, "give %s of the cgroup to the container (uid %u)", file, uid);
}

int cgroup_delegate(const struct cgroup *cg, const struct cgroup_host *host,
                    const struct oci_config *c, struct err *e)
{
    const struct cgroup_dir *dir = cgroup_dir_v2(cg);
    uid_t uid;
    if (host->layout != CGROUP_V2 || !dir || !is_delegated(c))
        return 0;
    if (owner_of(c, &uid, e) < 0)
        return -1;
    if (uid == 0)
        return 0;
    char list[LIST_MAX];
    if (cgroup_read_file(AT_FDCWD, "/sys/kernel/cgroup/delegate", list, sizeof(list)) < 0)
        (void)!str_copy(list, sizeof(list),
                        "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
    for (char *file = list, *end; *file; file = end) {
        end = file + strcspn(file, "\n");
        if (*end)
            *end++ = '\0';
        if (*file && !strchr(file, '/') && give(dir->fd, file, uid, e) < 0)
            return -1;
    }
    if (fchown(dir->fd, uid, (gid_t)-1) < 0)
        return err_sys(e, errno, "give the cgroup to the container (uid %u)", uid);
    return 0;
}

/* ---- sub-cgroups ---- */

/* A v1 hierarchy where the container made no such directory is joined where the container is. */
int cgroup_open_sub(const struct cgroup *cg, const char *path, struct cgroup **out, struct err *e)
{
    auto_(cgroup_free) struct cgroup *sub = cgroup_alloc();
    char below[CGROUP_PATH_LIMIT];
    bool is_found = false;
    if (cgroup_path_normalise("exec: --cgroup", path, below, e) < 0)
        return -1;
    int n = snprintf(sub->path, sizeof(sub->path), "%s%s", cg->path, below);
    if (n < 0 || (size_t)n >= sizeof(sub->path))
        return err_input(e, "exec: --cgroup: \"%.64s…\" is too long", path);
    for (size_t i = 0; i < cg->count; i++) {
        const struct cgroup_dir *from = &cg->dirs[i];
        struct cgroup_dir *to = &sub->dirs[sub->count++];
        if (from->fd < 0)
            continue;
        to->hierarchy = from->hierarchy;
        to->root_fd = fcntl(from->root_fd, F_DUPFD_CLOEXEC, 3);
        if (to->root_fd < 0)
            return err_sys(e, errno, "open cgroup %s", sub->path);
        to->fd = openat(from->fd, below[0] ? below + 1 : ".", CGROUP_DIR_FLAGS);
        is_found |= to->fd >= 0;
        if (to->fd < 0 && errno == ENOENT && from->hierarchy.version == 1)
            to->fd = openat(from->fd, ".", CGROUP_DIR_FLAGS);
        if (to->fd < 0)
            return err_sys(e, errno, "exec: --cgroup: open cgroup %s%s", from->hierarchy.mountpoint,
                           sub->path);
    }
    if (!is_found)
        return err_conflict(e, "exec: --cgroup: the container has no cgroup \"%s\"", path);
    *out = take_ptr(sub);
    return 0;
}

/* What /proc/PID/cgroup says of the hierarchy: behind "0::", or "NUMBER:CONTROLLERS:". */
static const char *find_path(const char *text, const struct cgroup_hierarchy *h)
{
    size_t len = strlen(h->options);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *name = strchr(line, ':');
        if (!name)
            return NULL;
        if (strncmp(name + 1, h->options, len) == 0 && name[1 + len] == ':' && name[2 + len] == '/')
            return name + 2 + len;
    }
    return NULL;
}

int cgroup_open_of(const struct cgroup_dir *dir, pid_t pid, struct err *e)
{
    char file[64], text[LIST_MAX], path[CGROUP_PATH_LIMIT], normal[CGROUP_PATH_LIMIT];
    (void)snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
    if (cgroup_read_file(AT_FDCWD, file, text, sizeof(text)) < 0)
        return err_sys(e, errno, "read %s", file);
    const char *found = find_path(text, &dir->hierarchy);
    if (!found)
        return err_host(e, "%s says nothing of %s", file, dir->hierarchy.mountpoint);
    size_t len = strcspn(found, "\n");
    if (len >= sizeof(path))
        return err_host(e, "%s: the path is too long", file);
    memcpy(path, found, len);
    path[len] = '\0';
    /* seen from a cgroup namespace of ours it may be outside: "/../other" */
    if (cgroup_path_normalise(file, path, normal, e) < 0)
        return -1;
    int fd = openat(dir->root_fd, normal[0] ? normal + 1 : ".", CGROUP_DIR_FLAGS);
    return fd < 0 ? err_sys(e, errno, "open cgroup %s%s of process %d", dir->hierarchy.mountpoint,
                            normal, (int)pid)
                  : fd;
}

int cgroup_open_v2_of(const struct cgroup *cg, pid_t pid, struct err *e)
{
    const struct cgroup_dir *dir = cgroup_dir_v2(cg);
    return dir ? cgroup_open_of(dir, pid, e) : err_host(e, "there is no cgroup v2 hierarchy");
}
