#pragma once
/* The log of svc's own processes, logfmt on one fd (stderr unless told otherwise):
 *
 *   2026-11-21T04:05:06.789Z info service=web service.started replica=1 pid=4711
 *
 * Levels: error needs a human; warn is degraded but continuing; info is a change of state; debug
 * is a decision. One line per fact, written by one write(2). Service output never goes here.
 * The sink is the one global of the program (see CONVENTIONS 4.10 in the README of runtime/). */
#include "runtime/base/auto.h"
#include "runtime/base/err.h"

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
    LOG_LEVEL_COUNT_
};

/* FD is borrowed. Lines above LEVEL are dropped. */
void log_open(int fd, enum log_level level);

/* Warnings and errors are told to FN too, as "EVENT key=value…" without a newline. CONTEXT must
 * live as long as the program. */
typedef void log_tell_fn(const void *context, const char *text);
void log_tell(log_tell_fn *fn, const void *context);

/* SERVICE may be NULL. EVENT is a stable dotted name. FMT gives the `key=value` pairs, may be "".
 * Values with spaces are the caller's to quote: use %s with log_quote. */
void log_event(enum log_level level, const char *service, const char *event, const char *fmt, ...)
    printf_like(4, 5);
/* `event what="…" kind=… hint="…"` */
void log_err(enum log_level level, const char *service, const char *event, const struct err *e);
/* Writes S in double quotes with escapes, controls as \xNN, into TO; returns TO; truncates. */
const char *log_quote(char *to, size_t size, const char *s);
