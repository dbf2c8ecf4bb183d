#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/sig.h"

enum {
    EXIT_NOT_EXECUTED = 127 /* as a shell has it */
};

/* In the hook's process. Why it could not be executed goes back where its input comes from. */
_Noreturn static void become(const struct oci_hook *hook, const char *folder, int input_fd)
{
    const char *bare[] = { hook->path, NULL };
    sig_unblock_all();
    (void)setpgid(0, 0); /* whom it starts ends with it at the timeout */
    if (folder)
        (void)!chdir(folder); /* where hooks of other runtimes begin; none needs it */
    if (dup2(input_fd, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
        syscall(SYS_close_range, 3U, ~0U, 0U) < 0)
        _exit(EXIT_NOT_EXECUTED);
    const char *const *args = hook->args.count ? hook->args.items : bare;
    char *const *env = hook->env.items ? (char *const *)(uintptr_t)hook->env.items : environ;
    (void)execve(hook->path, (char *const *)(uintptr_t)args, env);
    int errnum = errno;
    (void)send(STDIN_FILENO, &errnum, sizeof(errnum), MSG_NOSIGNAL);
    _exit(EXIT_NOT_EXECUTED);
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Feeds the state and waits for the end of PIDFD's process, until DEADLINE_MS (-1: none). Returns
 * 1 when the time was over. The socket never blocks us: a hook need not read its input. -1 with
 * errno. */
static int feed_and_wait(int pidfd, int feed_fd, const char *state, size_t len, int64_t deadline_ms)
{
    bool is_fed = false;
    for (;;) {
        struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
                                { .fd = is_fed ? -1 : feed_fd, .events = POLLOUT } };
        int timeout = -1;
        if (deadline_ms >= 0) {
            int64_t left = deadline_ms - now_ms();
            if (left <= 0)
                return 1;
            timeout = left > 60000 ? 60000 : (int)left;
        }
        if (poll(fds, 2, timeout) < 0 && errno != EINTR)
            return -1;
        if (fds[0].revents)
            return 0;
        if (!fds[1].revents)
            continue;
        ssize_t n = send(feed_fd, state, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            state += n;
            len -= (size_t)n;
        }
        is_fed = len == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
        if (is_fed)
            (void)shutdown(feed_fd, SHUT_WR); /* end of file for the hook */
    }
}

static int reap(pid_t pid, bool is_late, int feed_fd, const struct oci_hook *hook, const char *name,
                struct err *e)
{
    int status, errnum;
    if (is_late)
        (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_sys(e, errno, "wait for hook %s", hook->path);
    if (is_late)
        return err_host(e, "hooks.%s: %s did not end within %u s", name, hook->path,
                        hook->timeout_s);
    if (WIFSIGNALED(status))
        return err_host(e, "hooks.%s: %s was killed by signal %d", name, hook->path,
                        WTERMSIG(status));
    if (WEXITSTATUS(status) == EXIT_NOT_EXECUTED &&
        recv(feed_fd, &errnum, sizeof(errnum), MSG_DONTWAIT) == (ssize_t)sizeof(errnum))
        return err_sys(e, errnum, "hooks.%s: execute %s", name, hook->path);
    if (WEXITSTATUS(status) != 0)
        return err_host(e, "hooks.%s: %s exited with %d", name, hook->path, WEXITSTATUS(status));
    return 0;
}

static int run_one(const struct oci_hook *hook, const char *name, const struct hooks_state *state,
                   struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, errno, "hooks.%s: make a socket pair", name);
    auto_fd int theirs = pair[0], ours = pair[1];
    pid_t pid = fork();
    if (pid == 0)
        become(hook, state->folder, theirs);
    fd_close(&theirs);
    if (pid > 0)
        (void)setpgid(pid, pid); /* whoever of us is first: there must be one to kill */
    auto_fd int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0U);
    if (pid < 0 || pidfd < 0) {
        int errnum = errno;
        if (pid > 0)
            (void)reap(pid, true, ours, hook, name, e);
        return err_sys(e, errnum, "hooks.%s: start %s", name, hook->path);
    }
    int64_t deadline = hook->timeout_s ? now_ms() + (int64_t)hook->timeout_s * 1000 : -1;
    int late = feed_and_wait(pidfd, ours, state->text, state->len, deadline);
    int errnum = errno;
    int result = reap(pid, late != 0, ours, hook, name, e);
    return late < 0 ? err_sys(e, errnum, "hooks.%s: wait for %s", name, hook->path) : result;
}

void hooks_set_pid(struct hooks_state *state, pid_t pid)
{
    static const char key[] = "\"pid\":";
    char digits[16];
    int n = snprintf(digits, sizeof(digits), "%10d", (int)pid);
    /* An id has no quotes, and annotations come after it: the first one is it. */
    char *at = state->text ? strstr(state->text, key) : NULL;
    if (at)
        memcpy(at + strlen(key), digits, (size_t)n);
}

int hooks_run(const struct oci_hooks *hooks, const char *name, const struct hooks_state *state,
              struct err *e)
{
    for (size_t i = 0; i < hooks->count; i++)
        if (run_one(&hooks->items[i], name, state, e) < 0)
            return -1;
    return 0;
}
