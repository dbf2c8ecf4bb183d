/* The verbs that order a running stack: down, stop, start, restart. */
#include "supervisor/cli/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/launch.h"
#include "supervisor/cli/progress.h"
#include "supervisor/cli/project.h"
#include "supervisor/cli/stackfile.h"
#include "supervisor/ctl/client.h"
#include "supervisor/ctl/paths.h"

enum {
    BODY_BYTES = 65536,
    KEEPER_TIMEOUT_MS = 10 * 1000, /* after "stack.down" */
    END_REOPEN_MS = 100,
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- following an order's events ---- */

enum order_end {
    ORDER_BROKEN, /* the engine went away in the middle */
    ORDER_DONE,
    ORDER_DOWN,
    ORDER_LATE, /* not done in time, without a force for that */
};

/* An event of the order: one of enum order_end, ORDER_BROKEN as long as it goes on. */
static int end_in(const struct json *event)
{
    const char *name = json_find_string(event, "event", "");
    if (str_eq(name, "done"))
        return ORDER_DONE;
    return str_eq(name, "stack.down") ? ORDER_DOWN : ORDER_BROKEN;
}

static int show_ready(struct ctl_watch *w, struct cli_progress *progress, int *end, struct err *e)
{
    int got = 1;
    while (got > 0 && *end == ORDER_BROKEN) {
        struct arena a = { 0 };
        struct json *event;
        got = ctl_watch_next(w, &a, &event, e);
        if (got > 0) {
            *end = end_in(event);
            cli_progress_on_event(progress, event, 0);
        }
        arena_done(&a);
    }
    return got < 0 ? -1 : 0;
}

/* Shows events until the order is done: one of enum order_end, or -1 with e. After TIMEOUT_MS
 * (-1: never) ON_TIMEOUT is called once; NULL: it is ORDER_LATE. */
static int follow(const struct cli *cli, struct ctl_watch *w, int timeout_ms,
                  void (*on_timeout)(const struct cli_project *), const struct cli_project *p,
                  struct err *e)
{
    struct cli_progress progress;
    /* Only changes of some services come: lines, not a block of all. */
    cli_progress_init(&progress, &cli->err, STDERR_FILENO, 0);
    cli_progress_plain(&progress);
    int end = ORDER_BROKEN;
    /* What came together with the head of the answer is there already: poll(2) would not tell. */
    int more = show_ready(w, &progress, &end, e) < 0 ? -1 : end == ORDER_BROKEN;
    int64_t deadline_ms = now_ms() + timeout_ms;
    while (more > 0) {
        struct pollfd fd = { .fd = ctl_watch_fd(w), .events = POLLIN };
        int64_t left = timeout_ms < 0 ? -1 : deadline_ms - now_ms();
        if (timeout_ms >= 0 && (left <= 0 || poll(&fd, 1, (int)left) == 0)) {
            if (!on_timeout) {
                end = ORDER_LATE;
                break;
            }
            on_timeout(p);
            timeout_ms = -1;
        }
        more = ctl_watch_read(w, e);
        if (show_ready(w, &progress, &end, e) < 0)
            more = -1;
        if (end != ORDER_BROKEN)
            break;
    }
    cli_progress_done(&progress);
    return more < 0 && end == ORDER_BROKEN && e->errnum != ECONNRESET ? -1 : end;
}

/* ---- down ---- */

/* The keeper's pidfd, so that its end can be waited for; -1 when it cannot be had. */
static int open_keeper(const struct cli_project *p)
{
    struct ctl_call call = { .run_dir = p->run_dir, .method = "GET", .target = "/v1/version" };
    struct arena a = { 0 };
    struct json *answer;
    struct err e;
    int64_t pid = 0;
    int fd = -1;
    if (ctl_client_call(&call, &a, &answer, &e) == 0) {
        const struct json *node = json_find(answer, "keeper_pid");
        if (node && json_to_i64(node, &pid) == 0 && pid > 1)
            fd = pidfd_open((pid_t)pid, 0);
    }
    arena_done(&a);
    return fd;
}

static int open_down(const struct cli_project *p, bool volumes, bool force,
                     struct ctl_watch **answer, struct err *e)
{
    auto_buf struct buf body;
    buf_init(&body, BODY_BYTES);
    struct json_writer w;
    json_writer_init(&w, &body, 0);
    json_begin_object(&w, NULL);
    json_put_bool(&w, "volumes", volumes);
    json_put_bool(&w, "force", force);
    json_end_object(&w);
    struct ctl_call call = { .run_dir = p->run_dir,
                             .method = "POST",
                             .target = "/v1/down",
                             .body = body.data,
                             .is_idempotent = true };
    return ctl_watch_open(&call, answer, e);
}

static void force_down(const struct cli_project *p)
{
    auto_(ctl_watch_close) struct ctl_watch *answer = NULL;
    struct err e;
    (void)fputs("Forcing the end…\n", stderr);
    if (open_down(p, false, true, &answer, &e) < 0)
        (void)cli_print_err(&e); /* continuing: its grace periods end it */
}

static int post_down(const struct cli *cli, const struct cli_project *p, struct err *e)
{
    auto_(ctl_watch_close) struct ctl_watch *answer = NULL;
    const struct cli_number *timeout = &cli->args.timeout_s;
    if (open_down(p, cli->args.volumes, false, &answer, e) < 0)
        return e->errnum == ECONNRESET ? ORDER_BROKEN : -1;
    return follow(cli, answer, timeout->is_set ? (int)timeout->value * 1000 : -1, force_down, p, e);
}

static int wait_keeper(const struct cli_project *p, int keeper_fd, struct err *e)
{
    struct pollfd end = { .fd = keeper_fd, .events = POLLIN };
    if (keeper_fd >= 0 && poll(&end, 1, KEEPER_TIMEOUT_MS) == 0)
        return err_conflict(e, "the keeper of %s does not end", p->name);
    return cli_project_wait_gone(p, KEEPER_TIMEOUT_MS, e);
}

static int refuse_volumes(const struct cli_project *p, struct err *e)
{
    (void)err_conflict(e,
                       "stack %s is not running, and volumes of a stopped stack are removed only "
                       "with its file; nothing was removed",
                       p->name);
    err_hint(e, "svc down -v -p %s -f FILE", p->name);
    return -1;
}

/* The name of the file here is the one of -p, or there is no -p. */
static bool is_file_of(const struct cli_args *args, const struct cli_project *p)
{
    struct cli_args without = *args;
    auto_free char *name = NULL;
    struct err e;
    without.project = NULL;
    return cli_stackfile_name(&without, &name, &e) == 0 && str_eq(name, p->name);
}

/* Volumes of a stack that does not run: its file says which. Says what was removed. */
static int remove_volumes(const struct cli *cli, const struct cli_project *p, struct err *e)
{
    auto_(stack_free) struct stack *stack = NULL;
    if (!cli->args.files.count && !is_file_of(&cli->args, p))
        return refuse_volumes(p, e);
    int loaded = cli_stackfile_load(&cli->args, &stack, e);
    if (loaded)
        return loaded < 0 ? -1 : err_input(e, "the volumes of %s are not known", p->name);
    for (size_t i = 0; i < stack->volume_count; i++) {
        const struct stack_volume *v = &stack->volumes[i];
        auto_free char *path = str_printf("%s/%s/%s", ctl_state_root(), CTL_VOLUMES_DIR, v->name);
        if (v->is_external || access(path, F_OK) < 0)
            continue;
        if (fd_remove_tree(AT_FDCWD, path) < 0)
            return err_sys(e, errno, "remove volume %s", v->name);
        (void)fprintf(stderr, "volume %s is removed\n", v->name);
    }
    return 0;
}

static int take_down(const struct cli *cli, const struct cli_project *p, struct err *e)
{
    auto_fd int keeper_fd = open_keeper(p);
    int end = post_down(cli, p, e);
    /* An engine that was killed meanwhile goes on with it; asking again is harmless. */
    while (end == ORDER_BROKEN && cli_project_is_running(p)) {
        (void)poll(NULL, 0, END_REOPEN_MS);
        end = post_down(cli, p, e);
        if (end < 0 && e->kind == ERR_CONFLICT)
            end = ORDER_BROKEN; /* the socket is gone already */
    }
    if (end < 0 || wait_keeper(p, keeper_fd, e) < 0)
        return -1;
    (void)fprintf(stderr, "%s is down\n", p->name);
    return CLI_OK;
}

/* Its keeper was killed. A new one finds and removes what that left, containers included; only
 * then the run directory may go. */
static int take_down_remains(const struct cli *cli, const struct cli_project *p, struct err *e)
{
    auto_(stack_free) struct stack *stack = NULL;
    if (cli_stackfile_load_copy(p->run_dir, p->name, &stack, e) < 0)
        return -1;
    struct cli_launch launch;
    int launched = cli_launch(p, stack, false, &launch, e);
    if (launched < 0)
        return -1;
    if (launched == CLI_LAUNCH_STARTED)
        cli_launch_done(&launch);
    return take_down(cli, p, e);
}

static int not_running(const struct cli *cli, const struct cli_project *p, struct err *e)
{
    auto_free char *copy = str_printf("%s/%s", p->run_dir, CTL_STACK_FILE);
    if (access(copy, F_OK) == 0)
        return take_down_remains(cli, p, e);
    if (cli->args.volumes && remove_volumes(cli, p, e) < 0)
        return -1;
    (void)fprintf(stderr, "%s is not running\n", p->name);
    return CLI_OK;
}

int cli_verb_down(struct cli *cli, struct err *e)
{
    auto_cli_project struct cli_project project = { 0 };
    if (cli_project_find(&cli->args, CLI_GUESS_NEVER, &project, e) < 0)
        return -1;
    return cli_project_is_running(&project) ? take_down(cli, &project, e)
                                            : not_running(cli, &project, e);
}

/* ---- stop, start, restart ---- */

int cli_order(const struct cli *cli, const struct cli_project *project, const char *target,
              const char *const *names, size_t count, int timeout_ms, struct err *e)
{
    auto_buf struct buf body;
    buf_init(&body, BODY_BYTES);
    struct json_writer w;
    json_writer_init(&w, &body, 0);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "services");
    for (size_t i = 0; i < count; i++)
        json_put_string(&w, NULL, names[i]);
    json_end_array(&w);
    json_end_object(&w);
    if (body.overflow)
        return err_input(e, "too many services");
    struct ctl_call call = {
        .run_dir = project->run_dir, .method = "POST", .target = target, .body = body.data
    };
    auto_(ctl_watch_close) struct ctl_watch *answer = NULL;
    if (ctl_watch_open(&call, &answer, e) < 0)
        return -1;
    int end = follow(cli, answer, timeout_ms, NULL, project, e);
    if (end == ORDER_DONE || end == ORDER_LATE)
        return CLI_OK;
    if (end == ORDER_DOWN)
        return err_conflict(e, "stack %s went down", project->name);
    if (end == ORDER_BROKEN) {
        (void)err_set(e, ERR_SYSTEM, "the engine was started again in the middle");
        err_hint(e, "svc ps shows how far it came");
    }
    return -1;
}

static int order(struct cli *cli, const char *target, struct err *e)
{
    auto_cli_project struct cli_project project = { 0 };
    if (cli_project_find_running(&cli->args, CLI_GUESS_NEVER, &project, e) < 0)
        return -1;
    return cli_order(cli, &project, target, cli->args.words, cli->args.word_count, -1, e);
}

int cli_verb_stop(struct cli *cli, struct err *e)
{
    return order(cli, "/v1/stop", e);
}

int cli_verb_start(struct cli *cli, struct err *e)
{
    return order(cli, "/v1/start", e);
}

int cli_verb_restart(struct cli *cli, struct err *e)
{
    return order(cli, "/v1/restart", e);
}
