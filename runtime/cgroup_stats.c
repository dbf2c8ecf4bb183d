/* What hierarchies count, in the words of go-runc's Stats: one row per number, v1 file and v2 file
 * side by side as for limits. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"

enum {
    STAT_MAX = 64 * 1024, /* bytes of one stat file */
    NS_PER_US = 1000,
    LINE_MAX_ = 512,
};

/* ---- reading ---- */

/* 0 when it is not there: what is not counted is nothing. */
static uint64_t read_number(const struct cgroup_dir *dir, const char *file)
{
    uint64_t n;
    return dir && cgroup_read_u64(dir->fd, file, &n) == 0 ? n : 0;
}

static const char *read_text(const struct cgroup_dir *dir, const char *file, struct buf *to)
{
    buf_init(to, STAT_MAX);
    auto_fd int fd = dir ? openat(dir->fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0 || fd_read_all(fd, to) < 0)
        return "";
    return to->data ? to->data : "";
}

static bool is_v1(const struct cgroup_dir *dir)
{
    return dir && dir->hierarchy.version == 1;
}

/* ---- cpu, pids ---- */

static void write_percpu(struct json_writer *w, const struct cgroup_dir *dir)
{
    auto_buf struct buf text;
    const char *s = read_text(dir, "cpuacct.usage_percpu", &text);
    json_begin_array(w, "percpu");
    while (*s) {
        char word[24];
        uint64_t ns;
        size_t len = strcspn(s, " \n");
        (void)snprintf(word, sizeof(word), "%.*s", (int)len, s);
        if (str_to_u64(word, UINT64_MAX, &ns) == 0)
            json_put_u64(w, NULL, ns);
        s += len;
        s += strspn(s, " \n");
    }
    json_end_array(w);
}

static void write_cpu(const struct cgroup *cg, struct json_writer *w)
{
    const struct cgroup_dir *acct = cgroup_dir_of(cg, CGROUP_CPUACCT);
    const struct cgroup_dir *cpu = cgroup_dir_of(cg, CGROUP_CPU), *v2 = cgroup_dir_v2(cg);
    auto_buf struct buf text;
    /* On hybrid the v2 directory has a cpu.stat too: times of its processes, whoever limits them.
     */
    const char *stat = read_text(is_v1(cpu) ? cpu : v2, "cpu.stat", &text);
    json_begin_object(w, "cpu");
    json_begin_object(w, "usage");
    if (acct) {
        json_put_u64(w, "total", read_number(acct, "cpuacct.usage"));
        write_percpu(w, acct);
        json_put_u64(w, "kernel", read_number(acct, "cpuacct.usage_sys"));
        json_put_u64(w, "user", read_number(acct, "cpuacct.usage_user"));
    } else {
        json_put_u64(w, "total", cgroup_find_u64(stat, "usage_usec") * NS_PER_US);
        json_put_u64(w, "kernel", cgroup_find_u64(stat, "system_usec") * NS_PER_US);
        json_put_u64(w, "user", cgroup_find_u64(stat, "user_usec") * NS_PER_US);
    }
    json_end_object(w);
    json_begin_object(w, "throttling");
    json_put_u64(w, "periods", cgroup_find_u64(stat, "nr_periods"));
    json_put_u64(w, "throttledPeriods", cgroup_find_u64(stat, "nr_throttled"));
    json_put_u64(w, "throttledTime",
                 is_v1(cpu) ? cgroup_find_u64(stat, "throttled_time")
                            : cgroup_find_u64(stat, "throttled_usec") * NS_PER_US);
    json_end_object(w);
    json_end_object(w);
}

static void write_pids(const struct cgroup *cg, struct json_writer *w)
{
    const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_PIDS);
    uint64_t limit = read_number(dir, "pids.max");
    json_begin_object(w, "pids");
    json_put_u64(w, "current", read_number(dir, "pids.current"));
    json_put_u64(w, "limit", limit == UINT64_MAX ? 0 : limit); /* as runc has it */
    json_end_object(w);
}

/* ---- memory ---- */

struct entry {
    const char *key, *limit, *usage, *max, *failcnt;
};

static void write_entry(struct json_writer *w, const struct cgroup_dir *dir, const struct entry *n)
{
    json_begin_object(w, n->key);
    json_put_u64(w, "limit", read_number(dir, n->limit));
    json_put_u64(w, "usage", read_number(dir, n->usage));
    json_put_u64(w, "max", read_number(dir, n->max));
    json_put_u64(w, "failcnt", n->failcnt ? read_number(dir, n->failcnt) : 0);
    json_end_object(w);
}

/* runc's numbers for v2 are those of v1: swap includes memory. */
static void write_swap_v2(struct json_writer *w, const struct cgroup_dir *dir)
{
    uint64_t limit = read_number(dir, "memory.swap.max");
    uint64_t memory = read_number(dir, "memory.max");
    bool is_unlimited = limit == UINT64_MAX || memory == UINT64_MAX;
    json_begin_object(w, "swap");
    json_put_u64(w, "limit", is_unlimited ? UINT64_MAX : limit + memory);
    json_put_u64(w, "usage",
                 read_number(dir, "memory.swap.current") + read_number(dir, "memory.current"));
    json_put_u64(w, "failcnt", 0);
    json_end_object(w);
}

/* "KEY NUMBER" lines, as members. */
static void write_lines(struct json_writer *w, const char *key, const char *text)
{
    json_begin_object(w, key);
    for (const char *line = text; *line;) {
        char name[64], number[24];
        size_t len = strcspn(line, "\n"), name_len = strcspn(line, " \n");
        uint64_t n;
        (void)snprintf(name, sizeof(name), "%.*s", (int)name_len, line);
        (void)snprintf(number, sizeof(number), "%.*s",
                       (int)(name_len < len ? len - name_len - 1 : 0), line + name_len + 1);
        if (name_len < len && str_to_u64(number, UINT64_MAX, &n) == 0)
            json_put_u64(w, name, n);
        line += len;
        line += *line == '\n';
    }
    json_end_object(w);
}

static void write_memory(const struct cgroup *cg, struct json_writer *w)
{
    static const struct entry v1[] = {
        { "usage", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.max_usage_in_bytes",
          "memory.failcnt" },
        { "swap", "memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes",
          "memory.memsw.max_usage_in_bytes", "memory.memsw.failcnt" },
        { "kernel", "memory.kmem.limit_in_bytes", "memory.kmem.usage_in_bytes",
          "memory.kmem.max_usage_in_bytes", "memory.kmem.failcnt" },
        { "kernelTCP", "memory.kmem.tcp.limit_in_bytes", "memory.kmem.tcp.usage_in_bytes",
          "memory.kmem.tcp.max_usage_in_bytes", "memory.kmem.tcp.failcnt" },
    };
    static const struct entry v2 = { "usage", "memory.max", "memory.current", "memory.peak", NULL };
    const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_MEMORY);
    auto_buf struct buf text;
    const char *stat = read_text(dir, "memory.stat", &text);
    json_begin_object(w, "memory");
    json_put_u64(w, "cache", cgroup_find_u64(stat, is_v1(dir) ? "cache" : "file"));
    if (is_v1(dir)) {
        for (size_t i = 0; i < ARRAY_LEN(v1); i++)
            write_entry(w, dir, &v1[i]);
    } else {
        write_entry(w, dir, &v2);
        write_swap_v2(w, dir);
    }
    write_lines(w, "raw", stat);
    json_end_object(w);
}

/* ---- block I/O ---- */

static void write_io(struct json_writer *w, uint64_t major, uint64_t minor, const char *op,
                     uint64_t value)
{
    json_begin_object(w, NULL);
    json_put_u64(w, "major", major);
    json_put_u64(w, "minor", minor);
    json_put_string(w, "op", op);
    json_put_u64(w, "value", value);
    json_end_object(w);
}

/* Lines "8:0 Read 4096" and a last one "Total 4096", of all devices, which is left out. */
static void write_io_v1(struct json_writer *w, const char *key, const struct cgroup_dir *dir,
                        const char *file)
{
    auto_buf struct buf text;
    json_begin_array(w, key);
    for (const char *line = read_text(dir, file, &text); *line;) {
        unsigned long long major, minor, value;
        char op[16];
        if (sscanf(line, "%llu:%llu %15s %llu", &major, &minor, op, &value) == 4)
            write_io(w, major, minor, op, value);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    json_end_array(w);
}

/* "8:0 rbytes=1 wbytes=2 rios=3 …" */
static void write_io_v2(struct json_writer *w, const char *key, const char *text,
                        const char *read_word, const char *write_word)
{
    json_begin_array(w, key);
    for (const char *line = text; *line;) {
        unsigned long long major, minor, value;
        char words[LINE_MAX_];
        size_t len = strcspn(line, "\n");
        (void)snprintf(words, sizeof(words), "%.*s", (int)len, line);
        if (sscanf(words, "%llu:%llu", &major, &minor) == 2) {
            const char *r = strstr(words, read_word), *x = strstr(words, write_word);
            if (r && sscanf(r + strlen(read_word), "%llu", &value) == 1)
                write_io(w, major, minor, "Read", value);
            if (x && sscanf(x + strlen(write_word), "%llu", &value) == 1)
                write_io(w, major, minor, "Write", value);
        }
        line += len;
        line += *line == '\n';
    }
    json_end_array(w);
}

static void write_blkio(const struct cgroup *cg, struct json_writer *w)
{
    const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_BLKIO);
    json_begin_object(w, "blkio");
    if (is_v1(dir)) {
        write_io_v1(w, "ioServiceBytesRecursive", dir, "blkio.throttle.io_service_bytes_recursive");
        write_io_v1(w, "ioServicedRecursive", dir, "blkio.throttle.io_serviced_recursive");
    } else if (dir) {
        auto_buf struct buf text;
        const char *stat = read_text(dir, "io.stat", &text);
        write_io_v2(w, "ioServiceBytesRecursive", stat, " rbytes=", " wbytes=");
        write_io_v2(w, "ioServicedRecursive", stat, " rios=", " wios=");
    }
    json_end_object(w);
}

/* ---- huge pages ---- */

static void write_page_size(struct json_writer *w, const struct cgroup_dir *dir, const char *size)
{
    char file[NAME_MAX + 1];
    uint64_t failures;
    json_begin_object(w, size);
    (void)snprintf(file, sizeof(file), "hugetlb.%s.%s", size,
                   is_v1(dir) ? "usage_in_bytes" : "current");
    json_put_u64(w, "usage", read_number(dir, file));
    (void)snprintf(file, sizeof(file), "hugetlb.%s.max_usage_in_bytes", size);
    json_put_u64(w, "max", is_v1(dir) ? read_number(dir, file) : 0);
    (void)snprintf(file, sizeof(file), "hugetlb.%s.%s", size, is_v1(dir) ? "failcnt" : "events");
    if (is_v1(dir)) {
        failures = read_number(dir, file);
    } else {
        auto_buf struct buf text;
        failures = cgroup_find_u64(read_text(dir, file, &text), "max");
    }
    json_put_u64(w, "failcnt", failures);
    json_end_object(w);
}

/* Which page sizes there are, the names of the files say: "hugetlb.2MB.current". */
static void write_hugetlb(const struct cgroup *cg, struct json_writer *w)
{
    const struct cgroup_dir *at = cgroup_dir_of(cg, CGROUP_HUGETLB);
    int fd = at ? openat(at->fd, ".", CGROUP_DIR_FLAGS) : -1;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    json_begin_object(w, "hugetlb");
    for (struct dirent *d; dir && (d = readdir(dir));) {
        char size[32];
        const char *end = is_v1(at) ? ".usage_in_bytes" : ".current";
        if (!str_starts(d->d_name, "hugetlb.") || !str_ends(d->d_name, end))
            continue;
        size_t len = strlen(d->d_name) - strlen("hugetlb.") - strlen(end);
        (void)snprintf(size, sizeof(size), "%.*s", (int)len, d->d_name + strlen("hugetlb."));
        if (!strchr(size, '.')) /* "2MB.rsvd" */
            write_page_size(w, at, size);
    }
    json_end_object(w);
    if (dir)
        (void)closedir(dir);
    else
        fd_close(&fd);
}

void cgroup_stats_write(const struct cgroup *cg, struct json_writer *w)
{
    write_cpu(cg, w);
    write_memory(cg, w);
    write_pids(cg, w);
    write_blkio(cg, w);
    write_hugetlb(cg, w);
    json_begin_object(w, "intel_rdt");
    json_end_object(w);
    json_put_null(w, "network_interfaces");
}

/* ---- out of memory ---- */

/* memory.events counts those below too; memory.oom_control of v1 only its own. */
uint64_t cgroup_oom_kills(const struct cgroup *cg)
{
    const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_MEMORY);
    char text[1024];
    if (!dir)
        return 0;
    if (!is_v1(dir))
        return cgroup_read_file(dir->fd, "memory.events", text, sizeof(text)) < 0
                   ? 0
                   : cgroup_find_u64(text, "oom_kill");
    struct cgroup_tree tree;
    struct err ignored;
    uint64_t kills = 0;
    if (cgroup_tree_read(dir->fd, &tree, &ignored) < 0)
        return 0;
    for (size_t i = 0; i < tree.count; i++) {
        char file[PATH_MAX];
        (void)snprintf(file, sizeof(file), "%s/memory.oom_control", tree.paths[i]);
        if (cgroup_read_file(dir->fd, file, text, sizeof(text)) == 0)
            kills += cgroup_find_u64(text, "oom_kill");
    }
    cgroup_tree_done(&tree);
    return kills;
}

/* v1 says "unlimited" by the largest number of whole pages. */
uint64_t cgroup_memory_limit(const struct cgroup *cg)
{
    const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_MEMORY);
    uint64_t limit;
    if (!dir ||
        cgroup_read_u64(dir->fd, is_v1(dir) ? "memory.limit_in_bytes" : "memory.max", &limit) < 0)
        return UINT64_MAX;
    return limit > (uint64_t)INT64_MAX - 65536 ? UINT64_MAX : limit;
}

/* v1 tells an eventfd that was given to cgroup.event_control with the file in question
 * (memory.rst §OOM Control); v2 wakes who polls memory.events. */
int cgroup_oom_open(const struct cgroup *cg, short *events, struct err *e)
{
    const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_MEMORY);
    if (!dir)
        return err_host(e, "no memory controller tells of OOM kills");
    *events = is_v1(dir) ? POLLIN : POLLPRI;
    auto_fd int file =
        openat(dir->fd, is_v1(dir) ? "memory.oom_control" : "memory.events", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return err_sys(e, errno, "open the memory events of cgroup %s", cg->path);
    if (!is_v1(dir)) {
        cgroup_oom_again(file);
        return take_fd(&file);
    }
    auto_fd int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    char line[32];
    (void)snprintf(line, sizeof(line), "%d %d", event, file);
    if (event < 0 || cgroup_write_file(dir->fd, "cgroup.event_control", line) < 0)
        return err_sys(e, errno, "watch memory.oom_control of cgroup %s", cg->path);
    return take_fd(&event);
}

void cgroup_oom_again(int fd)
{
    char bytes[1024];
    if (pread(fd, bytes, sizeof(bytes), 0) < 0 && errno == ESPIPE)
        (void)!read(fd, bytes, sizeof(uint64_t));
}
