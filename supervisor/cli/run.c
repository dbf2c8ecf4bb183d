#include <stdio.h>

#include "runtime/base/str.h"
#include "supervisor/cli/session.h"
#include "supervisor/cli/stackfile.h"

static int say_same(const struct cli *cli, const struct cli_project *p, struct err *e)
{
    if (cli->args.detach) {
        cli_session_say_up(p, "already up");
        return CLI_OK;
    }
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
        args->file = args->words[0];
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
