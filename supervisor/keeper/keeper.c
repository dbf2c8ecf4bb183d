/* The keeper's process. One poll(2) over the engine's channel, a signalfd and the lifeline; every
 * table has a fixed size and is allocated at the start. Nothing here waits for the engine: what
 * cannot be sent now is sent when the channel takes it, in this order: held fds, running
 * children, replies to spawn requests, exits, READY, signals. So a reply precedes the exit of the
 * same child, and an engine that sends without reading cannot make both sides wait for each other.
 */
#include "supervisor/keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sig.h"
#include "runtime/base/str.h"
#include "supervisor/keeper/child.h"
#include "supervisor/keeper/tables.h"

enum {
    REPLIES_MAX = 1024,
    SIGNALS_MAX = 16,
    MESSAGES_PER_TURN = 64,
    BACKOFF_FIRST_MS = 10,
    BACKOFF_MAX_MS = 1000,
    STABLE_MS = 10000, /* an engine that lived this long starts the back-off anew */
    RETRY_MS = 10,     /* sending met a shortage of the kernel */
    QUIT_GRACE_MS = 5000,
    STOP_DEATHS_MAX = 3, /* engine deaths after a stop was asked for, until the keeper gives up */
    GIVE_UP_CODE = 70,
};

struct reply {
    pid_t pid;
    int errnum;
    uint64_t tag;
};

struct keeper {
    char *run_dir;
    int channel_fd; /* -1: no engine */
    int signal_fd;
    int lifeline_fd; /* -1: none, or over */
    struct keeper_inherit inherit;
    pid_t engine_pid;
    int engine_starts;
    uint64_t engine_since_ms;
    uint64_t engine_start_at_ms; /* when engine_pid == 0 */
    uint64_t backoff_ms;
    bool lacks_resources; /* the last send: try again soon */

    bool is_quitting;
    int quit_code;
    uint64_t quit_deadline_ms;
    int stop_signo; /* first one asked for, 0: none */
    int deaths_since_stop;

    struct keeper_child_table children;
    struct keeper_held_table held;
    struct keeper_exit_table exits;
    uint64_t exit_sent;                /* exits up to this one were sent to this engine */
    struct reply replies[REPLIES_MAX]; /* ring */
    size_t reply_first, reply_count;
    int signals[SIGNALS_MAX]; /* sent from the front */
    size_t signal_count;
    /* Replay to a new engine. */
    size_t held_next, child_next;
    bool is_ready_sent;

    struct keeper_request request;
};

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ms(void)
{
    return now_ns() / 1000000u;
}

/* Sending */

/* 1: sent, 0: not now (or there is nobody; the caller's state stays as it was). */
static int send_message(struct keeper *k, const struct keeper_message *m, const int *fd)
{
    if (fd_send(k->channel_fd, m, sizeof(*m), fd, fd ? 1 : 0) >= 0)
        return 1;
    /* EPIPE and the like: the engine is gone, which its exit and the end of file tell too. */
    if (errno != EAGAIN && errno != EPIPE && errno != ECONNRESET)
        k->lacks_resources = true;
    return 0;
}

static bool send_held(struct keeper *k)
{
    const struct keeper_held *h;
    while ((h = keeper_held_next(&k->held, &k->held_next))) {
        struct keeper_message m = { .type = KEEPER_HELD };
        memcpy(m.name, h->name, sizeof(m.name));
        if (!send_message(k, &m, &h->fd))
            return false;
        k->held_next++;
    }
    return true;
}

static bool send_children(struct keeper *k)
{
    const struct keeper_child *c;
    while ((c = keeper_child_next(&k->children, &k->child_next))) {
        struct keeper_message m = { .type = KEEPER_SPAWNED, .pid = c->pid, .tag = c->tag };
        if (!send_message(k, &m, NULL))
            return false;
        k->child_next++;
    }
    return true;
}

static bool send_replies(struct keeper *k)
{
    while (k->reply_count) {
        struct reply *r = &k->replies[k->reply_first];
        struct keeper_message m = {
            .type = KEEPER_SPAWNED, .pid = r->pid, .errnum = r->errnum, .tag = r->tag
        };
        if (!send_message(k, &m, NULL))
            return false;
        k->reply_first = (k->reply_first + 1) % REPLIES_MAX;
        k->reply_count--;
    }
    return true;
}

static bool send_exits(struct keeper *k)
{
    for (; k->exit_sent < k->exits.last; k->exit_sent++) {
        const struct keeper_exit *x = keeper_exit_at(&k->exits, k->exit_sent + 1);
        struct keeper_message m = { .type = KEEPER_EXITED,
                                    .pid = x->pid,
                                    .status = x->status,
                                    .tag = x->tag,
                                    .seq = k->exit_sent + 1,
                                    .when_ns = x->when_ns };
        if (!send_message(k, &m, NULL))
            return false;
    }
    return true;
}

static bool send_signals(struct keeper *k)
{
    while (k->signal_count) {
        struct keeper_message m = { .type = KEEPER_SIGNAL, .code = k->signals[0] };
        if (!send_message(k, &m, NULL))
            return false;
        k->signal_count--;
        memmove(k->signals, k->signals + 1, k->signal_count * sizeof(k->signals[0]));
    }
    return true;
}

/* Sends what can be sent; true when nothing is left. */
static bool pump(struct keeper *k)
{
    k->lacks_resources = false;
    if (k->channel_fd < 0)
        return true;
    if (!k->is_ready_sent && (!send_held(k) || !send_children(k)))
        return false;
    if (!send_replies(k) || !send_exits(k))
        return false;
    if (!k->is_ready_sent) {
        struct keeper_message m = { .type = KEEPER_READY, .code = k->engine_starts - 1 };
        if (!send_message(k, &m, NULL))
            return false;
        k->is_ready_sent = true;
    }
    return send_signals(k);
}

/* Children */

static void on_engine_exit(struct keeper *k, int status);

static void reap(struct keeper *k)
{
    int status;
    pid_t pid;
    /* The engine by its pid, since only a new one can empty a full table. While it is full,
     * children stay zombies: the kernel keeps their status. */
    if (k->engine_pid && waitpid(k->engine_pid, &status, WNOHANG) == k->engine_pid)
        on_engine_exit(k, status);
    while (!keeper_exit_is_full(&k->exits) && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == k->engine_pid) { /* died just now */
            on_engine_exit(k, status);
            continue;
        }
        const struct keeper_exit x = { .pid = pid,
                                       .status = status,
                                       .tag = keeper_child_take(&k->children, pid),
                                       .when_ns = now_ns() };
        keeper_exit_add(&k->exits, &x);
    }
}

/* Requests of the engine */

static void do_spawn(struct keeper *k)
{
    struct keeper_request *q = &k->request;
    struct reply r = { .tag = q->head.tag };
    if (keeper_child_is_full(&k->children))
        r.errnum = EAGAIN;
    else
        r.pid = keeper_request_start(q, &k->inherit, &r.errnum);
    if (r.pid > 0)
        keeper_child_add(&k->children, r.pid, r.tag);
    k->replies[(k->reply_first + k->reply_count++) % REPLIES_MAX] = r;
}

static void kill_spawned(struct keeper *k)
{
    const struct keeper_child *c;
    for (size_t at = 0; (c = keeper_child_next(&k->children, &at)); at++)
        kill(c->pid, SIGKILL);
}

static void do_quit(struct keeper *k, int code)
{
    if (k->is_quitting)
        return;
    k->is_quitting = true;
    k->quit_code = code;
    k->quit_deadline_ms = now_ms() + QUIT_GRACE_MS;
    kill_spawned(k);
}

/* ENGINE_LIVES false: draining what a dead engine left behind. What it wanted kept is kept; what it
 * wanted started is not, since nobody would know of it. */
static void on_message(struct keeper *k, bool engine_lives)
{
    struct keeper_message *m = &k->request.head;
    m->name[sizeof(m->name) - 1] = '\0';
    switch (m->type) {
    case KEEPER_SPAWN:
        if (engine_lives && !k->is_quitting)
            do_spawn(k);
        break;
    case KEEPER_HOLD:
        if (k->request.fd_count && !keeper_held_add(&k->held, m->name, &k->request.fds[0]))
            log_event(LOG_ERROR, NULL, "keeper.not_held", "max=%d", KEEPER_HELD_MAX);
        break;
    case KEEPER_DROP: keeper_held_drop(&k->held, m->name); break;
    case KEEPER_ACK:
        if (m->seq <= k->exit_sent)
            keeper_exit_ack(&k->exits, m->seq);
        break;
    case KEEPER_QUIT: do_quit(k, m->code); break;
    default: log_event(LOG_ERROR, NULL, "keeper.bad_message", "type=%u", m->type);
    }
}

/* Reads up to MESSAGES_PER_TURN requests; false at the end of file. */
static bool read_requests(struct keeper *k, bool engine_lives)
{
    for (int i = 0; i < MESSAGES_PER_TURN && k->reply_count < REPLIES_MAX; i++) {
        int rc = keeper_request_receive(k->channel_fd, &k->request);
        if (rc == 0)
            return false;
        if (rc < 0 && errno == EAGAIN)
            return true;
        if (rc < 0 && errno == ECONNRESET) /* said once: it died with messages unread */
            continue;
        if (rc < 0) {
            log_event(LOG_ERROR, NULL, "keeper.bad_message", "errno=%d", errno);
            continue;
        }
        on_message(k, engine_lives);
        for (size_t f = 0; f < k->request.fd_count; f++)
            fd_close(&k->request.fds[f]);
    }
    return true;
}

/* The engine */

static void on_engine_exit(struct keeper *k, int status)
{
    k->engine_pid = 0;
    k->reply_count = 0; /* tags of the dead; draining adds none */
    while (k->channel_fd >= 0) {
        struct pollfd p = { .fd = k->channel_fd, .events = POLLIN };
        if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN) || !read_requests(k, false))
            break;
    }
    fd_close(&k->channel_fd);
    if (k->is_quitting)
        return;
    if (now_ms() - k->engine_since_ms >= STABLE_MS)
        k->backoff_ms = 0;
    k->backoff_ms = k->backoff_ms ? k->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (k->backoff_ms > BACKOFF_MAX_MS)
        k->backoff_ms = BACKOFF_MAX_MS;
    k->engine_start_at_ms = now_ms() + k->backoff_ms;
    log_event(LOG_ERROR, NULL, "engine.died", "status=0x%x restart_in_ms=%llu", (unsigned)status,
              (unsigned long long)k->backoff_ms);
    if (k->stop_signo && ++k->deaths_since_stop >= STOP_DEATHS_MAX) {
        log_event(LOG_ERROR, NULL, "keeper.gave_up",
                  "reason=\"no engine is able to stop the stack\"");
        do_quit(k, GIVE_UP_CODE);
    }
}

static void start_engine(struct keeper *k)
{
    int pair[2];
    k->engine_start_at_ms = now_ms() + BACKOFF_MAX_MS; /* if it fails below */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        log_event(LOG_ERROR, NULL, "engine.not_started", "errno=%d", errno);
        return;
    }
    auto_fd int theirs = pair[1];
    auto_fd int ours = pair[0];
    /* Only this end: the flag belongs to the open file, and the engine's sends may block. */
    if (fd_set_nonblock(ours) < 0)
        return;
    char *const argv[] = { (char[]){ "/proc/self/exe" }, (char[]){ "@engine" }, k->run_dir, NULL };
    const int fds[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, theirs };
    int errnum = 0;
    pid_t pid = keeper_child_start(argv, environ, fds, ARRAY_LEN(fds), &k->inherit, &errnum);
    if (pid < 0) {
        log_event(LOG_ERROR, NULL, "engine.not_started", "errno=%d", errnum);
        return;
    }
    k->engine_pid = pid;
    k->channel_fd = take_fd(&ours);
    k->engine_starts++;
    k->engine_since_ms = now_ms();
    k->held_next = k->child_next = 0;
    k->exit_sent = k->exits.acked;
    k->is_ready_sent = false;
    k->signal_count = 0;
    /* A stop that was asked for outlives the engine that was asked. */
    if (k->stop_signo)
        k->signals[k->signal_count++] = k->stop_signo;
}

static void on_stop_signal(struct keeper *k, int signo)
{
    if (!k->stop_signo)
        k->stop_signo = signo;
    if (k->channel_fd >= 0 && k->signal_count < SIGNALS_MAX)
        k->signals[k->signal_count++] = signo;
}

/* Set-up and the loop */

static void on_signal_fd(struct keeper *k)
{
    struct signalfd_siginfo info;
    while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_signo != SIGCHLD)
            on_stop_signal(k, (int)info.ssi_signo);
}

static void on_lifeline(struct keeper *k)
{
    char ignored[256];
    ssize_t n = read(k->lifeline_fd, ignored, sizeof(ignored));
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    fd_close(&k->lifeline_fd);
    on_stop_signal(k, SIGTERM);
}

static int wait_ms(const struct keeper *k)
{
    uint64_t until_ms = UINT64_MAX;
    if (k->is_quitting)
        until_ms = k->quit_deadline_ms;
    else if (!k->engine_pid)
        until_ms = k->engine_start_at_ms;
    uint64_t now = now_ms();
    if (k->lacks_resources && now + RETRY_MS < until_ms)
        until_ms = now + RETRY_MS;
    if (until_ms == UINT64_MAX)
        return -1;
    return until_ms <= now ? 0 : (int)(until_ms - now);
}

/* One turn; false when it is time to go. */
static bool turn(struct keeper *k)
{
    if (!k->engine_pid && !k->is_quitting && now_ms() >= k->engine_start_at_ms)
        start_engine(k);
    bool is_sent = k->is_quitting || pump(k);
    if (k->is_quitting) {
        bool is_over = now_ms() >= k->quit_deadline_ms;
        if (is_over && k->engine_pid)
            kill(k->engine_pid, SIGKILL);
        if (is_over || (!k->engine_pid && !k->children.count))
            return false;
        keeper_exit_ack(&k->exits, k->exits.last); /* nobody will ask: go on reaping */
    }
    short channel_events = k->reply_count < REPLIES_MAX ? POLLIN : 0;
    if (!is_sent && !k->lacks_resources)
        channel_events |= POLLOUT;
    struct pollfd polls[] = {
        { .fd = k->signal_fd, .events = POLLIN },
        { .fd = k->channel_fd, .events = channel_events },
        { .fd = k->lifeline_fd, .events = POLLIN },
    };
    if (poll(polls, ARRAY_LEN(polls), wait_ms(k)) < 0)
        return true;
    if (polls[0].revents)
        on_signal_fd(k);
    if (polls[2].revents)
        on_lifeline(k);
    if (polls[1].revents & (POLLIN | POLLHUP) && !read_requests(k, true)) {
        /* It closed the channel: what is left of it can do nothing useful. */
        fd_close(&k->channel_fd);
        if (k->engine_pid && !k->is_quitting)
            kill(k->engine_pid, SIGKILL);
    }
    reap(k);
    return true;
}

/* Dispositions that the CLI's parent set (nohup, a shell's trap) would be inherited by everything,
 * and an ignored SIGCHLD would lose every exit status. */
static int set_up_signals(struct keeper *k)
{
    sigset_t mask;
    sigemptyset(&mask);
    static const int taken[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        sigaddset(&mask, taken[i]);
    if (sigprocmask(SIG_SETMASK, &mask, NULL) < 0)
        return -1;
    sig_reset_dispositions();
    k->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return k->signal_fd;
}

static int set_up(struct keeper *k, int lock_fd)
{
    (void)prctl(PR_SET_NAME, "svc-keeper"); /* it was executed as "exe" */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || set_up_signals(k) < 0)
        return -1;
    k->inherit.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (k->inherit.null_fd < 0)
        return -1;
    if (k->lifeline_fd >= 0 && fd_set_cloexec(k->lifeline_fd, true) < 0)
        return -1;
    if (lock_fd >= 0 && fd_set_cloexec(lock_fd, true) < 0)
        return -1;
    keeper_inherit_take(&k->inherit);
    return 0;
}

int keeper_main(int argc, char **argv)
{
    int64_t lifeline_fd = -1;
    int64_t lock_fd = -1;
    if (argc < 3 || argc > 5 ||
        (argc > 3 && str_to_i64(argv[3], -1, INT32_MAX, &lifeline_fd) < 0) ||
        (argc > 4 && str_to_i64(argv[4], -1, INT32_MAX, &lock_fd) < 0)) {
        log_event(LOG_ERROR, NULL, "keeper.usage", "arguments=%d", argc);
        return 2;
    }
    struct keeper *k = mem_alloc(sizeof(*k));
    k->run_dir = argv[2];
    k->channel_fd = k->signal_fd = k->inherit.null_fd = -1;
    k->lifeline_fd = (int)lifeline_fd;
    int code = GIVE_UP_CODE;
    if (set_up(k, (int)lock_fd) < 0) {
        log_event(LOG_ERROR, NULL, "keeper.not_started", "errno=%d", errno);
    } else {
        while (turn(k))
            continue;
        code = k->quit_code;
    }
    free(k);
    return code;
}
