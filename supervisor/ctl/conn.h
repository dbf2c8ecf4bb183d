#pragma once
/* One connection of the control server: reads a request, hands it to its host, sends what answers
 * it, an object or a stream. Private to supervisor/ctl. A connection frees itself: ctl_conn_close
 * takes effect at the end of the tick, so that nobody up the stack loses it. */
#include <sys/types.h>

#include "runtime/base/buf.h"
#include "runtime/base/mem.h"
#include "supervisor/ctl/query.h"
#include "supervisor/ctl/server.h"
#include "supervisor/http/exchange.h"

enum ctl_conn_state {
    CONN_READING,   /* the request */
    CONN_STREAMING, /* lines come from the owner of the stream */
    CONN_FLUSHING,  /* the answer is complete in `out` */
    CONN_LINGERING, /* sent; the client's last bytes are read so that it sees the answer, not a
                       reset (unix(7): closing with unread bytes resets the peer) */
    CONN_CLOSED,
};

struct ctl_request {
    struct ctl_query query;
    struct json *body;
    bool is_answered;
};

struct ctl_stream {
    ctl_gone_fn *on_gone; /* NULL: has no owner (any more) */
    ctl_room_fn *on_room; /* NULL: not asked for */
    void *self;
    bool is_gone; /* on_gone is due */
};

struct ctl_conn;

struct ctl_conn_host {
    /* The request is whole (c->reader.request, c->reader.body): answer it. */
    void (*on_request)(void *self, struct ctl_conn *c);
    /* C is about to be freed. */
    void (*on_end)(void *self, struct ctl_conn *c);
    void *self;
};

struct ctl_conn {
    struct ctl_conn_host host;
    struct ctl_conn *next; /* the host's list */
    int fd;
    struct loop *loop;
    struct loop_fd source;
    struct loop_timer timer;
    enum ctl_conn_state state;
    uid_t uid; /* of the peer */
    pid_t pid;
    bool settles;  /* ctl_conn_settle is queued */
    bool has_rest; /* the request was not read to its end */
    struct http_reader reader;
    struct arena arena; /* of the request */
    struct buf out;
    size_t sent; /* of out */
    struct ctl_request request;
    struct ctl_stream stream;
};

/* OWNED_FD is closed also on failure. */
must_check int ctl_conn_new(struct loop *loop, int owned_fd, const struct ctl_conn_host *host,
                            struct ctl_conn **out, struct err *e);
void ctl_conn_close(struct ctl_conn *c);
struct ctl_conn *ctl_conn_of_request(const struct ctl_request *r);
/* One object, TEXT without newline; copies. */
void ctl_conn_answer(struct ctl_conn *c, unsigned status, const char *text, size_t len);
void ctl_conn_answer_err(struct ctl_conn *c, unsigned status, const struct err *e);
