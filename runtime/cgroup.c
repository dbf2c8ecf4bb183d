#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"
#include "runtime/device_rules.h"

enum {
    DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
    MAKE_TRIES = 8, /* a parent may be removed by another container's end while we make the child */
};

/* ---- small things ---- */

int cgroup_write_file(int dir_fd, const char *file, const char *text)
{
    auto_fd int fd = openat(dir_fd, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = strlen(text);
    return write(fd, text, len) == (ssize_t)len ? 0 : -1;
}

int cgroup_read_file(int dir_fd, const char *file, char *to, size_t size)
{
    auto_fd int fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t used = 0;
    while (used < size - 1) {
        ssize_t n = read(fd, to + used, size - 1 - used);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0)
            break;
        used += n > 0 ? (size_t)n : 0;
    }
    to[used] = '\0';
    return 0;
}

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

static struct cgroup *cgroup_alloc(void)
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
    free(cg);
}

/* ---- the path ---- */

/* "/a/b" from "a//b/", "/./a/b". ".." has no use here and was a way out (CVE list of crun 1.28). */
static int path_normalise(const char *path, char *to, struct err *e)
{
    size_t used = 0;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.')
            return err_input(e, "linux.cgroupsPath: \"%s\" contains \"..\"", path);
        if (len > 0 && !(len == 1 && *p == '.')) {
            if (used + len + 2 > CGROUP_PATH_LIMIT || len > NAME_MAX)
                return err_input(e, "linux.cgroupsPath: \"%.64s…\" is too long", path);
            to[used++] = '/';
            memcpy(to + used, p, len);
            used += len;
        }
        p += len;
        p += *p == '/';
    }
    to[used] = '\0';
    if (used == 0)
        return err_input(e, "linux.cgroupsPath: \"%s\" is the root of the hierarchy", path);
    return 0;
}

/* ---- making directories ---- */

static int has_processes(int dir_fd)
{
    char byte[2];
    return cgroup_read_file(dir_fd, "cgroup.procs", byte, sizeof(byte)) == 0 && byte[0];
}

/* Opens NAME beneath PARENT_FD, made if need be. *WAS_MADE tells. */
static int open_step(int parent_fd, const char *name, bool *was_made)
{
    *was_made = mkdirat(parent_fd, name, 0755) == 0;
    if (!*was_made && errno != EEXIST)
        return -1;
    int fd = openat(parent_fd, name, DIR_FLAGS);
    if (fd < 0 && *was_made) {
        int errnum = errno; /* nobody else knows of it: cgroup_remove goes by what is open */
        (void)unlinkat(parent_fd, name, AT_REMOVEDIR);
        errno = errnum;
    }
    return fd;
}

/* Walks PATH down from the mount point, making what is missing; on v2 each parent passes WANTED on
 * to its children. Returns the last directory, -1 with errno. *MADE_LEN: PATH up to which length
 * was there before. */
static int walk(const struct cgroup_dir *dir, const char *path, uint32_t wanted, struct err *e)
{
    bool is_cpuset =
        dir->hierarchy.version == 1 && (dir->hierarchy.controllers & CGROUP_BIT(CGROUP_CPUSET));
    auto_fd int fd = fcntl(dir->root_fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return err_sys(e, errno, "open %s", dir->hierarchy.mountpoint);
    for (const char *p = path; *p;) {
        char name[NAME_MAX + 1];
        size_t len = strcspn(++p, "/");
        memcpy(name, p, len);
        name[len] = '\0';
        p += len;
        if (dir->hierarchy.version == 2)
            cgroup_v2_enable(fd, wanted & dir->hierarchy.controllers);
        bool was_made;
        auto_fd int next = open_step(fd, name, &was_made);
        if (next < 0)
            return err_sys(e, errno, "make cgroup %s%.*s", dir->hierarchy.mountpoint,
                           (int)(p - path), path);
        if (was_made && is_cpuset && cgroup_v1_seed(fd, next, e) < 0) {
            (void)unlinkat(fd, name, AT_REMOVEDIR);
            return -1;
        }
        fd_close(&fd);
        fd = take_fd(&next);
    }
    return take_fd(&fd);
}

static int dir_make(struct cgroup_dir *dir, const char *path, uint32_t wanted, struct err *e)
{
    for (int tries = 0; dir->fd < 0; tries++) {
        dir->fd = walk(dir, path, wanted, e);
        if (dir->fd < 0 && (e->errnum != ENOENT || tries == MAKE_TRIES)) {
            if (e->errnum == EACCES || e->errnum == EPERM || e->errnum == EROFS)
                err_hint(e, "the cgroup file system must be writable: run as root, or in a "
                            "delegated cgroup");
            return -1;
        }
    }
    if (has_processes(dir->fd))
        return err_conflict(e, "cgroup %s%s has processes in it", dir->hierarchy.mountpoint, path);
    return 0;
}

static int dir_open_root(struct cgroup_dir *dir, struct err *e)
{
    dir->root_fd = open(dir->hierarchy.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->root_fd < 0)
        return err_sys(e, errno, "open %s", dir->hierarchy.mountpoint);
    return 0;
}

/* ---- which hierarchies, which limits ---- */

static void versions_of(const struct cgroup_host *host, unsigned *versions)
{
    memset(versions, 0, CGROUP_CONTROLLER_COUNT_ * sizeof(*versions));
    for (size_t i = 0; i < host->count; i++)
        for (unsigned c = 0; c < CGROUP_CONTROLLER_COUNT_; c++)
            if ((host->items[i].controllers & CGROUP_BIT(c)) && versions[c] == 0)
                versions[c] = host->items[i].version;
}

/* Every container has these, for its statistics, the count of OOM kills and the device rules; of
 * others a directory is made when a limit asks for it, since each costs a join (50-80 us on v1). */
static uint32_t controllers_always(const struct cgroup_host *host)
{
    uint32_t bits = CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_CPUACCT) |
                    CGROUP_BIT(CGROUP_PIDS) | CGROUP_BIT(CGROUP_DEVICES);
    if (host->layout == CGROUP_V1)
        bits |= CGROUP_BIT(CGROUP_FREEZER);
    return bits;
}

static uint32_t controllers_of(const struct cgroup_writes *writes)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < writes->count; i++)
        bits |= writes->items[i].controllers;
    return bits;
}

/* Adds the hierarchies of HOST that have one of CONTROLLERS, and v2, unless there already. */
static int add_dirs(struct cgroup *cg, const struct cgroup_host *host, uint32_t controllers,
                    struct err *e)
{
    for (size_t i = 0; i < host->count; i++) {
        const struct cgroup_hierarchy *h = &host->items[i];
        bool is_there = false;
        for (size_t j = 0; j < cg->count; j++)
            is_there |= cg->dirs[j].hierarchy.version == h->version &&
                        str_eq(cg->dirs[j].hierarchy.options, h->options);
        if (is_there || !(h->version == 2 || (h->controllers & controllers)))
            continue;
        struct cgroup_dir *dir = &cg->dirs[cg->count++];
        dir->hierarchy = *h;
        if (dir_open_root(dir, e) < 0 || dir_make(dir, cg->path, controllers, e) < 0)
            return -1;
    }
    return 0;
}

static int write_limit(const struct cgroup_dir *dir, const struct cgroup_write *w)
{
    if (w->other_file && faccessat(dir->fd, w->other_file, F_OK, 0) == 0)
        return cgroup_write_file(dir->fd, w->other_file, w->other_value);
    if (!w->keeps_quota)
        return cgroup_write_file(dir->fd, w->file, w->value);
    char line[64];
    if (cgroup_read_file(dir->fd, w->file, line, sizeof(line)) < 0)
        return -1;
    (void)snprintf(line + strcspn(line, " \n"), 32, " %.30s", w->value);
    return cgroup_write_file(dir->fd, w->file, line);
}

static int limit_failed(const struct cgroup *cg, const struct cgroup_dir *dir,
                        const struct cgroup_write *w, int cause, struct err *e)
{
    (void)err_sys(e, cause, "%s: write \"%s\" to %s%s/%s", w->key, w->value,
                  dir->hierarchy.mountpoint, cg->path, w->file);
    if (cause == ENOENT && dir->hierarchy.version == 2)
        err_hint(e, "the controller is not enabled there: cgroup.subtree_control of a parent "
                    "refused it, perhaps for processes in that parent");
    return -1;
}

/* A limit may have to follow another one (memsw above memory, quota within period, in the order
 * that keeps both true): what the kernel finds invalid is tried once more after the others. */
static int write_limits(const struct cgroup *cg, const struct cgroup_writes *writes, struct err *e)
{
    auto_free bool *is_left = mem_alloc(writes->count + 1);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < writes->count; i++) {
            const struct cgroup_write *w = &writes->items[i];
            const struct cgroup_dir *dir = cgroup_dir_v2(cg);
            for (unsigned c = 0; c < CGROUP_CONTROLLER_COUNT_; c++)
                if (w->controllers & CGROUP_BIT(c))
                    dir = cgroup_dir_of(cg, c);
            if (!dir)
                return err_host(e, "%s: there is no cgroup hierarchy for it", w->key);
            if (pass == 1 && !is_left[i])
                continue;
            if (write_limit(dir, w) == 0)
                continue;
            if (pass == 1 || (errno != EINVAL && errno != EBUSY))
                return limit_failed(cg, dir, w, errno, e);
            is_left[i] = true;
        }
    }
    return 0;
}

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

static int fill(struct cgroup *cg, const struct cgroup_host *host,
                const struct cgroup_writes *writes, const struct oci_resources *res, struct err *e)
{
    if (add_dirs(cg, host, controllers_always(host) | controllers_of(writes), e) < 0 ||
        write_limits(cg, writes, e) < 0 || write_devices(cg, res, e) < 0)
        return -1;
    return 0;
}

int cgroup_new(const struct cgroup_host *host, const char *path, const struct oci_resources *res,
               struct cgroup **out, struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = cgroup_alloc();
    unsigned versions[CGROUP_CONTROLLER_COUNT_];
    struct cgroup_writes writes;
    if (host->layout == CGROUP_NONE) {
        (void)err_host(e, "no cgroup hierarchy is mounted");
        err_hint(e, "mount -t cgroup2 none /sys/fs/cgroup");
        return -1;
    }
    versions_of(host, versions);
    if (path_normalise(path, cg->path, e) < 0 || cgroup_limits_plan(res, versions, &writes, e) < 0)
        return -1;
    int result = fill(cg, host, &writes, res, e);
    cgroup_writes_done(&writes);
    if (result < 0) {
        struct err ignored; /* the first failure is the one to tell */
        if (e->kind != ERR_CONFLICT)
            (void)!cgroup_remove(cg, 0, &ignored);
        return -1;
    }
    *out = take_ptr(cg);
    return 0;
}

/* ---- state.json ---- */

/* "1:memory:/sys/fs/cgroup/memory 2::/sys/fs/cgroup /svc-runtime/ID", with the escapes of
 * mountinfo for what would end a word. */
static void add_escaped(struct buf *to, const char *s)
{
    for (; *s; s++) {
        if (strchr(" \t\n\\:", *s))
            (void)buf_printf(to, "\\%03o", (unsigned)(unsigned char)*s);
        else
            (void)buf_add_char(to, *s);
    }
}

void cgroup_to_string(const struct cgroup *cg, struct buf *to)
{
    for (size_t i = 0; i < cg->count; i++) {
        const struct cgroup_hierarchy *h = &cg->dirs[i].hierarchy;
        (void)buf_printf(to, "%u:", h->version);
        add_escaped(to, h->options);
        (void)buf_add_char(to, ':');
        add_escaped(to, h->mountpoint);
        (void)buf_add_char(to, ' ');
    }
    add_escaped(to, cg->path);
}

/* Reads up to one of STOPS (or the end) into TO, unescaping. Returns what follows, NULL when it
 * does not fit. */
static const char *take_word(const char *s, const char *stops, char *to, size_t size)
{
    size_t used = 0;
    for (; *s && !strchr(stops, *s); s++) {
        char c = *s;
        if (c == '\\') {
            if (strspn(s + 1, "01234567") < 3)
                return NULL;
            c = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        }
        if (used + 1 >= size)
            return NULL;
        to[used++] = c;
    }
    to[used] = '\0';
    return s;
}

static const char *take_hierarchy(const char *s, struct cgroup_hierarchy *h)
{
    if ((s[0] != '1' && s[0] != '2') || s[1] != ':')
        return NULL;
    h->version = (unsigned)(s[0] - '0');
    s = take_word(s + 2, ":", h->options, sizeof(h->options));
    if (!s || *s != ':')
        return NULL;
    s = take_word(s + 1, " ", h->mountpoint, sizeof(h->mountpoint));
    if (!s || *s != ' ' || h->mountpoint[0] != '/')
        return NULL;
    if (h->version == 1)
        h->controllers = cgroup_controllers_parse(h->options, 1);
    return s + 1;
}

/* A state file is ours, but what is written to must be a cgroup all the same. */
static int dir_reopen(struct cgroup_dir *dir, const char *path, struct err *e)
{
    struct statfs fs;
    if (dir_open_root(dir, e) < 0)
        return -1;
    if (fstatfs(dir->root_fd, &fs) < 0 ||
        fs.f_type != (dir->hierarchy.version == 2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
        return err_conflict(e, "%s is no longer a cgroup v%u hierarchy", dir->hierarchy.mountpoint,
                            dir->hierarchy.version);
    dir->fd = openat(dir->root_fd, path + 1, DIR_FLAGS);
    if (dir->fd < 0 && errno != ENOENT)
        return err_sys(e, errno, "open cgroup %s%s", dir->hierarchy.mountpoint, path);
    if (dir->fd >= 0 && dir->hierarchy.version == 2)
        return cgroup_controllers_read(dir->fd, &dir->hierarchy.controllers, e);
    return 0;
}

int cgroup_find(const struct cgroup_host *host, const char *path, struct cgroup **out,
                struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = cgroup_alloc();
    if (path_normalise(path, cg->path, e) < 0)
        return -1;
    for (size_t i = 0; i < host->count; i++) {
        cg->dirs[cg->count++].hierarchy = host->items[i];
        if (dir_reopen(&cg->dirs[i], cg->path, e) < 0)
            return -1;
    }
    *out = take_ptr(cg);
    return 0;
}

int cgroup_from_string(const char *s, struct cgroup **out, struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = cgroup_alloc();
    const char *p = s;
    char path[CGROUP_PATH_LIMIT] = "";
    while (p && *p && *p != '/') {
        if (cg->count == CGROUP_HIERARCHY_MAX)
            p = NULL;
        else
            p = take_hierarchy(p, &cg->dirs[cg->count++].hierarchy);
    }
    if (!p || !take_word(p, "", path, sizeof(path)))
        return err_input(e, "state: \"%.64s\" is not a list of cgroups", s);
    if (path_normalise(path, cg->path, e) < 0)
        return err_wrap(e, "state");
    for (size_t i = 0; i < cg->count; i++)
        if (dir_reopen(&cg->dirs[i], cg->path, e) < 0)
            return -1;
    *out = take_ptr(cg);
    return 0;
}
