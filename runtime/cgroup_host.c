#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>

#include "runtime/base/buf.h"
#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"

enum {
    MOUNTINFO_LIMIT = 4 * 1024 * 1024,
    FIELDS_MAX = 32,
};

static const char *const names[CGROUP_CONTROLLER_COUNT_] = {
    [CGROUP_BLKIO] = "blkio",     [CGROUP_CPU] = "cpu",         [CGROUP_CPUACCT] = "cpuacct",
    [CGROUP_CPUSET] = "cpuset",   [CGROUP_DEVICES] = "devices", [CGROUP_DMEM] = "dmem",
    [CGROUP_FREEZER] = "freezer", [CGROUP_HUGETLB] = "hugetlb", [CGROUP_MEMORY] = "memory",
    [CGROUP_MISC] = "misc",       [CGROUP_NET_CLS] = "net_cls", [CGROUP_NET_PRIO] = "net_prio",
    [CGROUP_PIDS] = "pids",       [CGROUP_RDMA] = "rdma",
};

const char *cgroup_controller_name(unsigned controller, unsigned version)
{
    return controller == CGROUP_BLKIO && version == 2 ? "io" : names[controller];
}

uint32_t cgroup_controllers_parse(const char *words, unsigned version)
{
    uint32_t bits = 0;
    for (const char *p = words; *p;) {
        size_t len = strcspn(p, ", \n");
        for (unsigned i = 0; i < CGROUP_CONTROLLER_COUNT_; i++) {
            const char *name = cgroup_controller_name(i, version);
            if (strlen(name) == len && strncmp(name, p, len) == 0)
                bits |= CGROUP_BIT(i);
        }
        p += len;
        p += strspn(p, ", \n");
    }
    return bits;
}

/* proc_pid_mountinfo(5): space, tab, newline and backslash are written as \ooo. */
static void unescape(char *s)
{
    char *to = s;
    while (*s) {
        if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

/* Splits LINE in place at single spaces. */
static size_t split(char *line, char **fields)
{
    size_t count = 0;
    for (char *p = line; p && count < FIELDS_MAX;) {
        fields[count++] = p;
        p = strchr(p, ' ');
        if (p)
            *p++ = '\0';
    }
    return count;
}

/* Super options that are about the mount, not about which hierarchy it is. */
static bool is_mount_option(const char *word, size_t len)
{
    static const char *const words[] = {
        "rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == len && strncmp(words[i], word, len) == 0)
            return true;
    return memchr(word, '=', len) && strncmp(word, "name=", 5) != 0; /* release_agent=… */
}

/* What mount -o takes to mount the same v1 hierarchy again: controllers, or name=. */
static int hierarchy_options(const char *super, char *to, size_t size)
{
    size_t used = 0;
    to[0] = '\0';
    for (const char *p = super; *p;) {
        size_t len = strcspn(p, ",");
        if (!is_mount_option(p, len)) {
            if (used + len + 2 > size)
                return -1;
            if (used)
                to[used++] = ',';
            memcpy(to + used, p, len);
            used += len;
            to[used] = '\0';
        }
        p += len;
        p += *p == ',';
    }
    return 0;
}

static bool is_listed(const struct cgroup_host *host, const struct cgroup_hierarchy *h)
{
    for (size_t i = 0; i < host->count; i++)
        if (host->items[i].version == h->version && str_eq(host->items[i].options, h->options))
            return true;
    return false;
}

/* Another mount may lie on top, as when a container engine mounts its own view. */
static bool is_hidden(const struct cgroup_hierarchy *h)
{
    struct statfs fs;
    return statfs(h->mountpoint, &fs) < 0
               ? errno == ENOENT || errno == ENOTDIR
               : fs.f_type != (h->version == 2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

/* "36 35 0:31 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids" */
static void parse_line(char *line, bool skips_hidden, struct cgroup_host *out)
{
    char *fields[FIELDS_MAX];
    size_t count = split(line, fields);
    size_t dash = 6;
    while (dash < count && !str_eq(fields[dash], "-"))
        dash++;
    if (dash + 3 >= count || out->count == CGROUP_HIERARCHY_MAX)
        return;
    struct cgroup_hierarchy h = { 0 };
    if (str_eq(fields[dash + 1], "cgroup2"))
        h.version = 2;
    else if (str_eq(fields[dash + 1], "cgroup"))
        h.version = 1;
    else
        return;
    unescape(fields[4]);
    if (str_copy(h.mountpoint, sizeof(h.mountpoint), fields[4]) < 0)
        return;
    if (h.version == 1) {
        if (hierarchy_options(fields[dash + 3], h.options, sizeof(h.options)) < 0)
            return;
        h.controllers = cgroup_controllers_parse(h.options, 1);
    }
    /* the first mount of a hierarchy counts; others are bind mounts of parts of it */
    if (!is_listed(out, &h) && !(skips_hidden && is_hidden(&h)))
        out->items[out->count++] = h;
}

/* A v1 hierarchy without controllers (name=systemd) makes no hybrid. */
static enum cgroup_layout layout_of(const struct cgroup_host *host)
{
    bool has_v1 = false, has_v2 = false;
    for (size_t i = 0; i < host->count; i++) {
        has_v2 |= host->items[i].version == 2;
        has_v1 |= host->items[i].version == 1 && host->items[i].controllers;
    }
    if (has_v1)
        return has_v2 ? CGROUP_HYBRID : CGROUP_V1;
    return has_v2 ? CGROUP_V2 : CGROUP_NONE;
}

static void parse(const char *mountinfo, bool skips_hidden, struct cgroup_host *out)
{
    memset(out, 0, sizeof(*out));
    auto_free char *text = str_dup(mountinfo);
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        parse_line(line, skips_hidden, out);
        line = end;
    }
    out->layout = layout_of(out);
}

void cgroup_host_parse(const char *mountinfo, struct cgroup_host *out)
{
    parse(mountinfo, false, out);
}

int cgroup_controllers_read(int dir_fd, uint32_t *out, struct err *e)
{
    char words[256];
    if (cgroup_read_file(dir_fd, "cgroup.controllers", words, sizeof(words)) < 0)
        return err_sys(e, errno, "read cgroup.controllers");
    *out = cgroup_controllers_parse(words, 2);
    return 0;
}

/* Where v2 is at the usual place there is nothing else to find, and mountinfo, which the kernel
 * writes anew for each reader, would be most of the work. */
static bool detect_v2(struct cgroup_host *out)
{
    static const struct cgroup_hierarchy usual = { .version = 2, .mountpoint = "/sys/fs/cgroup" };
    struct statfs fs;
    if (statfs(usual.mountpoint, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
        return false;
    out->layout = CGROUP_V2;
    out->items[0] = usual;
    out->count = 1;
    return true;
}

/* mountinfo names the controllers of v1, and the mount points were looked at while it was read:
 * only those of v2 are missing. */
static int detect_all(struct cgroup_host *out, struct err *e)
{
    auto_buf struct buf text;
    buf_init(&text, MOUNTINFO_LIMIT);
    if (fd_read_file(AT_FDCWD, "/proc/self/mountinfo", &text, e) < 0)
        return -1;
    parse(text.data ? text.data : "", true, out);
    return 0;
}

int cgroup_host_detect(struct cgroup_host *out, struct err *e)
{
    struct cgroup_host host = { 0 };
    if (!detect_v2(&host) && detect_all(&host, e) < 0)
        return -1;
    for (size_t i = 0; i < host.count; i++) {
        struct cgroup_hierarchy *h = &host.items[i];
        auto_fd int fd =
            h->version == 2 ? open(h->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (h->version == 2 && fd < 0)
            return err_sys(e, errno, "open %s", h->mountpoint);
        if (h->version == 2 && cgroup_controllers_read(fd, &h->controllers, e) < 0)
            return err_wrap(e, "%s", h->mountpoint);
    }
    *out = host;
    return 0;
}
