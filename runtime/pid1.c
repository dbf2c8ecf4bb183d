#include "runtime/pid1.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reaps what has ended; the payload's end is ours: as pid 1 we take everybody else along. */
static void reap(pid_t payload)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == payload)
            _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    if (pid < 0 && errno == ECHILD)
        _exit(0);
}

_Noreturn void pid1_run(pid_t payload)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)prctl(PR_SET_NAME, "svc-init");
    (void)syscall(SYS_close_range, 0, ~0u, 0);
    for (;;) {
        reap(payload);
        int signo = sigwaitinfo(&all, NULL);
        if (signo > 0 && signo != SIGCHLD)
            (void)kill(payload, signo);
    }
}
