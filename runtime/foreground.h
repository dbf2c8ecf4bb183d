#pragma once
/* A program in the foreground, for `run` and `exec`: its signals are ours, its exit status becomes
 * ours, and with a terminal its screen and keyboard are ours too. Blocks until the program ends.
 * Signals of this process stay blocked after. */
#include <sys/types.h>

#include "runtime/base/err.h"

/* From here on signals wait for foreground_wait. Never undone. */
void foreground_hold_signals(void);
/* PID is a child of ours and PIDFD refers to it; both are borrowed, the child is reaped. MASTER_FD
 * is the terminal's master side, -1: none. *EXIT_CODE is what a shell would say: 128 + signal when
 * it was killed. */
must_check int foreground_wait(pid_t pid, int pidfd, int master_fd, int *exit_code, struct err *e);
