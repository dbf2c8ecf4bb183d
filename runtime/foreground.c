#include "runtime/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/base/fd.h"

enum {
    RELAY_BYTES = 4096,
    KEY_END_OF_FILE = 4, /* ^D, what a terminal has instead of an end of file */
};

/* Bytes on the way from one fd to another; read only when empty. */
struct relay {
    int from_fd, to_fd; /* from: -1 when over */
    char data[RELAY_BYTES];
    size_t at, len;
};

struct foreground {
    int pidfd, signal_fd, master_fd;
    struct relay input, output;
    bool is_raw;
    struct termios saved;
};

static void copy_size(const struct foreground *f)
{
    struct winsize size;
    if (f->master_fd >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        (void)ioctl(f->master_fd, TIOCSWINSZ, &size);
}

static int open_terminal(struct foreground *f, struct err *e)
{
    f->input = (struct relay){ .from_fd = STDIN_FILENO, .to_fd = f->master_fd };
    f->output = (struct relay){ .from_fd = f->master_fd, .to_fd = STDOUT_FILENO };
    /* A program that does not read its input must not keep us from reading its output. */
    if (fd_set_nonblock(f->master_fd) < 0)
        return err_sys(e, errno, "set up the terminal");
    if (tcgetattr(STDIN_FILENO, &f->saved) < 0)
        return 0; /* not a terminal: bytes are relayed all the same */
    struct termios raw = f->saved;
    cfmakeraw(&raw);
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
        return err_sys(e, errno, "set the terminal to raw mode");
    f->is_raw = true;
    copy_size(f);
    return 0;
}

static void pass_signals(const struct foreground *f)
{
    struct signalfd_siginfo info;
    while (read(f->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        int signal = (int)info.ssi_signo;
        if (signal == SIGWINCH && f->master_fd >= 0)
            copy_size(f);
        else if (signal != SIGCHLD && signal != SIGPIPE)
            (void)syscall(SYS_pidfd_send_signal, f->pidfd, signal, NULL, 0U);
    }
}

/* Moves what can be moved; the reading side is over at its end of file or failure (EIO is what a
 * master says when the last slave was closed). */
static void relay_step(struct relay *r, bool can_read, bool can_write)
{
    if (can_read && r->from_fd >= 0 && r->at == r->len) {
        ssize_t n = read(r->from_fd, r->data, sizeof(r->data));
        r->at = 0;
        r->len = n > 0 ? (size_t)n : 0;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            r->from_fd = -1;
    }
    if (can_write && r->at < r->len) {
        ssize_t n = write(r->to_fd, r->data + r->at, r->len - r->at);
        if (n > 0)
            r->at += (size_t)n;
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            r->at = r->len; /* nobody there any more: drop */
    }
}

static void end_input(struct relay *input)
{
    input->data[0] = KEY_END_OF_FILE;
    input->at = 0;
    input->len = 1;
}

/* What the program wrote before it ended is still in the terminal. */
static void drain(struct relay *output)
{
    struct pollfd fd = { .fd = output->from_fd, .events = POLLIN };
    while (output->from_fd >= 0 && (output->at < output->len || poll(&fd, 1, 0) > 0))
        relay_step(output, output->at == output->len, true);
}

/* Until PIDFD's process has ended. */
static int pump(struct foreground *f, struct err *e)
{
    enum {
        PROCESS,
        SIGNALS,
        KEYS,
        PROGRAM,
        COUNT_
    };
    for (;;) {
        bool has_keys = f->input.at < f->input.len;
        struct pollfd fds[COUNT_] = {
            [PROCESS] = { .fd = f->pidfd, .events = POLLIN },
            [SIGNALS] = { .fd = f->signal_fd, .events = POLLIN },
            [KEYS] = { .fd = has_keys ? -1 : f->input.from_fd, .events = POLLIN },
            [PROGRAM] = { .fd = f->output.from_fd, .events = POLLIN },
        };
        if (has_keys)
            fds[PROGRAM].events |= POLLOUT;
        if (poll(fds, COUNT_, -1) < 0) {
            if (errno == EINTR)
                continue;
            return err_sys(e, errno, "wait for the program");
        }
        if (fds[SIGNALS].revents)
            pass_signals(f);
        if (f->master_fd >= 0) {
            bool had_keyboard = f->input.from_fd >= 0;
            relay_step(&f->input, fds[KEYS].revents != 0, (fds[PROGRAM].revents & POLLOUT) != 0);
            if (had_keyboard && f->input.from_fd < 0)
                end_input(&f->input);
            relay_step(&f->output, (fds[PROGRAM].revents & ~POLLOUT) != 0, true);
        }
        if (fds[PROCESS].revents)
            return 0;
    }
}

void foreground_hold_signals(void)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
}

int foreground_wait(pid_t pid, int pidfd, int master_fd, int *exit_code, struct err *e)
{
    struct foreground f = { .pidfd = pidfd, .signal_fd = -1, .master_fd = master_fd };
    f.input.from_fd = f.output.from_fd = -1;
    sigset_t all;
    (void)sigfillset(&all);
    foreground_hold_signals();
    auto_fd int signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0)
        return err_sys(e, errno, "receive signals");
    f.signal_fd = signal_fd;
    int result = master_fd >= 0 ? open_terminal(&f, e) : 0;
    if (result == 0)
        result = pump(&f, e);
    if (result == 0)
        drain(&f.output);
    if (f.is_raw)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &f.saved);
    if (result < 0)
        return -1;
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_sys(e, errno, "wait for the program");
    *exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}
