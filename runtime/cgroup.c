#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"
#include "runtime/device_rules.h"

enum {
    MAKE_TRIES = 8, /* a parent may be removed by another container's end while we make the child */
};

/* ---- small things ---- */

const struct cgroup_dir *cgroup_dir_of(const struct cgroup *cg, unsigned controller)
{
    for (size_t i = 0; i < cg->count; i++)
        if ((cg->dirs[i].hierarchy.controllers & CGROUP_BIT(controller)) && cg->dirs[i].fd >= 0)
            return &cg->dirs[i];
    return NULL;
}

const struct cgroup_dir *cgroup_dir_v2(const struct cgroup *cg)
{
    for (size_t i = 0; i < cg->count; i++)
        if (cg->dirs[i].hierarchy.version == 2 && cg->dirs[i].fd >= 0)
            return &cg->dirs[i];
    return NULL;
}

const char *cgroup_path(const struct cgroup *cg)
{
    return cg->path;
}

int cgroup_v2_fd(const struct cgroup *cg)
{
    const struct cgroup_dir *dir = cgroup_dir_v2(cg);
    return dir ? dir->fd : -1;
}

struct cgroup *cgroup_alloc(void)
{
    struct cgroup *cg = mem_alloc(sizeof(*cg));
    for (size_t i = 0; i < CGROUP_HIERARCHY_MAX; i++)
        cg->dirs[i].root_fd = cg->dirs[i].fd = -1;
    return cg;
}

void cgroup_close_dirs(struct cgroup *cg)
{
    for (size_t i = 0; i < cg->count; i++) {
        fd_close(&cg->dirs[i].fd);
        fd_close(&cg->dirs[i].root_fd);
    }
}

void cgroup_free(struct cgroup *cg)
{
    if (!cg)
        return;
    cgroup_close_dirs(cg);
    cgroup_writes_done(&cg->writes);
    free(cg);
}

/* ---- the path ---- */

/* ".." has no use here and was a way out (CVE list of crun 1.28). */
int cgroup_path_normalise(const char *what, const char *path, char *to, struct err *e)
{
    size_t used = 0;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.')
            return err_input(e, "%s: `..` components are not allowed in \"%s\"", what, path);
        if (len > 0 && !(len == 1 && *p == '.')) {
            if (used + len + 2 > CGROUP_PATH_LIMIT || len > NAME_MAX)
                return err_input(e, "%s: \"%.64s…\" is too long", what, path);
            to[used++] = '/';
            memcpy(to + used, p, len);
            used += len;
        }
        p += len;
        p += *p == '/';
    }
    to[used] = '\0';
    return 0;
}

/* "slice:prefix:name" is what engines send to runtimes that talk to systemd. */
static bool is_systemd_path(const char *path)
{
    const char *colon = strchr(path, ':');
    return colon && !strchr(path, '/') && strchr(colon + 1, ':') &&
           (colon == path || (colon - path > 6 && strncmp(colon - 6, ".slice", 6) == 0));
}

static int check_path(const char *path, char *to, struct err *e)
{
    static const char what[] = "linux.cgroupsPath";
    if (is_systemd_path(path)) {
        (void)err_host(e, "%s: \"%s\" is for the systemd cgroup driver, which is not supported",
                       what, path);
        err_hint(e, "use cgroupfs: cgroup_manager = \"cgroupfs\" (podman), "
                    "native.cgroupdriver=cgroupfs (docker), SystemdCgroup = false (containerd)");
        return -1;
    }
    if (cgroup_path_normalise(what, path, to, e) < 0)
        return -1;
    return to[0] ? 0 : err_input(e, "%s: \"%s\" is the root of the hierarchy", what, path);
}

bool cgroup_is_in_own_parent(const char *path)
{
    static const char parent[] = "/" CGROUP_OWN_PARENT "/";
    return str_starts(path, parent) && !strchr(path + sizeof(parent) - 1, '/');
}

/* ---- making directories ---- */

/* Opens NAME beneath PARENT_FD, made if need be. *WAS_MADE tells. */
static int open_step(int parent_fd, const char *name, bool *was_made)
{
    *was_made = mkdirat(parent_fd, name, 0755) == 0;
    if (!*was_made && errno != EEXIST)
        return -1;
    int fd = openat(parent_fd, name, CGROUP_DIR_FLAGS);
    if (fd < 0 && *was_made) {
        int errnum = errno; /* nobody else knows of it: cgroup_remove goes by what is open */
        (void)unlinkat(parent_fd, name, AT_REMOVEDIR);
        errno = errnum;
    }
    return fd;
}

/* Walks PATH down from the mount point, making what is missing; on v2 each parent passes WANTED on
 * to its children. Returns the last directory, -1 with an error. *IS_NEW: it was not there. */
static int walk(const struct cgroup_dir *dir, const char *path, uint32_t wanted, bool *is_new,
                struct err *e)
{
    bool is_cpuset =
        dir->hierarchy.version == 1 && (dir->hierarchy.controllers & CGROUP_BIT(CGROUP_CPUSET));
    auto_fd int held = -1;
    int fd = dir->root_fd;
    for (const char *p = path; *p;) {
        char name[NAME_MAX + 1];
        size_t len = strcspn(++p, "/");
        memcpy(name, p, len);
        name[len] = '\0';
        p += len;
        if (dir->hierarchy.version == 2)
            cgroup_v2_enable(fd, wanted & dir->hierarchy.controllers);
        auto_fd int next = open_step(fd, name, is_new);
        if (next < 0)
            return err_sys(e, errno, "make cgroup %s%.*s", dir->hierarchy.mountpoint,
                           (int)(p - path), path);
        if (*is_new && is_cpuset && cgroup_v1_seed(fd, next, e) < 0) {
            (void)unlinkat(fd, name, AT_REMOVEDIR);
            return -1;
        }
        fd_close(&held);
        fd = held = take_fd(&next);
    }
    return take_fd(&held);
}

/* In it or below: `delete` ends all of them. */
static int has_processes(const struct cgroup_dir *dir, bool *out, struct err *e)
{
    char text[128];
    *out = false;
    if (dir->hierarchy.version == 2) {
        if (cgroup_read_file(dir->fd, "cgroup.events", text, sizeof(text)) < 0)
            return err_sys(e, errno, "read cgroup.events of cgroup %s", dir->hierarchy.mountpoint);
        *out = cgroup_find_u64(text, "populated") != 0;
        return 0;
    }
    struct cgroup_tree tree;
    if (cgroup_tree_read(dir->fd, &tree, e) < 0)
        return -1;
    for (size_t i = 0; i < tree.count && !*out; i++) {
        const char *file = arena_printf(&tree.arena, "%s/cgroup.procs", tree.paths[i]);
        *out = cgroup_read_file(dir->fd, file, text, 2) == 0 && text[0];
    }
    cgroup_tree_done(&tree);
    return 0;
}

/* runtime-spec config-linux.md §Control groups: a cgroup that is not empty is refused. One that we
 * made is. */
static int check_found(const struct cgroup_dir *dir, const char *path, struct err *e)
{
    bool is_used;
    if (has_processes(dir, &is_used, e) < 0)
        return -1;
    if (is_used) {
        (void)err_conflict(e, "cgroup %s%s has processes in it", dir->hierarchy.mountpoint, path);
        err_hint(e, "is it another container's? linux.cgroupsPath must be this one's alone");
        return -1;
    }
    return 0;
}

/* A frozen one is refused too, ibid., and one that a cgroup above keeps frozen, of which the kernel
 * says the same: a process cloned into it would never run. */
static int check_thawed(const struct cgroup_dir *dir, const char *path, struct err *e)
{
    char text[128];
    bool is_frozen = false;
    if (dir->hierarchy.version == 2)
        is_frozen = cgroup_read_file(dir->fd, "cgroup.events", text, sizeof(text)) == 0 &&
                    cgroup_find_u64(text, "frozen") != 0;
    else if (dir->hierarchy.controllers & CGROUP_BIT(CGROUP_FREEZER))
        is_frozen = cgroup_read_file(dir->fd, "freezer.state", text, sizeof(text)) == 0 &&
                    text[0] == 'F'; /* FROZEN, FREEZING */
    if (!is_frozen)
        return 0;
    (void)err_conflict(e, "cgroup %s%s is frozen", dir->hierarchy.mountpoint, path);
    err_hint(e, "by itself or by a cgroup above it, perhaps a paused container's: thaw that");
    return -1;
}

static int dir_make(struct cgroup_dir *dir, const char *path, uint32_t wanted, struct err *e)
{
    bool is_new = false;
    for (int tries = 0; dir->fd < 0; tries++) {
        dir->fd = walk(dir, path, wanted, &is_new, e);
        if (dir->fd < 0 && (e->errnum != ENOENT || tries == MAKE_TRIES)) {
            if (e->errnum == EACCES || e->errnum == EPERM || e->errnum == EROFS)
                err_hint(e, "the cgroup file system must be writable: run as root, or in a "
                            "delegated cgroup");
            return -1;
        }
    }
    if (!is_new && check_found(dir, path, e) < 0) {
        fd_close(&dir->fd); /* somebody else's: not for us to remove */
        return -1;
    }
    if (check_thawed(dir, path, e) < 0) {
        if (!is_new)
            fd_close(&dir->fd);
        return -1;
    }
    return dir->hierarchy.version == 2 ? cgroup_v2_settle(dir->fd, path, e) : 0;
}

int cgroup_dir_open_root(struct cgroup_dir *dir, struct err *e)
{
    dir->root_fd = open(dir->hierarchy.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->root_fd < 0)
        return err_sys(e, errno, "open %s", dir->hierarchy.mountpoint);
    return 0;
}

/* ---- which hierarchies ---- */

void cgroup_host_versions(const struct cgroup_host *host,
                          unsigned versions[CGROUP_CONTROLLER_COUNT_])
{
    memset(versions, 0, CGROUP_CONTROLLER_COUNT_ * sizeof(*versions));
    for (size_t i = 0; i < host->count; i++)
        for (unsigned c = 0; c < CGROUP_CONTROLLER_COUNT_; c++)
            if ((host->items[i].controllers & CGROUP_BIT(c)) && versions[c] == 0)
                versions[c] = host->items[i].version;
}

/* Every container has these, for its statistics, the count of OOM kills and the device rules; of
 * others a directory is made when a limit asks for it, at the start or by an update, since each
 * costs 0.1 ms on v1. cpu of v1 is one of the others: a group without a share of real-time
 * (cpu.rt_runtime_us, 0 at first) refuses SCHED_FIFO to its processes (sched-rt-group.rst §1). */
static uint32_t controllers_always(const struct cgroup_host *host)
{
    uint32_t bits = CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_CPUACCT) |
                    CGROUP_BIT(CGROUP_PIDS) | CGROUP_BIT(CGROUP_DEVICES);
    if (host->layout == CGROUP_V2)
        bits |= CGROUP_BIT(CGROUP_CPU);
    if (host->layout == CGROUP_V1)
        bits |= CGROUP_BIT(CGROUP_FREEZER);
    return bits;
}

static bool is_there(const struct cgroup *cg, const struct cgroup_hierarchy *h)
{
    for (size_t i = 0; i < cg->count; i++)
        if (cg->dirs[i].hierarchy.version == h->version &&
            str_eq(cg->dirs[i].hierarchy.options, h->options))
            return true;
    return false;
}

int cgroup_add_dirs(struct cgroup *cg, const struct cgroup_host *host, unsigned version,
                    uint32_t controllers, struct err *e)
{
    for (size_t i = 0; i < host->count; i++) {
        const struct cgroup_hierarchy *h = &host->items[i];
        if (h->version != version || !(version == 2 || (h->controllers & controllers)) ||
            is_there(cg, h))
            continue;
        struct cgroup_dir *dir = &cg->dirs[cg->count++];
        dir->hierarchy = *h;
        if (cgroup_dir_open_root(dir, e) < 0 || dir_make(dir, cg->path, controllers, e) < 0)
            return -1;
    }
    return 0;
}

int cgroup_enable(struct cgroup *cg, uint32_t controllers, struct err *e)
{
    for (size_t i = 0; i < cg->count; i++) {
        const struct cgroup_dir *dir = &cg->dirs[i];
        if (dir->hierarchy.version != 2 || dir->fd < 0)
            continue;
        bool is_new;
        auto_fd int fd = walk(dir, cg->path, controllers, &is_new, e);
        return fd < 0 ? -1 : 0;
    }
    return 0;
}

/* ---- a new one ---- */

static int write_devices(const struct cgroup *cg, const struct oci_resources *res, struct err *e)
{
    struct oci_device_rule rules[DEVICE_RULES_MAX];
    size_t count = 0;
    if (device_rules_complete(res->devices, res->device_count, rules, &count, e) < 0)
        return -1;
    const struct cgroup_dir *v1 = cgroup_dir_of(cg, CGROUP_DEVICES), *v2 = cgroup_dir_v2(cg);
    if (v1)
        return cgroup_v1_devices(v1->fd, rules, count, e);
    if (v2)
        return cgroup_v2_devices(v2->fd, rules, count, e);
    return err_host(e, "linux.resources.devices: no cgroup hierarchy can hold the rules");
}

static uint32_t controllers_wanted(const struct cgroup *cg, const struct cgroup_host *host)
{
    return controllers_always(host) | cgroup_writes_controllers(&cg->writes);
}

int cgroup_begin(const struct cgroup_host *host, const char *path, const struct oci_resources *res,
                 struct cgroup **out, struct err *e)
{
    static const struct cgroup_present nothing = { .memory_max = UINT64_MAX };
    auto_(cgroup_free) struct cgroup *cg = cgroup_alloc();
    unsigned versions[CGROUP_CONTROLLER_COUNT_];
    if (host->layout == CGROUP_NONE) {
        (void)err_host(e, "no cgroup hierarchy is mounted");
        err_hint(e, "mount -t cgroup2 none /sys/fs/cgroup");
        return -1;
    }
    cgroup_host_versions(host, versions);
    if (check_path(path, cg->path, e) < 0 ||
        cgroup_limits_plan(res, versions, &nothing, &cg->writes, e) < 0)
        return -1;
    if (cgroup_add_dirs(cg, host, 2, controllers_wanted(cg, host), e) < 0) {
        struct err ignored; /* the first failure is the one to tell */
        (void)!cgroup_remove(cg, 0, &ignored);
        return -1;
    }
    *out = take_ptr(cg);
    return 0;
}

int cgroup_finish(struct cgroup *cg, const struct cgroup_host *host,
                  const struct oci_resources *res, struct err *e)
{
    int result = cgroup_add_dirs(cg, host, 1, controllers_wanted(cg, host), e);
    if (result == 0)
        result = cgroup_writes_apply(cg, &cg->writes, false, e);
    if (result == 0)
        result = write_devices(cg, res, e);
    if (result == 0)
        cgroup_log_note(cg->writes.note);
    cgroup_writes_done(&cg->writes);
    return result;
}

int cgroup_new(const struct cgroup_host *host, const char *path, const struct oci_resources *res,
               struct cgroup **out, struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = NULL;
    if (cgroup_begin(host, path, res, &cg, e) < 0)
        return -1;
    if (cgroup_finish(cg, host, res, e) < 0) {
        struct err ignored; /* the first failure is the one to tell */
        (void)!cgroup_remove(cg, 0, &ignored);
        return -1;
    }
    *out = take_ptr(cg);
    return 0;
}
