#include "supervisor/stack/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "supervisor/keeper/keeper.h"

enum {
    BACKOFF_FIRST_MS = 10,
    BACKOFF_MAX_MS = 1000,
    STEADY_MS = 10 * 1000
};

static void channel_name(const struct worker *w, char name[KEEPER_NAME_MAX])
{
    (void)snprintf(name, KEEPER_NAME_MAX, "%s/channel", w->name);
}

static void close_channel(struct worker *w)
{
    loop_remove_fd(w->project->loop, &w->source);
    fd_close(&w->channel);
}

static void on_channel(void *self, uint32_t events)
{
    struct worker *w = self;
    w->on_message(w->project);
    if (events & (EPOLLHUP | EPOLLERR))
        close_channel(w); /* its end is reported by the keeper */
}

static int watch(struct worker *w, struct err *e)
{
    return loop_add_fd(w->project->loop, &w->source, w->channel, EPOLLIN, on_channel, w, w->name,
                       e);
}

static void start_again(void *self)
{
    struct worker *w = self;
    struct err e;
    if (worker_start(w, &e) < 0) {
        log_err(LOG_ERROR, w->name, "worker.failed", &e);
        loop_timer_in_ms(w->project->loop, &w->restart, BACKOFF_MAX_MS);
    }
}

static void on_end(void *self, const struct child_end *end)
{
    struct worker *w = self;
    if (end->tag != w->tag)
        return;
    w->tag = 0;
    close_channel(w);
    if (w->on_lost)
        w->on_lost(w->project);
    if (w->project->is_going_down)
        return;
    uint64_t now = loop_now_ns(w->project->loop);
    bool was_steady = now - w->started_ns >= (uint64_t)STEADY_MS * 1000000;
    w->backoff_ms = was_steady || !w->backoff_ms ? BACKOFF_FIRST_MS : w->backoff_ms * 2;
    if (w->backoff_ms > BACKOFF_MAX_MS)
        w->backoff_ms = BACKOFF_MAX_MS;
    log_event(LOG_WARN, w->name, "worker.ended", "status=%d errno=%d again_in_ms=%u", end->status,
              end->errnum, w->backoff_ms);
    loop_timer_in_ms(w->project->loop, &w->restart, w->backoff_ms);
}

void worker_init(struct worker *w, struct project *p)
{
    w->project = p;
    w->channel = -1;
    w->source.fd = -1;
    loop_timer_init(&w->restart, start_again, w, w->name);
}

static int log_pipe(struct worker *w, enum logs_stream stream, int *write_fd, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, errno, "make a log pipe");
    *write_fd = ends[1];
    char name[KEEPER_NAME_MAX];
    (void)snprintf(name, sizeof(name), "log/1/%d/%s", (int)stream, w->name);
    if (keeper_hold(w->project->keeper, name, ends[0], e) < 0) {
        fd_close(&ends[0]);
        return -1;
    }
    return logs_attach(w->project->logs, w->name, 1, stream, ends[0], e);
}

int worker_start(struct worker *w, struct err *e)
{
    struct project *p = w->project;
    auto_fd int out = -1;
    auto_fd int err_fd = -1;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, errno, "make the channel of the %s", w->name);
    auto_fd int theirs = pair[1];
    close_channel(w);
    w->channel = pair[0];
    char name[KEEPER_NAME_MAX], verb[32];
    channel_name(w, name);
    (void)snprintf(verb, sizeof(verb), "@%s", w->name);
    if (fd_set_nonblock(w->channel) < 0 || log_pipe(w, LOGS_STDOUT, &out, e) < 0 ||
        log_pipe(w, LOGS_STDERR, &err_fd, e) < 0 ||
        keeper_hold(p->keeper, name, w->channel, e) < 0 || watch(w, e) < 0)
        return err_wrap(e, "start the %s", w->name);
    int fds[] = { p->null_fd, out, err_fd, theirs, net_stack_fd(p->net) };
    const char *const argv[] = { p->svc_path, verb, p->stack->name, NULL };
    const char *const envp[] = { "PATH=/usr/bin:/bin", NULL };
    w->tag = children_next_tag(p->children);
    w->started_ns = loop_now_ns(p->loop);
    p->journal_dirty = true;
    if (children_spawn(p->children, w->tag, argv, envp, fds, ARRAY_LEN(fds), on_end, w, e) < 0)
        return err_wrap(e, "start the %s", w->name);
    return 0;
}

int worker_resume(struct worker *w, bool is_alive)
{
    char name[KEEPER_NAME_MAX];
    struct err e;
    channel_name(w, name);
    int held = project_take_held(w->project, name);
    if (!is_alive || held < 0) {
        fd_close(&held);
        w->tag = 0;
        return -1;
    }
    w->channel = held;
    if (watch(w, &e) < 0)
        return -1;
    children_adopt(w->project->children, w->tag, on_end, w);
    w->on_resumed(w->project);
    return 0;
}

void worker_done(struct worker *w)
{
    loop_timer_cancel(w->project->loop, &w->restart);
    if (w->tag)
        children_forget(w->project->children, w->tag);
    w->tag = 0;
    close_channel(w);
}
