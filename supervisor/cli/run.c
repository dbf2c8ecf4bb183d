#include <stdio.h>
#include <time.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/cli/orders.h"
#include "supervisor/cli/services.h"
#include "supervisor/cli/session.h"
#include "supervisor/cli/stackfile.h"
#include "supervisor/ctl/client.h"

/* Starts what was stopped, or failed. Returns how many services; -1 with e. */
static int start_missing(const struct cli *cli, const struct cli_project *p, struct arena *a,
                         int timeout_ms, struct err *e)
{
    struct ctl_call call = { .run_dir = p->run_dir, .method = "GET", .target = "/v1/ps" };
    struct json *answer;
    if (ctl_client_call(&call, a, &answer, e) < 0)
        return -1;
    const struct json *services = json_find(answer, "services");
    size_t all = services ? services->item_count : 0, count = 0;
    const char **names = arena_alloc(a, (all + 1) * sizeof(*names));
    for (size_t i = 0; i < all; i++) {
        if (cli_services_is_down(services->items[i]))
            names[count++] = json_find_string(services->items[i], "name", "");
    }
    if (!count)
        return 0;
    (void)fprintf(stderr, "%s is up; starting what was not:", p->name);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(stderr, "%s %s", i ? "," : "", names[i]);
    (void)fputc('\n', stderr);
    return cli_order(cli, p, "/v1/start", names, count, timeout_ms, e) < 0 ? -1 : (int)count;
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* `up -d` of a stack that is up: what is missing is started. */
static int complete(const struct cli *cli, const struct cli_project *p, struct err *e)
{
    const struct cli_number *timeout = &cli->args.wait_timeout_s;
    int timeout_ms = timeout->is_set ? (int)timeout->value * 1000 : -1;
    int64_t deadline_ms = timeout->is_set ? now_ms() + timeout_ms : -1;
    struct arena a = { 0 };
    int started = start_missing(cli, p, &a, timeout_ms, e);
    arena_done(&a);
    if (started < 0)
        return -1;
    if (cli->args.wait && cli_services_wait(p, deadline_ms) != CLI_OK)
        return CLI_FAILED;
    cli_session_say_up(p, started ? "up" : "already up");
    return CLI_OK;
}

static int say_same(const struct cli *cli, const struct cli_project *p, struct err *e)
{
    if (cli->args.detach)
        return complete(cli, p, e);
    (void)err_conflict(e, "stack %s is already running", p->name);
    err_hint(e, "svc logs -f follows it, svc down stops it");
    return -1;
}

static int start(struct cli *cli, const struct stack *stack, struct err *e)
{
    auto_cli_project struct cli_project project = { 0 };
    if (cli_project_init(&project, stack->name, e) < 0)
        return -1;
    /* Before the keeper starts: a Ctrl-C from now on stops what is there already. */
    auto_fd int signal_fd = cli_session_signals(e);
    if (signal_fd < 0)
        return -1;
    struct cli_launch launch;
    int launched = cli_launch(&project, stack, !cli->args.detach, &launch, e);
    if (launched < 0)
        return -1;
    if (launched == CLI_LAUNCH_SAME)
        return say_same(cli, &project, e);
    int code = cli_session(cli, &launch, stack, signal_fd);
    cli_launch_done(&launch);
    return code;
}

int cli_verb_run(struct cli *cli, struct err *e)
{
    struct cli_args *args = &cli->args;
    if (args->word_count)
        cli_stackfile_word(args);
    if (args->wait_timeout_s.is_set)
        args->wait = true;
    if (args->wait && !args->detach) {
        (void)err_input(e, "--wait is for starting in the background");
        err_hint(e, "svc up -d --wait");
        return -1;
    }
    auto_(stack_free) struct stack *stack = NULL;
    int loaded = cli_stackfile_load(args, &stack, e);
    if (loaded)
        return loaded < 0 ? -1 : CLI_USAGE;
    return start(cli, stack, e);
}
