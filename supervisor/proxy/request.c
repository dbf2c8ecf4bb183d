#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/proxy/exchange.h"
#include "supervisor/proxy/frame.h"

/* The next piece of the request body, framed for the upstream. -1: x is over. */
static int take_body(struct exchange *x, char *data, size_t len, struct frame *f)
{
    enum http_error error;
    if (frame_read(f, &x->request_body, data, len, &error) < 0) {
        x->c->closes_after = true;
        exchange_fail(x, 400, http_error_text(error), "The body of the request is malformed.");
        return -1;
    }
    x->body_bytes += f->len;
    if (x->route->body_max_bytes && x->body_bytes > x->route->body_max_bytes) {
        x->c->closes_after = true; /* what is left of DATA is not kept */
        exchange_fail(x, 413, "body limit", "The request body is larger than this route allows.");
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

void exchange_send_request(struct exchange *x)
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
        bool is_kept = sent == 0 && outgoing_keep(&x->to_upstream, f.at, f.len) == 0;
        outgoing_done(&kept);
        /* Sent: there is no memory for the rest, and the service may act on what it has. Not a
         * byte was taken: any method may try again. */
        if (sent)
            client_close(c);
        else if (is_kept && exchange_may_retry(x))
            exchange_retry(x);
        else
            exchange_fail_upstream(x, 502, "upstream closed",
                                   "ended the connection without an answer");
        return;
    }
    outgoing_done(&kept);
    x->has_sent_payload = f.len && (sent > x->head_len || !outgoing_is_empty(&x->to_upstream));
    exchange_set_deadline(x);
    if (!http_body_is_done(&x->request_body)) {
        ask_for_body(x);
        exchange_pump_request(x);
        return;
    }
    c->must_linger = false;
    exchange_update_interest(x);
}

void exchange_cut_request(struct exchange *x)
{
    x->is_cut = true;
    outgoing_done(&x->to_upstream);
    x->c->must_linger = !http_body_is_done(&x->request_body);
    if (!x->c->must_linger)
        return;
    x->request_body.framing = HTTP_BODY_NONE; /* what is left of it is not read */
    x->has_sent_payload = true;
    x->c->closes_after = true;
}

void exchange_pump_request(struct exchange *x)
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
        size_t sent;
        x->has_sent_payload = true;
        if (f.len && outgoing_write(&x->to_upstream, x->u->io.fd, &piece, 1, &sent) < 0) {
            exchange_cut_request(x);
            exchange_update_interest(x);
            return;
        }
    }
    x->progress_ns = loop_now_ns(x->w->loop);
    if (http_body_is_done(&x->request_body)) {
        c->must_linger = false;
        exchange_set_deadline(x);
    } /* else the next check of the rate stays where it is: bytes that trickle do not move it */
    exchange_update_interest(x);
}
