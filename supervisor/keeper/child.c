#include "supervisor/keeper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(offsetof(struct keeper_request, args) == sizeof(struct keeper_message),
               "a request is received in one piece");

#define KEEPER_OOM_SCORE "-900"

void keeper_inherit_take(struct keeper_inherit *inherit)
{
    if (getrlimit(RLIMIT_NOFILE, &inherit->nofile) == 0) {
        struct rlimit most = { .rlim_cur = inherit->nofile.rlim_max,
                               .rlim_max = inherit->nofile.rlim_max };
        inherit->has_nofile = setrlimit(RLIMIT_NOFILE, &most) == 0;
    }
    auto_fd int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, inherit->oom_adj, sizeof(inherit->oom_adj) - 1);
    inherit->has_oom_adj = n > 0 && pwrite(fd, KEEPER_OOM_SCORE, strlen(KEEPER_OOM_SCORE), 0) > 0;
}

int keeper_request_receive(int channel, struct keeper_request *out)
{
    ssize_t n = fd_recv(channel, out, offsetof(struct keeper_request, fd_count), out->fds,
                        FD_PASS_MAX, &out->fd_count);
    if (n <= 0)
        return (int)n;
    size_t args_len = (size_t)n - sizeof(out->head);
    if ((size_t)n < sizeof(out->head) || out->head.args_len != args_len ||
        (args_len && out->args[args_len - 1] != '\0')) {
        for (size_t i = 0; i < out->fd_count; i++)
            fd_close(&out->fds[i]);
        errno = EBADMSG;
        return -1;
    }
    return 1;
}

pid_t keeper_request_start(const struct keeper_request *q, struct keeper_inherit *inherit,
                           int *errnum)
{
    char *strings[KEEPER_STRINGS_MAX + 2]; /* argv, NULL, envp, NULL */
    size_t argc = q->head.arg_count;
    size_t total = argc + q->head.env_count;
    if (!argc || argc > KEEPER_STRINGS_MAX || q->head.env_count > KEEPER_STRINGS_MAX - argc) {
        *errnum = E2BIG;
        return -1;
    }
    const char *at = q->args;
    const char *end = q->args + q->head.args_len;
    for (size_t i = 0; i < total; i++) {
        if (at == end) {
            *errnum = EINVAL;
            return -1;
        }
        strings[i < argc ? i : i + 1] = (char *)(uintptr_t)at; /* execve's type, nobody writes */
        at += strlen(at) + 1;
    }
    strings[argc] = NULL;
    strings[total + 1] = NULL;
    return keeper_child_start(strings, strings + argc + 1, q->fds, q->fd_count, inherit, errnum);
}

struct child_plan {
    char *const *argv;
    char *const *envp;
    const int *fds;
    size_t fd_count;
    const struct keeper_inherit *inherit;
    /* Written by the child, which shares our memory. Its variables are here since its stack is
     * never unwound, which AddressSanitizer takes for a mistake at the next child. */
    int errnum;
    int moved[FD_PASS_MAX];
    sigset_t no_signals;
};

/* Puts the fds at 0, 1, 2, …: first all of them out of the way of any target, then into place. */
static int place_fds(struct child_plan *p)
{
    size_t count = p->fd_count < 3 ? 3 : p->fd_count;
    for (size_t i = 0; i < count; i++) {
        int fd = i < p->fd_count ? p->fds[i] : p->inherit->null_fd;
        p->moved[i] = fcntl(fd, F_DUPFD_CLOEXEC, (int)count);
        if (p->moved[i] < 0)
            return -1;
    }
    for (size_t i = 0; i < count; i++)
        if (dup2(p->moved[i], (int)i) < 0)
            return -1;
    return close_range((unsigned)count, ~0u, 0);
}

/* Runs in the child on our memory: system calls only. */
static int child_main(void *arg)
{
    struct child_plan *p = arg;
    const struct keeper_inherit *inherit = p->inherit;
    if (inherit->has_oom_adj) {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd >= 0 && write(fd, inherit->oom_adj, strlen(inherit->oom_adj)) < 0)
            close(fd); /* then it stays protected, which harms nobody who could do this */
    }
    if (setsid() < 0 || place_fds(p) < 0 ||
        (inherit->has_nofile && setrlimit(RLIMIT_NOFILE, &inherit->nofile) < 0) ||
        sigprocmask(SIG_SETMASK, &p->no_signals, NULL) < 0) {
        p->errnum = errno;
        _exit(127);
    }
    execve(p->argv[0], p->argv, p->envp);
    p->errnum = errno;
    _exit(127);
}

pid_t keeper_child_start(char *const *argv, char *const *envp, const int *fds, size_t fd_count,
                         struct keeper_inherit *inherit, int *errnum)
{
    struct child_plan plan = {
        .argv = argv, .envp = envp, .fds = fds, .fd_count = fd_count, .inherit = inherit
    };
    if (fd_count > FD_PASS_MAX) {
        *errnum = EINVAL;
        return -1;
    }
    sigemptyset(&plan.no_signals);
    /* As vfork(2), on a stack of its own: the keeper's tables are not copied, and an error of
     * execve comes back through plan.errnum. */
    pid_t pid = clone(child_main, inherit->stack + sizeof(inherit->stack),
                      CLONE_VM | CLONE_VFORK | SIGCHLD, &plan);
    if (pid < 0)
        plan.errnum = errno;
    if (plan.errnum) {
        if (pid > 0)
            (void)waitpid(pid, NULL, 0); /* it never was a child that anybody heard of */
        *errnum = plan.errnum;
        return -1;
    }
    return pid;
}
