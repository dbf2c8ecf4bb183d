#include "supervisor/proxy/exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/proxy/render.h"

static void connect_next(struct exchange *x);

static void free_exchange(void *self)
{
    free(self);
}

void exchange_end(struct exchange *x, bool keeps_upstream)
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
    view_put(x->view);
    free(x->head);
    outgoing_done(&x->to_upstream);
    loop_later(x->w->loop, free_exchange, x);
}

void exchange_fail(struct exchange *x, unsigned status, const char *cause, const char *text)
{
    struct client *c = x->c;
    struct record *rec = take_ptr(x->rec);
    if (x->phase == PHASE_RESPONSE) {
        if (rec)
            rec->cause = cause;
        worker_count_status(x->w, rec ? rec->status : 0);
        record_end(x->w, rec);
        exchange_end(x, false);
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
    exchange_end(x, false);
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
    exchange_fail(x, 502, x->errnum == ECONNREFUSED ? "connect refused" : "connect failed", text);
}

void exchange_fail_upstream(struct exchange *x, unsigned status, const char *cause,
                            const char *what)
{
    char text[320];
    (void)snprintf(text, sizeof(text), "The service \"%s\" %s.", x->target->service, what);
    exchange_fail(x, status, cause, text);
}

void exchange_set_deadline(struct exchange *x)
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

void exchange_update_interest(struct exchange *x)
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

/* Connection */

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
bool exchange_may_retry(const struct exchange *x)
{
    return can_resend(x) && x->u->is_reused;
}

void exchange_retry(struct exchange *x)
{
    x->was_retried = true;
    x->is_cut = false;
    x->tried = 0;
    x->tries = 0;
    x->w->counters.retries++;
    drop_upstream(x);
    connect_next(x);
}

void exchange_lose_upstream(struct exchange *x)
{
    /* RFC 9110 §9.2.2. So a replica that is killed with requests in flight fails none of these. */
    if (can_resend(x) && http_method_is_idempotent(x->method)) {
        outgoing_done(&x->to_upstream); /* at most a rest of the head, which is sent anew */
        exchange_retry(x);
    } else if (x->has_response) {
        exchange_fail_upstream(x, 502, "upstream cut",
                               "ended the connection in the middle of its answer");
    } else {
        exchange_fail_upstream(x, 502, "upstream closed", "ended the connection without an answer");
    }
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
            exchange_set_deadline(x);
            exchange_update_interest(x);
        } else {
            exchange_send_request(x);
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
        exchange_fail(x, 431, "head too large", "The request head is too large to be passed on.");
        return;
    }
    if (x->target->endpoint_count == 0) {
        char text[512];
        (void)snprintf(text, sizeof(text), "The service \"%s\" is not available: %s.",
                       x->target->service,
                       x->target->why[0] ? x->target->why : "no replica is healthy");
        exchange_fail(x, 503, "no endpoint", text);
        return;
    }
    connect_next(x);
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
        exchange_send_request(x);
        return;
    }
    if (events & EPOLLOUT) {
        if (outgoing_flush(&x->to_upstream, u->io.fd) < 0)
            exchange_cut_request(x); /* what it answered is read below */
        if (outgoing_is_empty(&x->to_upstream) && !http_body_is_done(&x->request_body))
            exchange_pump_request(x);
        else if (!x->is_over)
            exchange_update_interest(x);
    }
    if (!x->is_over && x->u == u && (events & ~(uint32_t)EPOLLOUT))
        exchange_read_response(x);
}

void exchange_client_readable(struct exchange *x)
{
    if (x->phase != PHASE_CONNECT && !http_body_is_done(&x->request_body) &&
        outgoing_is_empty(&x->to_upstream))
        exchange_pump_request(x);
    else /* the next request, or the end of the input: both can wait for the answer */
        client_want(x->c, false, x->c->io.events & EPOLLOUT);
}

void exchange_client_writable(struct exchange *x)
{
    if (x->phase == PHASE_RESPONSE)
        exchange_set_deadline(x);
    exchange_update_interest(x);
}

void exchange_client_gone(struct exchange *x)
{
    x->c = NULL;
    if (x->rec && x->phase != PHASE_RESPONSE)
        x->rec->status = 499; /* as nginx: the client closed the request */
    if (x->rec)
        x->rec->cause = "client closed";
    worker_count_status(x->w, 0);
    exchange_end(x, false);
}

void exchange_timeout(struct exchange *x)
{
    uint64_t waited_ms = (loop_now_ns(x->w->loop) - x->progress_ns) / 1000000;
    bool is_uploading = !http_body_is_done(&x->request_body);
    if (x->phase == PHASE_CONNECT) {
        connect_failed(x, ETIMEDOUT);
    } else if (x->phase == PHASE_RESPONSE) {
        bool is_client = !outgoing_is_empty(&x->c->out);
        exchange_fail(x, 504, is_client ? "client stalled" : "upstream stalled", NULL);
    } else if (is_uploading && outgoing_is_empty(&x->to_upstream) &&
               x->body_bytes - x->checked_bytes < BODY_CHECK_BYTES) {
        x->c->closes_after = true;
        exchange_fail(x, 408, "body timeout", "The request body arrived too slowly.");
    } else if (waited_ms < x->route->response_timeout_ms) {
        x->checked_bytes = x->body_bytes;
        client_set_deadline_ms(x->c, is_uploading ? BODY_CHECK_MS
                                                  : x->route->response_timeout_ms - waited_ms);
    } else {
        char what[96];
        (void)snprintf(what, sizeof(what), "did not answer within %g s",
                       x->route->response_timeout_ms / 1000.0);
        exchange_fail_upstream(x, 504, "response timeout", what);
    }
}
