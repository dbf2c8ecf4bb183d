#include "runtime/seccomp_notify.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/sync.h"

enum {
    MESSAGE_BYTES_MAX = 1024 * 1024,
    NOT_YET = -1,
    NEVER = -2,
    LOOK_EVERY_NS = 20 * 1000,
    LOOKS_MAX = 10 * 1000 * 1000 / 20, /* ten seconds: installing takes microseconds */
};

/* Between the process and its sibling. */
struct shared {
    atomic_int listener_fd; /* of the table that both have; NOT_YET, NEVER */
    struct err err;         /* of the sibling, when it is not ERR_NONE */
};

/* ---- child ---- */

static int wait_for_filter(struct shared *s)
{
    const struct timespec pause = { .tv_nsec = LOOK_EVERY_NS };
    int fd = NOT_YET;
    for (unsigned i = 0; i < LOOKS_MAX && fd == NOT_YET; i++) {
        fd = atomic_load(&s->listener_fd);
        if (fd == NOT_YET)
            (void)nanosleep(&pause, NULL);
    }
    return fd;
}

/* The fd is closed here for both: with the agent alone as its owner, the end of the agent makes the
 * calls that wait for it fail (ENOSYS) instead of wait for ever. */
_Noreturn static void hand_out(struct shared *s, int runtime_fd)
{
    struct err e = { 0 };
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = wait_for_filter(s);
    if (fd < 0)
        _exit(0);
    struct sync_fds fds = { { fd }, 1 };
    int result = sync_send(runtime_fd, SYNC_LISTENER, &fds, &e);
    (void)close(fd);
    if (result < 0 || sync_expect(runtime_fd, SYNC_DELIVERED, NULL, &e) < 0)
        s->err = e;
    _exit(0);
}

static int join(pid_t sibling, const struct shared *s, struct err *e)
{
    int status = 0;
    while (waitpid(sibling, &status, 0) < 0)
        if (errno != EINTR)
            return err_sys(e, errno, "linux.seccomp: wait until the listener is handed out");
    if (s->err.kind != ERR_NONE) {
        *e = s->err;
        return -1;
    }
    return status == 0 ? 0 : err_set(e, ERR_SYSTEM, "linux.seccomp: the listener was lost");
}

int seccomp_notify_install(const struct seccomp_plan *p, int runtime_fd, struct err *e)
{
    struct shared *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        return err_sys(e, errno, "linux.seccomp: map a shared page");
    atomic_store(&s->listener_fd, NOT_YET);
    pid_t sibling = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
    if (sibling < 0)
        return err_sys(e, errno, "linux.seccomp: clone");
    if (sibling == 0)
        hand_out(s, runtime_fd);
    int fd = NEVER;
    int result = seccomp_install(p, &fd, e);
    atomic_store(&s->listener_fd, result < 0 ? NEVER : fd);
    struct err ignored;
    return join(sibling, s, result < 0 ? &ignored : e) < 0 ? -1 : result;
}

/* ---- runtime ---- */

static void put_message(struct json_writer *w, const struct seccomp_notify_state *s)
{
    const char *metadata = s->config->seccomp.listener_metadata;
    json_begin_object(w, NULL);
    json_put_string(w, "ociVersion", OCI_VERSION);
    json_begin_array(w, "fds");
    json_put_string(w, NULL, "seccompFd");
    json_end_array(w);
    json_put_i64(w, "pid", s->pid);
    if (metadata)
        json_put_string(w, "metadata", metadata);
    oci_state_put(w, "state", s->state, s->status);
    json_end_object(w);
}

int seccomp_notify_deliver(const struct seccomp_notify_state *s, int listener_fd, struct err *e)
{
    const char *path = s->config->seccomp.listener_path;
    auto_buf struct buf text;
    struct json_writer w;
    if (!path)
        return err_internal(e, "a listener without linux.seccomp.listenerPath");
    buf_init(&text, MESSAGE_BYTES_MAX);
    json_writer_init(&w, &text, 0);
    put_message(&w, s);
    if (text.overflow)
        return err_input(e, "linux.seccomp: the state for the agent is over %d bytes",
                         MESSAGE_BYTES_MAX);
    auto_fd int agent = fd_connect(path, SOCK_STREAM);
    if (agent < 0)
        return err_sys(e, errno, "linux.seccomp.listenerPath: connect to %s", path);
    /* What does not fit into one message follows; the fd goes with the first. */
    ssize_t n = fd_send(agent, text.data, text.len, &listener_fd, 1);
    if (n < 0 || fd_write_all(agent, text.data + n, text.len - (size_t)n) < 0)
        return err_sys(e, errno, "linux.seccomp.listenerPath: send to %s", path);
    return 0;
}

int seccomp_notify_answer(int sock, int pidfd, int result, struct err *e)
{
    if (result == 0)
        return sync_send(sock, SYNC_DELIVERED, NULL, e);
    if (pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0U);
    return -1;
}
