#include "supervisor/cli/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/cli/logview.h"
#include "supervisor/cli/progress.h"
#include "supervisor/cli/services.h"
#include "supervisor/ctl/client.h"
#include "supervisor/ctl/paths.h"
#include "supervisor/ctl/query.h"

enum {
    TARGET_BYTES = 4096,
    OUTPUT_BYTES = 64 * 1024 * 1024,
    TICK_MS = 1000,          /* of the running times on a terminal */
    REOPEN_MS = 100,         /* between attempts to reach an engine that starts again */
    QUIET_MS = 10 * 1000,    /* a start that takes longer shows its output */
    FAILED_LINES = 20,       /* of a service that failed */
    DRAIN_MS = 5000,         /* for the rest of the output, after the keeper's end */
    REAP_TIMEOUT_MS = 10000, /* for the keeper, after it was told to end */
    EXIT_INTERRUPTED = 130,
};

enum {
    FD_SIGNAL,
    FD_KEEPER,
    FD_EVENTS,
    FD_LOGS,
    FD_COUNT
};

struct session {
    struct cli_launch *launch;
    const struct stack *stack;
    bool is_detached, waits_healthy;
    uint64_t give_up_ms; /* with --wait-timeout; 0: never */
    int signal_fd;
    struct ctl_watch *events, *logs;
    int64_t last_seq;
    struct cli_progress progress;
    struct cli_logview view;
    uint64_t start_ms;
    bool wants_logs; /* from now on */
    bool is_up;      /* as far as the caller wants to see it */
    bool is_stopping, is_down;
    bool is_left;      /* detached, and done with it: the stack goes on */
    const char *ended; /* a service that ended with a code that is not 0; NULL: none */
    int ended_code;
    int exit_code; /* -1: not known yet */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static const char *run_dir(const struct session *s)
{
    return s->launch->project->run_dir;
}

/* ---- streams ---- */

static struct ctl_watch *open_watch(const struct session *s, const char *target)
{
    struct ctl_call call = { .run_dir = run_dir(s), .method = "GET", .target = target };
    struct ctl_watch *w = NULL;
    struct err e; /* tried again, as long as the keeper lives */
    return ctl_watch_open(&call, &w, &e) < 0 ? NULL : w;
}

/* Output that cannot be written does not stop the stack. */
static void write_out(int fd, const struct buf *b)
{
    if (b->len && fd_write_all(fd, b->data, b->len) < 0)
        return;
}

static void print_logs(struct ctl_watch *w, struct cli_logview *v, int fd)
{
    auto_buf struct buf out;
    buf_init(&out, OUTPUT_BYTES);
    struct err e; /* an error ends the stream, which is seen by reading on */
    for (int got = 1; got > 0;) {
        struct arena a = { 0 };
        struct json *line;
        got = ctl_watch_next(w, &a, &line, &e);
        if (got > 0)
            cli_logview_add(v, line, &out);
        arena_done(&a);
    }
    write_out(fd, &out);
}

static void on_logs(struct session *s)
{
    struct err e;
    int more = ctl_watch_read(s->logs, &e);
    print_logs(s->logs, &s->view, STDOUT_FILENO);
    if (more > 0)
        return;
    ctl_watch_close(s->logs);
    s->logs = NULL;
}

/* ---- telling ---- */

void cli_session_say_up(const struct cli_project *p, const char *how)
{
    struct ctl_call call = { .run_dir = p->run_dir, .method = "GET", .target = "/v1/ps" };
    struct arena a = { 0 };
    struct json *answer;
    struct err e; /* it is up all the same */
    const struct json *list = NULL;
    if (ctl_client_call(&call, &a, &answer, &e) == 0)
        list = json_find(answer, "address");
    (void)fprintf(stderr, "%s is %s", p->name, how);
    for (size_t i = 0; list && i < list->item_count; i++) {
        if (list->items[i]->type == JSON_STRING)
            (void)fprintf(stderr, "%s %s", i ? "," : ":", list->items[i]->text);
    }
    (void)fputc('\n', stderr);
    arena_done(&a);
}

/* The last lines of every service that did not come up (OR_PENDING: or not yet). */
static void print_failed(struct session *s, bool or_pending)
{
    auto_buf struct buf target;
    buf_init(&target, TARGET_BYTES);
    (void)buf_printf(&target, "/v1/logs?tail=%d", FAILED_LINES);
    size_t failed = 0;
    for (size_t i = 0; i < s->stack->service_count; i++) {
        const char *name = s->stack->services[i].name;
        if (cli_progress_is_bad(&s->progress, name, or_pending) && ++failed)
            ctl_query_add(&target, "service", name);
    }
    if (!failed || target.overflow || s->wants_logs)
        return;
    auto_(ctl_watch_close) struct ctl_watch *w = open_watch(s, target.data);
    struct err e;
    int more = w ? 1 : 0;
    while (more > 0) {
        more = ctl_watch_read(w, &e);
        print_logs(w, &s->view, s->is_detached ? STDERR_FILENO : STDOUT_FILENO);
    }
}

/* What came together with the head of the answer is there already: poll(2) would not tell. */
static void open_logs(struct session *s)
{
    if (s->logs || !s->wants_logs)
        return;
    cli_logview_resume(&s->view);
    s->logs = open_watch(s, "/v1/logs?follow=1");
    if (s->logs)
        print_logs(s->logs, &s->view, STDOUT_FILENO);
}

static void say_logs(const struct session *s)
{
    auto_free char *dir = str_printf("%s/%s", s->launch->project->state_dir, CTL_LOGS_DIR);
    if (access(dir, F_OK) == 0)
        (void)fprintf(stderr, "what its services wrote is in %s\n", dir);
}

static void begin_logs(struct session *s)
{
    cli_progress_plain(&s->progress);
    s->wants_logs = !s->is_detached;
}

/* ---- stopping ---- */

static void post_down(struct session *s, bool force)
{
    struct ctl_call call = { .run_dir = run_dir(s),
                             .method = "POST",
                             .target = "/v1/down",
                             .body = force ? "{\"volumes\":false,\"force\":true}"
                                           : "{\"volumes\":false,\"force\":false}",
                             .is_idempotent = true };
    auto_(ctl_watch_close) struct ctl_watch *answer = NULL;
    struct err e;
    s->is_stopping = true;
    if (ctl_watch_open(&call, &answer, &e) == 0)
        return; /* its events come by s->events too */
    /* No engine: the keeper remembers what a closed lifeline or a signal says. */
    fd_close(&s->launch->lifeline_fd);
    if (s->is_detached)
        (void)kill(s->launch->keeper, SIGTERM);
}

static void leave(struct session *s, int exit_code)
{
    s->is_left = true;
    s->exit_code = exit_code;
}

static void on_signal(struct session *s)
{
    struct signalfd_siginfo info;
    if (read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    const char *name = s->launch->project->name;
    if (s->is_detached && !s->is_stopping) {
        cli_progress_plain(&s->progress);
        (void)fprintf(stderr,
                      "%s goes on starting in the background: `svc ps -p %s` shows it, "
                      "`svc down -p %s` stops it\n",
                      name, name, name);
        leave(s, EXIT_INTERRUPTED);
    } else if (!s->is_stopping) {
        begin_logs(s);
        s->exit_code = CLI_OK;
        (void)fputs("Gracefully stopping… (press Ctrl+C again to force)\n", stderr);
        post_down(s, false);
    } else {
        (void)fputs("Forcing the end…\n", stderr);
        post_down(s, true);
    }
}

/* ---- events of the stack ---- */

static int code_in(const struct json *event, int fallback)
{
    const struct json *node = json_find(event, "exit_code");
    int64_t code;
    return node && json_to_i64(node, &code) == 0 && code >= 0 && code <= 255 ? (int)code : fallback;
}

static void on_up(struct session *s)
{
    if (s->is_up || s->is_stopping)
        return;
    s->is_up = true;
    begin_logs(s);
    if (s->waits_healthy && s->ended) {
        print_failed(s, false);
        (void)fprintf(stderr, "svc: %s: service \"%s\" ended with code %d\n",
                      s->launch->project->name, s->ended, s->ended_code);
        leave(s, CLI_FAILED);
        return;
    }
    cli_session_say_up(s->launch->project, "up");
    if (s->is_detached)
        leave(s, CLI_OK);
}

static void on_failed(struct session *s, const struct json *event)
{
    if (s->is_stopping)
        return;
    cli_progress_plain(&s->progress);
    print_failed(s, false);
    (void)fprintf(stderr, "svc: %s: %s\n", s->launch->project->name,
                  json_find_string(event, "text", "it did not start"));
    s->exit_code = code_in(event, CLI_FAILED);
    say_logs(s);
    if (s->exit_code == CLI_OK)
        s->exit_code = CLI_FAILED;
    post_down(s, false);
}

/* All services ended by themselves. In the background it stays, to be looked at. */
static void on_finished(struct session *s, const struct json *event)
{
    if (s->is_detached || s->is_stopping)
        return;
    (void)fprintf(stderr, "%s: all services have ended\n", s->launch->project->name);
    s->exit_code = code_in(event, CLI_OK);
    /* A short job: an engine that goes down sends the output to its end only to who asked before.
     */
    begin_logs(s);
    open_logs(s);
    post_down(s, false);
}

/* For --wait: ending is no failure, ending badly is. */
static void note_end(struct session *s, const struct json *event)
{
    const char *service = json_find_string(event, "service", "");
    int code = code_in(event, 0);
    for (size_t i = 0; code && !s->ended && i < s->stack->service_count; i++) {
        if (!str_eq(s->stack->services[i].name, service))
            continue;
        s->ended = s->stack->services[i].name;
        s->ended_code = code;
    }
}

static void on_event(struct session *s, const struct json *event)
{
    const char *name = json_find_string(event, "event", "");
    const struct json *seq = json_find(event, "seq");
    int64_t number;
    if (seq && json_to_i64(seq, &number) == 0)
        s->last_seq = number;
    cli_progress_on_event(&s->progress, event, now_ms());
    if (str_eq(name, "service.finished"))
        note_end(s, event);
    else if (str_eq(name, "stack.ready"))
        on_up(s);
    else if (str_eq(name, "stack.started") && s->is_detached && !s->waits_healthy)
        on_up(s);
    else if (str_eq(name, "stack.failed"))
        on_failed(s, event);
    else if (str_eq(name, "stack.finished"))
        on_finished(s, event);
    else if (str_eq(name, "stack.stopping"))
        s->is_stopping = true;
    else if (str_eq(name, "stack.down"))
        s->is_down = true;
}

static void take_events(struct session *s)
{
    struct err e; /* an error ends the stream, which is seen by reading on */
    for (int got = 1; got > 0 && !s->is_left;) {
        struct arena a = { 0 };
        struct json *event;
        got = ctl_watch_next(s->events, &a, &event, &e);
        if (got > 0)
            on_event(s, event);
        arena_done(&a);
    }
}

static void on_events(struct session *s)
{
    struct err e;
    int more = ctl_watch_read(s->events, &e);
    take_events(s);
    if (more > 0)
        return;
    ctl_watch_close(s->events);
    s->events = NULL;
}

/* ---- the loop ---- */

static void reopen(struct session *s)
{
    char target[TARGET_BYTES];
    if (!s->events) {
        (void)snprintf(target, sizeof(target), "/v1/events?follow=1&since=%lld",
                       (long long)s->last_seq);
        s->events = open_watch(s, target);
        if (s->events)
            take_events(s);
    }
    open_logs(s);
}

static void give_up(struct session *s)
{
    const char *name = s->launch->project->name;
    auto_buf struct buf names;
    buf_init(&names, TARGET_BYTES);
    (void)cli_services_ask(s->launch->project, &names);
    cli_progress_plain(&s->progress);
    print_failed(s, true);
    (void)fprintf(stderr, "svc: %s: not healthy in time%s%s — `svc ps -p %s` shows why\n", name,
                  names.len ? ": " : "", names.len ? names.data : "", name);
    leave(s, CLI_FAILED);
}

static void on_time(struct session *s)
{
    uint64_t now = now_ms();
    cli_progress_tick(&s->progress, now);
    if (s->is_up || s->is_stopping)
        return;
    if (s->progress.is_live && !s->is_detached && now - s->start_ms >= QUIET_MS) {
        begin_logs(s);
        (void)fputs("It takes longer; what services wrote so far:\n", stderr);
    }
    if (s->give_up_ms && now >= s->give_up_ms)
        give_up(s);
}

static int timeout_of(const struct session *s)
{
    if (!s->is_down && (!s->events || (s->wants_logs && !s->logs)))
        return REOPEN_MS;
    return s->progress.is_live || (s->give_up_ms && !s->is_up) ? TICK_MS : -1;
}

/* Returns when the keeper has ended, or the stack was left alone. */
static void watch(struct session *s)
{
    for (;;) {
        struct pollfd p[FD_COUNT] = {
            [FD_SIGNAL] = { .fd = s->signal_fd, .events = POLLIN },
            [FD_KEEPER] = { .fd = s->launch->keeper_fd, .events = POLLIN },
            [FD_EVENTS] = { .fd = s->events ? ctl_watch_fd(s->events) : -1, .events = POLLIN },
            [FD_LOGS] = { .fd = s->logs ? ctl_watch_fd(s->logs) : -1, .events = POLLIN },
        };
        if (poll(p, FD_COUNT, timeout_of(s)) < 0 && errno != EINTR)
            return;
        if (p[FD_LOGS].revents)
            on_logs(s);
        if (p[FD_EVENTS].revents)
            on_events(s);
        if (p[FD_SIGNAL].revents)
            on_signal(s);
        on_time(s);
        if (s->is_left || p[FD_KEEPER].revents)
            return;
        if (!s->is_down && (!s->events || (s->wants_logs && !s->logs)))
            reopen(s);
        if (s->is_left)
            return;
    }
}

static bool is_readable(const struct ctl_watch *w, uint64_t deadline_ms)
{
    uint64_t now = now_ms();
    struct pollfd p = { .fd = ctl_watch_fd(w), .events = POLLIN };
    return poll(&p, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0) > 0;
}

/* The engine is gone: what it still wrote waits in our sockets, up to the end of the streams. The
 * bound is for a process that should not have one of them, and does. */
static void drain(struct session *s)
{
    uint64_t deadline_ms = now_ms() + DRAIN_MS;
    while (s->logs && is_readable(s->logs, deadline_ms))
        on_logs(s);
    while (s->events && is_readable(s->events, deadline_ms))
        on_events(s);
}

int cli_session_signals(struct err *e)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        (void)sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_sys(e, errno, "block signals");
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    return fd < 0 ? err_sys(e, errno, "make a signalfd") : fd;
}

static void expect_all(struct session *s)
{
    for (size_t i = 0; i < s->stack->service_count; i++) {
        const struct stack_service *service = &s->stack->services[i];
        for (unsigned r = 1; r <= service->replicas; r++) {
            cli_progress_expect(&s->progress, service->name, r,
                                service->healthcheck.kind != STACK_PROBE_NONE);
            cli_logview_expect(&s->view, service->name, r);
        }
    }
}

static void session_init(struct session *s, struct cli *cli)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    s->exit_code = -1;
    s->start_ms = now_ms();
    cli_progress_init(&s->progress, &cli->err, STDERR_FILENO, s->start_ms);
    cli_logview_init(&s->view, cli->out.has_colour, !cli->args.no_log_prefix, cli->args.timestamps);
    cli_logview_since(&s->view, s->launch->start_unix_ms);
    expect_all(s);
    /* Lines of both kinds mix well, a block that is repainted does not. */
    s->wants_logs = !s->is_detached && !s->progress.is_live;
}

/* 0 or more: the exit code. */
static int finish(struct session *s)
{
    int code = s->exit_code;
    if (!s->is_left) {
        drain(s);
        int keeper_code = cli_launch_reap(s->launch, REAP_TIMEOUT_MS);
        if (code < 0 && !s->is_down)
            (void)fprintf(stderr, "svc: the keeper of %s has ended (code %d)\n",
                          s->launch->project->name, keeper_code);
        if (code < 0)
            code = keeper_code ? keeper_code : s->is_down ? CLI_OK : CLI_FAILED;
        (void)fprintf(stderr, "%s is down\n", s->launch->project->name);
    }
    ctl_watch_close(s->events);
    ctl_watch_close(s->logs);
    cli_progress_done(&s->progress);
    cli_logview_done(&s->view);
    return code;
}

int cli_session(struct cli *cli, struct cli_launch *l, const struct stack *stack, int signal_fd)
{
    struct session s = { .launch = l,
                         .stack = stack,
                         .is_detached = cli->args.detach,
                         .waits_healthy = cli->args.wait,
                         .signal_fd = signal_fd };
    session_init(&s, cli);
    if (cli->args.wait_timeout_s.is_set)
        s.give_up_ms = s.start_ms + cli->args.wait_timeout_s.value * 1000;
    reopen(&s);
    watch(&s);
    return finish(&s);
}
