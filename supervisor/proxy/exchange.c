#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/proxy/frame.h"
#include "supervisor/proxy/render.h"
#include "supervisor/proxy/worker.h"

/* One request on its way to an upstream, and the response on its way back.
 *
 *   CONNECT ─ connected or taken from the pool ─► REQUEST ─ response head ─► RESPONSE ─► over
 *      └─ refused: the next endpoint ─┘              └─ a reused connection died before a byte
 * came, and the request may be sent twice: CONNECT
 *
 * Bodies flow in both directions at once. What one side does not take is kept (x->to_upstream,
 * c->out), and the other side is not read until it is gone: memory is bounded by one read. */
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
};

static void connect_next(struct exchange *x);
static void pump_request(struct exchange *x);

static void free_exchange(void *self)
{
    free(self);
}

static bool is_request_sent(const struct exchange *x)
{
    return http_body_is_done(&x->request_body) && outgoing_is_empty(&x->to_upstream);
}

/* Lets go of everything; the object itself lives until the end of the tick. */
static void end(struct exchange *x, bool keeps_upstream)
{
    if (x->is_over)
        return;
    x->is_over = true;
    if (x->c)
        x->c->x = NULL;
    if (x->u && keeps_upstream)
        upstream_release(x->u, x->idle_ms);
    else
        upstream_close(x->u);
    x->u = NULL;
    record_end(x->w, x->rec);
    x->rec = NULL;
    view_put(x->w, x->view);
    free(x->head);
    outgoing_done(&x->to_upstream);
    loop_later(x->w->loop, free_exchange, x);
}

/* Answers in place of the upstream, or breaks off when its answer has begun. */
static void fail(struct exchange *x, unsigned status, const char *cause, const char *text)
{
    struct client *c = x->c;
    struct record *rec = take_ptr(x->rec);
    if (x->phase == PHASE_RESPONSE) {
        if (rec)
            rec->cause = cause;
        worker_count_status(x->w, rec ? rec->status : 0);
        record_end(x->w, rec);
        end(x, false);
        client_close(c); /* the missing rest tells the client that the answer is not whole */
        return;
    }
    struct reply reply = {
        .status = status,
        .cause = cause,
        .text = text,
        .wants_html = x->wants_html,
        .is_head = x->method == HTTP_HEAD,
        .keep_alive = !c->closes_after,
        .retry_after_s = status == 503 ? 2 : 0,
    };
    c->must_linger = !http_body_is_done(&x->request_body);
    end(x, false);
    reply_send(c, &reply, rec);
}

static void fail_unreachable(struct exchange *x)
{
    char text[320];
    const struct proxy_endpoint *ep = &x->rec->endpoint;
    struct in_addr address = { .s_addr = htonl(ep->ipv4) };
    char dotted[INET_ADDRSTRLEN] = "";
    (void)inet_ntop(AF_INET, &address, dotted, sizeof(dotted));
    (void)snprintf(text, sizeof(text), "The service \"%s\" cannot be reached at %s:%u: %s.",
                   x->target->service, dotted, ep->port, strerror(x->errnum));
    fail(x, 502, x->errnum == ECONNREFUSED ? "connect refused" : "connect failed", text);
}

static void fail_upstream(struct exchange *x, unsigned status, const char *cause, const char *what)
{
    char text[320];
    (void)snprintf(text, sizeof(text), "The service \"%s\" %s.", x->target->service, what);
    fail(x, status, cause, text);
}

static void set_deadline(struct exchange *x)
{
    uint64_t ms =
        x->phase == PHASE_CONNECT ? x->route->connect_timeout_ms : x->route->response_timeout_ms;
    x->progress_ns = loop_now_ns(x->w->loop);
    if (x->phase == PHASE_REQUEST && !http_body_is_done(&x->request_body) && ms > BODY_CHECK_MS)
        ms = BODY_CHECK_MS;
    if (x->phase == PHASE_RESPONSE && !outgoing_is_empty(&x->c->out))
        ms = STALL_TIMEOUT_MS; /* the client's turn */
    client_set_deadline_ms(x->c, ms);
}

static void update_interest(struct exchange *x)
{
    struct client *c = x->c;
    bool reads_body = x->phase != PHASE_CONNECT && !http_body_is_done(&x->request_body) &&
                      outgoing_is_empty(&x->to_upstream);
    bool is_full = !outgoing_is_empty(&c->out);
    /* A client that has nothing to say stays watched: turning it off and on would cost two system
     * calls per request. If it does say something, exchange_client_readable turns it off. */
    client_want(c, reads_body || (c->io.events & EPOLLIN), is_full);
    if (x->u)
        loop_set_events(
            x->w->loop, &x->u->io,
            (is_full ? 0u : EPOLLIN) |
                (x->u->is_connecting || !outgoing_is_empty(&x->to_upstream) ? EPOLLOUT : 0u));
}

/* Request */

static void drop_upstream(struct exchange *x)
{
    upstream_close(x->u);
    x->u = NULL;
}

/* Nothing of a body was sent and nothing of an answer came: everything can be sent again, once. */
static bool can_resend(const struct exchange *x)
{
    return x->u && !x->was_retried && !x->has_response && !x->has_sent_payload;
}

/* A connection of the pool that died before it took a byte was closed by the other side in the
 * meantime (RFC 9112 §9.3.1): any method may try again. */
static bool may_retry(const struct exchange *x)
{
    return can_resend(x) && x->u->is_reused;
}

static void retry(struct exchange *x)
{
    x->was_retried = true;
    x->tried = 0;
    x->tries = 0;
    x->w->counters.retries++;
    drop_upstream(x);
    connect_next(x);
}

static void lose_upstream(struct exchange *x)
{
    /* RFC 9110 §9.2.2. So a replica that is killed with requests in flight fails none of these. */
    if (can_resend(x) && http_method_is_idempotent(x->method)) {
        outgoing_done(&x->to_upstream); /* at most a rest of the head, which is sent anew */
        retry(x);
    } else if (x->has_response) {
        fail_upstream(x, 502, "upstream cut", "ended the connection in the middle of its answer");
    } else {
        fail_upstream(x, 502, "upstream closed", "ended the connection without an answer");
    }
}

/* The next piece of the request body, framed for the upstream. -1: x is over. */
static int take_body(struct exchange *x, char *data, size_t len, struct frame *f)
{
    enum http_error error;
    if (frame_read(f, &x->request_body, data, len, &error) < 0) {
        x->c->closes_after = true;
        fail(x, 400, http_error_text(error), "The body of the request is malformed.");
        return -1;
    }
    x->body_bytes += f->len;
    if (x->route->body_max_bytes && x->body_bytes > x->route->body_max_bytes) {
        x->c->closes_after = true; /* what is left of DATA is not kept */
        fail(x, 413, "body limit", "The request body is larger than this route allows.");
        return -1;
    }
    if (client_keep(x->c, data + f->used, len - f->used) < 0) {
        client_close(x->c);
        return -1;
    }
    if (x->is_request_chunked)
        frame_wrap(f);
    return 0;
}

static void ask_for_body(struct exchange *x)
{
    struct iovec piece = { (void *)(uintptr_t) "HTTP/1.1 100 Continue\r\n\r\n", 25 };
    size_t sent;
    if (!x->wants_continue || x->c->in_len)
        return;
    x->wants_continue = false;
    (void)outgoing_write(&x->c->out, x->c->io.fd, &piece, 1, &sent);
}

/* Head and the body bytes at hand in one write. */
static void send_request(struct exchange *x)
{
    struct client *c = x->c;
    struct outgoing kept = x->to_upstream; /* body bytes of a try that failed */
    struct iovec pieces[2] = { { x->head, x->head_len } };
    struct frame f = { 0 };
    x->phase = PHASE_REQUEST;
    x->to_upstream = (struct outgoing){ 0 };
    if (!outgoing_is_empty(&kept)) {
        f = (struct frame){ .at = kept.data + kept.at, .len = kept.len - kept.at };
    } else if (!http_body_is_done(&x->request_body) && c->in_len) {
        char *data = x->w->scratch;
        size_t len = c->in_len;
        memcpy(data, c->in, len);
        client_consume(c, len);
        if (take_body(x, data, len, &f) < 0)
            return;
    }
    pieces[1] = (struct iovec){ f.at, f.len };
    size_t sent;
    if (outgoing_write(&x->to_upstream, x->u->io.fd, pieces, f.len ? 2 : 1, &sent) < 0) {
        bool is_kept = outgoing_keep(&x->to_upstream, f.at, f.len) == 0;
        outgoing_done(&kept);
        /* Not a byte was taken: any method may try again. */
        if (is_kept && may_retry(x))
            retry(x);
        else
            fail_upstream(x, 502, "upstream closed", "ended the connection without an answer");
        return;
    }
    outgoing_done(&kept);
    x->has_sent_payload = f.len && (sent > x->head_len || !outgoing_is_empty(&x->to_upstream));
    set_deadline(x);
    if (!http_body_is_done(&x->request_body)) {
        ask_for_body(x);
        pump_request(x);
        return;
    }
    c->must_linger = false;
    update_interest(x);
}

/* From the client to the upstream as long as both keep up. */
static void pump_request(struct exchange *x)
{
    struct client *c = x->c;
    for (int i = 0; i < READS_PER_EVENT; i++) {
        if (http_body_is_done(&x->request_body) || !outgoing_is_empty(&x->to_upstream))
            break;
        char *data = x->w->scratch;
        size_t len = c->in_len;
        if (len) {
            memcpy(data, c->in, len);
            client_consume(c, len);
        } else {
            ssize_t n = recv(c->io.fd, data, SCRATCH_BYTES, 0);
            if (n < 0 && (errno == EAGAIN || errno == EINTR))
                break;
            if (n <= 0) { /* half a body cannot become a whole one */
                client_close(c);
                return;
            }
            len = (size_t)n;
            x->w->counters.bytes_in += len;
        }
        struct frame f;
        if (take_body(x, data, len, &f) < 0)
            return;
        struct iovec piece = { f.at, f.len };
        size_t sent = 0;
        if (f.len && outgoing_write(&x->to_upstream, x->u->io.fd, &piece, 1, &sent) < 0) {
            /* It may have answered before it closed: the loop tells, and reads that. */
            x->to_upstream = (struct outgoing){ 0 };
            x->request_body.framing = HTTP_BODY_NONE;
            c->closes_after = true;
            c->must_linger = true;
            update_interest(x);
            return;
        }
        x->has_sent_payload = true;
    }
    x->progress_ns = loop_now_ns(x->w->loop);
    if (http_body_is_done(&x->request_body)) {
        c->must_linger = false;
        set_deadline(x);
    } /* else the next check of the rate stays where it is: bytes that trickle do not move it */
    update_interest(x);
}

static void attach(struct exchange *x, struct upstream *u)
{
    x->u = u;
    u->x = x;
    x->rec->endpoint = u->endpoint->id;
}

static void connect_next(struct exchange *x)
{
    struct worker *w = x->w;
    struct balance *b = &x->view->balances[x->target - x->view->table->upstreams];
    for (; x->tries < ENDPOINT_TRIES_MAX; x->tries++) {
        struct endpoint *ep = balance_pick(w, b, &x->tried);
        if (!ep)
            break;
        x->rec->endpoint = ep->id;
        struct upstream *u = NULL;
        if (!x->was_retried)
            u = upstream_take(w, ep, !http_method_is_idempotent(x->method));
        if (!u)
            u = upstream_connect(w, ep);
        if (!u) {
            x->errnum = errno;
            endpoint_failed(w, ep, x->target->name, errno);
            continue;
        }
        x->tries++;
        attach(x, u);
        if (u->is_connecting) {
            x->phase = PHASE_CONNECT;
            set_deadline(x);
            update_interest(x);
        } else {
            send_request(x);
        }
        return;
    }
    fail_unreachable(x);
}

static void connect_failed(struct exchange *x, int errnum)
{
    x->errnum = errnum;
    endpoint_failed(x->w, x->u->endpoint, x->target->name, errnum);
    drop_upstream(x);
    connect_next(x);
}

static int render_head(struct exchange *x, const struct exchange_start *s)
{
    struct worker *w = x->w;
    struct http_out o = http_out_on(w->head_out, HEAD_OUT_BYTES);
    w->counters.fields_dropped +=
        render_request(&o, &(struct render_request){ .request = s->request,
                                                     .route = s->route,
                                                     .path = s->path,
                                                     .path_len = s->path_len,
                                                     .is_path_plain = s->is_path_plain,
                                                     .address = x->c->address,
                                                     .id = s->record->id,
                                                     .fallback_host = x->target->service });
    if (o.overflow)
        return -1;
    x->head = malloc(o.len);
    if (!x->head)
        return -1;
    memcpy(x->head, o.data, o.len);
    x->head_len = o.len;
    return 0;
}

void exchange_start(struct client *c, const struct exchange_start *s)
{
    struct worker *w = c->w;
    const struct http_request *r = s->request;
    struct exchange *x = calloc(1, sizeof(*x));
    if (!x) {
        free(s->record);
        client_close(c);
        return;
    }
    x->w = w;
    x->c = c;
    c->x = x;
    x->view = view_ref(w->view);
    x->route = s->route;
    x->target = &x->view->table->upstreams[s->route->upstream];
    x->rec = s->record;
    x->method = (uint8_t)r->method;
    x->is_http10 = r->head.minor == 0;
    x->is_request_chunked = r->head.framing == HTTP_BODY_CHUNKED;
    x->wants_upgrade = r->head.wants_upgrade;
    x->wants_html = reply_wants_html(r);
    x->idle_ms = UPSTREAM_IDLE_MS;
    http_body_init(&x->request_body, &r->head);
    x->wants_continue = r->expect == HTTP_EXPECT_CONTINUE && !http_body_is_done(&x->request_body);
    record_set_upstream(x->rec, x->target->name);
    if (render_head(x, s) < 0) {
        fail(x, 431, "head too large", "The request head is too large to be passed on.");
        return;
    }
    if (x->target->endpoint_count == 0) {
        char text[512];
        (void)snprintf(text, sizeof(text), "The service \"%s\" is not available: %s.",
                       x->target->service,
                       x->target->why[0] ? x->target->why : "no replica is healthy");
        fail(x, 503, "no endpoint", text);
        return;
    }
    connect_next(x);
}

/* Response */

static void finish(struct exchange *x, bool keeps_upstream)
{
    struct client *c = x->c;
    bool is_sent = is_request_sent(x);
    if (!is_sent)
        c->closes_after = true;
    c->must_linger |= !http_body_is_done(&x->request_body);
    worker_count_status(x->w, x->rec->status);
    end(x, keeps_upstream && is_sent);
    client_answered(c);
}

/* A piece of the response body, behind HEAD when that has a length. */
static void relay(struct exchange *x, struct iovec head, char *data, size_t len)
{
    struct client *c = x->c;
    enum http_error error;
    struct frame f;
    if (frame_read(&f, &x->response_body, data, len, &error) < 0) {
        fail(x, 502, http_error_text(error), NULL);
        return;
    }
    bool is_poisoned = f.used < len; /* bytes after the end are no answer to anything */
    x->rec->bytes_out += f.len;
    if (x->is_response_chunked)
        frame_wrap(&f);
    struct iovec pieces[2] = { head, { f.at, f.len } };
    struct iovec *first = head.iov_len ? pieces : pieces + 1;
    int count = (head.iov_len != 0) + (f.len != 0);
    size_t sent;
    if (count && outgoing_write(&c->out, c->io.fd, first, count, &sent) < 0) {
        client_close(c);
        return;
    }
    x->w->counters.bytes_out += head.iov_len + f.len;
    if (f.is_end) {
        finish(x, !is_poisoned && x->idle_ms);
        return;
    }
    set_deadline(x);
    update_interest(x);
}

/* Keep-Alive: timeout=N — the app closes after N s: a second before, we do. */
static uint32_t idle_time(const struct http_head *h)
{
    uint64_t seconds = 0;
    if (!h->keep_alive || h->framing == HTTP_BODY_CLOSE)
        return 0;
    struct http_text list = http_value(h, HTTP_KEEP_ALIVE), element;
    while (http_list_next(&list, &element)) {
        if (element.len < 9 || element.len > 16 || memcmp(element.at, "timeout=", 8) != 0)
            continue;
        for (size_t i = 8; i < element.len && element.at[i] >= '0' && element.at[i] <= '9'; i++)
            seconds = seconds * 10 + (uint64_t)(element.at[i] - '0');
        if (seconds <= 1)
            return seconds ? 500 : 0;
        uint64_t ms = (seconds - 1) * 1000;
        return ms < UPSTREAM_IDLE_MAX_MS ? (uint32_t)ms : UPSTREAM_IDLE_MAX_MS;
    }
    return UPSTREAM_IDLE_MS;
}

static void begin_response(struct exchange *x, const struct http_response *p, char *rest,
                           size_t rest_len)
{
    struct client *c = x->c;
    struct worker *w = x->w;
    http_body_init(&x->response_body, &p->head);
    bool is_unknown = p->head.framing == HTTP_BODY_CHUNKED || p->head.framing == HTTP_BODY_CLOSE;
    x->is_response_chunked = is_unknown && !x->is_http10;
    if ((is_unknown && x->is_http10) || !http_body_is_done(&x->request_body) || w->is_draining)
        c->closes_after = true;
    x->idle_ms = idle_time(&p->head);
    x->rec->status = p->status;
    struct http_out o = http_out_on(w->head_out, HEAD_OUT_BYTES);
    render_response(&o, &(struct render_response){ .response = p,
                                                   .date = worker_date(w),
                                                   .is_chunked = x->is_response_chunked,
                                                   .says_close = c->closes_after,
                                                   .says_keep_alive = x->is_http10,
                                                   .is_head = x->method == HTTP_HEAD });
    if (o.overflow) {
        fail_upstream(x, 502, "head too large", "answered with a head that is too large");
        return;
    }
    x->phase = PHASE_RESPONSE;
    if (rest_len == 0 && !http_body_is_done(&x->response_body)) {
        /* An app that writes head and body apart with Nagle's algorithm on waits for this ACK,
         * which the kernel would delay by 40 ms. */
        int one = 1;
        (void)setsockopt(x->u->io.fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
    }
    relay(x, (struct iovec){ o.data, o.len }, rest, rest_len);
}

/* 101: from here on these are two sockets with bytes going both ways. */
static void switch_protocols(struct exchange *x, const struct http_response *p, char *rest,
                             size_t rest_len)
{
    struct client *c = x->c;
    struct worker *w = x->w;
    struct http_out o = http_out_on(w->head_out, HEAD_OUT_BYTES);
    render_interim(&o, p);
    struct iovec pieces[2] = { { o.data, o.len }, { rest, rest_len } };
    size_t sent;
    if (o.overflow || !is_request_sent(x)) {
        fail_upstream(x, 502, "bad upgrade", "switched protocols before it had the request");
        return;
    }
    if (outgoing_write(&c->out, c->io.fd, pieces, rest_len ? 2 : 1, &sent) < 0) {
        client_close(c);
        return;
    }
    struct outgoing to_client = c->out;
    struct outgoing to_upstream = { .data = c->in, .len = c->in_len };
    struct record *rec = take_ptr(x->rec);
    struct endpoint *endpoint = x->u->endpoint;
    uint32_t timeout_ms = x->route->tunnel_timeout_ms;
    c->out = (struct outgoing){ 0 };
    c->in = NULL;
    c->in_len = 0;
    rec->status = 101;
    rec->bytes_out = rest_len;
    int upstream_fd = upstream_detach(x->u);
    x->u = NULL;
    end(x, false);
    int client_fd = client_detach(c);
    w->counters.upgrades++;
    worker_count_status(w, 101);
    tunnel_start(w, client_fd, upstream_fd, endpoint, timeout_ms, rec, to_client, to_upstream);
}

static bool forward_interim(struct exchange *x, const struct http_response *p)
{
    struct worker *w = x->w;
    if (++x->interim > INTERIM_MAX) {
        fail_upstream(x, 502, "too many 1xx", "sent too many interim answers");
        return false;
    }
    if (p->status == 100 || x->is_http10)
        return true;
    struct http_out o = http_out_on(w->head_out, HEAD_OUT_BYTES);
    render_interim(&o, p);
    struct iovec piece = { o.data, o.len };
    size_t sent;
    if (!o.overflow && outgoing_write(&x->c->out, x->c->io.fd, &piece, 1, &sent) < 0) {
        client_close(x->c);
        return false;
    }
    return true;
}

static void bad_response(struct exchange *x, enum http_error error)
{
    char what[160];
    (void)snprintf(what, sizeof(what), "sent a malformed answer: %s", http_error_text(error));
    fail_upstream(x, 502, "bad response", what);
}

/* DATA has the head from its beginning. */
static void take_response(struct exchange *x, char *data, size_t len)
{
    struct http_response *p = &x->w->response;
    enum http_error error;
    for (;;) {
        struct upstream *u = x->u;
        switch (http_parse_response(data, len, &u->scan, x->method, p, &error)) {
        case HTTP_PARSE_ERROR: bad_response(x, error); return;
        case HTTP_PARSE_MORE:
            u->in = malloc(len + 1);
            if (!u->in) {
                client_close(x->c);
                return;
            }
            memcpy(u->in, data, len);
            u->in_len = (uint32_t)len;
            return;
        case HTTP_PARSE_DONE: break;
        }
        char *rest = data + p->head.head_bytes;
        size_t rest_len = len - p->head.head_bytes;
        if (p->status == 101 && x->wants_upgrade) {
            switch_protocols(x, p, rest, rest_len);
            return;
        }
        if (p->status == 101) {
            fail_upstream(x, 502, "bad upgrade", "switched protocols without being asked");
            return;
        }
        if (p->status >= 200) {
            begin_response(x, p, rest, rest_len);
            return;
        }
        if (!forward_interim(x, p) || rest_len == 0)
            return;
        data = rest;
        len = rest_len;
    }
}

/* The upstream's end of the connection: for a body without a length that is its end. */
static void end_of_upstream(struct exchange *x)
{
    if (x->phase == PHASE_RESPONSE && x->response_body.framing == HTTP_BODY_CLOSE) {
        x->response_body.framing = HTTP_BODY_NONE;
        relay(x, (struct iovec){ 0 }, x->w->scratch, 0);
        return;
    }
    lose_upstream(x);
}

static void read_response(struct exchange *x)
{
    struct worker *w = x->w;
    for (int i = 0; i < READS_PER_EVENT && !x->is_over; i++) {
        struct upstream *u = x->u;
        if (x->phase == PHASE_RESPONSE && !outgoing_is_empty(&x->c->out))
            break;
        size_t have = u->in_len;
        if (have)
            memcpy(w->scratch, u->in, have);
        ssize_t n = recv(u->io.fd, w->scratch + have, SCRATCH_BYTES - have, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            end_of_upstream(x);
            return;
        }
        free(u->in);
        u->in = NULL;
        u->in_len = 0;
        x->has_response = true;
        size_t len = have + (size_t)n;
        if (x->phase == PHASE_REQUEST)
            take_response(x, w->scratch, len);
        else
            relay(x, (struct iovec){ 0 }, w->scratch, len);
        if (len < SCRATCH_BYTES) /* nothing more was there: asking would cost a system call */
            break;
    }
}

/* Events */

void exchange_upstream_event(struct exchange *x, uint32_t events)
{
    struct upstream *u = x->u;
    if (u->is_connecting) {
        int errnum = 0;
        socklen_t size = sizeof(errnum);
        (void)getsockopt(u->io.fd, SOL_SOCKET, SO_ERROR, &errnum, &size);
        if (errnum || !(events & EPOLLOUT)) {
            connect_failed(x, errnum ? errnum : ECONNREFUSED);
            return;
        }
        u->is_connecting = false;
        send_request(x);
        return;
    }
    if (events & EPOLLOUT) {
        if (outgoing_flush(&x->to_upstream, u->io.fd) < 0)
            outgoing_done(&x->to_upstream); /* what it answered is read below */
        if (outgoing_is_empty(&x->to_upstream) && !http_body_is_done(&x->request_body))
            pump_request(x);
        else if (!x->is_over)
            update_interest(x);
    }
    if (!x->is_over && x->u == u && (events & ~(uint32_t)EPOLLOUT))
        read_response(x);
}

void exchange_client_readable(struct exchange *x)
{
    if (x->phase != PHASE_CONNECT && !http_body_is_done(&x->request_body) &&
        outgoing_is_empty(&x->to_upstream))
        pump_request(x);
    else /* the next request, or the end of the input: both can wait for the answer */
        client_want(x->c, false, x->c->io.events & EPOLLOUT);
}

void exchange_client_writable(struct exchange *x)
{
    if (x->phase == PHASE_RESPONSE)
        set_deadline(x);
    update_interest(x);
}

void exchange_client_gone(struct exchange *x)
{
    x->c = NULL;
    if (x->rec && x->phase != PHASE_RESPONSE)
        x->rec->status = 499; /* as nginx: the client closed the request */
    if (x->rec)
        x->rec->cause = "client closed";
    worker_count_status(x->w, 0);
    end(x, false);
}

void exchange_timeout(struct exchange *x)
{
    uint64_t waited_ms = (loop_now_ns(x->w->loop) - x->progress_ns) / 1000000;
    bool is_uploading = !http_body_is_done(&x->request_body);
    if (x->phase == PHASE_CONNECT) {
        connect_failed(x, ETIMEDOUT);
    } else if (x->phase == PHASE_RESPONSE) {
        bool is_client = !outgoing_is_empty(&x->c->out);
        fail(x, 504, is_client ? "client stalled" : "upstream stalled", NULL);
    } else if (is_uploading && outgoing_is_empty(&x->to_upstream) &&
               x->body_bytes - x->checked_bytes < BODY_CHECK_BYTES) {
        x->c->closes_after = true;
        fail(x, 408, "body timeout", "The request body arrived too slowly.");
    } else if (waited_ms < x->route->response_timeout_ms) {
        x->checked_bytes = x->body_bytes;
        client_set_deadline_ms(x->c, is_uploading ? BODY_CHECK_MS
                                                  : x->route->response_timeout_ms - waited_ms);
    } else {
        char what[96];
        (void)snprintf(what, sizeof(what), "did not answer within %g s",
                       x->route->response_timeout_ms / 1000.0);
        fail_upstream(x, 504, "response timeout", what);
    }
}
