#include <string.h>

#include "supervisor/proxy/worker.h"

enum {
    BODY_MAX = 2048,
    HEAD_MAX = 4096,
};

bool reply_wants_html(const struct http_request *r)
{
    struct http_text accept = http_value(&r->head, HTTP_ACCEPT), element;
    while (http_list_next(&accept, &element)) {
        const char *semicolon = memchr(element.at, ';', element.len);
        if (semicolon)
            element.len = (size_t)(semicolon - element.at);
        if (http_text_is(element, "text/html"))
            return true;
    }
    return false;
}

static void put_escaped(struct http_out *o, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '<': http_put_str(o, "&lt;"); break;
        case '>': http_put_str(o, "&gt;"); break;
        case '&': http_put_str(o, "&amp;"); break;
        case '"': http_put_str(o, "&quot;"); break;
        default: http_put(o, s, 1);
        }
    }
}

static void put_text_body(struct http_out *o, const struct reply *r, const char *id)
{
    http_put_u64(o, r->status);
    http_put_str(o, " ");
    http_put_str(o, http_status_name(r->status));
    http_put_str(o, "\n");
    if (r->text) {
        http_put_str(o, r->text);
        http_put_str(o, "\n");
    }
    if (id) {
        http_put_str(o, "Request ");
        http_put_str(o, id);
        http_put_str(o, "\n");
    }
}

static void put_html_body(struct http_out *o, const struct reply *r, const char *id)
{
    http_put_str(o, "<!doctype html>\n<meta charset=\"utf-8\">\n<title>");
    http_put_u64(o, r->status);
    http_put_str(o, " ");
    http_put_str(o, http_status_name(r->status));
    http_put_str(
        o,
        "</title>\n<body style=\"font: 1rem/1.5 sans-serif; margin: 4rem auto; max-width: 40rem\">\n<h1>");
    http_put_u64(o, r->status);
    http_put_str(o, " ");
    http_put_str(o, http_status_name(r->status));
    http_put_str(o, "</h1>\n");
    if (r->text) {
        http_put_str(o, "<p>");
        put_escaped(o, r->text);
        http_put_str(o, "</p>\n");
    }
    if (id) {
        http_put_str(o, "<p><small>Request ");
        http_put_str(o, id);
        http_put_str(o, "</small></p>\n");
    }
}

static void put_head(struct http_out *o, struct worker *w, const struct reply *r, const char *id,
                     bool keep_alive, size_t body_len)
{
    http_put_status_line(o, r->status);
    http_put_field(o, "Server", "svc");
    http_put_field(o, "Date", worker_date(w));
    if (r->location)
        http_put_field(o, "Location", r->location);
    if (r->allow)
        http_put_field(o, "Allow", r->allow);
    if (r->retry_after_s)
        http_put_field_u64(o, "Retry-After", r->retry_after_s);
    if (id)
        http_put_field(o, "X-Request-Id", id);
    if (r->status != 204) {
        http_put_field(o, "Content-Type",
                       r->wants_html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8");
        http_put_field_u64(o, "Content-Length", body_len);
    }
    if (r->status >= 400)
        http_put_field(o, "Cache-Control", "no-store");
    http_put_field(o, "Connection", keep_alive ? "keep-alive" : "close");
    http_put_end(o);
}

void reply_send(struct client *c, const struct reply *r, struct record *owned_rec)
{
    char body[BODY_MAX], head[HEAD_MAX + HTTP_TARGET_MAX * 3];
    struct worker *w = c->w;
    const char *id = owned_rec ? owned_rec->id : NULL;
    struct http_out b = http_out_on(body, sizeof(body));
    if (r->status != 204 && r->wants_html)
        put_html_body(&b, r, id);
    else if (r->status != 204)
        put_text_body(&b, r, id);
    c->closes_after = !r->keep_alive || c->must_linger || w->is_draining;
    struct http_out h = http_out_on(head, sizeof(head));
    put_head(&h, w, r, id, !c->closes_after, b.len);
    struct iovec pieces[2] = { { head, h.len }, { body, r->is_head ? 0 : b.len } };
    size_t sent;
    bool is_sent = !h.overflow &&
                   outgoing_write(&c->out, c->io.fd, pieces, pieces[1].iov_len ? 2 : 1, &sent) == 0;
    w->counters.bytes_out += h.len + pieces[1].iov_len;
    worker_count_status(w, is_sent ? r->status : 0);
    if (owned_rec) {
        owned_rec->status = (uint16_t)r->status;
        owned_rec->bytes_out = pieces[1].iov_len;
        owned_rec->cause = r->cause;
        record_end(w, owned_rec);
    }
    if (is_sent)
        client_answered(c);
    else
        client_close(c);
}

void reply_error(struct client *c, enum http_error error)
{
    char text[128];
    const char *why = http_error_text(error);
    (void)snprintf(text, sizeof(text), "The request is refused: %s.", why);
    struct record *rec = record_new(c->w, c->address,
                                    &(struct http_request){ .method_text = HTTP_TEXT("-"),
                                                            .target = HTTP_TEXT("-"),
                                                            .host = HTTP_TEXT("-") });
    reply_send(c, &(struct reply){ .status = http_error_status(error), .cause = why, .text = text },
               rec);
}
