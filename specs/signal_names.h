#pragma once
/* Signals by name, for stop_signal and `svc kill`. Pure. */

/* "SIGTERM", "TERM", "term" or "15", real-time ones as "SIGRTMIN+3"; -1 when it is none. */
int signal_number(const char *name);
/* "SIGTERM" for 15; NULL for real-time ones and for what is no signal. */
const char *signal_name(int number);
