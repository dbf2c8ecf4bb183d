#include "runtime/sibling.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"

struct answer {
    pid_t pid; /* -1: err says why not */
    struct err err;
};

static pid_t clone_one(uint64_t flags, int cgroup_fd)
{
    struct clone_args args = {
        .flags = flags | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
        .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD, /* then it is that of the one between */
        .cgroup = cgroup_fd >= 0 ? (uint64_t)(unsigned)cgroup_fd : 0,
    };
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* CVE-2016-9962: nobody in the namespaces may look into us. The kernel takes both back when a user
 * namespace is entered (prctl(2)). */
static int hide(void)
{
    return prctl(PR_SET_DUMPABLE, 0) < 0 ? -1 : prctl(PR_SET_PDEATHSIG, SIGKILL);
}

_Noreturn static void in_between(const struct sibling *s, int answer_fd)
{
    struct answer a = { .pid = -1 };
    if (hide() < 0)
        (void)err_sys(&a.err, errno, "stay hidden from the container");
    else if (s->enter(s->self, &a.err) == 0) {
        a.pid = hide() < 0 ? -1 : clone_one(CLONE_PARENT | s->flags, -1);
        if (a.pid == 0) {
            fd_close(&answer_fd);
            s->become(s->self);
            _exit(127);
        }
        if (a.pid < 0)
            (void)err_sys(&a.err, errno, "clone the container");
    }
    (void)!fd_send(answer_fd, &a, sizeof(a), NULL, 0); /* nobody there: it is told by our end */
    _exit(0);
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

int sibling_clone(const struct sibling *s, pid_t *pid, int *pidfd, struct err *e)
{
    int pair[2], none;
    size_t fds;
    struct answer a;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, errno, "make a socket pair");
    auto_fd int ours = pair[0], theirs = pair[1];
    pid_t between = clone_one(0, s->cgroup_fd);
    if (between < 0)
        return err_sys(e, errno, "clone the container");
    if (between == 0) {
        fd_close(&ours);
        in_between(s, theirs);
    }
    fd_close(&theirs);
    ssize_t n = fd_recv(ours, &a, sizeof(a), &none, 1, &fds);
    reap(between);
    if (n != (ssize_t)sizeof(a))
        return err_set(e, ERR_SYSTEM, "the process ended before it made the container");
    if (a.pid < 0) {
        *e = a.err;
        return -1;
    }
    /* It is ours and not waited for: the pid is still its own. */
    *pidfd = (int)syscall(SYS_pidfd_open, a.pid, 0U);
    if (*pidfd < 0) {
        int errnum = errno;
        (void)kill(a.pid, SIGKILL);
        reap(a.pid);
        return err_sys(e, errnum, "open the container's process");
    }
    *pid = a.pid;
    return 0;
}
