#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/proxy/exchange.h"
#include "supervisor/proxy/frame.h"
#include "supervisor/proxy/render.h"

static void finish(struct exchange *x, bool keeps_upstream)
{
    struct client *c = x->c;
    bool is_sent = exchange_is_request_sent(x);
    if (!is_sent && !x->is_cut) /* cut_request has decided */
        c->closes_after = true;
    c->must_linger |= !http_body_is_done(&x->request_body);
    worker_count_status(x->w, x->rec->status);
    exchange_end(x, keeps_upstream && is_sent);
    client_answered(c);
}

/* A piece of the response body, behind HEAD when that has a length. */
static void relay(struct exchange *x, struct iovec head, char *data, size_t len)
{
    struct client *c = x->c;
    enum http_error error;
    struct frame f;
    if (frame_read(&f, &x->response_body, data, len, &error) < 0) {
        exchange_fail(x, 502, http_error_text(error), NULL);
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
    exchange_set_deadline(x);
    exchange_update_interest(x);
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
        exchange_fail_upstream(x, 502, "head too large", "answered with a head that is too large");
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
    if (o.overflow || !exchange_is_request_sent(x)) {
        exchange_fail_upstream(x, 502, "bad upgrade",
                               "switched protocols before it had the request");
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
    exchange_end(x, false);
    int client_fd = client_detach(c);
    w->counters.upgrades++;
    worker_count_status(w, 101);
    tunnel_start(w, client_fd, upstream_fd, endpoint, timeout_ms, rec, to_client, to_upstream);
}

static bool forward_interim(struct exchange *x, const struct http_response *p)
{
    struct worker *w = x->w;
    if (++x->interim > INTERIM_MAX) {
        exchange_fail_upstream(x, 502, "too many 1xx", "sent too many interim answers");
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
    exchange_fail_upstream(x, 502, "bad response", what);
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
            if (upstream_keep(u, data, len) < 0)
                client_close(x->c);
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
            exchange_fail_upstream(x, 502, "bad upgrade", "switched protocols without being asked");
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
    exchange_lose_upstream(x);
}

void exchange_read_response(struct exchange *x)
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
