#include "runtime/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/namespaces.h"
#include "runtime/rootless.h"
#include "runtime/seccomp_notify.h"
#include "runtime/sibling.h"
#include "runtime/sync.h"
#include "runtime/terminal.h"

struct enter {
    const struct oci_config *config;
    const struct oci_state *state;
    struct payload payload;
    struct cgroup *cgroup;
    struct cgroup_join join;
    uint64_t namespaces; /* CLONE_NEW* in which the container differs from us */
    pid_t init_pid;
    bool is_cgroup_chosen; /* by --cgroup: nowhere else will do */
    int init_pidfd;        /* of the container's first process */
    int console_fd;
    bool dies_with_caller;
    bool are_entered_before; /* the namespaces, by who makes the child */
    int sync_fd;             /* the child's end */
};

/* ---- child ---- */

static int enter_namespaces(const struct enter *n, struct err *e)
{
    /* Cgroups first: moving needs the rights of the caller. The pid namespace came with the clone,
     * since only children enter one. */
    int others = (int)(n->namespaces & ~(uint64_t)CLONE_NEWPID);
    if (cgroup_join_self(&n->join, e) < 0)
        return -1;
    if (others && !n->are_entered_before && setns(n->init_pidfd, others) < 0)
        return err_sys(e, errno, "join the namespaces of the container");
    if (!(n->namespaces & CLONE_NEWUSER))
        return 0;
    /* EPERM: setgroups is denied in there (user_namespaces(7)), as payload.c has it. */
    if ((!n->payload.keeps_groups && syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM) ||
        syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
        return err_sys(e, errno, "become root of the user namespace");
    return 0;
}

static int open_terminal(struct enter *n, struct err *e)
{
    const struct oci_process *process = n->payload.process;
    if (!process->terminal)
        return 0;
    auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_fd int master = -1;
    if (root < 0)
        return err_sys(e, errno, "open the container's root");
    if (terminal_open(root, process->console_height, process->console_width, &master,
                      &n->payload.terminal_fd, e) < 0)
        return -1;
    return terminal_send(n->console_fd, master, "/dev/ptmx", e);
}

/* Directories of the host would be ways out: through /proc/self/fd for whoever can name our program
 * (CVE-2024-21626), through /proc/PID/fd for whoever may trace us (CVE-2016-9962). COUNT of KEPT
 * stay, beside the standard ones and those to preserve. */
static void close_others(const struct enter *n, const int *kept, size_t count)
{
    fd_close_others(STDERR_FILENO + 1 + n->payload.preserve_fds, kept, count);
}

static void close_hosts(const struct enter *n)
{
    int kept[CGROUP_HIERARCHY_MAX + 3] = { n->sync_fd, n->console_fd, n->init_pidfd };
    memcpy(kept + 3, n->join.fds, n->join.count * sizeof(*kept));
    close_others(n, kept, n->join.count + 3);
}

static void close_joined(const struct enter *n)
{
    const int kept[] = { n->sync_fd, n->console_fd };
    close_others(n, kept, ARRAY_LEN(kept));
}

/* Nobody in there may look into us (CVE-2016-9962); should the caller die meanwhile, the program
 * never begins. The kernel forgets both when ids or capabilities change (prctl(2)); a caller that
 * died just then is noticed before execve by a program that is to die with it (payload.c). */
static int hide_and_follow(void)
{
    return prctl(PR_SET_DUMPABLE, 0) < 0 ? -1 : prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void child(void *enter)
{
    struct enter *n = enter;
    struct err e = { 0 };
    close_hosts(n); /* and the parent's end: else we would never see that it is gone */
    if (hide_and_follow() == 0 && sync_expect(n->sync_fd, SYNC_PREPARED, NULL, &e) == 0 &&
        enter_namespaces(n, &e) == 0 && hide_and_follow() == 0 &&
        scheduling_set_cpus(&n->payload.scheduling.final_cpus, "process.execCPUAffinity.final",
                            &e) == 0) {
        close_joined(n);
        payload_new_keyring();
        if (lsm_apply(&n->payload.lsm, &e) == 0 && payload_find(&n->payload, &e) == 0 &&
            open_terminal(n, &e) == 0 && prctl(PR_SET_PDEATHSIG, 0) == 0)
            (void)payload_exec(&n->payload, &e);
    }
    if (e.kind == ERR_NONE)
        (void)err_sys(&e, errno, "prepare the process");
    payload_end(&n->payload, n->sync_fd, &e);
}

/* ---- parent ---- */

static int open_container(const struct container *c, const struct oci_config *config,
                          const struct enter_options *options, struct enter *n, struct err *e)
{
    if (payload_plan_init(config, options->process, options->preserve_fds, options->listen_fds,
                          &n->payload, e) < 0)
        return -1;
    n->payload.is_init_wanted = false; /* that is for pid 1 */
    if (!options->process->terminal)
        payload_give_streams(config, options->process);
    n->init_pid = c->state.pid;
    n->is_cgroup_chosen = options->cgroup != NULL;
    n->init_pidfd = container_open_pidfd(c, e);
    if (n->init_pidfd < 0 || namespaces_differing(c->state.pid, &n->namespaces, e) < 0)
        return -1;
    if (!c->state.cgroup[0])
        return 0;
    if (container_open_cgroup(c, &n->cgroup, e) < 0)
        return -1;
    if (options->cgroup) {
        auto_(cgroup_free) struct cgroup *top = take_ptr(n->cgroup);
        if (cgroup_open_sub(top, options->cgroup, &n->cgroup, e) < 0)
            return -1;
    }
    return cgroup_join_open(n->cgroup, false, &n->join, e);
}

static pid_t clone_child(int v2, int *pidfd)
{
    struct clone_args args = {
        .flags = CLONE_PIDFD | (v2 >= 0 ? CLONE_INTO_CGROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .cgroup = v2 >= 0 ? (uint64_t)(unsigned)v2 : 0,
    };
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* A container that handed controllers on to sub-cgroups (systemd, an inner engine) has no place in
 * its own any more (cgroup-v2.rst §No Internal Process Constraint): then beside its first process,
 * as runc does. */
static pid_t clone_beside_init(const struct enter *n, int *pidfd)
{
    int errnum = errno;
    struct err ignored; /* the first clone's failure is the one to tell */
    bool is_full = errnum == EBUSY || errnum == EOPNOTSUPP;
    auto_fd int v2 = is_full && n->cgroup && !n->is_cgroup_chosen
                         ? cgroup_open_v2_of(n->cgroup, n->init_pid, &ignored)
                         : -1;
    errno = errnum;
    return v2 < 0 ? -1 : clone_child(v2, pidfd);
}

/* Our own pid namespace stays what it is: this is for children, and is set back after. */
static int set_pid_namespace(const struct enter *n, int fd, struct err *e)
{
    if ((n->namespaces & CLONE_NEWPID) && setns(fd, CLONE_NEWPID) < 0)
        return err_sys(e, errno, "join the pid namespace of the container");
    return 0;
}

static int enter_before(void *enter, struct err *e)
{
    struct enter *n = enter;
    if (n->namespaces && setns(n->init_pidfd, (int)n->namespaces) < 0)
        return err_sys(e, errno, "join the namespaces of the container");
    return 0;
}

/* An ordinary user may enter the container's pid namespace only from within its user namespace. */
static int clone_as_ordinary_user(struct enter *n, pid_t *pid, int *pidfd, struct err *e)
{
    struct sibling s = { enter_before, child, n, 0, n->cgroup ? cgroup_v2_fd(n->cgroup) : -1 };
    n->are_entered_before = true;
    return sibling_clone(&s, pid, pidfd, e);
}

static int clone_into(struct enter *n, pid_t *pid, int *pidfd, struct err *e)
{
    if (rootless_is_needed())
        return clone_as_ordinary_user(n, pid, pidfd, e);
    auto_fd int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own < 0)
        return err_sys(e, errno, "open /proc/self/ns/pid");
    if (set_pid_namespace(n, n->init_pidfd, e) < 0)
        return -1;
    *pid = clone_child(n->cgroup ? cgroup_v2_fd(n->cgroup) : -1, pidfd);
    if (*pid < 0)
        *pid = clone_beside_init(n, pidfd);
    if (*pid == 0)
        child(n);
    int errnum = errno;
    if (set_pid_namespace(n, own, e) < 0)
        return -1;
    return *pid < 0 ? err_sys(e, errnum, "clone into the container") : 0;
}

static int deliver_listener(const struct enter *n, int sync_fd, int owned_listener_fd, pid_t pid,
                            struct err *e)
{
    struct seccomp_notify_state state = { n->config, n->state, "running", pid };
    auto_fd int listener = owned_listener_fd;
    int result = seccomp_notify_deliver(&state, listener, e);
    auto_fd int pidfd = result < 0 ? (int)syscall(SYS_pidfd_open, pid, 0U) : -1;
    return seccomp_notify_answer(sync_fd, pidfd, result, e);
}

/* End of file says that execve closed the child's end. */
static int wait_for_exec(const struct enter *n, int sync_fd, pid_t pid, struct err *e)
{
    int listener = -1, result;
    auto_fd int words = -1;
    while ((result = sync_expect_exec(sync_fd, &listener, &words, e)) > 0)
        if (deliver_listener(n, sync_fd, take_fd(&listener), pid, e) < 0)
            return -1;
    return result;
}

/* One that failed ends by itself; one that waits for what could not be sent, or whose answer could
 * not be read, does not. */
static void end_child(pid_t pid)
{
    (void)kill(pid, SIGKILL); /* a child that is not reaped: the pid is still its own */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static int enter_with(struct enter *n, pid_t *pid, int *pidfd, struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, errno, "make a socket pair");
    auto_fd int ours = pair[0];
    n->sync_fd = n->payload.notify_fd = pair[1];
    if (n->dies_with_caller)
        n->payload.parent_fd = n->sync_fd;
    /* config.md §Linux Process: on these before the transition to the container's cgroup, … */
    if (scheduling_set_cpus(&n->payload.scheduling.initial_cpus, "process.execCPUAffinity.initial",
                            e) < 0) {
        fd_close(&n->sync_fd);
        return -1;
    }
    int result = clone_into(n, pid, pidfd, e);
    fd_close(&n->sync_fd);
    if (result < 0)
        return -1;
    /* The child may not raise its hard limits any more once it is in a user namespace. */
    if (rlimits_raise(&n->payload.rlimits, *pid, e) < 0 ||
        scheduling_apply(&n->payload.scheduling, *pid, e) < 0 ||
        sync_send(ours, SYNC_PREPARED, NULL, e) < 0 || wait_for_exec(n, ours, *pid, e) < 0) {
        end_child(*pid);
        return -1;
    }
    return 0;
}

int enter_container(const struct container *c, const struct oci_config *config,
                    const struct enter_options *options, pid_t *pid, int *pidfd, struct err *e)
{
    struct enter n = { .init_pidfd = -1, .console_fd = options->console_fd, .sync_fd = -1 };
    n.config = config;
    n.state = &c->state;
    n.dies_with_caller = options->dies_with_caller;
    int fd = -1;
    int result = open_container(c, config, options, &n, e);
    if (result == 0)
        result = enter_with(&n, pid, &fd, e);
    if (result == 0)
        *pidfd = take_fd(&fd);
    fd_close(&fd);
    fd_close(&n.init_pidfd);
    cgroup_join_done(&n.join);
    cgroup_free(n.cgroup);
    payload_done(&n.payload);
    return result;
}
