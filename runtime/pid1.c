#include "runtime/pid1.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/caps.h"

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

int pid1_confine(unsigned last_cap, struct err *e)
{
    uint64_t kept = caps_has(CAP_KILL) ? UINT64_C(1) << CAP_KILL : 0;
    const struct caps_plan plan = {
        .bounding = kept, .permitted = kept, .effective = kept, .last_cap = last_cap
    };
    if (caps_apply_bounding(&plan, e) < 0 || caps_apply_sets(&plan, e) < 0)
        return -1;
    /* After the capabilities: a change of them may set it again (prctl(2) PR_SET_DUMPABLE). */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_sys(e, errno, "confine the init of the container");
    return 0;
}

_Noreturn void pid1_run(pid_t payload)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)prctl(PR_SET_NAME, "svc-init");
    (void)syscall(SYS_close_range, 0, ~0u, 0);
    for (;;) {
        reap(payload);
        int signo = sigwaitinfo(&all, NULL);
        if (signo > 0 && signo != SIGCHLD)
            (void)kill(payload, signo);
    }
}
