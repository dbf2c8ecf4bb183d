/* Limits, written: in what order, what a failure means, and how to take back what was written. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"

enum {
    PASSES = 2,
    BEFORE_MAX = 4096, /* bytes of a limit file that are kept to be put back */
};

/* ---- one limit ---- */

static const struct cgroup_dir *dir_for(const struct cgroup *cg, const struct cgroup_write *w)
{
    const struct cgroup_dir *dir = NULL;
    for (unsigned c = 0; c < CGROUP_CONTROLLER_COUNT_; c++)
        if (w->controllers & CGROUP_BIT(c))
            dir = cgroup_dir_of(cg, c);
    return dir || w->controllers ? dir : cgroup_dir_v2(cg);
}

/* A line at a time: that is what the kernel takes (cgroup-v2.rst §Format). */
static int write_lines(int dir_fd, const char *file, const char *text)
{
    auto_fd int fd = openat(dir_fd, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    do {
        size_t len = strcspn(text, "\n");
        if ((len || !*text) && write(fd, text, len) != (ssize_t)len)
            return -1;
        text += len;
        text += *text == '\n';
    } while (*text);
    return 0;
}

/* *FILE: the one that was written, or refused. */
static int write_limit(const struct cgroup_dir *dir, const struct cgroup_write *w,
                       const char **file)
{
    if (w->other_file) {
        *file = w->other_file;
        if (write_lines(dir->fd, w->other_file, w->other_value) == 0)
            return 0;
        if (errno != ENOENT)
            return -1;
    }
    *file = w->file;
    if (!w->keeps_quota)
        return write_lines(dir->fd, w->file, w->value);
    char line[64];
    if (cgroup_read_file(dir->fd, w->file, line, sizeof(line)) < 0)
        return -1;
    (void)snprintf(line + strcspn(line, " \n"), 32, " %.30s", w->value);
    return cgroup_write_file(dir->fd, w->file, line);
}

static int limit_failed(const struct cgroup *cg, const struct cgroup_dir *dir,
                        const struct cgroup_write *w, const char *file, int cause, struct err *e)
{
    uint32_t has = 0;
    struct err ignored;
    (void)err_sys(e, cause, "%s: write \"%s\" to %s%s/%s", w->key,
                  str_eq(file, w->file) ? w->value : w->other_value, dir->hierarchy.mountpoint,
                  cg->path, file);
    bool is_off = dir->hierarchy.version == 2 && w->controllers &&
                  cgroup_controllers_read(dir->fd, &has, &ignored) == 0 &&
                  (has & w->controllers) != w->controllers;
    if (is_off)
        err_hint(e, "the controller is not enabled there: cgroup.subtree_control of a parent "
                    "refused it, perhaps for processes in that parent");
    else if (cause == ENOENT && (w->controllers & CGROUP_BIT(CGROUP_BLKIO)))
        err_hint(e, "this kernel has no such limit; weights need the BFQ scheduler");
    else if (cause == ENOENT)
        err_hint(e, "this kernel has no such limit");
    else if (cause == ENODEV)
        err_hint(e, "this machine has no such device");
    else if (cause == EBUSY && (w->controllers & CGROUP_BIT(CGROUP_MEMORY)))
        err_hint(e, "the container uses more memory than that already");
    else if (cause == EINVAL && strncmp(file, "cpu.rt_", 7) == 0)
        err_hint(e, "every parent must have cpu.rt_runtime_us, and more of it");
    return -1;
}

/* ---- taking back ---- */

static const char *line_of(const char *text, const char *key, size_t len)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) == 0 && line[len] == ' ')
            return line;
    }
    return NULL;
}

const char *cgroup_undo_text(const char *file, const char *before, const char *value, char *to,
                             size_t size)
{
    static const struct {
        const char *file; /* what it begins with */
        const char *none; /* after the key: no limit of its own */
    } keyed[] = {
        { "io.max", "rbps=max wbps=max riops=max wiops=max" },
        { "io.weight", "default" },
        { "io.bfq.weight", "default" },
        { "blkio.throttle.", "0" },
        { "blkio.bfq.weight_device", "0" },
        { "blkio.weight_device", "0" },
        { "rdma.max", "hca_handle=max hca_object=max" },
        { "net_prio.ifpriomap", "0" },
    };
    size_t key_len = strcspn(value, " ");
    if (str_eq(file, "memory.oom_control")) {
        (void)snprintf(to, size, "%llu",
                       (unsigned long long)cgroup_find_u64(before, "oom_kill_disable"));
        return to;
    }
    for (size_t i = 0; i < ARRAY_LEN(keyed); i++) {
        if (!str_starts(file, keyed[i].file))
            continue;
        if (strchr(value, '\n'))
            return NULL; /* of several devices at once: "unified" can say that */
        bool has_key = value[key_len] == ' ';
        const char *line = has_key ? line_of(before, value, key_len)
                                   : line_of(before, "default", strlen("default"));
        if (line)
            (void)snprintf(to, size, "%.*s", (int)strcspn(line, "\n"), line);
        else if (has_key)
            (void)snprintf(to, size, "%.*s %s", (int)key_len, value, keyed[i].none);
        else
            (void)snprintf(to, size, "%.*s", (int)strcspn(before, "\n"), before);
        return to;
    }
    size_t len = strcspn(before, "\n");
    if (before[len] == '\n' && before[len + 1])
        return NULL; /* lines of which nothing is known */
    if (len == 0)
        (void)!str_copy(to, size, "\n"); /* cpuset.cpus: an empty write would not arrive */
    else
        (void)snprintf(to, size, "%.*s", (int)len, before);
    return to;
}

/* What was written, in its order, and what the file said before. */
struct done {
    const struct cgroup_dir *dir;
    const struct cgroup_write *write;
    const char *file;
    char *before; /* NULL: could not be read */
};
struct journal {
    struct arena arena;
    struct done *items;
    size_t count, cap;
};

static void journal_done(struct journal *j)
{
    arena_done(&j->arena);
    free(j->items);
}

static const char *file_to_be(const struct cgroup_dir *dir, const struct cgroup_write *w)
{
    return w->other_file && faccessat(dir->fd, w->other_file, F_OK, 0) == 0 ? w->other_file
                                                                            : w->file;
}

static void remember(struct journal *j, const struct cgroup_dir *dir, const struct cgroup_write *w)
{
    char before[BEFORE_MAX];
    j->items = mem_grow(j->items, &j->cap, j->count + 1, sizeof(*j->items));
    struct done *d = &j->items[j->count];
    *d = (struct done){ .dir = dir, .write = w, .file = file_to_be(dir, w) };
    if (cgroup_read_file(dir->fd, d->file, before, sizeof(before)) == 0)
        d->before = arena_strdup(&j->arena, before);
}

/* As limits did when they were written, one may have to wait for another. What stays is named. */
static void take_back(struct journal *j, struct err *e)
{
    for (int pass = 0; pass < PASSES; pass++) {
        for (size_t i = j->count; i-- > 0;) {
            struct done *d = &j->items[i];
            char text[BEFORE_MAX];
            if (!d->write)
                continue;
            const char *value = d->file == d->write->file ? d->write->value : d->write->other_value;
            const char *old =
                d->before ? cgroup_undo_text(d->file, d->before, value, text, sizeof(text)) : NULL;
            if (old && cgroup_write_file(d->dir->fd, d->file, old) == 0)
                d->write = NULL;
        }
    }
    for (size_t i = 0; i < j->count; i++)
        if (j->items[i].write)
            (void)err_wrap(e, "%s was changed and stays", j->items[i].write->key);
}

/* ---- all ---- */

static int write_one(const struct cgroup *cg, const struct cgroup_write *w, struct journal *j,
                     bool is_last_pass, bool *is_left, struct err *e)
{
    const struct cgroup_dir *dir = dir_for(cg, w);
    const char *file = w->file;
    if (!dir)
        return err_host(e, "%s: there is no cgroup hierarchy for it", w->key);
    if (j)
        remember(j, dir, w);
    *is_left = false;
    if (write_limit(dir, w, &file) == 0) {
        if (j)
            j->count++;
        return 0;
    }
    if (errno == ENOENT && w->is_optional) {
        cgroup_log_note(w->note);
        return 0;
    }
    *is_left = !is_last_pass && (errno == EINVAL || errno == EBUSY);
    return *is_left ? 0 : limit_failed(cg, dir, w, file, errno, e);
}

static int write_all(const struct cgroup *cg, const struct cgroup_writes *w, struct journal *j,
                     struct err *e)
{
    auto_free bool *is_left = mem_alloc(w->count + 1);
    for (int pass = 0; pass < PASSES; pass++)
        for (size_t i = 0; i < w->count; i++)
            if ((pass == 0 || is_left[i]) &&
                write_one(cg, &w->items[i], j, pass == PASSES - 1, &is_left[i], e) < 0)
                return -1;
    return 0;
}

int cgroup_writes_apply(const struct cgroup *cg, const struct cgroup_writes *w, bool can_undo,
                        struct err *e)
{
    struct journal journal = { 0 };
    int result = write_all(cg, w, can_undo ? &journal : NULL, e);
    if (result < 0)
        take_back(&journal, e);
    journal_done(&journal);
    return result;
}
