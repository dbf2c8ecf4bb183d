#include "runtime/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/idmap.h"

static const char *const status_names[CONTAINER_STATUS_COUNT_] = {
    [CONTAINER_CREATED] = "created",
    [CONTAINER_RUNNING] = "running",
    [CONTAINER_PAUSED] = "paused",
    [CONTAINER_STOPPED] = "stopped",
};

int container_check_id(const char *id, struct err *e)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-";
    size_t len = strlen(id);
    size_t good = strspn(id, allowed);
    if (len == 0 || len >= ID_MAX || id[0] == '.' || id[good] != '\0') {
        if (id[good] > ' ' && id[good] != 0x7f)
            (void)err_input(e,
                            "invalid container id \"%.40s\": invalid character `%c` in the "
                            "container ID",
                            id, id[good]);
        else
            (void)err_input(e, "invalid container id \"%.40s\"", id);
        err_hint(e, "letters, digits and _+.-, not beginning with a dot, at most %d", ID_MAX - 1);
        return -1;
    }
    return 0;
}

static int open_root(const struct runtime *rt, bool is_made, struct err *e)
{
    auto_fd int fd = open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && is_made) {
        if (fd_mkdir_all(AT_FDCWD, rt->root, 0700) < 0)
            return err_sys(e, errno, "create %s", rt->root);
        fd = open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(e, errno, "open %s", rt->root);
    /* Who can write there could put a container of his making in the place of ours. */
    if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH)) {
        (void)err_host(e, "--root: %s can be changed by other users", rt->root);
        err_hint(e, "make it the directory of root alone: chown root, chmod go-w");
        return -1;
    }
    return take_fd(&fd);
}

int container_create(const struct runtime *rt, const char *id, struct container *out, struct err *e)
{
    if (container_check_id(id, e) < 0)
        return -1;
    auto_fd int root = open_root(rt, true, e);
    if (root < 0)
        return -1;
    if (mkdirat(root, id, 0700) < 0) {
        if (errno == EEXIST)
            return err_conflict(e, "container \"%s\" already exists", id);
        return err_sys(e, errno, "create %s/%s", rt->root, id);
    }
    out->dir_fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out->dir_fd < 0) {
        (void)err_sys(e, errno, "open %s/%s", rt->root, id);
        (void)unlinkat(root, id, AT_REMOVEDIR); /* it is empty; E says what matters */
        return -1;
    }
    (void)snprintf(out->id, sizeof(out->id), "%s", id);
    return 0;
}

int container_open(const struct runtime *rt, const char *id, struct container *out, struct err *e)
{
    struct err no_root;
    *out = (struct container){ .dir_fd = -1 };
    if (container_check_id(id, e) < 0)
        return -1;
    auto_fd int root = open_root(rt, false, &no_root);
    if (root < 0 && no_root.errnum != ENOENT) {
        *e = no_root;
        return -1;
    }
    if (root >= 0)
        out->dir_fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out->dir_fd < 0 && (root < 0 || errno == ENOENT))
        return err_conflict(e, "container does not exist: \"%s\"", id);
    if (out->dir_fd < 0)
        return err_sys(e, errno, "open %s/%s", rt->root, id);
    (void)snprintf(out->id, sizeof(out->id), "%s", id);
    if (oci_state_load(&out->arena, out->dir_fd, &out->state, e) < 0)
        return err_wrap(e, "container \"%s\"", id);
    return 0;
}

int container_load_config(struct container *c, struct oci_config *out, struct err *e)
{
    struct json *doc;
    out->bundle = c->state.bundle;
    if (json_parse(&c->arena, "config.json", c->state.config, c->state.config_len, &doc, e) < 0)
        return -1;
    if (oci_config_decode(&c->arena, doc, out, e) < 0)
        return -1;
    idmap_fill(&c->arena, out, c->state.owner_uid, getegid());
    return 0;
}

int container_remove(const struct runtime *rt, struct container *c, struct err *e)
{
    auto_fd int root = open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root >= 0 && c->dir_fd >= 0 && oci_state_remove(c->dir_fd) == 0 &&
        unlinkat(root, c->id, AT_REMOVEDIR) == 0)
        return 0; /* most have nothing else */
    if (root < 0 || fd_remove_tree(root, c->id) < 0)
        return err_sys(e, errno, "remove %s/%s", rt->root, c->id);
    return 0;
}

void container_done(struct container *c)
{
    fd_close(&c->dir_fd);
    cgroup_free(c->cgroup);
    c->cgroup = NULL;
    arena_done(&c->arena);
}

int container_write_pid(const char *path, pid_t pid, struct err *e)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", (int)pid);
    return fd_write_file(AT_FDCWD, path, text, (size_t)n, 0644, false, e);
}

uint64_t container_start_ticks(pid_t pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    auto_fd int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    /* The name may hold spaces and parentheses: fields count from the last ')'. */
    char *p = strrchr(text, ')');
    if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
        return 0;
    for (int field = 2; field < 22 && p; field++)
        p = strchr(p + 1, ' ');
    if (!p)
        return 0;
    char *end = strchr(p + 1, ' ');
    if (end)
        *end = '\0';
    uint64_t ticks;
    return str_to_u64(p + 1, UINT64_MAX, &ticks) < 0 ? 0 : ticks;
}

bool container_is_alive(const struct container *c)
{
    return c->state.pid > 0 && c->state.start_ticks &&
           container_start_ticks(c->state.pid) == c->state.start_ticks;
}

enum container_status container_status(const struct container *c)
{
    if (!container_is_alive(c))
        return CONTAINER_STOPPED;
    auto_(cgroup_free) struct cgroup *cg = NULL;
    struct err ignored;
    bool is_frozen = false;
    if (c->state.cgroup[0] && cgroup_from_string(c->state.cgroup, &cg, &ignored) == 0 &&
        cgroup_is_frozen(cg, &is_frozen, &ignored) == 0 && is_frozen)
        return CONTAINER_PAUSED;
    bool is_waiting = faccessat(c->dir_fd, CONTAINER_START_SOCKET, F_OK, 0) == 0;
    return is_waiting ? CONTAINER_CREATED : CONTAINER_RUNNING;
}

const char *container_status_name(enum container_status s)
{
    return status_names[s];
}

int container_open_pidfd(const struct container *c, struct err *e)
{
    auto_fd int fd = (int)syscall(SYS_pidfd_open, c->state.pid, 0);
    if (fd < 0 && errno != ESRCH)
        return err_sys(e, errno, "open process %d", (int)c->state.pid);
    /* After the fd is open the pid cannot change its owner any more: now the check holds. */
    if (fd < 0 || !container_is_alive(c))
        return err_conflict(e, "container not running: \"%s\" is stopped", c->id);
    return take_fd(&fd);
}

int container_open_cgroup(const struct container *c, struct cgroup **out, struct err *e)
{
    if (!c->state.cgroup || !c->state.cgroup[0])
        return err_conflict(e, "container \"%s\" has no cgroup", c->id);
    return cgroup_from_string(c->state.cgroup, out, e);
}
