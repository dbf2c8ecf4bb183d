#include "runtime/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/hooks.h"
#include "runtime/idmap.h"
#include "runtime/init.h"
#include "runtime/sync.h"
#include "runtime/sysctl.h"
#include "runtime/terminal.h"

#define START_SOCKET_TAKEN CONTAINER_START_SOCKET ".taken"

enum {
    CGROUP_REMOVE_TIMEOUT_MS = 10 * 1000,
    STATE_TEXT_MAX = 64 * 1024,
    CONFIG_BYTES_MAX = JSON_BYTES_MAX
};

/* One create under way: what has to be undone, and the plan for the child. */
struct launch {
    const struct runtime *rt;
    const struct launch_options *options;
    struct container *container;
    struct oci_config config;
    struct init_plan plan;
    struct cgroup *cgroup;
    struct buf state_text;
    int sync_fd;     /* ours */
    int master_sock; /* the terminal's master comes here when it is for us; -1 */
    pid_t pid;
    int pidfd;
};

/* ---- plan ---- */

static int load_config(struct launch *l, struct err *e)
{
    auto_buf struct buf text;
    struct json *doc;
    buf_init(&text, CONFIG_BYTES_MAX);
    auto_free char *path = l->options->config ? str_dup(l->options->config)
                                              : str_printf("%s/config.json", l->options->bundle);
    if (fd_read_file(AT_FDCWD, path, &text, e) < 0)
        return -1;
    struct arena *a = &l->container->arena;
    if (json_parse(a, "config.json", text.data ? text.data : "", text.len, &doc, e) < 0)
        return -1;
    l->config.bundle = arena_strdup(a, l->options->bundle);
    if (oci_config_decode(a, doc, &l->config, e) < 0)
        return -1;
    if (!l->config.process.is_set)
        return err_input(e, "config.json: process is missing");
    if (l->config.process.terminal && !l->options->console_socket && !l->options->master_fd)
        return err_input(e, "config.json: process.terminal needs --console-socket");
    /* The copy is what `exec`, `start` and `delete` read: the bundle may change or go. */
    return fd_write_file(l->container->dir_fd, CONTAINER_CONFIG, text.data, text.len, 0600, false,
                         e);
}

static const char *now_text(struct arena *a)
{
    char text[40];
    struct timespec now;
    struct tm tm;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    return arena_printf(a, "%.*s.%09ldZ", (int)n, text, now.tv_nsec);
}

static void fill_state(struct launch *l)
{
    struct arena *a = &l->container->arena;
    const struct oci_config *c = &l->config;
    l->container->state = (struct oci_state){
        .id = l->container->id,
        .bundle = c->bundle,
        .rootfs = c->root.path[0] == '/' ? c->root.path
                                         : arena_printf(a, "%s/%s", c->bundle, c->root.path),
        .created = now_text(a),
        .cgroup = "",
        .annotations = c->annotations,
        .has_later_hooks = c->hooks[OCI_HOOK_POSTSTART].count || c->hooks[OCI_HOOK_POSTSTOP].count,
        .owner_uid = (uint32_t)getuid(),
    };
}

static int make_plan(struct launch *l, struct err *e)
{
    struct init_plan *p = &l->plan;
    struct oci_config *c = &l->config;
    bool has_userns = c->namespaces[OCI_NS_USER].is_wanted;
    p->config = c;
    p->no_pivot = l->options->no_pivot;
    p->no_new_keyring = l->options->no_new_keyring;
    if (namespaces_plan_init(c, &p->namespaces, e) < 0)
        return -1;
    if (has_userns && (!c->uid_mappings.count || !c->gid_mappings.count))
        return err_input(e, "config.json: linux.uidMappings: a user namespace needs mappings");
    if (c->namespaces[OCI_NS_TIME].path)
        return err_host(e, "linux.namespaces: joining a time namespace is not supported yet");
    if (sysctl_check(c, e) < 0 || mounts_plan_init(&l->container->arena, c, &p->mounts, e) < 0 ||
        payload_plan_init(c, &c->process, l->options->preserve_fds, &p->payload, e) < 0)
        return -1;
    /* Set last, by the child: mount points are made on it before. */
    p->root_is_readonly = p->mounts.root->attr_set & MOUNT_ATTR_RDONLY;
    p->mounts.root->attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
    return 0;
}

/* Host objects are opened before anything of the container is entered. */
static int open_host_objects(struct launch *l, struct err *e)
{
    struct init_plan *p = &l->plan;
    if (mounts_open(&p->mounts, e) < 0 || masks_open(&l->config, &p->masks, e) < 0 ||
        devices_open(&l->config, p->payload.has_userns, &p->devices, e) < 0)
        return -1;
    if (!l->config.process.terminal) {
        payload_give_streams(&l->config, &l->config.process);
        return 0;
    }
    if (l->options->console_socket) {
        p->console_fd = terminal_connect(l->options->console_socket, e);
        return p->console_fd < 0 ? -1 : 0;
    }
    return terminal_pair(&l->master_sock, &p->console_fd, e);
}

/* For mounts of type cgroup: in a hierarchy where the container has no directory, a mount would
 * show the whole machine's. */
static void keep_own_hierarchies(struct cgroup_host *host, const char *cgroup)
{
    size_t kept = 0;
    for (size_t i = 0; i < host->count; i++) {
        char path[PATH_LIMIT];
        int n = snprintf(path, sizeof(path), "%s%s", host->items[i].mountpoint, cgroup);
        if (n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0)
            host->items[kept++] = host->items[i];
    }
    host->count = kept;
}

static const char *cgroup_path_of(struct container *c, const struct oci_config *config)
{
    return config->cgroups_path && config->cgroups_path[0]
               ? config->cgroups_path
               : arena_printf(&c->arena, "/svc-runtime/%s", c->id);
}

static int make_cgroup(struct launch *l, struct err *e)
{
    struct container *c = l->container;
    const char *path = cgroup_path_of(c, &l->config);
    auto_buf struct buf text;
    buf_init(&text, STATE_TEXT_MAX);
    if (cgroup_host_detect(&l->plan.cgroups, e) < 0 ||
        cgroup_new(&l->plan.cgroups, path, &l->config.resources, &l->cgroup, e) < 0)
        return -1;
    keep_own_hierarchies(&l->plan.cgroups, cgroup_path(l->cgroup));
    cgroup_to_string(l->cgroup, &text);
    c->state.cgroup = arena_strdup(&c->arena, text.data ? text.data : "");
    bool with_v2 = false; /* clone3 puts it there */
    return cgroup_join_open(l->cgroup, with_v2, &l->plan.cgroup_join, e);
}

static int make_start_socket(struct launch *l, struct err *e)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" CONTAINER_START_SOCKET,
                   l->container->dir_fd);
    l->plan.start_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (l->plan.start_fd < 0 ||
        bind(l->plan.start_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(l->plan.start_fd, 1) < 0)
        return err_sys(e, errno, "make the start socket");
    return 0;
}

/* ---- clone ---- */

static pid_t clone_child(struct launch *l)
{
    int v2 = cgroup_v2_fd(l->cgroup);
    struct clone_args args = {
        .flags = l->plan.namespaces.clone_flags | CLONE_PIDFD | (v2 >= 0 ? CLONE_INTO_CGROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)&l->pidfd,
        .exit_signal = SIGCHLD,
        .cgroup = v2 >= 0 ? (uint64_t)(unsigned)v2 : 0,
    };
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

_Noreturn static void child(struct launch *l)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd_close(&l->sync_fd); /* else we would never see its end of file */
    fd_close(&l->container->dir_fd);
    cgroup_close_dirs(l->cgroup);
    init_main(&l->plan);
}

/* A pid namespace is entered by children only (pid_namespaces(7)): ours is for the next child the
 * one that is joined by path, and is set back after, for hooks. */
static int clone_into_pid_namespace(struct launch *l, struct err *e)
{
    auto_fd int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own < 0)
        return err_sys(e, errno, "open /proc/self/ns/pid");
    if (setns(l->plan.namespaces.join_fds[OCI_NS_PID], CLONE_NEWPID) < 0)
        return err_sys(e, errno, "linux.namespaces: join the pid namespace");
    l->pid = clone_child(l);
    if (l->pid == 0)
        child(l);
    int errnum = errno;
    if (setns(own, CLONE_NEWPID) < 0)
        return err_sys(e, errno, "return to the own pid namespace");
    return l->pid < 0 ? err_sys(e, errnum, "clone the container") : 0;
}

static int clone_container(struct launch *l, struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, errno, "make a socket pair");
    l->sync_fd = pair[0];
    l->plan.sync_fd = pair[1];
    int result = 0;
    if (l->plan.namespaces.join_fds[OCI_NS_PID] >= 0) {
        result = clone_into_pid_namespace(l, e);
    } else {
        l->pid = clone_child(l);
        if (l->pid == 0)
            child(l);
        if (l->pid < 0)
            result = err_sys(e, errno, "clone the container");
    }
    fd_close(&l->plan.sync_fd);
    return result;
}

/* ---- after the clone ---- */

static int set_oom_score(const struct launch *l, struct err *e)
{
    if (!l->config.process.has_oom_score_adj)
        return 0;
    char path[64], text[16];
    (void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)l->pid);
    int n = snprintf(text, sizeof(text), "%d", l->config.process.oom_score_adj);
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && fd_write_all(fd, text, (size_t)n) == 0)
        return 0;
    if (errno != EACCES && errno != EPERM)
        return err_sys(e, errno, "process.oomScoreAdj: set %s", text);
    log_event(LOG_WARN, NULL, "oom_score_adj.kept", "wanted=%s reason=\"needs CAP_SYS_RESOURCE\"",
              text);
    return 0;
}

static int map_ids(struct launch *l, struct err *e)
{
    auto_fd int userns = -1;
    if (l->plan.payload.has_userns) {
        char path[64];
        if (idmap_write(l->pid, &l->config.uid_mappings, &l->config.gid_mappings, e) < 0)
            return -1;
        (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)l->pid);
        userns = open(path, O_RDONLY | O_CLOEXEC);
        if (userns < 0)
            return err_sys(e, errno, "open the user namespace");
    }
    return mounts_idmap(&l->plan.mounts, userns, e);
}

static int state_to_text(struct launch *l, const char *status, struct err *e)
{
    struct json_writer w;
    buf_reset(&l->state_text);
    json_writer_init(&w, &l->state_text, 0);
    oci_state_write(&w, &l->container->state, status);
    return l->state_text.overflow ? err_input(e, "annotations are too long") : 0;
}

static int run_create_hooks(struct launch *l, struct err *e)
{
    const struct oci_hooks *hooks = l->config.hooks;
    if (!hooks[OCI_HOOK_PRESTART].count && !hooks[OCI_HOOK_CREATE_RUNTIME].count)
        return 0;
    if (state_to_text(l, "creating", e) < 0 ||
        hooks_run(&hooks[OCI_HOOK_PRESTART], "prestart", l->state_text.data, l->state_text.len, e) <
            0)
        return -1;
    return hooks_run(&hooks[OCI_HOOK_CREATE_RUNTIME], "createRuntime", l->state_text.data,
                     l->state_text.len, e);
}

static int write_pid_file(const struct launch *l, struct err *e)
{
    char text[16];
    if (!l->options->pid_file)
        return 0;
    int n = snprintf(text, sizeof(text), "%d", (int)l->pid);
    return fd_write_file(AT_FDCWD, l->options->pid_file, text, (size_t)n, 0644, false, e);
}

static int prepare_child(struct launch *l, struct err *e)
{
    l->container->state.pid = l->pid;
    if (rlimits_raise(&l->plan.payload.rlimits, l->pid, e) < 0 || set_oom_score(l, e) < 0 ||
        map_ids(l, e) < 0 || run_create_hooks(l, e) < 0)
        return -1;
    /* An overlay root was made after the clone: the child does not have its fd. */
    int overlay = l->plan.mounts.root->is_overlay ? mounts_root_fd(&l->plan.mounts) : -1;
    if (sync_send(l->sync_fd, SYNC_PREPARED, overlay, e) < 0 ||
        sync_expect(l->sync_fd, SYNC_READY, NULL, e) < 0)
        return -1;
    if (l->master_sock >= 0 && terminal_receive(l->master_sock, l->options->master_fd, e) < 0)
        return -1;
    l->container->state.start_ticks = container_start_ticks(l->pid);
    if (oci_state_save(l->container->dir_fd, &l->container->state, e) < 0 ||
        write_pid_file(l, e) < 0)
        return -1;
    return sync_send(l->sync_fd, SYNC_RECORDED, -1, e);
}

static int launch(struct launch *l, struct err *e)
{
    if (load_config(l, e) < 0)
        return -1;
    fill_state(l);
    if (make_plan(l, e) < 0 || open_host_objects(l, e) < 0 || make_cgroup(l, e) < 0 ||
        make_start_socket(l, e) < 0)
        return -1;
    /* Hooks inside the container get this; their state has no pid of this namespace yet. */
    if (state_to_text(l, "creating", e) < 0)
        return -1;
    l->plan.state_text = l->state_text.data;
    l->plan.state_len = l->state_text.len;
    return clone_container(l, e) < 0 ? -1 : prepare_child(l, e);
}

static void launch_done(struct launch *l)
{
    fd_close(&l->sync_fd);
    fd_close(&l->master_sock);
    fd_close(&l->plan.start_fd);
    fd_close(&l->plan.console_fd);
    namespaces_done(&l->plan.namespaces);
    mounts_done(&l->plan.mounts);
    masks_done(&l->plan.masks);
    devices_done(&l->plan.devices);
    cgroup_join_done(&l->plan.cgroup_join);
    payload_done(&l->plan.payload);
    cgroup_free(l->cgroup);
    buf_done(&l->state_text);
}

/* In the reverse order of launch. E keeps what went wrong first. */
static void undo(struct launch *l)
{
    struct err ignored;
    if (l->pid > 0) {
        (void)kill(l->pid, SIGKILL);
        while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    if (l->cgroup && cgroup_remove(l->cgroup, CGROUP_REMOVE_TIMEOUT_MS, &ignored) < 0)
        log_err(LOG_WARN, NULL, "cgroup.left", &ignored);
    if (container_remove(l->rt, l->container, &ignored) < 0)
        log_err(LOG_WARN, NULL, "state.left", &ignored);
}

int launch_create(const struct runtime *rt, const char *id, const struct launch_options *options,
                  struct container *out, int *pidfd, struct err *e)
{
    struct launch l = { .rt = rt, .options = options, .container = out, .pidfd = -1 };
    l.master_sock = l.sync_fd = l.plan.sync_fd = l.plan.start_fd = l.plan.console_fd = -1;
    for (size_t k = 0; k < OCI_NS_COUNT_; k++)
        l.plan.namespaces.join_fds[k] = -1;
    l.plan.mounts.root_bind.fd = -1;
    buf_init(&l.state_text, STATE_TEXT_MAX);
    if (container_create(rt, id, out, e) < 0)
        return -1;
    int result = launch(&l, e);
    if (result < 0)
        undo(&l);
    launch_done(&l);
    if (result == 0 && pidfd)
        *pidfd = l.pidfd;
    else
        fd_close(&l.pidfd);
    return result;
}

/* ---- start and delete ---- */

static int run_later_hooks(struct container *c, enum oci_hook_kind kind, const char *name,
                           const char *status, struct err *e)
{
    struct oci_config config = { 0 };
    auto_buf struct buf text;
    struct json_writer w;
    buf_init(&text, STATE_TEXT_MAX);
    if (!c->state.has_later_hooks)
        return 0;
    if (container_load_config(c, &config, e) < 0)
        return -1;
    json_writer_init(&w, &text, 0);
    oci_state_write(&w, &c->state, status);
    return hooks_run(&config.hooks[kind], name, text.data, text.len, e);
}

/* The name goes first: of two starts only one gets it, and whoever asks for the state after the
 * program began must not see "created". It comes back when nobody could be reached. */
static int take_start_socket(const struct container *c, struct err *e)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" START_SOCKET_TAKEN,
                   c->dir_fd);
    auto_fd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return err_sys(e, errno, "make a socket");
    if (renameat(c->dir_fd, CONTAINER_START_SOCKET, c->dir_fd, START_SOCKET_TAKEN) < 0) {
        if (errno == ENOENT)
            return err_conflict(e, "container \"%s\" was started by somebody else", c->id);
        return err_sys(e, errno, "take the start socket of container \"%s\"", c->id);
    }
    if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        (void)err_sys(e, errno, "reach container \"%s\"", c->id);
        (void)renameat(c->dir_fd, START_SOCKET_TAKEN, c->dir_fd, CONTAINER_START_SOCKET);
        return -1;
    }
    (void)unlinkat(c->dir_fd, START_SOCKET_TAKEN, 0); /* else it goes with the directory */
    return take_fd(&sock);
}

/* End of file says that execve closed the other end; a reset, that nobody had accepted us. */
static int wait_for_program(int sock, const struct container *c, struct err *e)
{
    struct err answer;
    ssize_t n;
    do
        n = recv(sock, &answer, sizeof(answer), 0);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return 0;
    if (n < 0)
        return err_sys(e, errno, "start container \"%s\"", c->id);
    if (n != sizeof(answer))
        return err_internal(e, "unexpected message of %zd bytes from the container", n);
    *e = answer;
    return -1;
}

int launch_start(struct container *c, struct err *e)
{
    enum container_status status = container_status(c);
    if (status != CONTAINER_CREATED)
        return err_conflict(e, "container \"%s\" is %s, not created", c->id,
                            container_status_name(status));
    auto_fd int sock = take_start_socket(c, e);
    if (sock < 0 || wait_for_program(sock, c, e) < 0)
        return -1;
    struct err hook;
    if (run_later_hooks(c, OCI_HOOK_POSTSTART, "poststart", "running", &hook) < 0)
        log_err(LOG_WARN, NULL, "hook.failed", &hook); /* runtime.md §Lifecycle: a warning */
    return 0;
}

/* Whoever is not in its cgroups any more: nothing to kill is fine, so is one that ends by itself.
 */
static void kill_first(const struct container *c)
{
    struct err ignored;
    auto_fd int pidfd = container_open_pidfd(c, &ignored);
    if (pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0U);
}

static int remove_cgroups(const struct container *c, struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = NULL;
    if (!c->state.cgroup || !c->state.cgroup[0])
        return 0;
    if (container_open_cgroup(c, &cg, e) < 0 || cgroup_signal_all(cg, SIGKILL, e) < 0)
        return -1;
    return cgroup_remove(cg, CGROUP_REMOVE_TIMEOUT_MS, e);
}

int launch_clean(const struct runtime *rt, struct container *c, bool kills, struct err *e)
{
    struct oci_config config = { 0 };
    struct cgroup_host host;
    struct err ignored;
    auto_(cgroup_free) struct cgroup *cg = NULL;
    c->state.bundle = "";
    /* Without its copy of the configuration nothing else was made yet. */
    if (container_load_config(c, &config, &ignored) == 0 && cgroup_host_detect(&host, e) < 0)
        return -1;
    if (config.process.is_set) {
        if (cgroup_find(&host, cgroup_path_of(c, &config), &cg, e) < 0 ||
            (kills && cgroup_signal_all(cg, SIGKILL, e) < 0) ||
            cgroup_remove(cg, CGROUP_REMOVE_TIMEOUT_MS, e) < 0)
            return err_wrap(e, "delete container \"%s\"", c->id);
    }
    return container_remove(rt, c, e);
}

/* Each part is tried twice: nobody may be left to delete what a shortage of the moment (ENOMEM,
 * EMFILE) has left. */
int launch_delete(const struct runtime *rt, struct container *c, struct err *e)
{
    struct err hook;
    kill_first(c);
    if (remove_cgroups(c, e) < 0 && remove_cgroups(c, e) < 0)
        return err_wrap(e, "delete container \"%s\"", c->id);
    if (run_later_hooks(c, OCI_HOOK_POSTSTOP, "poststop", "stopped", &hook) < 0)
        log_err(LOG_WARN, NULL, "hook.failed", &hook);
    return container_remove(rt, c, e) < 0 ? container_remove(rt, c, e) : 0;
}
