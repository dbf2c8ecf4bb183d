/* `exec`: one more process in a running container. The process comes from --process FILE, or from
 * the container's own configuration with what the command line changes in it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/enter.h"
#include "runtime/foreground.h"
#include "runtime/options.h"
#include "runtime/self.h"
#include "runtime/terminal.h"
#include "runtime/user.h"
#include "runtime/verbs.h"
#include "specs/capability_names.h"

struct exec_options {
    const char *process, *cwd, *user, *pid_file, *console_socket;
    const char *apparmor, *process_label, *cgroup, *pidfd_socket;
    struct options_list env, caps, additional_gids;
    bool detach, tty, no_new_privs, no_subreaper, ignore_paused;
    unsigned preserve_fds;
    unsigned listen_fds; /* of the environment; preserve_fds includes them */
};

static const struct options_row rows[] = {
    { 'g', "additional-gids", OPTIONS_STRINGS, offsetof(struct exec_options, additional_gids),
      "add a group, by number" },
    { 0, "apparmor", OPTIONS_STRING, offsetof(struct exec_options, apparmor),
      "AppArmor profile of the process" },
    { 'c', "cap", OPTIONS_STRINGS, offsetof(struct exec_options, caps), "add a capability" },
    { 0, "cgroup", OPTIONS_STRING, offsetof(struct exec_options, cgroup),
      "sub-cgroup of the container for it" },
    { 0, "console-socket", OPTIONS_STRING, offsetof(struct exec_options, console_socket),
      "socket that gets the terminal" },
    { 0, "cwd", OPTIONS_STRING, offsetof(struct exec_options, cwd), "working directory" },
    { 'd', "detach", OPTIONS_FLAG, offsetof(struct exec_options, detach), "do not wait for it" },
    { 'e', "env", OPTIONS_STRINGS, offsetof(struct exec_options, env), "add NAME=VALUE" },
    { 0, "ignore-paused", OPTIONS_FLAG, offsetof(struct exec_options, ignore_paused),
      "also in a paused container: it runs once that is resumed" },
    { 0, "no-new-privs", OPTIONS_FLAG, offsetof(struct exec_options, no_new_privs),
      "set no_new_privs" },
    { 0, "no-subreaper", OPTIONS_FLAG, offsetof(struct exec_options, no_subreaper), NULL },
    { 0, "pid-file", OPTIONS_STRING, offsetof(struct exec_options, pid_file),
      "file that gets the pid" },
    { 0, "pidfd-socket", OPTIONS_STRING, offsetof(struct exec_options, pidfd_socket),
      "socket that gets a pidfd of the process" },
    { 0, "preserve-fds", OPTIONS_UINT, offsetof(struct exec_options, preserve_fds),
      "how many fds from 3 on stay open" },
    { 'p', "process", OPTIONS_STRING, offsetof(struct exec_options, process),
      "file with the process object, as in config.json" },
    { 0, "process-label", OPTIONS_STRING, offsetof(struct exec_options, process_label),
      "SELinux label of the process" },
    { 't', "tty", OPTIONS_FLAG, offsetof(struct exec_options, tty), "give it a terminal" },
    { 'u', "user", OPTIONS_STRING, offsetof(struct exec_options, user), "USER[:GROUP]" },
};

/* A copy of LIST (NULL: empty) with the items of MORE at its end. */
static struct oci_strings append(struct arena *a, const struct oci_strings *list,
                                 const char *const *more, size_t count)
{
    size_t before = list && list->items ? list->count : 0;
    struct oci_strings out = { .count = before + count };
    out.items = arena_alloc(a, (out.count + 1) * sizeof(*out.items));
    for (size_t i = 0; i < before; i++)
        out.items[i] = list->items[i];
    for (size_t i = 0; i < count; i++)
        out.items[before + i] = more[i];
    return out;
}

/* NAME=VALUE replaces an earlier NAME. */
static bool is_replaced(const struct oci_strings *env, size_t index)
{
    size_t name = strcspn(env->items[index], "=") + 1;
    for (size_t i = index + 1; i < env->count; i++)
        if (strncmp(env->items[index], env->items[i], name) == 0)
            return true;
    return false;
}

static struct oci_strings merge_env(struct arena *a, const struct oci_strings *env,
                                    const struct options_list *more)
{
    struct oci_strings all = append(a, env, more->items, more->count);
    struct oci_strings out = { .items = arena_alloc(a, (all.count + 1) * sizeof(*out.items)) };
    for (size_t i = 0; i < all.count; i++)
        if (!is_replaced(&all, i))
            out.items[out.count++] = all.items[i];
    return out;
}

/* Names are those of the container's own files: its root is that of its first process. */
static int set_user(const struct container *c, const char *who, struct arena *a,
                    struct oci_process *p, struct err *e)
{
    char path[64];
    struct passwd_ids ids;
    (void)snprintf(path, sizeof(path), "/proc/%d/root", (int)c->state.pid);
    auto_fd int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || !container_is_alive(c))
        return err_sys(e, root < 0 ? errno : ESRCH, "open the root of the container");
    if (user_load(root, who, &ids, e) < 0)
        return err_wrap(e, "--user");
    p->user.uid = ids.uid;
    p->user.gid = ids.gid;
    p->user.additional_gid_count = ids.group_count;
    p->user.additional_gids =
        arena_alloc(a, (ids.group_count + 1) * sizeof(*p->user.additional_gids));
    memcpy(p->user.additional_gids, ids.groups, ids.group_count * sizeof(ids.groups[0]));
    return 0;
}

/* --cap adds to all sets but the inheritable one (CVE-2022-29162) and, which needs that, the
 * ambient one. */
static int add_capabilities(struct arena *a, const struct exec_options *o, struct oci_process *p,
                            struct err *e)
{
    struct oci_capabilities *caps = &p->capabilities;
    for (size_t i = 0; i < o->caps.count; i++) {
        const char *near = capability_nearest(o->caps.items[i]);
        if (capability_number(o->caps.items[i]) >= 0)
            continue;
        (void)err_input(e, "--cap: unknown capability \"%.40s\"", o->caps.items[i]);
        if (near)
            err_hint(e, "did you mean \"%s\"?", near);
        return -1;
    }
    caps->bounding = append(a, &caps->bounding, o->caps.items, o->caps.count);
    caps->permitted = append(a, &caps->permitted, o->caps.items, o->caps.count);
    caps->effective = append(a, &caps->effective, o->caps.items, o->caps.count);
    caps->is_set = true;
    return 0;
}

static int add_groups(struct arena *a, const struct options_list *more, struct oci_user *u,
                      struct err *e)
{
    size_t before = u->additional_gid_count;
    uint32_t *gids = arena_alloc(a, (before + more->count + 1) * sizeof(*gids));
    if (before)
        memcpy(gids, u->additional_gids, before * sizeof(*gids));
    for (size_t i = 0; i < more->count; i++) {
        uint64_t gid;
        if (str_to_u64(more->items[i], UINT32_MAX - 1, &gid) < 0)
            return err_input(e, "--additional-gids: \"%s\" is not a group id", more->items[i]);
        gids[before + i] = (uint32_t)gid;
    }
    u->additional_gids = gids;
    u->additional_gid_count = before + more->count;
    return 0;
}

static int process_from_words(const struct container *c, const struct exec_options *o, char **words,
                              size_t count, struct arena *a, struct oci_process *p, struct err *e)
{
    if (count == 0)
        return err_input(e, "exec: no program given");
    p->args = append(a, NULL, (const char *const *)words, count);
    p->terminal = o->tty;
    p->no_new_privileges = p->no_new_privileges || o->no_new_privs;
    if (o->cwd)
        p->cwd = o->cwd;
    if (o->env.count)
        p->env = merge_env(a, &p->env, &o->env);
    if (o->caps.count && add_capabilities(a, o, p, e) < 0)
        return -1;
    if (o->user && set_user(c, o->user, a, p, e) < 0)
        return -1;
    return o->additional_gids.count ? add_groups(a, &o->additional_gids, &p->user, e) : 0;
}

/* runc and crun pass over these beside --process: the process has other rights than asked for. */
static const char *option_of_words(const struct exec_options *o)
{
    const struct {
        bool is_given;
        const char *name;
    } options[] = {
        { o->env.count > 0, "--env" }, { o->caps.count > 0, "--cap" },
        { o->user != NULL, "--user" }, { o->additional_gids.count > 0, "--additional-gids" },
        { o->cwd != NULL, "--cwd" },   { o->no_new_privs, "--no-new-privs" },
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (options[i].is_given)
            return options[i].name;
    return NULL;
}

static int process_from_file(const struct exec_options *o, size_t count, struct arena *a,
                             struct oci_process *p, struct err *e)
{
    struct json *doc;
    const char *option = option_of_words(o);
    if (option)
        return err_input(e, "exec: %s was given besides --process, whose file says it", option);
    if (count > 0)
        return err_input(e, "exec: a program was given besides --process");
    const struct oci_process labels = *p;
    *p = (struct oci_process){ 0 };
    if (json_load(a, AT_FDCWD, o->process, &doc, e) < 0 || oci_process_decode(a, doc, p, e) < 0)
        return -1;
    p->terminal = p->terminal || o->tty;
    /* What is not said is as in the container, never less confined. */
    if (!p->apparmor_profile)
        p->apparmor_profile = labels.apparmor_profile;
    if (!p->selinux_label)
        p->selinux_label = labels.selinux_label;
    return 0;
}

/* The terminal's master goes to --console-socket, or comes to us when we stay in the foreground. */
static int enter_and_wait(const struct container *c, const struct oci_config *config,
                          const struct exec_options *o, const struct oci_process *p, struct err *e)
{
    struct enter_options enter = { .process = p,
                                   .cgroup = o->cgroup,
                                   .preserve_fds = o->preserve_fds,
                                   .listen_fds = o->listen_fds,
                                   .dies_with_caller = !o->detach,
                                   .console_fd = -1 };
    auto_fd int console = -1, ours = -1, master = -1, pidfd = -1;
    pid_t pid;
    if (p->terminal && o->console_socket) {
        console = terminal_connect(o->console_socket, e);
        if (console < 0)
            return -1;
    } else if (p->terminal && o->detach) {
        return err_input(e, "exec: a terminal of a detached process needs --console-socket");
    } else if (p->terminal && terminal_pair(&ours, &console, e) < 0) {
        return -1;
    }
    enter.console_fd = console;
    if (enter_container(c, config, &enter, &pid, &pidfd, e) < 0)
        return -1;
    if ((ours >= 0 && terminal_receive(ours, &master, e) < 0) ||
        (o->pidfd_socket && terminal_send_pidfd(o->pidfd_socket, pidfd, e) < 0) ||
        (o->pid_file && container_write_pid(o->pid_file, pid, e) < 0)) {
        /* One that nobody knows of could not be ended by anybody. */
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0U);
        return -1;
    }
    int code = 0;
    if (!o->detach && foreground_wait(pid, pidfd, master, &code, e) < 0)
        return -1;
    return code;
}

static int exec_in(const struct runtime *rt, struct container *c, const struct exec_options *o,
                   char **words, size_t count, struct err *e)
{
    struct oci_config config = { 0 };
    enum container_status status = container_status(c);
    /* One that waits to be started will do: its mounts are in place, and its first process is as
     * closed to those inside as one that executes (init.c). */
    if (status == CONTAINER_STOPPED || (status == CONTAINER_PAUSED && !o->ignore_paused))
        return err_conflict(e, "container \"%s\" is %s, not running", c->id,
                            container_status_name(status));
    fd_close(&c->dir_fd); /* not even for a moment in the process that enters */
    if (self_protect(rt->argv, self_is_reachable_from(c->state.pid), e) < 0 || self_hide(e) < 0 ||
        container_load_config(c, &config, e) < 0)
        return -1;
    struct oci_process process = config.process;
    int result = o->process ? process_from_file(o, count, &c->arena, &process, e)
                            : process_from_words(c, o, words, count, &c->arena, &process, e);
    if (o->apparmor)
        process.apparmor_profile = o->apparmor;
    if (o->process_label)
        process.selinux_label = o->process_label;
    return result < 0 ? -1 : enter_and_wait(c, &config, o, &process, e);
}

int verb_exec(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct exec_options o = { 0 };
    struct container c = { .dir_fd = -1 };
    int words =
        options_parse(rows, ARRAY_LEN(rows), OPTIONS_FIRST_STOPS, argc - 1, argv + 1, &o, e);
    int result = -1;
    o.listen_fds = payload_listen_fds();
    o.preserve_fds += o.listen_fds;
    if (words > 0 && payload_check_preserved(o.preserve_fds, e) == 0 &&
        container_open(rt, argv[1], &c, e) == 0)
        result = exec_in(rt, &c, &o, argv + 2, (size_t)words - 1, e);
    else if (words == 0)
        result = verb_check_words("exec", words, 1, 1, "ID [PROGRAM ARGS…]", e);
    container_done(&c);
    options_list_done(&o.env);
    options_list_done(&o.caps);
    options_list_done(&o.additional_gids);
    return result;
}
