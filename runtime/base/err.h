#pragma once
/* One failure, one line: what failed, on which subject, why, what to do.
 *
 * A struct err has no pointers, so it can be filled in a just-cloned child and sent whole over a
 * pipe in one atomic write. Functions that can fail return int (0, or an fd) and -1 on failure,
 * with e filled; e is never touched on success. Libraries never print: only main(), a control
 * socket reply and the supervisor's log do.
 *
 * Text is a verb phrase in lower case without final period, without "failed to": "mount proc on
 * /proc". The errno's own words are added by err_sys. Context is added going outward by err_wrap,
 * "start service web: mount proc on /proc: operation not permitted". Threads: none. */
#include <limits.h>
#include <stddef.h>

#include "runtime/base/auto.h"

enum err_kind {
    ERR_NONE,
    ERR_INPUT,    /* a file or flag that the user wrote */
    ERR_HOST,     /* kernel, permission, missing feature of this machine */
    ERR_CONFLICT, /* the present state forbids it: in use, already there, not there */
    ERR_SYSTEM,   /* a system call failed and nothing better is known */
    ERR_INTERNAL, /* a bug of ours */
    ERR_KIND_COUNT_
};

struct err {
    enum err_kind kind;
    int errnum;       /* errno value behind it, 0 when there is none */
    char subject[64]; /* service, container or file that it is about; may be empty */
    char what[512];
    char hint[192]; /* what the reader can do; may be empty */
};
_Static_assert(sizeof(struct err) <= PIPE_BUF, "an err must cross a pipe in one write");

/* All end in a literal -1 so that analyzers see that failure is negative. */
#define err_set(e, kind, ...) (err_set_((e), (kind), 0, __VA_ARGS__), -1)
#define err_input(e, ...)     (err_set_((e), ERR_INPUT, 0, __VA_ARGS__), -1)
#define err_host(e, ...)      (err_set_((e), ERR_HOST, 0, __VA_ARGS__), -1)
#define err_conflict(e, ...)  (err_set_((e), ERR_CONFLICT, 0, __VA_ARGS__), -1)
#define err_internal(e, ...)  (err_set_((e), ERR_INTERNAL, 0, __VA_ARGS__), -1)
/* Appends ": " and the words of ERRNUM, for ENOENT "not found"; EPERM, EACCES, ENOSYS and
 * EOPNOTSUPP become ERR_HOST. */
#define err_sys(e, errnum, ...) (err_sys_((e), (errnum), __VA_ARGS__), -1)
/* Puts "TEXT: " in front of what is there. */
#define err_wrap(e, ...) (err_wrap_((e), __VA_ARGS__), -1)

void err_set_(struct err *e, enum err_kind kind, int errnum, const char *fmt, ...)
    printf_like(4, 5);
void err_sys_(struct err *e, int errnum, const char *fmt, ...) printf_like(3, 4);
void err_wrap_(struct err *e, const char *fmt, ...) printf_like(2, 3);

/* Sets the hint (only the first one set is kept) or the subject. */
void err_hint(struct err *e, const char *fmt, ...) printf_like(2, 3);
void err_subject(struct err *e, const char *fmt, ...) printf_like(2, 3);

/* The one table: INPUT 2, HOST 3, CONFLICT 4, SYSTEM 5, INTERNAL 70; NONE 0. */
int err_exit_code(const struct err *e);
/* "input", "host", … for logs and JSON. */
const char *err_kind_name(enum err_kind kind);

/* Writes `SUBJECT: WHAT — HINT` (parts that are empty left out) to LINE; returns LINE.
 * No newline. LINE should have ERR_LINE_MAX bytes. */
#define ERR_LINE_MAX 832
char *err_line(const struct err *e, char *line, size_t size);
