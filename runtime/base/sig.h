#pragma once
/* Signals as a new program should find them. Async-signal-safe: for children before execve too. */

/* Every disposition to the default. By the system call: signal(2) of glibc refuses the two signals
 * that glibc keeps for itself, and some parents (posix_spawn of make) leave one of them ignored. */
void sig_reset_dispositions(void);
/* Nothing blocked. */
void sig_unblock_all(void);
