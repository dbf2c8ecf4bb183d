#pragma once
/* The control API's client, for the CLI: blocking calls, and streams of JSON lines that can be
 * polled together with other things.
 *
 * The listening socket is held by the keeper, so a connection succeeds while the engine is being
 * restarted and the answer just comes late; a connection that breaks before the answer is tried
 * again for CTL_RETRY_MS when the request may be sent twice. No socket, or nobody behind it, is
 * ERR_CONFLICT
 * ("not running"). Errors that the engine answered come back with their kind and hint. */
#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "specs/json.h"

enum {
    CTL_RETRY_MS = 3000,
    CTL_ANSWER_TIMEOUT_MS = 10000, /* for the head of an answer, and for a whole object */
};

struct ctl_call {
    const char *run_dir;
    const char *method;
    const char *target; /* "/v1/logs?tail=10", already encoded */
    const char *body;   /* JSON text; NULL: none */
    bool is_idempotent; /* may be sent twice; GET always may */
};

/* The whole answer, in A. */
must_check int ctl_client_call(const struct ctl_call *call, struct arena *a, struct json **out,
                               struct err *e);

struct ctl_watch;
/* Sends the request and waits for the head of the answer. */
must_check int ctl_watch_open(const struct ctl_call *call, struct ctl_watch **out, struct err *e);
void ctl_watch_close(struct ctl_watch *w);
DEFINE_AUTO(ctl_watch_close, struct ctl_watch *);
int ctl_watch_fd(const struct ctl_watch *w); /* for poll(POLLIN), then ctl_watch_read */
/* One read(2), blocking if nothing is there. 1: got something, 0: the answer is complete,
 * -1: error, or the connection broke (ERR_SYSTEM, errnum ECONNRESET). */
must_check int ctl_watch_read(struct ctl_watch *w, struct err *e);
/* The next line that was read already, parsed into A. 1: got one, 0: none now, -1: bad line, or the
 * line was {"error":…} (not an event that has an error) and e is that error. */
must_check int ctl_watch_next(struct ctl_watch *w, struct arena *a, struct json **out,
                              struct err *e);
/* Both: blocks for the next line. 1: got one, 0: the end, -1: error. */
must_check int ctl_watch_wait(struct ctl_watch *w, struct arena *a, struct json **out,
                              struct err *e);
