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
#include "runtime/foreground.h"
#include "runtime/hooks.h"
#include "runtime/idmap.h"
#include "runtime/init.h"
#include "runtime/lifecycle.h"
#include "runtime/net_devices.h"
#include "runtime/rootless.h"
#include "runtime/self.h"
#include "runtime/sibling.h"
#include "runtime/sync.h"
#include "runtime/sysctl.h"
#include "runtime/terminal.h"

#define DEFAULT_CGROUP "/svc-runtime/%s"

/* One create under way: what has to be undone, and the plan for the child. */
struct launch {
    const struct runtime *rt;
    const struct launch_options *options;
    struct container *container;
    struct oci_config config;
    struct init_plan plan;
    struct buf state_text;
    int sync_fd;     /* ours */
    int start_fd;    /* listening, for the child; -1 */
    int master_sock; /* the terminal's master comes here when it is for us; -1 */
    pid_t pid;
    int pidfd;
    bool is_rootless;   /* an ordinary user's */
    bool has_run_hooks; /* then a failure runs poststop hooks too */
    bool has_pid_file;  /* written */
};

/* ---- plan ---- */

/* Nobody in the container may write to our program, not for a moment: so before anything is made of
 * it. What executes again reads its configuration again, so that is known from as little as will
 * do. */
static int load_config(struct launch *l, struct err *e)
{
    auto_buf struct buf text;
    struct json *doc;
    char **argv = l->rt->argv;
    bool is_protected = l->options->config != NULL; /* may be a pipe, which can be read only once */
    struct oci_state *s = &l->container->state;
    buf_init(&text, JSON_BYTES_MAX);
    auto_free char *path = l->options->config ? str_dup(l->options->config)
                                              : str_printf("%s/config.json", l->options->bundle);
    if ((is_protected && self_protect(argv, true, e) < 0) ||
        fd_read_file(AT_FDCWD, path, &text, e) < 0)
        return -1;
    struct arena *a = &l->container->arena;
    s->config_len = text.len;
    s->config = arena_strndup(a, text.data ? text.data : "", text.len);
    if (!is_protected && self_is_surely_reachable(s->config, s->config_len)) {
        if (self_protect(argv, true, e) < 0)
            return -1;
        is_protected = true;
    }
    if (json_parse(a, "config.json", s->config, s->config_len, &doc, e) < 0)
        return -1;
    l->config.bundle = arena_strdup(a, l->options->bundle);
    if (oci_config_decode(a, doc, &l->config, e) < 0)
        return -1;
    idmap_fill(a, &l->config, geteuid(), getegid());
    if (!is_protected && self_protect(argv, self_is_reachable(&l->config), e) < 0)
        return -1;
    if (!l->config.process.is_set)
        return err_input(e, "config.json: process is missing");
    if (l->config.process.terminal && !l->options->console_socket && !l->options->master_fd)
        return err_input(e, "config.json: process.terminal needs --console-socket");
    return 0;
}

/* RFC 3339, UTC. */
static const char *now_text(struct arena *a)
{
    struct timespec now;
    struct tm tm;
    char text[32];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    return arena_printf(a, "%s.%09ldZ", text, now.tv_nsec);
}

static void fill_state(struct launch *l)
{
    struct arena *a = &l->container->arena;
    const struct oci_config *c = &l->config;
    l->container->state = (struct oci_state){
        .config = l->container->state.config,
        .config_len = l->container->state.config_len,
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

static bool has_create_hooks(const struct oci_config *c)
{
    return c->hooks[OCI_HOOK_PRESTART].count || c->hooks[OCI_HOOK_CREATE_RUNTIME].count;
}

static int make_plan(struct launch *l, struct err *e)
{
    struct init_plan *p = &l->plan;
    struct oci_config *c = &l->config;
    bool has_userns = c->namespaces[OCI_NS_USER].is_wanted;
    p->config = c;
    p->root_path = l->container->state.rootfs;
    p->no_pivot = l->options->no_pivot;
    p->no_new_keyring = l->options->no_new_keyring;
    p->wants_entered = has_create_hooks(c) || c->net_devices.count;
    if (namespaces_plan_init(c, &p->namespaces, e) < 0 || rootless_check(c, e) < 0)
        return -1;
    if (has_userns && !c->namespaces[OCI_NS_USER].path &&
        (!c->uid_mappings.count || !c->gid_mappings.count))
        return err_input(e, "config.json: linux.%sMappings: a user namespace needs both kinds",
                         c->uid_mappings.count ? "gid" : "uid");
    if (sysctl_check(c, e) < 0 || net_devices_check(c, e) < 0 ||
        mounts_plan_init(&l->container->arena, c, &p->mounts, e) < 0 ||
        payload_plan_init(c, &c->process, l->options->preserve_fds, l->options->listen_fds,
                          &p->payload, e) < 0)
        return -1;
    p->payload.makes_cwd = true;
    seccomp_plan_warn(&p->payload.seccomp);
    /* Set last, by the child: mount points are made on it before. */
    p->root_is_readonly = p->mounts.root->attr_set & MOUNT_ATTR_RDONLY;
    p->mounts.root->attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
    return 0;
}

/* Host objects are opened before anything of the container is entered. */
static int open_host_objects(struct launch *l, struct err *e)
{
    struct init_plan *p = &l->plan;
    struct arena *a = &l->container->arena;
    if (mounts_open(a, &p->mounts, e) < 0 ||
        devices_open(a, &l->config, p->payload.has_userns, &p->devices, e) < 0)
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

/* Where nothing is limited a container can do without a cgroup: that of an ordinary user who may
 * not make one, or who asked for none. */
static bool can_go_without(const struct launch *l, const struct err *why)
{
    if (cgroup_asks_for_limits(&l->config.resources))
        return false;
    return l->is_rootless &&
           (why->errnum == EACCES || why->errnum == EPERM || why->errnum == EROFS);
}

static void save_cgroup(struct container *c)
{
    auto_buf struct buf text;
    buf_init(&text, OCI_STATE_TEXT_MAX);
    cgroup_to_string(c->cgroup, &text);
    c->state.cgroup = arena_strdup(&c->arena, text.data ? text.data : "");
}

/* For an ordinary user all of it, since it may turn out that there is to be none. */
static int begin_cgroup(struct launch *l, struct err *e)
{
    struct container *c = l->container;
    if (l->rt->no_cgroups && cgroup_asks_for_limits(&l->config.resources))
        return err_input(e, "linux.resources: limits need a cgroup, and --cgroup-manager is "
                            "disabled");
    const char *path = l->config.cgroups_path && l->config.cgroups_path[0]
                           ? l->config.cgroups_path
                           : arena_printf(&c->arena, DEFAULT_CGROUP, c->id);
    if (cgroup_host_detect(&l->plan.cgroups, e) < 0)
        return -1;
    if (l->rt->no_cgroups)
        return 0;
    if (oci_state_note(c->dir_fd, path, e) < 0)
        return -1;
    const struct oci_resources *limits = &l->config.resources;
    int result = l->is_rootless ? cgroup_new(&l->plan.cgroups, path, limits, &c->cgroup, e)
                                : cgroup_begin(&l->plan.cgroups, path, limits, &c->cgroup, e);
    if (result < 0)
        return can_go_without(l, e) ? 0 : -1;
    bool is_whole = l->is_rootless;
    if ((is_whole || cgroup_v2_fd(c->cgroup) >= 0) && oci_state_claim(c->dir_fd, e) < 0)
        return -1; /* else it is claimed when there is something to be put into */
    if (!l->is_rootless && cgroup_delegate(c->cgroup, &l->plan.cgroups, &l->config, e) < 0)
        return -1;
    l->plan.cgroup_path = cgroup_path(c->cgroup);
    if (l->is_rootless)
        save_cgroup(c);
    return 0;
}

static int finish_cgroup(struct launch *l, struct err *e)
{
    struct container *c = l->container;
    if (!c->cgroup || c->state.cgroup[0])
        return 0; /* none, or made before the clone */
    if (cgroup_finish(c->cgroup, &l->plan.cgroups, &l->config.resources, e) < 0 ||
        (cgroup_v2_fd(c->cgroup) < 0 && oci_state_claim(c->dir_fd, e) < 0))
        return -1;
    save_cgroup(c);
    return 0;
}

/* What is opened here for the mounts, and paths of cgroups that a child in a joined mount namespace
 * cannot see: the directories must be there before the clone. */
static int open_cgroup_mounts(struct launch *l, struct err *e)
{
    const struct oci_namespace *namespaces = l->config.namespaces;
    bool is_opened = !namespaces[OCI_NS_CGROUP].is_wanted;
    if (!l->container->cgroup || !mounts_have_cgroup(&l->plan.mounts) ||
        (!is_opened && !namespaces[OCI_NS_MOUNT].path))
        return 0;
    if (finish_cgroup(l, e) < 0)
        return -1;
    init_keep_own_cgroups(&l->plan);
    return is_opened
               ? mounts_open_cgroups(&l->plan.mounts, &l->plan.cgroups, l->plan.cgroup_path, e)
               : 0;
}

static int make_start_socket(struct launch *l, struct err *e)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" CONTAINER_START_SOCKET,
                   l->container->dir_fd);
    l->start_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (l->start_fd < 0 || bind(l->start_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(l->start_fd, 1) < 0)
        return err_sys(e, errno, "make the start socket");
    return 0;
}

/* ---- clone ---- */

static int v2_fd(const struct launch *l)
{
    return l->container->cgroup ? cgroup_v2_fd(l->container->cgroup) : -1;
}

static pid_t clone_child(struct launch *l)
{
    int v2 = v2_fd(l);
    struct clone_args args = {
        .flags = l->plan.namespaces.clone_flags | CLONE_PIDFD | (v2 >= 0 ? CLONE_INTO_CGROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)&l->pidfd,
        .exit_signal = SIGCHLD,
        .cgroup = v2 >= 0 ? (uint64_t)(unsigned)v2 : 0,
    };
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void child(void *launch)
{
    struct launch *l = launch;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd_close(&l->sync_fd); /* else we would never see its end of file */
    fd_close(&l->container->dir_fd);
    if (l->container->cgroup)
        cgroup_close_dirs(l->container->cgroup);
    init_main(&l->plan);
}

static int enter_before(void *launch, struct err *e)
{
    struct launch *l = launch;
    return namespaces_enter_before(&l->plan.namespaces, e);
}

static int clone_container(struct launch *l, struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, errno, "make a socket pair");
    l->sync_fd = pair[0];
    l->plan.sync_fd = pair[1];
    int result = 0;
    if (l->plan.namespaces.are_entered_before) {
        struct sibling s = { enter_before, child, l, l->plan.namespaces.clone_flags, v2_fd(l) };
        result = sibling_clone(&s, &l->pid, &l->pidfd, e);
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

/* *USERNS_FD: the new one, for mounts; opened before the child is told to go on, which hides its
 * /proc files from an ordinary user. */
static int map_ids(struct launch *l, int *userns_fd, struct err *e)
{
    if (!l->plan.payload.has_userns)
        return 0;
    if (l->plan.namespaces.join_fds[OCI_NS_USER] < 0) {
        char path[64];
        if (idmap_write(l->pid, &l->config.uid_mappings, &l->config.gid_mappings, e) < 0)
            return -1;
        (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)l->pid);
        *userns_fd = open(path, O_RDONLY | O_CLOEXEC);
        if (*userns_fd < 0)
            return err_sys(e, errno, "open the user namespace");
    }
    return sync_send(l->sync_fd, SYNC_MAPPED, NULL, e);
}

static int map_mounts(struct launch *l, int userns_fd, struct err *e)
{
    int joined = l->plan.namespaces.join_fds[OCI_NS_USER];
    return mounts_idmap(&l->plan.mounts, joined >= 0 ? joined : userns_fd, e);
}

static int move_net_devices(const struct launch *l, struct err *e)
{
    char path[64];
    if (!l->config.net_devices.count)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)l->pid);
    auto_fd int new =
        l->plan.namespaces.join_fds[OCI_NS_NETWORK] >= 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    int fd = new >= 0 ? new : l->plan.namespaces.join_fds[OCI_NS_NETWORK];
    if (fd < 0)
        return err_sys(e, errno, "open the network namespace of the container");
    return net_devices_move(&l->config.net_devices, fd, e);
}

static int state_to_text(struct launch *l, const char *status, struct err *e)
{
    return oci_state_to_text(&l->container->state, status, &l->state_text, e);
}

static int run_create_hooks(struct launch *l, struct err *e)
{
    const struct oci_hooks *hooks = l->config.hooks;
    if (!has_create_hooks(&l->config))
        return 0;
    /* runtime.md §Lifecycle: step 2 is "creating", prestart hooks are step 3; the OCI validation
     * programs hold us to it. createRuntime hooks are told what other runtimes tell them. */
    static const struct {
        enum oci_hook_kind kind;
        const char *name, *status;
    } outside[] = { { OCI_HOOK_PRESTART, "prestart", "created" },
                    { OCI_HOOK_CREATE_RUNTIME, "createRuntime", "creating" } };
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        if (!hooks[outside[i].kind].count)
            continue;
        if (state_to_text(l, outside[i].status, e) < 0)
            return -1;
        struct hooks_state state = { l->state_text.data, l->state_text.len, l->config.bundle };
        l->has_run_hooks = true;
        if (hooks_run(&hooks[outside[i].kind], outside[i].name, &state, e) < 0)
            return -1;
    }
    return 0;
}

/* The files through which the child joins its cgroups; an overlay root was made after the clone. */
static int send_prepared(struct launch *l, struct err *e)
{
    struct cgroup_join join = { .count = 0 };
    struct sync_fds fds;
    bool with_v2 = false; /* clone3 put it there */
    if (l->container->cgroup && cgroup_join_open(l->container->cgroup, with_v2, &join, e) < 0)
        return -1;
    fds.count = join.count;
    memcpy(fds.items, join.fds, join.count * sizeof(*join.fds));
    if (l->plan.mounts.root->is_overlay)
        fds.items[fds.count++] = mounts_root_fd(&l->plan.mounts);
    int result = sync_send(l->sync_fd, SYNC_PREPARED, &fds, e);
    cgroup_join_done(&join);
    return result;
}

static int write_pid_file(struct launch *l, struct err *e)
{
    if (!l->options->pid_file)
        return 0;
    l->has_pid_file = container_write_pid(l->options->pid_file, l->pid, e) == 0;
    return l->has_pid_file ? 0 : -1;
}

/* While the child makes its namespaces. */
static int prepare_child(struct launch *l, struct err *e)
{
    auto_fd int userns = -1;
    l->container->state.pid = l->pid;
    if (map_ids(l, &userns, e) < 0 || rlimits_raise(&l->plan.payload.rlimits, l->pid, e) < 0 ||
        set_oom_score(l, e) < 0 || map_mounts(l, userns, e) < 0 || finish_cgroup(l, e) < 0)
        return -1;
    if (l->plan.wants_entered && sync_expect(l->sync_fd, SYNC_ENTERED, NULL, e) < 0)
        return -1;
    if (move_net_devices(l, e) < 0 || run_create_hooks(l, e) < 0)
        return -1;
    l->has_run_hooks = l->has_run_hooks || l->config.hooks[OCI_HOOK_CREATE_CONTAINER].count;
    return send_prepared(l, e);
}

/* While the child builds its root. */
static int write_record(struct launch *l, struct err *e)
{
    struct container *c = l->container;
    c->state.start_ticks = container_start_ticks(l->pid);
    if (oci_state_prepare(c->dir_fd, &c->state, e) < 0)
        return -1;
    return l->options->started_fd ? 0 : make_start_socket(l, e);
}

/* From here on others know of it. */
static int publish(struct launch *l, struct err *e)
{
    struct sync_fds start = { .items = { l->start_fd }, .count = l->start_fd >= 0 };
    /* A child that has ended has said so by now; of any other it must be known. */
    if (!l->container->state.start_ticks)
        return err_set(e, ERR_SYSTEM, "read the start time of process %d", (int)l->pid);
    if (oci_state_publish(l->container->dir_fd, e) < 0 ||
        (l->options->pidfd_socket &&
         terminal_send_pidfd(l->options->pidfd_socket, l->pidfd, e) < 0) ||
        write_pid_file(l, e) < 0)
        return -1;
    if (l->options->holds_signals)
        foreground_hold_signals(); /* one that comes right after the start is for the program */
    return sync_send(l->sync_fd, SYNC_RECORDED, &start, e);
}

/* Hooks inside the container get these; the child puts its pid in. */
static int plan_hooks(struct launch *l, struct err *e)
{
    static const struct {
        enum oci_hook_kind kind;
        const char *status;
    } inside[] = { { OCI_HOOK_CREATE_CONTAINER, "creating" },
                   { OCI_HOOK_START_CONTAINER, "created" } };
    struct oci_state *state = &l->container->state;
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        if (!l->config.hooks[inside[i].kind].count)
            continue;
        state->pid = HOOKS_PID_PLACE;
        int result = state_to_text(l, inside[i].status, e);
        state->pid = 0;
        if (result < 0)
            return -1;
        /* What it is given is a copy of this: our arena lives as long as the child's plan. */
        l->plan.hook_states[inside[i].kind] =
            (struct hooks_state){ arena_strdup(&l->container->arena, l->state_text.data),
                                  l->state_text.len, NULL };
    }
    l->plan.hook_states[OCI_HOOK_CREATE_CONTAINER].folder = l->config.bundle;
    return 0;
}

static int launch(struct launch *l, struct err *e)
{
    fill_state(l);
    if (make_plan(l, e) < 0 || rootless_enter(&l->config, e) < 0 || open_host_objects(l, e) < 0 ||
        begin_cgroup(l, e) < 0 || open_cgroup_mounts(l, e) < 0 || plan_hooks(l, e) < 0)
        return -1;
    if (clone_container(l, e) < 0 || prepare_child(l, e) < 0 || write_record(l, e) < 0 ||
        sync_expect(l->sync_fd, SYNC_READY, NULL, e) < 0)
        return -1;
    if (l->master_sock >= 0 && terminal_receive(l->master_sock, l->options->master_fd, e) < 0)
        return -1;
    if (scheduling_apply(&l->plan.payload.scheduling, l->pid, e) < 0)
        return -1;
    return publish(l, e);
}

static void launch_done(struct launch *l)
{
    fd_close(&l->sync_fd);
    fd_close(&l->master_sock);
    fd_close(&l->start_fd);
    fd_close(&l->plan.console_fd);
    namespaces_done(&l->plan.namespaces);
    mounts_done(&l->plan.mounts);
    devices_done(&l->plan.devices);
    payload_done(&l->plan.payload);
    buf_done(&l->state_text);
}

/* runtime.md §Lifecycle: after a hook of the creation failed it goes on with the destruction. */
static int run_poststop(struct launch *l, struct err *e)
{
    if (state_to_text(l, "stopped", e) < 0)
        return -1;
    struct hooks_state state = { l->state_text.data, l->state_text.len, l->config.bundle };
    return hooks_run(&l->config.hooks[OCI_HOOK_POSTSTOP], "poststop", &state, e);
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
    if (l->has_pid_file)
        (void)unlink(l->options->pid_file);
    struct cgroup *cgroup = l->container->cgroup;
    if (cgroup && lifecycle_remove_cgroup(cgroup, &ignored) < 0)
        log_err(LOG_WARN, NULL, "cgroup.left", &ignored);
    if (l->has_run_hooks && run_poststop(l, &ignored) < 0)
        log_err(LOG_WARN, NULL, "hook.failed", &ignored);
    if (container_remove(l->rt, l->container, &ignored) < 0)
        log_err(LOG_WARN, NULL, "state.left", &ignored);
}

int launch_create(const struct runtime *rt, const char *id, const struct launch_options *options,
                  struct container *out, int *pidfd, struct err *e)
{
    /* Fresh from the heap, of its many pages only those are touched that are used. */
    auto_free struct launch *l = mem_alloc(sizeof(*l));
    l->rt = rt;
    l->options = options;
    l->container = out;
    l->is_rootless = rootless_is_needed();
    l->pidfd = l->master_sock = l->sync_fd = l->start_fd = -1;
    l->plan.sync_fd = l->plan.console_fd = -1;
    for (size_t k = 0; k < OCI_NS_COUNT_; k++)
        l->plan.namespaces.join_fds[k] = -1;
    l->plan.mounts.root_bind.fd = l->plan.devices.nodes_fd = -1;
    buf_init(&l->state_text, OCI_STATE_TEXT_MAX);
    int result = load_config(l, e);
    /* An ordinary user must be able to write its own id maps, and the child's. */
    if (result == 0 && !l->is_rootless)
        result = self_hide(e);
    if (result == 0)
        result = container_create(rt, id, out, e);
    if (result == 0 && launch(l, e) < 0) {
        undo(l);
        result = -1;
    }
    if (result == 0 && options->started_fd)
        *options->started_fd = take_fd(&l->sync_fd);
    launch_done(l);
    if (result == 0 && pidfd)
        *pidfd = l->pidfd;
    else
        fd_close(&l->pidfd);
    return result;
}
