#pragma once
/* Which stack a command is about, and which stacks run. Reads directories and locks only. */
#include "runtime/base/err.h"
#include "supervisor/cli/cli.h"

struct cli_project {
    char *name;
    char *run_dir;
    char *state_dir;
};
void cli_project_done(struct cli_project *p);
#define auto_cli_project __attribute__((cleanup(cli_project_done)))

/* The caller's NAME is checked: lower case letters, digits, '_' and '-'. */
must_check int cli_project_init(struct cli_project *p, const char *name, struct err *e);
enum cli_guess {
    CLI_GUESS_NEVER, /* for verbs that stop something */
    CLI_GUESS_ONLY,  /* without a readable ./stack.json, the only stack that runs is meant */
};
/* -p; else the name of the stack file (-f, or the one here); else, by GUESS, the only stack that
 * runs; else an error that lists those that run. It may still turn out not to run. */
must_check int cli_project_find(const struct cli_args *args, enum cli_guess guess,
                                struct cli_project *out, struct err *e);
/* The same; ERR_CONFLICT with what does run when it does not: OUT is set then all the same. */
must_check int cli_project_find_running(const struct cli_args *args, enum cli_guess guess,
                                        struct cli_project *out, struct err *e);
/* Its keeper lives (it holds the lock). */
bool cli_project_is_running(const struct cli_project *p);
/* Waits until the keeper is gone, TIMEOUT_MS at most, and removes what is left of RUN_DIR.
 * ERR_CONFLICT when it does not go. */
must_check int cli_project_wait_gone(const struct cli_project *p, int timeout_ms, struct err *e);
