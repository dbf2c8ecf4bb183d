#include "supervisor/stack/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

enum {
    HIERARCHIES_MAX = 32,
    FILE_BYTES_MAX = 1024 * 1024,
    DEPTH_MAX = 16,
    REMOVE_TRIES = 100, /* × REMOVE_PAUSE_MS: a cgroup is busy until its last task is reaped */
    REMOVE_PAUSE_MS = 50,
};

struct hierarchies {
    int fds[HIERARCHIES_MAX];
    size_t count;
};

/* Every directory at or right below /sys/fs/cgroup that is a cgroup: on v2 that is the top itself;
 * on v1 and hybrid one per controller, some of them links to one another. */
static void open_hierarchies(struct hierarchies *h)
{
    h->count = 0;
    int top = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return;
    if (faccessat(top, "cgroup.procs", F_OK, 0) == 0) {
        h->fds[h->count++] = top;
        return;
    }
    DIR *dir = fdopendir(top);
    for (struct dirent *d; dir && h->count < HIERARCHIES_MAX && (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.')
            continue;
        int fd = openat(top, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (faccessat(fd, "cgroup.procs", F_OK, 0) == 0)
            h->fds[h->count++] = fd;
        else
            fd_close(&fd);
    }
    if (dir)
        (void)closedir(dir);
}

static void close_hierarchies(struct hierarchies *h)
{
    for (size_t i = 0; i < h->count; i++)
        fd_close(&h->fds[i]);
}

/* memory.events (v2) and memory.oom_control (v1) have a line "oom_kill N". */
static bool counts_oom_kill(int hierarchy, const char *dir)
{
    static const char *const files[] = { "memory.events", "memory.oom_control" };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[PATH_LIMIT];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        auto_buf struct buf text;
        buf_init(&text, FILE_BYTES_MAX);
        struct err ignored;
        if (fd_read_file(hierarchy, path, &text, &ignored) < 0 || !text.data)
            continue;
        const char *at = strstr(text.data, "oom_kill ");
        if (at && at[strlen("oom_kill ")] != '0')
            return true;
    }
    return false;
}

bool cgroups_oom_killed(const char *project, const char *id)
{
    char dir[ID_MAX + NAME_LIMIT + 8];
    (void)snprintf(dir, sizeof(dir), "svc/%s/%s", project, id);
    struct hierarchies h;
    open_hierarchies(&h);
    bool found = false;
    for (size_t i = 0; i < h.count && !found; i++)
        found = counts_oom_kill(h.fds[i], dir);
    close_hierarchies(&h);
    return found;
}

static void kill_members(int dir_fd)
{
    auto_fd int kill_fd = openat(dir_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (kill_fd >= 0) {
        (void)!write(kill_fd, "1", 1); /* the walk below does the rest */
        return;
    }
    auto_buf struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    struct err ignored;
    if (fd_read_file(dir_fd, "cgroup.procs", &text, &ignored) < 0)
        return;
    for (char *line = text.data; line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        uint64_t pid;
        if (str_to_u64(line, INT32_MAX, &pid) == 0 && pid > 1)
            (void)kill((pid_t)pid, SIGKILL);
        line = end;
    }
}

/* Kills and removes the tree NAME; -1 with errno EBUSY while tasks are dying. */
static int remove_cgroup(int parent_fd, const char *name, int depth)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    kill_members(fd);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        fd_close(&fd);
        return -1;
    }
    int result = 0;
    for (struct dirent *d; depth < DEPTH_MAX && (d = readdir(dir)) != NULL;)
        if (d->d_type == DT_DIR && d->d_name[0] != '.' &&
            remove_cgroup(fd, d->d_name, depth + 1) < 0)
            result = -1;
    (void)closedir(dir);
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        result = -1;
    return result;
}

static int remove_everywhere(const struct hierarchies *h, const char *path)
{
    int result = 0;
    for (size_t i = 0; i < h->count; i++) {
        if (remove_cgroup(h->fds[i], path, 0) < 0)
            result = -1;
        else
            (void)unlinkat(h->fds[i], "svc", AT_REMOVEDIR); /* other stacks may be there */
    }
    return result;
}

int cgroups_remove_project(const char *project, struct err *e)
{
    char path[PATH_LIMIT];
    (void)snprintf(path, sizeof(path), "svc/%s", project);
    struct hierarchies h;
    open_hierarchies(&h);
    int result = remove_everywhere(&h, path);
    for (int i = 0; result < 0 && i < REMOVE_TRIES; i++) {
        (void)poll(NULL, 0, REMOVE_PAUSE_MS);
        result = remove_everywhere(&h, path);
    }
    int errnum = errno;
    close_hierarchies(&h);
    return result < 0 ? err_sys(e, errnum, "remove the cgroups of %s", project) : 0;
}

/* v1 has the file at the top; v2 has it in every cgroup but the top. */
bool cgroups_limit_swap(void)
{
    struct hierarchies h;
    open_hierarchies(&h);
    bool found = false;
    for (size_t i = 0; i < h.count && !found; i++)
        found = faccessat(h.fds[i], "memory.memsw.limit_in_bytes", F_OK, 0) == 0 ||
                (h.count == 1 && faccessat(h.fds[i], "cgroup.subtree_control", F_OK, 0) == 0);
    close_hierarchies(&h);
    return found;
}
