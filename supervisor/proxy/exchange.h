#pragma once
/* One request on its way to an upstream, and the response on its way back.
 *
 *   CONNECT ─ connected or taken from the pool ─► REQUEST ─ response head ─► RESPONSE ─► over
 *      └─ refused: the next endpoint ─┘              └─ a reused connection died before a byte
 * came, and the request may be sent twice: CONNECT
 *
 * Bodies flow in both directions at once. What one side does not take is kept (x->to_upstream,
 * c->out), and the other side is not read until it is gone: memory is bounded by one read.
 *
 *   exchange.c the whole: start, choice of the endpoint, events, errors and the end
 *   request.c  the way there
 *   response.c the way back
 *
 * Private to these three. What ends x (directly, or as what it calls may fail) says so; x stays
 * readable until the end of the tick, with is_over set. */
#include "supervisor/proxy/worker.h"

enum phase {
    PHASE_CONNECT,
    PHASE_REQUEST,
    PHASE_RESPONSE,
};

struct exchange {
    struct worker *w;
    struct client *c;
    struct view *view;
    const struct proxy_route *route;
    const struct proxy_upstream *target;
    struct upstream *u;
    struct record *rec;
    char *head; /* as sent to the upstream: kept, it may be sent again */
    size_t head_len;
    struct outgoing to_upstream;
    struct http_body request_body, response_body;
    uint64_t tried;
    uint64_t body_bytes, checked_bytes;
    uint64_t progress_ns;
    uint32_t idle_ms; /* how long the upstream connection may be kept */
    int errnum;       /* of the last failed connection */
    uint8_t phase;
    uint8_t method;
    uint8_t tries;
    uint8_t interim;
    bool is_over;
    bool is_http10;
    bool is_request_chunked, is_response_chunked;
    bool wants_upgrade, wants_continue, wants_html;
    bool was_retried;
    bool has_sent_payload; /* cannot be sent again */
    bool has_response;     /* a byte of the response came */
    bool is_cut;           /* the upstream did not take the whole request */
};

static inline bool exchange_is_request_sent(const struct exchange *x)
{
    return !x->is_cut && http_body_is_done(&x->request_body) && outgoing_is_empty(&x->to_upstream);
}

/* exchange.c */
/* Lets go of everything; the object itself lives until the end of the tick. */
void exchange_end(struct exchange *x, bool keeps_upstream);
/* Answers in place of the upstream, or breaks off when its answer has begun. Ends x. */
void exchange_fail(struct exchange *x, unsigned status, const char *cause, const char *text);
/* The same with "The service NAME WHAT." */
void exchange_fail_upstream(struct exchange *x, unsigned status, const char *cause,
                            const char *what);
void exchange_set_deadline(struct exchange *x);
void exchange_update_interest(struct exchange *x);
/* Is the connection one of the pool that died before it took a byte? */
bool exchange_may_retry(const struct exchange *x);
void exchange_retry(struct exchange *x); /* over a new connection; may end x */
/* The connection is gone before the answer was whole: again, or an error. May end x. */
void exchange_lose_upstream(struct exchange *x);

/* request.c */
/* Head and the body bytes at hand in one write; may end x. */
void exchange_send_request(struct exchange *x);
/* From the client to the upstream as long as both keep up; may end x. */
void exchange_pump_request(struct exchange *x);
/* The upstream takes no more of the request. It may have answered before: that is still read, but
 * its connection waits for the rest and must never see another request. */
void exchange_cut_request(struct exchange *x);

/* response.c */
/* Reads and passes on what the upstream sent; may end x. */
void exchange_read_response(struct exchange *x);
