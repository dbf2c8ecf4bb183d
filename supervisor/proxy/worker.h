#pragma once
/* What the parts of one proxy worker share. Private to supervisor/proxy.
 *
 *   worker.c   start, control channel, listeners, drain
 *   client.c   a client connection: reads heads, writes answers, keep-alive
 *   exchange.c one request forwarded to an upstream and its response back (with request.c,
 *              response.c: see exchange.h)
 *   reply.c    answers of our own: errors, redirects
 *   files.c    answers from a directory
 *   tunnel.c   bytes both ways: upgraded connections and TCP listeners
 *   pool.c     endpoints, balance, idle upstream connections
 *   access.c   the access log
 *
 * One thread; objects are freed by loop_later, so a callback may close anything. Memory that grows
 * with clients is allocated by malloc and a failure closes that connection only. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "supervisor/http/body.h"
#include "supervisor/http/date.h"
#include "supervisor/http/write.h"
#include "supervisor/loop/loop.h"
#include "supervisor/proxy/control.h"
#include "supervisor/proxy/table.h"

enum {
    SCRATCH_HEADROOM = 64,      /* before what is read: a chunk head fits */
    SCRATCH_BYTES = 128 * 1024, /* one read */
    SCRATCH_TAILROOM = 64,      /* after it: the end of a chunk and the last chunk */
    HEAD_OUT_BYTES = HTTP_REPLY_MAX + 8192,
    PATH_BYTES = HTTP_TARGET_MAX + 64,

    HEAD_TIMEOUT_MS = 10000,  /* first byte of a head to its end, absolute */
    FIRST_TIMEOUT_MS = 30000, /* connection to first byte */
    IDLE_TIMEOUT_MS = 60000,  /* between requests when no route says otherwise */
    BODY_CHECK_MS = 10000,    /* in each such time a request body must bring… */
    BODY_CHECK_BYTES = 5000,  /* …so many bytes, or its end */
    STALL_TIMEOUT_MS = 60000, /* a client that takes nothing of its answer */
    LINGER_MS = 2000,         /* after an answer that came before the request's end */
    LINGER_BYTES = 1024 * 1024,
    UPSTREAM_IDLE_MS = 4000, /* shorter than Node's 5 s: the app must not close first */
    UPSTREAM_IDLE_MAX_MS = 60000,
    UPSTREAM_IDLE_COUNT = 64,   /* per endpoint */
    ENDPOINT_PENALTY_MS = 1000, /* after a connection that failed, others come first */
    ENDPOINT_TRIES_MAX = 8,
    INTERIM_MAX = 16, /* 1xx answers before the real one */
    ACCEPTS_PER_TICK = 64,
    READS_PER_EVENT = 4,
    FDS_RESERVED = 64,
    LOG_BUFFER_BYTES = 64 * 1024,
    LOG_FLUSH_BYTES = 8 * 1024,
    LOG_FLUSH_MS = 50,
    REQUEST_ID_LEN = 16,
    ADDRESS_MAX = 46,
};

struct worker;
struct client;
struct exchange;

/* Bytes that a socket did not take yet. */
struct outgoing {
    char *data;
    uint32_t at, len;
};
static inline bool outgoing_is_empty(const struct outgoing *o)
{
    return o->at == o->len;
}
/* Writes the pieces, after what is pending; what does not go now is kept. -1: errno. *sent counts
 * what the kernel took of the pieces: with -1 too, when there is no memory for the rest. */
int outgoing_write(struct outgoing *o, int fd, struct iovec *pieces, int count, size_t *sent);
int outgoing_flush(struct outgoing *o, int fd);
/* Only keeps them. */
int outgoing_keep(struct outgoing *o, const void *data, size_t len);
void outgoing_done(struct outgoing *o);

/* pool.c */

struct endpoint {
    struct proxy_endpoint id;
    struct endpoint *next;
    struct upstream *idle; /* last used first */
    uint32_t idle_count;
    uint32_t refs;  /* views and connections */
    uint32_t views; /* the present view has it: 1, else 0 */
    uint64_t penalty_until_ns;
};

struct balance { /* one per upstream of a view; the position goes on from view to view */
    struct endpoint **endpoints;
    size_t count;
    size_t next;
};

struct view { /* a table and what runs with it */
    struct proxy_table *table;
    struct balance *balances; /* by upstream index */
    uint32_t refs;
};

struct upstream { /* a connection to an endpoint */
    struct loop_fd io;
    struct loop_timer timer;
    struct worker *w;
    struct endpoint *endpoint;
    struct exchange *x; /* NULL: idle in the pool */
    struct upstream *prev, *next;
    struct http_scan scan;
    char *in; /* a part of a response head */
    uint32_t in_len;
    bool is_connecting;
    bool is_reused;
    bool is_closed;
};

struct view *view_new(struct worker *w, struct proxy_table *owned_table);
struct view *view_ref(struct view *v);
void view_put(struct view *v);
/* The view leaves service: idle connections of endpoints that only it had are closed. */
void view_retire(struct worker *w, struct view *v);
/* Next in turn, those that failed lately last. TRIED is a bit set by index (first 64). NULL: all
 * were tried. */
struct endpoint *balance_pick(struct worker *w, struct balance *b, uint64_t *tried);
void endpoint_failed(struct worker *w, struct endpoint *ep, const char *name, int errnum);
void endpoint_put(struct endpoint *ep);
/* An idle connection, or NULL. CHECKED: looked at with a system call for an end of file that the
 * loop did not report yet. */
struct upstream *upstream_take(struct worker *w, struct endpoint *ep, bool checked);
/* Begins to connect; NULL with errno. */
struct upstream *upstream_connect(struct worker *w, struct endpoint *ep);
int endpoint_connect(const struct endpoint *ep); /* a connecting socket, or -1 with errno */
void upstream_release(struct upstream *u, uint32_t idle_ms); /* into the pool */
/* A part of a response head, until the rest comes; there is none yet. */
int upstream_keep(struct upstream *u, const char *data, size_t len);
void upstream_close(struct upstream *u);
/* Hands out the fd, for a tunnel; the endpoint reference goes with it. */
int upstream_detach(struct upstream *u);
void pool_close_idle(struct worker *w);

/* access.c */

struct record { /* one line to be */
    uint64_t start_ns;
    uint64_t bytes_out;
    uint16_t status;
    struct proxy_endpoint endpoint; /* port 0: none */
    char address[ADDRESS_MAX];
    char id[REQUEST_ID_LEN + 1];
    const char *cause; /* static text: why we answered ourselves; NULL */
    char *upstream;    /* in text; NULL */
    char *fields;      /* in text */
    char text[];       /* "GET / HTTP/1.1" NUL "referer" "agent" host NUL upstream NUL */
};

struct access_log {
    char *data;
    size_t len;
    struct loop_timer timer;
    int64_t second; /* that `time` shows */
    char time[32];
};

int access_init(struct worker *w, struct err *e);
void access_done(struct worker *w);
struct record *record_new(struct worker *w, const char *address, const struct http_request *r);
struct record *record_new_tcp(struct worker *w, const char *address, const char *upstream);
void record_set_upstream(struct record *rec, const char *name);
/* Writes the line and frees it. Takes NULL. */
void record_end(struct worker *w, struct record *owned_rec);
void access_flush(struct worker *w);

/* client.c */

enum client_state {
    CLIENT_HEAD,   /* between requests, or reading a head */
    CLIENT_BUSY,   /* an exchange or a file is under way: x or file */
    CLIENT_FLUSH,  /* the answer is written, `out` is not empty */
    CLIENT_LINGER, /* our side is shut, input is thrown away */
    CLIENT_CLOSED,
};

struct client {
    struct loop_fd io;
    struct loop_timer timer;
    struct worker *w;
    struct client *prev, *next; /* all clients, those that became idle last at the end */
    struct exchange *x;
    char *in;
    struct outgoing out;
    struct file_send *file;
    uint32_t in_len;
    uint32_t idle_ms;
    uint32_t linger_bytes;
    uint64_t deadline_ns;
    struct http_scan scan;
    uint8_t state;
    bool is_eof;       /* the client has shut its side */
    bool closes_after; /* no further request after this answer */
    bool must_linger;
    bool is_processing; /* client_next is on the stack */
    char address[ADDRESS_MAX];
};

void client_accept(struct worker *w, int owned_fd, const char *address);
/* The answer is complete: go on with the next request, or close. */
void client_answered(struct client *c);
/* Drops the connection at once. */
void client_close(struct client *c);
void client_set_deadline_ms(struct client *c, uint64_t ms); /* 0: none */
void client_want(struct client *c, bool in, bool out);
/* The body of REQUEST begins here in c->in. */
int client_keep(struct client *c, const char *data, size_t len);
void client_consume(struct client *c, size_t len);
/* Hands out the fd, for a tunnel; the client is gone. */
int client_detach(struct client *c);
void clients_close_idle(struct worker *w);
/* Closes the connection that is idle longest; false when none is. */
bool client_evict(struct worker *w);

/* exchange.c */
struct exchange_start {
    const struct proxy_route *route;
    const struct http_request *request;
    const char *path; /* normalised, for strip_prefix */
    size_t path_len;
    struct record *record; /* taken over */
    bool is_path_plain;
};
void exchange_start(struct client *c, const struct exchange_start *s);
void exchange_client_readable(struct exchange *x);
/* The client took something of c->out, perhaps all. */
void exchange_client_writable(struct exchange *x);
void exchange_client_gone(struct exchange *x);
void exchange_timeout(struct exchange *x);
void exchange_upstream_event(struct exchange *x, uint32_t events);

/* reply.c */
struct reply {
    unsigned status;
    const char *cause;    /* static, for the log; NULL */
    const char *text;     /* one sentence for the reader; NULL: the status' name only */
    const char *service;  /* NULL: none */
    const char *location; /* redirects */
    const char *allow;
    uint32_t retry_after_s;
    bool wants_html;
    bool is_head; /* no body */
    bool keep_alive;
};
/* Answers and ends REC; the client goes on or closes. */
void reply_send(struct client *c, const struct reply *r, struct record *owned_rec);
bool reply_wants_html(const struct http_request *r);
void reply_error(struct client *c, enum http_error error);

/* files.c */
/* Answers from the route's directory. False: the route's directory is not known. */
void files_answer(struct client *c, const struct proxy_route *route, const struct http_request *r,
                  const char *path, size_t path_len, struct record *owned_rec);
struct file_send;
void file_send_continue(struct file_send *f);
void file_send_abort(struct file_send *f);

/* tunnel.c */
struct tunnel;
/* Takes over everything it is given; TO_*: bytes that already wait to be written to that side. */
void tunnel_start(struct worker *w, int client_fd, int upstream_fd, struct endpoint *endpoint,
                  uint32_t timeout_ms, struct record *owned_rec, struct outgoing to_client,
                  struct outgoing to_upstream);
void tunnel_accept(struct worker *w, int owned_fd, const char *address, const char *upstream);
void tunnels_close(struct worker *w);

/* worker.c */

struct listener {
    struct proxy_listener l;
    char upstream[PROXY_NAME_MAX];
    struct loop_fd io;
    struct worker *w;
    struct listener *next;
};

struct directory {
    uint32_t id;
    int fd;
};

struct worker {
    struct loop *loop;
    struct view *view; /* NULL until the first table */
    struct loop_fd control;
    int control_fd;
    struct listener *listeners;
    struct directory *directories;
    size_t directory_count, directory_cap;
    struct endpoint *endpoints;
    struct client *clients_head, *clients_tail;
    struct tunnel *tunnels;
    struct access_log log;
    struct loop_timer report_timer;
    struct loop_timer quit_timer;
    struct loop_timer accept_timer;
    struct proxy_counters counters;
    struct proxy_counters reported;
    size_t client_max;
    uint64_t id_state;
    bool is_draining;
    bool is_accepting;
    int64_t date_second;
    char date[HTTP_DATE_MAX];
    struct http_request request; /* of the head that is looked at just now */
    struct http_response response;
    char *scratch;  /* SCRATCH_BYTES, with room before and after */
    char *head_out; /* HEAD_OUT_BYTES */
};

const char *worker_date(struct worker *w); /* the Date of now */
void worker_count_status(struct worker *w, unsigned status);
int worker_directory(const struct worker *w, uint32_t id); /* fd or -1 */
/* A connection ended: accept again if that was stopped, exit when draining is over. */
void worker_connection_ended(struct worker *w);
/* Something changed that the counters tell. */
void worker_touch(struct worker *w);
