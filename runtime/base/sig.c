#include "runtime/base/sig.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

void sig_reset_dispositions(void)
{
    /* The kernel's struct, which is not glibc's: rt_sigaction(2). Zeroed it is SIG_DFL. */
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } by_default = { .handler = SIG_DFL };
    for (int signo = 1; signo < NSIG; signo++) /* KILL and STOP are refused */
        (void)syscall(SYS_rt_sigaction, signo, &by_default, NULL, sizeof(by_default.mask));
}

void sig_unblock_all(void)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}
