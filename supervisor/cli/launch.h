#pragma once
/* Starting a stack: the run directory, its lock, the copy of the stack, and the keeper as a
 * process of its own (a session, so that the terminal's Ctrl-C is ours alone). Owns, until
 * cli_launch_done, the lifeline: closing it tells the keeper to stop gracefully. */
#include <sys/types.h>

#include "specs/stack.h"
#include "supervisor/cli/project.h"

struct cli_launch {
    const struct cli_project *project; /* borrowed */
    pid_t keeper;
    int keeper_fd;   /* pidfd */
    int lifeline_fd; /* write end; -1 when detached */
    int lock_fd;     /* the keeper has it too */
    int64_t start_unix_ms;
    off_t log_start; /* of CTL_LOG_FILE, when the keeper was started */
};

enum cli_launched {
    CLI_LAUNCH_STARTED, /* the engine answers */
    CLI_LAUNCH_SAME,    /* this very stack is up already */
};

/* One of enum cli_launched, or -1: nothing was left behind. */
must_check int cli_launch(const struct cli_project *project, const struct stack *stack,
                          bool is_foreground, struct cli_launch *out, struct err *e);
/* Closes fds; does not stop anything but what hangs on the lifeline. */
void cli_launch_done(struct cli_launch *l);
/* Waits for the keeper's end, TIMEOUT_MS at most, then kills it; removes what is left of RUN_DIR.
 * Returns the keeper's exit code, 128 + signal when it was killed. */
int cli_launch_reap(struct cli_launch *l, int timeout_ms);
