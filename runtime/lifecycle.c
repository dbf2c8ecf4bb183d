#include "runtime/lifecycle.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/hooks.h"
#include "runtime/seccomp_notify.h"
#include "runtime/sync.h"

#define START_SOCKET_TAKEN CONTAINER_START_SOCKET ".taken"

enum {
    CGROUP_REMOVE_TIMEOUT_MS = 10 * 1000
};

static int run_hooks(struct container *c, enum oci_hook_kind kind, const char *name,
                     const char *status, struct err *e)
{
    struct oci_config config = { 0 };
    auto_buf struct buf text;
    buf_init(&text, OCI_STATE_TEXT_MAX);
    if (!c->state.has_later_hooks)
        return 0;
    if (container_load_config(c, &config, e) < 0 ||
        oci_state_to_text(&c->state, status, &text, e) < 0)
        return -1;
    struct hooks_state state = { text.data, text.len, c->state.bundle };
    return hooks_run(&config.hooks[kind], name, &state, e);
}

/* ---- start ---- */

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

static int deliver_listener(struct container *c, int started_fd, int owned_listener_fd,
                            struct err *e)
{
    struct oci_config config = { 0 };
    struct seccomp_notify_state state = { &config, &c->state, "creating", c->state.pid };
    auto_fd int listener = owned_listener_fd;
    int result = container_load_config(c, &config, e);
    if (result == 0)
        result = seccomp_notify_deliver(&state, listener, e);
    struct err ignored;
    auto_fd int pidfd = result < 0 ? container_open_pidfd(c, &ignored) : -1;
    return seccomp_notify_answer(started_fd, pidfd, result, e);
}

/* End of file says that execve closed the other end; a reset, that nobody had accepted us. */
static int wait_for_program(struct container *c, int started_fd, struct err *e)
{
    int listener = -1, result;
    auto_fd int words = -1;
    while ((result = sync_expect_exec(started_fd, &listener, &words, e)) > 0)
        if (deliver_listener(c, started_fd, take_fd(&listener), e) < 0)
            return -1;
    if (result < 0)
        return e->kind == ERR_SYSTEM ? err_wrap(e, "start container \"%s\"", c->id) : -1;
    return 0;
}

static int run_poststart(struct container *c, struct err *e)
{
    return run_hooks(c, OCI_HOOK_POSTSTART, "poststart", "running", e);
}

int lifecycle_wait_started(struct container *c, int started_fd, struct err *e)
{
    return wait_for_program(c, started_fd, e) < 0 ? -1 : run_poststart(c, e);
}

int lifecycle_start(const struct runtime *rt, struct container *c, struct err *e)
{
    enum container_status status = container_status(c);
    if (status != CONTAINER_CREATED)
        return err_conflict(e, "container \"%s\" is %s, not created", c->id,
                            container_status_name(status));
    auto_fd int sock = take_start_socket(c, e);
    if (sock < 0 || wait_for_program(c, sock, e) < 0)
        return -1;
    if (run_poststart(c, e) == 0)
        return 0;
    /* runtime.md §Lifecycle: "generate an error, stop the container", and go on to its end */
    struct err ignored;
    (void)!lifecycle_delete(rt, c, &ignored);
    return -1;
}

/* ---- end ---- */

/* Whoever is not in its cgroups any more: nothing to kill is fine, so is one that ends by itself.
 */
static void kill_first(const struct container *c)
{
    struct err ignored;
    auto_fd int pidfd = container_open_pidfd(c, &ignored);
    if (pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0U);
}

int lifecycle_remove_cgroup(const struct cgroup *cg, struct err *e)
{
    if (cgroup_remove(cg, 0, e) == 0)
        return 0;
    return cgroup_signal_all(cg, SIGKILL, e) < 0 ? -1
                                                 : cgroup_remove(cg, CGROUP_REMOVE_TIMEOUT_MS, e);
}

static int remove_cgroups(const struct container *c, struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = NULL;
    if (!c->state.cgroup || !c->state.cgroup[0])
        return 0;
    if (c->cgroup)
        return lifecycle_remove_cgroup(c->cgroup, e);
    return container_open_cgroup(c, &cg, e) < 0 ? -1 : lifecycle_remove_cgroup(cg, e);
}

static int find_noted_cgroup(struct container *c, struct cgroup **out, bool *is_ours, struct err *e)
{
    struct cgroup_host host;
    const char *path;
    if (oci_state_find_note(&c->arena, c->dir_fd, &path, is_ours, e) < 0)
        return -1;
    if (!path)
        return 0;
    return cgroup_host_detect(&host, e) < 0 ? -1 : cgroup_find(&host, path, out, e);
}

/* A process that was cloned into a frozen cgroup has not run yet: it does not end with its parent.
 * In a cgroup that was not found to be ours before the create was killed, others may live. */
int lifecycle_clean(const struct runtime *rt, struct container *c, struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = NULL;
    bool is_ours = false;
    int result = find_noted_cgroup(c, &cg, &is_ours, e);
    if (cg && is_ours)
        result = lifecycle_remove_cgroup(cg, e);
    else if (cg && cgroup_remove(cg, 0, e) < 0 && e->kind != ERR_CONFLICT)
        result = -1;
    if (result < 0)
        return err_wrap(e, "delete container \"%s\"", c->id);
    return container_remove(rt, c, e);
}

/* Each part is tried twice: nobody may be left to delete what a shortage of the moment (ENOMEM,
 * EMFILE) has left. */
int lifecycle_delete(const struct runtime *rt, struct container *c, struct err *e)
{
    struct err hook;
    kill_first(c);
    if (remove_cgroups(c, e) < 0 && remove_cgroups(c, e) < 0)
        return err_wrap(e, "delete container \"%s\"", c->id);
    if (run_hooks(c, OCI_HOOK_POSTSTOP, "poststop", "stopped", &hook) < 0)
        log_err(LOG_WARN, NULL, "hook.failed", &hook);
    return container_remove(rt, c, e) < 0 ? container_remove(rt, c, e) : 0;
}
