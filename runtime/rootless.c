#include "runtime/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/caps.h"

#define PATH_DEFAULT "/usr/bin:/bin:/usr/sbin:/sbin"

enum {
    RANGES_MAX = 340, /* user_namespaces(7): as many lines as a map may have */
    NUMBER_BYTES = 12,
    COMPLAINT_BYTES = 160
};

struct range {
    uint32_t first, size;
};
struct ranges {
    struct range items[RANGES_MAX];
    size_t count;
};
/* newuidmap PID ID ID SIZE … */
struct mapper {
    const char *name;
    char path[PATH_LIMIT];
    char numbers[1 + 2 * RANGES_MAX][NUMBER_BYTES];
    char *argv[2 + 3 * RANGES_MAX + 1];
};

bool rootless_is_needed(void)
{
    return geteuid() != 0 && !caps_has(CAP_SYS_ADMIN);
}

bool rootless_is_initial_userns(void)
{
    char text[64];
    auto_fd int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return true; /* a kernel without user namespaces */
    text[n] = '\0';
    return strstr(text, " 4294967295") != NULL;
}

bool rootless_has_own_root(void)
{
    return geteuid() != 0 || (!rootless_is_initial_userns() && !str_eq(getenv("USER"), "root"));
}

/* The ids of the host that MAPS names, and OWN. */
static int collect(const struct oci_idmaps *maps, uint32_t own, const char *field,
                   struct ranges *out, struct err *e)
{
    bool has_own = false;
    out->count = 0;
    if (maps->count >= RANGES_MAX)
        return err_input(e, "%s: more than %d mappings", field, RANGES_MAX - 1);
    for (size_t i = 0; i < maps->count; i++) {
        struct range r = { maps->items[i].host_id, maps->items[i].size };
        has_own = has_own || (own >= r.first && own - r.first < r.size);
        out->items[out->count++] = r;
    }
    if (!has_own)
        out->items[out->count++] = (struct range){ own, 1 };
    return 0;
}

static bool is_alone(const struct ranges *r)
{
    return r->count == 1 && r->items[0].size == 1;
}

static int write_text(const char *path, const char *text, struct err *e)
{
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
        return err_sys(e, errno, "write %s", path);
    return 0;
}

/* user_namespaces(7) §Defining user and group ID mappings: this much everybody may. */
static int map_own(uint32_t uid, uint32_t gid, struct err *e)
{
    char line[64];
    if (write_text("/proc/self/setgroups", "deny", e) < 0)
        return -1;
    (void)snprintf(line, sizeof(line), "%u %u 1\n", uid, uid);
    if (write_text("/proc/self/uid_map", line, e) < 0)
        return -1;
    (void)snprintf(line, sizeof(line), "%u %u 1\n", gid, gid);
    return write_text("/proc/self/gid_map", line, e);
}

/* ---- the helpers ---- */

static bool is_roots(const char *path, mode_t type)
{
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == 0 &&
           !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static int find_mapper(struct mapper *m, struct err *e)
{
    const char *dirs = getenv("PATH");
    for (const char *dir = dirs && *dirs ? dirs : PATH_DEFAULT; *dir;) {
        size_t len = strcspn(dir, ":");
        int n = snprintf(m->path, sizeof(m->path), "%.*s", (int)len, dir);
        if (n > 0 && n < (int)sizeof(m->path) - 16 && is_roots(m->path, S_IFDIR)) {
            (void)snprintf(m->path + n, sizeof(m->path) - (size_t)n, "/%s", m->name);
            if (is_roots(m->path, S_IFREG) && access(m->path, X_OK) == 0)
                return 0;
        }
        dir += len + (dir[len] == ':');
    }
    (void)err_host(e, "map more than the own id: no %s in a directory of root in $PATH", m->name);
    err_hint(e, "install Debian's package uidmap");
    return -1;
}

static int mapper_init(struct mapper *m, const char *name, pid_t pid, const struct ranges *r,
                       struct err *e)
{
    size_t words = 0, numbers = 0;
    m->name = name;
    if (find_mapper(m, e) < 0)
        return -1;
    m->argv[words++] = m->path;
    (void)snprintf(m->numbers[numbers], NUMBER_BYTES, "%d", (int)pid);
    m->argv[words++] = m->numbers[numbers++];
    for (size_t i = 0; i < r->count; i++) {
        char *first = m->numbers[numbers++], *size = m->numbers[numbers++];
        (void)snprintf(first, NUMBER_BYTES, "%u", r->items[i].first);
        (void)snprintf(size, NUMBER_BYTES, "%u", r->items[i].size);
        m->argv[words++] = first;
        m->argv[words++] = first;
        m->argv[words++] = size;
    }
    m->argv[words] = NULL;
    return 0;
}

/* In a process that stayed outside, where the helpers have their rights. What they complain of goes
 * to COMPLAINT_FD. */
_Noreturn static void map_from_outside(const struct mapper *mappers, int go_fd, int complaint_fd)
{
    char go;
    if (read(go_fd, &go, 1) != 1)
        _exit(1); /* the parent gave up */
    for (size_t i = 0; i < 2; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            if (dup2(complaint_fd, STDERR_FILENO) >= 0)
                (void)execv(mappers[i].path, mappers[i].argv);
            _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
            _exit(1);
    }
    _exit(0);
}

static int tell_complaint(int fd, struct err *e)
{
    char text[COMPLAINT_BYTES];
    ssize_t n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    (void)err_host(e, "map the ids: %s", text[0] ? text : "newuidmap or newgidmap refused");
    err_hint(e, "/etc/subuid and /etc/subgid say which ids a user may map");
    return -1;
}

static int unshare_self(struct err *e)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return err_sys(e, errno, "make a user namespace as an ordinary user");
    return 0;
}

static int map_by_helpers(const struct mapper *mappers, struct err *e)
{
    int go[2], complaint[2], status = -1;
    if (pipe2(go, O_CLOEXEC) < 0)
        return err_sys(e, errno, "make a pipe");
    auto_fd int go_out = go[0], go_in = go[1];
    if (pipe2(complaint, O_CLOEXEC) < 0)
        return err_sys(e, errno, "make a pipe");
    auto_fd int complaint_out = complaint[0], complaint_in = complaint[1];
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(e, errno, "fork");
    if (pid == 0) {
        fd_close(&go_in); /* else its end of file would never come */
        map_from_outside(mappers, go_out, complaint_in);
    }
    fd_close(&complaint_in);
    int result = unshare_self(e);
    if (result == 0 && write(go_in, "", 1) != 1)
        result = err_sys(e, errno, "start the mapping");
    fd_close(&go_in);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (result == 0 && status != 0)
        return tell_complaint(complaint_out, e);
    return result;
}

int rootless_check(const struct oci_config *c, struct err *e)
{
    const struct oci_namespace *user = &c->namespaces[OCI_NS_USER];
    if (!rootless_is_needed() || (user->is_wanted && !user->path))
        return 0;
    (void)err_input(e, "linux.namespaces: an ordinary user's container needs a new user namespace");
    err_hint(e, "run as root, or see svc-runtime spec --rootless");
    return -1;
}

int rootless_enter(const struct oci_config *c, struct err *e)
{
    struct ranges uids, gids;
    if (!rootless_is_needed())
        return 0;
    uint32_t uid = geteuid(), gid = getegid();
    if (collect(&c->uid_mappings, uid, "linux.uidMappings", &uids, e) < 0 ||
        collect(&c->gid_mappings, gid, "linux.gidMappings", &gids, e) < 0)
        return -1;
    if (is_alone(&uids) && is_alone(&gids))
        return unshare_self(e) < 0 ? -1 : map_own(uid, gid, e);
    auto_free struct mapper *mappers = mem_alloc(2 * sizeof(*mappers));
    pid_t self = getpid();
    if (mapper_init(&mappers[0], "newuidmap", self, &uids, e) < 0 ||
        mapper_init(&mappers[1], "newgidmap", self, &gids, e) < 0)
        return -1;
    return map_by_helpers(mappers, e);
}
