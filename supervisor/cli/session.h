#pragma once
/* Staying with a stack that was just started: its progress and output, Ctrl-C, its end. Blocking,
 * by poll over the event stream, the log stream, the keeper's pidfd and a signalfd; survives a
 * restart of the engine. */
#include "specs/stack.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/launch.h"

/* In the foreground: until the stack is down; the first SIGINT stops it, the next forces. With
 * --detach: until it is started, or healthy with --wait. A stack that fails to start is taken down
 * again. Returns the exit code; the keeper was reaped unless the stack goes on. */
int cli_session(struct cli *cli, struct cli_launch *l, const struct stack *stack, int signal_fd);

/* SIGINT, SIGTERM and SIGHUP come by this fd from now on. */
must_check int cli_session_signals(struct err *e);
/* `notes is up: http://127.0.0.1:8080` on stderr. */
void cli_session_say_up(const struct cli_project *p, const char *how);
