#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    MAP_BYTES_MAX = 4096 /* user_namespaces(7): a map is written in one write of up to a page */
};

bool idmap_to_host(const struct oci_idmaps *maps, uint32_t id, uint32_t *out)
{
    for (size_t i = 0; i < maps->count; i++) {
        const struct oci_idmap *m = &maps->items[i];
        if (id >= m->container_id && id - m->container_id < m->size) {
            *out = m->host_id + (id - m->container_id);
            return true;
        }
    }
    return false;
}

static struct oci_idmaps one_id(struct arena *a, uint32_t host_id)
{
    struct oci_idmaps maps = { arena_alloc(a, sizeof(*maps.items)), 1 };
    maps.items[0] = (struct oci_idmap){ .container_id = 0, .host_id = host_id, .size = 1 };
    return maps;
}

void idmap_fill(struct arena *a, struct oci_config *c, uid_t uid, gid_t gid)
{
    const struct oci_namespace *user = &c->namespaces[OCI_NS_USER];
    if (!user->is_wanted || user->path || c->uid_mappings.count || c->gid_mappings.count)
        return;
    c->uid_mappings = one_id(a, uid);
    c->gid_mappings = one_id(a, gid);
}

/* "1-4-10" or "@1-3-10", of LEN bytes. */
static int parse_triplet(const char *text, size_t len, const struct oci_idmaps *container,
                         struct oci_idmap *out)
{
    char copy[40];
    uint64_t n[3];
    bool is_relative = *text == '@';
    if (len >= sizeof(copy))
        return -1;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *word = copy + is_relative;
    for (size_t i = 0; i < ARRAY_LEN(n); i++) {
        size_t word_len = strcspn(word, "-");
        if ((word[word_len] == '-') != (i < 2))
            return -1;
        word[word_len] = '\0';
        if (str_to_u64(word, UINT32_MAX, &n[i]) < 0)
            return -1;
        word += i < 2 ? word_len + 1 : 0;
    }
    *out = (struct oci_idmap){ (uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2] };
    return is_relative && !idmap_to_host(container, out->host_id, &out->host_id) ? -1 : 0;
}

/* Triplets between "#", up to a ";" or the end. */
static int parse_maps(struct arena *a, const char **text, const struct oci_idmaps *container,
                      struct oci_idmaps *out)
{
    size_t count = 1;
    for (const char *p = *text; *p && *p != ';'; p++)
        count += *p == '#';
    out->items = arena_alloc(a, count * sizeof(*out->items));
    for (out->count = 0; out->count < count; out->count++) {
        size_t len = strcspn(*text, "#;");
        if (parse_triplet(*text, len, container, &out->items[out->count]) < 0)
            return -1;
        *text += len + ((*text)[len] == '#');
    }
    return 0;
}

int idmap_parse(struct arena *a, const char *text, const char *dest, const struct oci_idmaps *uids,
                const struct oci_idmaps *gids, struct oci_idmaps *out_uids,
                struct oci_idmaps *out_gids, struct err *e)
{
    const char *rest = text;
    bool is_good = true;
    while (is_good && *rest) {
        bool is_uids = str_starts(rest, "uids=");
        is_good = is_uids || str_starts(rest, "gids=");
        rest += is_good ? strlen("uids=") : 0;
        is_good = is_good &&
                  parse_maps(a, &rest, is_uids ? uids : gids, is_uids ? out_uids : out_gids) == 0;
        rest += is_good && *rest == ';';
    }
    if (is_good && out_uids->count && out_gids->count)
        return 0;
    (void)err_input(e, "mounts: %s: option \"idmap=%.80s\" cannot be read", dest, text);
    err_hint(e, "idmap=uids=FIRST-HOST-SIZE#…;gids=FIRST-HOST-SIZE#…");
    return -1;
}

static int write_map(pid_t pid, const char *file, const struct oci_idmaps *maps, struct err *e)
{
    char path[64];
    auto_buf struct buf text;
    buf_init(&text, MAP_BYTES_MAX);
    for (size_t i = 0; i < maps->count; i++)
        (void)buf_printf(&text, "%u %u %u\n", maps->items[i].container_id, maps->items[i].host_id,
                         maps->items[i].size);
    if (text.overflow)
        return err_input(e, "linux.%ss: too many mappings", file);
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || fd_write_all(fd, text.data ? text.data : "", text.len) < 0) {
        bool is_uid = str_eq(file, "uid_map");
        (void)err_sys(e, errno, "linux.%sMappings: write %s (%zu mappings)", is_uid ? "uid" : "gid",
                      file, maps->count);
        if (e->errnum == EINVAL)
            err_hint(e, "do two ranges overlap?");
        return -1;
    }
    return 0;
}

int idmap_write(pid_t pid, const struct oci_idmaps *uids, const struct oci_idmaps *gids,
                struct err *e)
{
    if (uids->count && write_map(pid, "uid_map", uids, e) < 0)
        return -1;
    return gids->count ? write_map(pid, "gid_map", gids, e) : 0;
}

int idmap_userns_open(const struct oci_idmaps *uids, const struct oci_idmaps *gids, struct err *e)
{
    struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
    pid_t parent = getpid(), pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0)
        return err_sys(e, errno, "make a user namespace for a mount");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent) /* else it ended before that */
            (void)pause();
        _exit(0);
    }
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    int result = idmap_write(pid, uids, gids, e);
    int fd = result < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (result == 0 && fd < 0)
        (void)err_sys(e, errno, "open %s", path);
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return fd;
}

int idmap_mount(int mount_fd, int userns_fd, bool below, const char *what, struct err *e)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP,
                               .userns_fd = (__u64)(unsigned)userns_fd };
    unsigned flags = AT_EMPTY_PATH | (below ? AT_RECURSIVE : 0);
    if (mount_setattr(mount_fd, "", flags, &attr, sizeof(attr)) == 0)
        return 0;
    int errnum = errno;
    if (errnum == EINVAL) {
        (void)err_host(e, "map the ids of %s: its file system cannot be idmapped", what);
        err_hint(e, "ext4, xfs, btrfs can (tmpfs since Linux 6.3); or set userns_mode: host");
        return -1;
    }
    return err_sys(e, errnum, "map the ids of %s", what);
}
