/* What state.json remembers of a container's cgroups. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"

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
    if (cgroup_dir_open_root(dir, e) < 0)
        return -1;
    if (fstatfs(dir->root_fd, &fs) < 0 ||
        fs.f_type != (dir->hierarchy.version == 2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
        return err_conflict(e, "%s is no longer a cgroup v%u hierarchy", dir->hierarchy.mountpoint,
                            dir->hierarchy.version);
    dir->fd = openat(dir->root_fd, path + 1, CGROUP_DIR_FLAGS);
    if (dir->fd < 0 && errno != ENOENT)
        return err_sys(e, errno, "open cgroup %s%s", dir->hierarchy.mountpoint, path);
    if (dir->fd >= 0 && dir->hierarchy.version == 2)
        return cgroup_controllers_read(dir->fd, &dir->hierarchy.controllers, e);
    return 0;
}

static int parse(const char *s, struct cgroup *cg, struct err *e)
{
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
    if (cgroup_path_normalise("state", path, cg->path, e) < 0)
        return -1;
    return cg->path[0] ? 0 : err_input(e, "state: \"%.64s\" names no cgroup", s);
}

int cgroup_find(const struct cgroup_host *host, const char *path, struct cgroup **out,
                struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = cgroup_alloc();
    if (cgroup_path_normalise("linux.cgroupsPath", path, cg->path, e) < 0)
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
    if (parse(s, cg, e) < 0)
        return -1;
    for (size_t i = 0; i < cg->count; i++)
        if (dir_reopen(&cg->dirs[i], cg->path, e) < 0)
            return -1;
    *out = take_ptr(cg);
    return 0;
}
