#include "supervisor/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/ctl/paths.h"
#include "supervisor/ctl/server.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/stack/api.h"
#include "supervisor/stack/front.h"
#include "supervisor/stack/lifecycle.h"
#include "supervisor/stack/log_view.h"
#include "supervisor/stack/replica.h"
#include "supervisor/stack/worker.h"

enum {
    FLUSH_MS = 2000,       /* for the last answers of the control socket */
    DRAIN_MS = 5000,       /* for clients to read the last lines of the logs */
    GIVE_UP_MS = 30 * 1000 /* for the CLI to take down what could not be opened */
};

struct engine {
    struct project project;
    struct loop *loop;
    struct loop_fd channel;
    struct replay replay;
    bool is_ready; /* the replay is over, the project was opened, or failed to be */
    bool is_over;  /* finish was called */
    struct loop_timer give_up;
    struct loop_timer drain;
    uint64_t drain_until_ns;      /* 0: not yet */
    uint64_t seen_seq, acked_seq; /* of exits */
    unsigned signals;
    int exit_code;
};

/* ---- replay ---- */

static void keep_held(struct engine *g, const struct keeper_message *m, int fd)
{
    struct project *p = &g->project;
    p->held = mem_grow(p->held, &p->held_cap, p->held_count + 1, sizeof(*p->held));
    struct held_fd *held = &p->held[p->held_count++];
    held->fd = fd;
    memcpy(held->name, m->name, sizeof(held->name));
    held->name[sizeof(held->name) - 1] = '\0';
}

static void keep_exit(struct replay *r, const struct keeper_message *m)
{
    size_t cap = r->exit_cap;
    r->exits = mem_grow(r->exits, &cap, r->exit_count + 1, sizeof(*r->exits));
    size_t pid_cap = r->exit_cap;
    r->exit_pids = mem_grow(r->exit_pids, &pid_cap, r->exit_count + 1, sizeof(*r->exit_pids));
    r->exit_cap = cap;
    r->exits[r->exit_count] = (struct child_end){ m->tag, m->status, 0, m->when_ns };
    r->exit_pids[r->exit_count++] = m->pid;
}

static void keep_alive(struct replay *r, const struct keeper_message *m)
{
    r->alive_tags =
        mem_grow(r->alive_tags, &r->alive_cap, r->alive_count + 1, sizeof(*r->alive_tags));
    r->alive_tags[r->alive_count++] = m->tag;
}

static void replay_done(struct engine *g)
{
    for (size_t i = 0; i < g->project.held_count; i++)
        fd_close(&g->project.held[i].fd);
    free(g->project.held);
    g->project.held = NULL;
    g->project.held_count = g->project.held_cap = 0;
    free(g->replay.exits);
    free(g->replay.exit_pids);
    free(g->replay.alive_tags);
    g->replay = (struct replay){ 0 };
}

/* ---- the end ---- */

/* Takes the stack away and tells it as the last event of every stream; then the keeper may go. */
static void finish(struct engine *g)
{
    struct project *p = &g->project;
    struct err e;
    g->is_over = true;
    if (p->ctl)
        ctl_server_shut(p->ctl);
    worker_done(&p->proxy);
    worker_done(&p->prober);
    project_remove(p);
    (void)unlinkat(p->run_fd, CTL_SOCKET_FILE, 0);
    (void)unlinkat(p->run_fd, CTL_STACK_FILE, 0);
    (void)unlinkat(p->run_fd, CTL_OPTIONS_FILE, 0);
    (void)unlinkat(p->run_fd, "state.json", 0);
    (void)unlinkat(p->run_fd, CTL_LOCK_FILE, 0);
    (void)rmdir(p->run_dir);
    if (p->events) {
        struct event event = { "stack.down", NULL, 0, "user", "", g->exit_code };
        events_emit(p->events, &event);
        events_free(p->events);
        p->events = NULL;
    }
    uint64_t deadline = loop_now_ns(g->loop) + (uint64_t)FLUSH_MS * 1000000;
    while (p->ctl && ctl_server_unsent(p->ctl) && loop_now_ns(g->loop) < deadline)
        loop_tick(g->loop, 10);
    if (keeper_quit(KEEPER_CHANNEL_FD, g->exit_code, &e) < 0)
        log_err(LOG_ERROR, NULL, "keeper.lost", &e);
    loop_stop(g->loop, g->exit_code);
}

static void give_up(void *self)
{
    struct engine *g = self;
    if (!g->project.is_going_down)
        api_begin_down(&g->project, false);
}

/* The stack could not be opened. Nothing is started; the CLI, which is just connecting, reads the
 * reason from the event stream and orders `down`; when nobody does, it goes down by itself. */
static void fail(struct engine *g, const struct err *e)
{
    struct project *p = &g->project;
    char line[ERR_LINE_MAX];
    log_err(LOG_ERROR, NULL, "stack.failed", e);
    g->exit_code = err_exit_code(e);
    if (!p->ctl) {
        finish(g);
        return;
    }
    struct event event = {
        .name = "stack.failed",
        .cause = "start",
        .text = err_line(e, line, sizeof(line)),
        .exit_code = g->exit_code,
    };
    p->has_failed = true;
    events_emit(p->events, &event);
    EACH_REPLICA(p, r)
    {
        replica_want_stop(r);
    }
    loop_timer_in_ms(g->loop, &g->give_up, GIVE_UP_MS);
}

/* Only what the journal has is acknowledged: an engine that dies before is told again. */
static void acknowledge(struct engine *g)
{
    struct err e;
    if (g->seen_seq == g->acked_seq || g->project.journal_dirty)
        return;
    g->acked_seq = g->seen_seq;
    if (keeper_ack(KEEPER_CHANNEL_FD, g->acked_seq, &e) < 0)
        log_err(LOG_WARN, NULL, "keeper.ack", &e);
}

static void wake_up(void *self)
{
    (void)self; /* before_sleep looks at the time */
}

/* The proxy still serves files; what services wrote last is on its way to who follows the logs. */
static bool must_drain(struct engine *g)
{
    struct project *p = &g->project;
    uint64_t now = loop_now_ns(g->loop);
    if (!g->drain_until_ns) {
        front_quit(p);
        g->drain_until_ns = now + (uint64_t)DRAIN_MS * 1000000;
        loop_timer_set(g->loop, &g->drain, g->drain_until_ns);
    }
    bool has_more = p->proxy.tag || log_view_is_behind(p) || (p->ctl && ctl_server_unsent(p->ctl));
    return has_more && now < g->drain_until_ns;
}

static void before_sleep(void *self)
{
    struct engine *g = self;
    if (g->is_ready && !g->is_over && project_settle(&g->project) && !must_drain(g))
        finish(g);
    if (g->is_ready && !g->is_over)
        acknowledge(g);
}

/* The services run well without us: the keeper starts another engine, which may have more luck. */
static void retire(struct engine *g, const struct err *e)
{
    log_err(LOG_ERROR, NULL, "engine.not_resumed", e);
    g->is_over = true;
    loop_stop(g->loop, err_exit_code(e));
}

/* ---- messages of the keeper ---- */

static void on_ready(struct engine *g, int earlier_engines)
{
    struct project *p = &g->project;
    struct err e;
    bool is_resumed = earlier_engines > 0 && faccessat(p->run_fd, "state.json", F_OK, 0) == 0;
    log_event(LOG_INFO, NULL, "engine.started", "project=%s pid=%d resumed=%d", p->stack->name,
              (int)getpid(), is_resumed);
    g->is_ready = true;
    /* The prober outlives engines: an answer to the one before must not fit a probe of ours. */
    p->next_probe_id = (uint64_t)(earlier_engines + 1) << 32;
    int opened = project_open(p, &g->replay, is_resumed, &e);
    if (opened < 0 && is_resumed)
        retire(g, &e);
    else if (opened < 0)
        fail(g, &e);
    replay_done(g);
}

static void on_exited(struct engine *g, const struct keeper_message *m)
{
    if (!g->is_ready) {
        keep_exit(&g->replay, m);
    } else {
        struct child_end end = { m->tag, m->status, 0, m->when_ns };
        project_on_exit(&g->project, &end, m->pid);
    }
    g->seen_seq = m->seq;
}

static void on_signal(struct engine *g)
{
    if (g->is_ready)
        api_begin_down(&g->project, g->signals > 0);
    g->signals++;
}

static void on_message(struct engine *g, const struct keeper_message *m, int *fd)
{
    switch (m->type) {
    case KEEPER_HELD: keep_held(g, m, take_fd(fd)); break;
    case KEEPER_SPAWNED:
        if (g->is_ready)
            children_on_spawned(g->project.children, m->tag, m->pid, m->errnum);
        else
            keep_alive(&g->replay, m);
        break;
    case KEEPER_EXITED: on_exited(g, m); break;
    case KEEPER_READY: on_ready(g, m->code); break;
    case KEEPER_SIGNAL: on_signal(g); break;
    default: log_event(LOG_ERROR, NULL, "keeper.unknown_message", "type=%u", m->type); break;
    }
}

static void on_channel(void *self, uint32_t events)
{
    struct engine *g = self;
    (void)events;
    for (;;) {
        struct keeper_message m;
        struct err e;
        auto_fd int fd = -1;
        int got = keeper_receive(KEEPER_CHANNEL_FD, &m, &fd, &e);
        if (got < 0 && e.errnum == EAGAIN)
            return;
        if (got <= 0) {
            /* Nobody is left who could reap or hold anything: containers go on without us. */
            log_event(LOG_ERROR, NULL, "keeper.lost", "got=%d", got);
            loop_stop(g->loop, 5);
            return;
        }
        on_message(g, &m, &fd);
    }
}

static int run(struct engine *g, const char *run_dir, struct err *e)
{
    if (loop_new(&g->loop, e) < 0)
        return -1;
    g->project.loop = g->loop;
    g->project.keeper = KEEPER_CHANNEL_FD;
    if (project_load(&g->project, run_dir, e) < 0 || fd_set_cloexec(KEEPER_CHANNEL_FD, true) < 0 ||
        loop_add_fd(g->loop, &g->channel, KEEPER_CHANNEL_FD, EPOLLIN, on_channel, g, "keeper", e) <
            0)
        return -1;
    loop_timer_init(&g->give_up, give_up, g, "give_up");
    loop_timer_init(&g->drain, wake_up, g, "drain");
    loop_before_sleep(g->loop, before_sleep, g);
    return loop_run(g->loop);
}

int engine_main(int argc, char **argv)
{
    if (argc != 3) {
        (void)dprintf(STDERR_FILENO,
                      "svc: @engine takes the run directory; it is started by svc\n");
        return 2;
    }
    bool is_verbose = getenv("SVC_TRACE") != NULL;
    (void)prctl(PR_SET_NAME, "svc-engine"); /* it was executed as "exe" */
    log_open(STDERR_FILENO, is_verbose ? LOG_DEBUG : LOG_INFO);
    (void)signal(SIGPIPE, SIG_IGN);
    struct engine g = { .channel = { .fd = -1 } };
    struct err e;
    int code = run(&g, argv[2], &e);
    if (code < 0) {
        log_err(LOG_ERROR, NULL, "engine.failed", &e);
        code = err_exit_code(&e);
        struct err ignored;
        (void)!keeper_quit(KEEPER_CHANNEL_FD, code, &ignored); /* starting again would not help */
    }
    replay_done(&g);
    project_done(&g.project);
    loop_free(g.loop);
    return code;
}
