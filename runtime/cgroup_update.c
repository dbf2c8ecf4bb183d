/* Limits of a container that is there: of its own directories, and of hierarchies that it was not
 * in because no limit had asked for them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/cgroup_impl.h"

enum {
    MOVE_ROUNDS = 100 /* processes fork while they are moved */
};

/* ---- joining one more hierarchy ---- */

/* Processes of FROM, pids as seen from here, that are not in TO yet are moved. *MOVED: how many. */
static int move_missing(const struct cgroup *cg, const struct cgroup *to, size_t *moved,
                        struct err *e)
{
    auto_free pid_t *all = NULL, *there = NULL;
    size_t all_count, there_count;
    if (cgroup_pids(cg, &all, &all_count, e) < 0 || cgroup_pids(to, &there, &there_count, e) < 0)
        return -1;
    *moved = 0;
    for (size_t i = 0, j = 0; i < all_count; i++) { /* both are sorted */
        char text[16];
        while (j < there_count && there[j] < all[i])
            j++;
        if (j < there_count && there[j] == all[i])
            continue;
        (void)snprintf(text, sizeof(text), "%d", (int)all[i]);
        if (cgroup_write_file(to->dirs[0].fd, "cgroup.procs", text) == 0)
            ++*moved;
        else if (errno != ESRCH)
            return err_sys(e, errno, "move process %s to cgroup %s%s", text,
                           to->dirs[0].hierarchy.mountpoint, to->path);
    }
    return 0;
}

static int move_processes(const struct cgroup *cg, const struct cgroup_dir *dir, struct err *e)
{
    auto_free struct cgroup *to = cgroup_alloc(); /* the fds are DIR's */
    (void)memcpy(to->path, cg->path, sizeof(to->path));
    to->dirs[0] = *dir;
    to->count = 1;
    for (int round = 0; round < MOVE_ROUNDS; round++) {
        size_t moved;
        if (move_missing(cg, to, &moved, e) < 0)
            return -1;
        if (moved == 0)
            return 0;
    }
    return err_host(e, "move the container to cgroup %s%s: it forks faster than it can be moved",
                    dir->hierarchy.mountpoint, cg->path);
}

/* Where the container's processes are in the hierarchies that it joins, to go back there. -1: not
 * to be told, or nobody. */
struct former {
    int fds[CGROUP_HIERARCHY_MAX];
};

static void former_open(const struct cgroup *cg, size_t first, struct former *out)
{
    auto_free pid_t *pids = NULL;
    size_t count = 0;
    struct err ignored; /* then they go to the root of the hierarchy */
    struct cgroup before = *cg;
    before.count = first;
    bool is_known = cgroup_pids(&before, &pids, &count, &ignored) == 0 && count > 0;
    for (size_t i = first; i < cg->count; i++)
        out->fds[i] = is_known ? cgroup_open_of(&cg->dirs[i], pids[0], &ignored) : -1;
}

static void former_close(struct former *f)
{
    for (size_t i = 0; i < CGROUP_HIERARCHY_MAX; i++)
        fd_close(&f->fds[i]);
}

static void move_back(const struct cgroup_dir *dir, int former_fd)
{
    auto_free struct cgroup *one = cgroup_alloc();
    auto_free pid_t *pids = NULL;
    struct err ignored; /* why the update failed is told */
    size_t count = 0;
    one->dirs[0] = *dir;
    one->count = 1;
    if (cgroup_pids(one, &pids, &count, &ignored) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", (int)pids[i]);
        if (former_fd < 0 || cgroup_write_file(former_fd, "cgroup.procs", text) < 0)
            (void)!cgroup_write_file(dir->root_fd, "cgroup.procs", text);
    }
}

/* Back to where they were before; the directories go. */
static void leave(struct cgroup *cg, size_t first, const struct former *former)
{
    for (; cg->count > first; cg->count--) {
        struct cgroup_dir *dir = &cg->dirs[cg->count - 1];
        if (dir->fd >= 0) { /* else it is somebody else's */
            move_back(dir, former->fds[cg->count - 1]);
            (void)unlinkat(dir->root_fd, cg->path + 1, AT_REMOVEDIR);
        }
        fd_close(&dir->fd);
        fd_close(&dir->root_fd);
    }
}

/* ---- checks before ---- */

/* config-linux.md §Memory, checkBeforeUpdate: v1 refuses a limit below the use by itself, v2 would
 * kill for it. */
static int check_use(const struct cgroup *cg, const struct oci_resources *res, struct err *e)
{
    const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_MEMORY);
    const struct oci_i64 *limit = &res->memory.limit;
    uint64_t used;
    if (!res->memory.check_before_update || !dir || dir->hierarchy.version != 2 || !limit->is_set ||
        limit->value <= 0)
        return 0;
    if (cgroup_read_u64(dir->fd, "memory.current", &used) < 0)
        return err_sys(e, errno, "read memory.current");
    if ((uint64_t)limit->value >= used)
        return 0;
    (void)err_conflict(e, "linux.resources.memory.limit: %lld is less than the %llu bytes in use",
                       (long long)limit->value, (unsigned long long)used);
    err_hint(e, "without checkBeforeUpdate the kernel would take memory back, and kill if need be");
    return -1;
}

/* ---- the update ---- */

static int plan(const struct cgroup *cg, const struct cgroup_host *host,
                const struct oci_resources *res, struct cgroup_writes *writes, struct err *e)
{
    struct cgroup_present present = { .memory_max = cgroup_memory_limit(cg) };
    unsigned versions[CGROUP_CONTROLLER_COUNT_];
    cgroup_host_versions(host, versions);
    return cgroup_limits_plan(res, versions, &present, writes, e);
}

static int apply(struct cgroup *cg, const struct cgroup_host *host,
                 const struct cgroup_writes *writes, struct former *former, struct err *e)
{
    uint32_t wanted = cgroup_writes_controllers(writes);
    size_t first = cg->count;
    if (wanted == 0 && writes->count == 0)
        return 0;
    if (cgroup_enable(cg, wanted, e) < 0 || cgroup_add_dirs(cg, host, 1, wanted, e) < 0)
        return -1;
    former_open(cg, first, former);
    struct cgroup before = *cg; /* where the processes are counted: not in what is still empty */
    before.count = first;
    /* Limits last: they take themselves back when one fails. */
    for (size_t i = first; i < cg->count; i++)
        if (move_processes(&before, &cg->dirs[i], e) < 0)
            return -1;
    return cgroup_writes_apply(cg, writes, true, e);
}

int cgroup_update(struct cgroup *cg, const struct oci_resources *res, bool *has_new_dirs,
                  struct err *e)
{
    struct cgroup_host host;
    struct cgroup_writes writes;
    struct former former;
    size_t first = cg->count;
    *has_new_dirs = false;
    memset(&former, -1, sizeof(former));
    if (cgroup_host_detect(&host, e) < 0 || check_use(cg, res, e) < 0 ||
        plan(cg, &host, res, &writes, e) < 0)
        return -1;
    int result = apply(cg, &host, &writes, &former, e);
    if (result < 0)
        leave(cg, first, &former);
    else
        cgroup_log_note(writes.note);
    *has_new_dirs = result == 0 && cg->count > first;
    former_close(&former);
    cgroup_writes_done(&writes);
    return result;
}
