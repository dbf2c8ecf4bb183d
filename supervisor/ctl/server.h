#pragma once
/* The control API's server: HTTP/1.1 with JSON on a unix socket, in the engine, on the loop.
 *
 * Owns its connections; the listening fd is borrowed (the keeper holds it over engine restarts).
 * A peer must be uid 0 or the owner of the stack (SO_PEERCRED), others get 403. One request per
 * connection. An answer is one JSON object, or a stream of JSON lines (chunked,
 * application/x-ndjson) that is pushed to over time. Errors are
 * {"error":{"kind","what","hint","exit_code"}} with the status that fits the kind. Every buffer is
 * bounded: a client that does not read is dropped. Nothing here blocks; threads: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "specs/json.h"
#include "supervisor/loop/loop.h"

enum {
    CTL_CONNECTIONS_MAX = 64,
    CTL_BODY_BYTES_MAX = 65536,
    CTL_REPLY_BYTES_MAX = 8 * 1024 * 1024, /* one object; an answer past it becomes an error */
    CTL_STREAM_BYTES_MAX = 1024 * 1024,    /* not yet read by the client */
    CTL_LINE_BYTES_MAX = 256 * 1024,       /* one line of a stream */
    CTL_REQUEST_TIMEOUT_MS = 10 * 1000,    /* from accept to the whole request */
    CTL_WRITE_TIMEOUT_MS = 30 * 1000,      /* without the client reading anything */
};

struct ctl_server;
struct ctl_request;
struct ctl_stream;

/* Must answer R before it returns: exactly one of ctl_reply, ctl_reply_err, ctl_stream_begin. */
typedef void ctl_handler_fn(void *self, struct ctl_request *r);
/* The client of S went away, or was dropped since it did not read: S is freed after this call.
 * Never called from inside a ctl_stream_* call, and not after ctl_stream_end. */
typedef void ctl_gone_fn(void *self, struct ctl_stream *s);
/* The client has read on: half of CTL_STREAM_BYTES_MAX or more is free. */
typedef void ctl_room_fn(void *self, struct ctl_stream *s);

struct ctl_route {
    const char *method;
    const char *path; /* whole path, "/v1/ps" */
    ctl_handler_fn *handle;
};

/* ROUTES must outlive the server; SELF is given to each handler. */
must_check int ctl_server_new(struct loop *loop, int listen_fd, uid_t owner_uid,
                              const struct ctl_route *routes, size_t route_count, void *self,
                              struct ctl_server **out, struct err *e);
/* Closes all connections; on_gone is not called. Memory goes at the end of the tick. Accepts NULL.
 */
void ctl_server_free(struct ctl_server *server);
DEFINE_AUTO(ctl_server_free, struct ctl_server *);
/* No request is handled any more (503), open streams go on. */
void ctl_server_shut(struct ctl_server *server);
/* Bytes of answers that wait to be sent: the engine ticks until 0 before it exits. */
size_t ctl_server_unsent(const struct ctl_server *server);

/* The request, valid until the handler returns; what is borrowed from it too. */
const char *ctl_request_query(const struct ctl_request *r, const char *name); /* first; or NULL */
/* The INDEX-th value of a parameter that may repeat (service=a&service=b); NULL past the last. */
const char *ctl_request_query_at(const struct ctl_request *r, const char *name, size_t index);
/* FALLBACK when absent; ERR_INPUT when it is not a number up to MAX. */
must_check int ctl_request_query_u64(const struct ctl_request *r, const char *name,
                                     uint64_t fallback, uint64_t max, uint64_t *out, struct err *e);
bool ctl_request_query_flag(const struct ctl_request *r, const char *name); /* "1" or "true" */
/* The JSON body, always an object: an empty one when the client sent none. */
const struct json *ctl_request_body(const struct ctl_request *r);
uid_t ctl_request_peer_uid(const struct ctl_request *r);
pid_t ctl_request_peer_pid(const struct ctl_request *r);

/* Answers with 200 and TEXT, one JSON object. Copies. */
void ctl_reply(struct ctl_request *r, const char *text, size_t len);
/* INPUT 400, CONFLICT 409, the others 500. */
void ctl_reply_err(struct ctl_request *r, const struct err *e);

/* Answers with 200 and a stream. ON_GONE may not be NULL. */
struct ctl_stream *ctl_stream_begin(struct ctl_request *r, ctl_gone_fn *on_gone, void *self);
/* Sends one line, a JSON object without newline. Copies. When the buffer is full the stream is
 * dropped: the client gets a last {"error":…} line, on_gone follows, further sends do nothing. */
void ctl_stream_send(struct ctl_stream *s, const char *line, size_t len);
/* Bytes that may be sent now without being dropped, for sources that can wait (files). */
size_t ctl_stream_room(const struct ctl_stream *s);
/* ON_ROOM is called once, when there is room again; ask again for the next time. */
void ctl_stream_on_room(struct ctl_stream *s, ctl_room_fn *on_room);
/* Ends the stream after what was sent; S must not be used any more. */
void ctl_stream_end(struct ctl_stream *s);
/* Sends {"error":…} as the last line and ends. */
void ctl_stream_fail(struct ctl_stream *s, const struct err *e);
