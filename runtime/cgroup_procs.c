#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/buf.h"
#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"

enum {
    FREEZE_MS = 2000,
    SIGNAL_ROUNDS = 100,            /* kill without any freezer: until nobody new appears */
    TREE_DIRS_MAX = 100 * 1000,     /* directories that a container made inside its own */
    PROCS_LIMIT = 32 * 1024 * 1024, /* bytes of one cgroup.procs: more than all pids */
    BACKOFF_FIRST_US = 100,
    BACKOFF_MAX_US = 10 * 1000,
};
/* ---- waiting ---- */

uint64_t cgroup_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void cgroup_backoff(unsigned *step_us)
{
    struct timespec pause = { 0, (long)*step_us * 1000 };
    nanosleep(&pause, NULL);
    *step_us = *step_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : *step_us * 2;
}

/* Waits until cgroup.events says "KEY VALUE"; the kernel wakes pollers at each change. 1 reached,
 * 0 timed out, -1 with errno. */
static int wait_event(int dir_fd, const char *key, char value, unsigned timeout_ms)
{
    uint64_t end = cgroup_now_ms() + timeout_ms;
    auto_fd int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    for (;;) {
        char text[128];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        if (n < 0)
            return -1;
        text[n] = '\0';
        const char *at = strstr(text, key);
        if (at && at[strlen(key)] == ' ' && at[strlen(key) + 1] == value)
            return 1;
        uint64_t now = cgroup_now_ms();
        struct pollfd p = { .fd = fd, .events = POLLPRI };
        if (now >= end || poll(&p, 1, (int)(end - now)) == 0)
            return 0;
    }
}

/* ---- the directories below ---- */

static int list_children(int dir_fd, const char *path, struct cgroup_tree *t, struct err *e)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_sys(e, errno, "open cgroup %s", path);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        fd_close(&fd);
        return err_sys(e, errno, "list cgroup %s", path);
    }
    int result = 0;
    for (struct dirent *d; result == 0 && (d = readdir(dir));) {
        if (d->d_type != DT_DIR || str_eq(d->d_name, ".") || str_eq(d->d_name, ".."))
            continue;
        if (t->count == TREE_DIRS_MAX) {
            result = err_host(e, "more than %d cgroups below one container", TREE_DIRS_MAX);
            break;
        }
        t->paths = mem_grow(t->paths, &t->cap, t->count + 1, sizeof(*t->paths));
        t->paths[t->count++] = arena_printf(&t->arena, "%s/%s", path, d->d_name);
    }
    closedir(dir);
    return result;
}

int cgroup_tree_read(int dir_fd, struct cgroup_tree *out, struct err *e)
{
    struct cgroup_tree t = { 0 };
    t.paths = mem_grow(NULL, &t.cap, 1, sizeof(*t.paths));
    t.paths[t.count++] = ".";
    for (size_t i = 0; i < t.count; i++) {
        if (list_children(dir_fd, t.paths[i], &t, e) < 0) {
            cgroup_tree_done(&t);
            return -1;
        }
    }
    *out = t;
    return 0;
}

void cgroup_tree_done(struct cgroup_tree *t)
{
    arena_done(&t->arena);
    free(t->paths);
    *t = (struct cgroup_tree){ 0 };
}

/* ---- joining ----
 *
 * On v1 the child writes "0" to `tasks`, not to cgroup.procs: it has one thread, so both move the
 * same, but for a single thread that moves itself the kernel need not stop all forks of the machine
 * (cgroup_procs_write_start skips cgroup_threadgroup_rwsem), whose first taking after a quiet time
 * waits for RCU: 12 ms instead of 40 us. v2 has CLONE_INTO_CGROUP for that. */

int cgroup_join_open(const struct cgroup *cg, bool with_v2, struct cgroup_join *out, struct err *e)
{
    struct cgroup_join j = { .count = 0 };
    for (size_t i = 0; i < cg->count; i++) {
        const struct cgroup_dir *dir = &cg->dirs[i];
        if (dir->hierarchy.version == 2 && !with_v2)
            continue;
        const char *file = dir->hierarchy.version == 1 ? "tasks" : "cgroup.procs";
        int fd = dir->fd < 0 ? -1 : openat(dir->fd, file, O_WRONLY | O_CLOEXEC);
        if (fd < 0) {
            int cause = dir->fd < 0 ? ENOENT : errno;
            cgroup_join_done(&j);
            return err_sys(e, cause, "open %s of %s%s", file, dir->hierarchy.mountpoint, cg->path);
        }
        j.fds[j.count++] = fd;
    }
    *out = j;
    return 0;
}

void cgroup_join_done(struct cgroup_join *j)
{
    for (size_t i = 0; i < j->count; i++)
        fd_close(&j->fds[i]);
    j->count = 0;
}

int cgroup_join_self(const struct cgroup_join *j, struct err *e)
{
    for (size_t i = 0; i < j->count; i++)
        if (write(j->fds[i], "0", 1) < 0)
            return err_sys(e, errno, "join the cgroup (hierarchy %zu of %zu)", i + 1, j->count);
    return 0;
}

/* ---- who is inside ---- */

/* The hierarchy that counts as the truth about processes: v2, else the freezer's, else any. */
static const struct cgroup_dir *tracking_dir(const struct cgroup *cg)
{
    const struct cgroup_dir *dir = cgroup_dir_v2(cg);
    if (!dir)
        dir = cgroup_dir_of(cg, CGROUP_FREEZER);
    for (size_t i = 0; i < cg->count && !dir; i++)
        if (cg->dirs[i].fd >= 0)
            dir = &cg->dirs[i];
    return dir;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
    return x < y ? -1 : x > y;
}

static int add_pids(int dir_fd, const char *path, pid_t **pids, size_t *count, size_t *cap,
                    struct err *e)
{
    char file[PATH_MAX];
    auto_buf struct buf text;
    buf_init(&text, PROCS_LIMIT);
    if (snprintf(file, sizeof(file), "%s/cgroup.procs", path) >= (int)sizeof(file))
        return err_host(e, "a cgroup path is too long");
    auto_fd int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
    /* EOPNOTSUPP: a threaded child; its processes are listed by its parent */
    if (fd < 0 || fd_read_all(fd, &text) < 0)
        return errno == ENOENT || errno == ENODEV || errno == EOPNOTSUPP
                   ? 0
                   : err_sys(e, errno, "read cgroup.procs");
    for (char *p = text.data, *end; p && *p; p = end + 1) {
        end = p + strcspn(p, "\n");
        bool is_last = !*end;
        uint64_t pid;
        *end = '\0';
        /* 0: a process of another pid namespace, unseen from here */
        if (str_to_u64(p, INT32_MAX, &pid) == 0 && pid != 0) {
            *pids = mem_grow(*pids, cap, *count + 1, sizeof(**pids));
            (*pids)[(*count)++] = (pid_t)pid;
        }
        if (is_last)
            break;
    }
    return 0;
}

int cgroup_pids(const struct cgroup *cg, pid_t **out, size_t *count, struct err *e)
{
    const struct cgroup_dir *dir = tracking_dir(cg);
    struct cgroup_tree tree = { 0 };
    auto_free pid_t *pids = NULL;
    size_t found = 0, cap = 0;
    if (dir && cgroup_tree_read(dir->fd, &tree, e) < 0)
        return -1;
    int result = 0;
    for (size_t i = 0; i < tree.count && result == 0; i++)
        result = add_pids(dir->fd, tree.paths[i], &pids, &found, &cap, e);
    cgroup_tree_done(&tree);
    if (result < 0)
        return -1;
    if (found)
        qsort(pids, found, sizeof(*pids), compare_pids);
    size_t kept = 0;
    for (size_t i = 0; i < found; i++)
        if (i == 0 || pids[i] != pids[i - 1])
            pids[kept++] = pids[i];
    *count = kept;
    *out = take_ptr(pids);
    return 0;
}

/* ---- freezing ---- */

static int no_freezer(struct err *e)
{
    return err_host(e, "no cgroup hierarchy here can freeze the container");
}

/* 1, 0, or -1 with errno. FREEZING is not frozen yet (freezer-subsystem.rst). */
static int v1_state_is(int dir_fd, const char *state)
{
    char text[32];
    if (cgroup_read_file(dir_fd, "freezer.state", text, sizeof(text)) < 0)
        return -1;
    text[strcspn(text, "\n")] = '\0';
    return str_eq(text, state);
}

/* Writes again in each round: a fork during FREEZING can leave the v1 freezer stuck there. */
static int v1_freeze(int dir_fd)
{
    uint64_t end = cgroup_now_ms() + FREEZE_MS;
    unsigned step_us = BACKOFF_FIRST_US;
    for (;;) {
        if (cgroup_write_file(dir_fd, "freezer.state", "FROZEN") < 0)
            return -1;
        int is_frozen = v1_state_is(dir_fd, "FROZEN");
        if (is_frozen != 0)
            return is_frozen;
        if (cgroup_now_ms() >= end)
            return 0;
        cgroup_backoff(&step_us);
    }
}

int cgroup_freeze(const struct cgroup *cg, struct err *e)
{
    const struct cgroup_dir *v2 = cgroup_dir_v2(cg), *v1 = cgroup_dir_of(cg, CGROUP_FREEZER);
    int result = 0;
    if (v2)
        result = cgroup_write_file(v2->fd, "cgroup.freeze", "1") < 0
                     ? -1
                     : wait_event(v2->fd, "frozen", '1', FREEZE_MS);
    else if (v1)
        result = v1_freeze(v1->fd);
    else
        return no_freezer(e);
    if (result == 1)
        return 0;
    int cause = errno;
    struct err ignored; /* the failure to freeze is the one to tell */
    (void)!cgroup_thaw(cg, &ignored);
    if (result == 0)
        return err_host(e, "freeze the container: a process does not stop within %d ms", FREEZE_MS);
    return err_sys(e, cause, "freeze the container");
}

int cgroup_thaw(const struct cgroup *cg, struct err *e)
{
    const struct cgroup_dir *v2 = cgroup_dir_v2(cg), *v1 = cgroup_dir_of(cg, CGROUP_FREEZER);
    if (!v2 && !v1)
        return no_freezer(e);
    if ((v2 && cgroup_write_file(v2->fd, "cgroup.freeze", "0") < 0) ||
        (!v2 && cgroup_write_file(v1->fd, "freezer.state", "THAWED") < 0))
        return err_sys(e, errno, "thaw the container");
    return 0;
}

int cgroup_is_frozen(const struct cgroup *cg, bool *out, struct err *e)
{
    const struct cgroup_dir *v2 = cgroup_dir_v2(cg), *v1 = cgroup_dir_of(cg, CGROUP_FREEZER);
    int result = 0;
    if (v2)
        result = wait_event(v2->fd, "frozen", '1', 0);
    else if (v1)
        result = v1_state_is(v1->fd, "FROZEN");
    if (result < 0 && errno != ENODEV)
        return err_sys(e, errno, "read whether the container is frozen");
    *out = result == 1;
    return 0;
}

/* ---- signals ---- */

static int signal_once(const struct cgroup *cg, int signal, size_t *count, struct err *e)
{
    auto_free pid_t *pids = NULL;
    if (cgroup_pids(cg, &pids, count, e) < 0)
        return -1;
    for (size_t i = 0; i < *count; i++)
        if (kill(pids[i], signal) < 0 && errno != ESRCH)
            return err_sys(e, errno, "send signal %d to process %d", signal, pids[i]);
    return 0;
}

/* Without any freezer: processes that die cannot fork, so the rounds come to an end for SIGKILL. */
static int kill_unfrozen(const struct cgroup *cg, struct err *e)
{
    unsigned step_us = BACKOFF_FIRST_US;
    for (int round = 0; round < SIGNAL_ROUNDS; round++) {
        size_t count = 0;
        if (signal_once(cg, SIGKILL, &count, e) < 0)
            return -1;
        if (count == 0)
            return 0;
        cgroup_backoff(&step_us);
    }
    return err_host(e, "kill the container: processes remain");
}

/* Whom the container froze itself, in a directory of its own. */
static void thaw_below(const struct cgroup *cg)
{
    const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_FREEZER);
    struct cgroup_tree tree;
    struct err ignored; /* what cannot be thawed shows when it does not die */
    if (!dir || cgroup_dir_v2(cg) || cgroup_tree_read(dir->fd, &tree, &ignored) < 0)
        return;
    for (size_t i = 1; i < tree.count; i++) {
        char file[PATH_MAX];
        (void)snprintf(file, sizeof(file), "%s/freezer.state", tree.paths[i]);
        (void)!cgroup_write_file(dir->fd, file, "THAWED");
    }
    cgroup_tree_done(&tree);
}

/* Frozen, nobody forks away from the list. Always thawed after, unless it was frozen before and
 * is to live: a frozen process on v1 does not even die (freezer-subsystem.rst). */
static int signal_frozen(const struct cgroup *cg, int signal, struct err *e)
{
    bool was_frozen = false;
    size_t count = 0;
    if (cgroup_is_frozen(cg, &was_frozen, e) < 0 || (!was_frozen && cgroup_freeze(cg, e) < 0))
        return -1;
    int result = signal_once(cg, signal, &count, e);
    struct err thaw_error;
    if ((!was_frozen || signal == SIGKILL) && cgroup_thaw(cg, &thaw_error) < 0 && result == 0) {
        *e = thaw_error;
        result = -1;
    }
    if (signal == SIGKILL)
        thaw_below(cg);
    return result;
}

int cgroup_signal_all(const struct cgroup *cg, int signal, struct err *e)
{
    const struct cgroup_dir *v2 = cgroup_dir_v2(cg);
    if (signal == SIGKILL && v2) {
        if (cgroup_write_file(v2->fd, "cgroup.kill", "1") == 0 || errno == ENODEV)
            return 0;
        if (errno != ENOENT) /* before 5.14 there is no such file */
            return err_sys(e, errno, "kill the container by cgroup.kill");
    }
    struct err freeze_error;
    if ((v2 || cgroup_dir_of(cg, CGROUP_FREEZER)) && signal_frozen(cg, signal, &freeze_error) == 0)
        return 0;
    if (signal == SIGKILL)
        return kill_unfrozen(cg, e);
    size_t count;
    return signal_once(cg, signal, &count, e);
}

/* ---- removing ---- */

/* 0 gone, 1 busy, -1 with an error. */
static int remove_tree(const struct cgroup *cg, const struct cgroup_dir *dir, struct err *e)
{
    if (unlinkat(dir->root_fd, cg->path + 1, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0; /* most containers make no cgroups of their own */
    struct cgroup_tree tree;
    if (cgroup_tree_read(dir->fd, &tree, e) < 0)
        return -1;
    int result = 0;
    for (size_t i = tree.count; i-- > 0 && result == 0;) {
        bool is_top = i == 0;
        if (unlinkat(is_top ? dir->root_fd : dir->fd, is_top ? cg->path + 1 : tree.paths[i],
                     AT_REMOVEDIR) == 0 ||
            errno == ENOENT || errno == ENODEV)
            continue;
        if (errno == EBUSY || errno == ENOTEMPTY)
            result = 1;
        else
            result = err_sys(e, errno, "remove cgroup %s%s", dir->hierarchy.mountpoint, cg->path);
    }
    cgroup_tree_done(&tree);
    return result;
}

int cgroup_remove(const struct cgroup *cg, unsigned timeout_ms, struct err *e)
{
    uint64_t end = cgroup_now_ms() + timeout_ms;
    const struct cgroup_dir *v2 = cgroup_dir_v2(cg);
    unsigned step_us = BACKOFF_FIRST_US;
    bool is_gone[CGROUP_HIERARCHY_MAX] = { false };
    for (;;) {
        const struct cgroup_dir *busy = NULL;
        for (size_t i = 0; i < cg->count; i++) {
            if (is_gone[i] || cg->dirs[i].fd < 0)
                continue;
            int result = remove_tree(cg, &cg->dirs[i], e);
            if (result < 0)
                return -1;
            is_gone[i] = result == 0;
            if (is_gone[i] && cgroup_is_in_own_parent(cg->path))
                (void)unlinkat(cg->dirs[i].root_fd, CGROUP_OWN_PARENT, AT_REMOVEDIR);
            else if (!is_gone[i])
                busy = &cg->dirs[i];
        }
        if (!busy)
            return 0;
        uint64_t now = cgroup_now_ms();
        if (now >= end)
            return err_conflict(e, "remove cgroup %s%s: processes remain in it",
                                busy->hierarchy.mountpoint, cg->path);
        if (busy == v2)
            (void)!wait_event(v2->fd, "populated", '0', (unsigned)(end - now));
        cgroup_backoff(&step_us);
    }
}
