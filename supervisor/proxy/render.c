#include "supervisor/proxy/render.h"

#include <string.h>

#include "supervisor/http/target.h"

/* Copies fields as they came. Neighbours go in one piece, since they are neighbours in memory. */
struct run {
    const char *at;
    size_t len;
};

static void run_end(struct run *run, struct http_out *o)
{
    http_put(o, run->at, run->len);
    run->len = 0;
}

static void run_add(struct run *run, struct http_out *o, const struct http_header *h)
{
    if (run->len && run->at + run->len == h->name.at) {
        run->len += h->line_len;
        return;
    }
    run_end(run, o);
    *run = (struct run){ h->name.at, h->line_len };
}

/* What a client may not tell the upstream about itself: written anew, or meant for us. */
static bool is_replaced(const struct http_header *h)
{
    switch (h->field) {
    case HTTP_HOST:
    case HTTP_CONTENT_LENGTH:
    case HTTP_EXPECT:
    case HTTP_FORWARDED:
    case HTTP_VIA:
    case HTTP_X_FORWARDED_FOR:
    case HTTP_X_FORWARDED_HOST:
    case HTTP_X_FORWARDED_PORT:
    case HTTP_X_FORWARDED_PROTO:
    case HTTP_X_REAL_IP:
    case HTTP_X_REQUEST_ID: return true;
    default: return false;
    }
}

static size_t prefix_length(const struct proxy_route *route)
{
    size_t n = route->strip_prefix ? strlen(route->path) : 0;
    while (n && route->path[n - 1] == '/')
        n--;
    return n;
}

static void put_target(struct http_out *o, const struct render_request *r)
{
    struct http_text raw = r->request->path;
    size_t n = prefix_length(r->route);
    /* The prefix may be spelt in another way than in the route ("//api", "/%61pi"). */
    bool is_same = r->is_path_plain && raw.len >= n && memcmp(raw.at, r->route->path, n) == 0 &&
                   (raw.len == n || raw.at[n] == '/');
    if (is_same && raw.len > n) {
        http_put(o, raw.at + n, raw.len - n);
    } else if (is_same || r->path_len <= n) {
        http_put_str(o, "/");
    } else if (n == 0 && r->is_path_plain) {
        http_put(o, raw.at, raw.len);
    } else {
        long len =
            http_path_encode(r->path + n, r->path_len - n, o->data + o->len, o->cap - o->len);
        if (len < 0)
            o->overflow = true;
        else
            o->len += (size_t)len;
    }
    if (r->request->query.at) {
        http_put(o, "?", 1);
        http_put(o, r->request->query.at, r->request->query.len);
    }
}

static void put_framing(struct http_out *o, const struct http_head *h)
{
    if (h->framing == HTTP_BODY_CHUNKED)
        http_put_str(o, "Transfer-Encoding: chunked\r\n");
    else if (h->framing == HTTP_BODY_LENGTH)
        http_put_field_u64(o, "Content-Length", h->content_length);
    if (h->wants_upgrade) {
        http_put_str(o, "Connection: Upgrade\r\n");
        http_put_header(o, http_find(h, HTTP_UPGRADE));
    }
}

size_t render_request(struct http_out *o, const struct render_request *r)
{
    const struct http_request *q = r->request;
    struct run run = { 0 };
    size_t dropped = 0;
    http_put(o, q->method_text.at, q->method_text.len);
    http_put(o, " ", 1);
    put_target(o, r);
    http_put_str(o, " HTTP/1.1\r\n");
    struct http_text host = q->host;
    if (!host.len)
        host = (struct http_text){ r->fallback_host, strlen(r->fallback_host) };
    http_put_field_text(o, "Host", host);
    for (size_t i = 0; i < q->head.header_count; i++) {
        const struct http_header *h = &q->head.headers[i];
        if (h->has_underscore)
            dropped++;
        else if (!h->is_hop && !is_replaced(h))
            run_add(&run, o, h);
    }
    run_end(&run, o);
    http_put_field(o, "X-Forwarded-For", r->address);
    http_put_str(o, "X-Forwarded-Proto: http\r\n");
    http_put_field_text(o, "X-Forwarded-Host", host);
    http_put_field(o, "X-Real-IP", r->address);
    http_put_field(o, "X-Request-Id", r->id);
    put_framing(o, &q->head);
    http_put_end(o);
    return dropped;
}

static void put_status_line(struct http_out *o, const struct http_response *p)
{
    http_put_str(o, "HTTP/1.1 ");
    http_put_u64(o, p->status);
    http_put_str(o, " ");
    http_put(o, p->reason.at, p->reason.len);
    http_put_str(o, "\r\n");
}

static void put_fields(struct http_out *o, const struct http_head *h)
{
    struct run run = { 0 };
    for (size_t i = 0; i < h->header_count; i++)
        if (!h->headers[i].is_hop && h->headers[i].field != HTTP_CONTENT_LENGTH)
            run_add(&run, o, &h->headers[i]);
    run_end(&run, o);
}

void render_response(struct http_out *o, const struct render_response *r)
{
    const struct http_head *h = &r->response->head;
    put_status_line(o, r->response);
    put_fields(o, h);
    if (!http_find(h, HTTP_DATE))
        http_put_field(o, "Date", r->date);
    bool tells_length = h->framing == HTTP_BODY_LENGTH ||
                        (h->framing == HTTP_BODY_NONE && http_find(h, HTTP_CONTENT_LENGTH) &&
                         (r->is_head || r->response->status == 304));
    if (r->is_chunked)
        http_put_str(o, "Transfer-Encoding: chunked\r\n");
    else if (tells_length)
        http_put_field_u64(o, "Content-Length", h->content_length);
    if (r->says_close)
        http_put_str(o, "Connection: close\r\n");
    else if (r->says_keep_alive)
        http_put_str(o, "Connection: keep-alive\r\n");
    http_put_end(o);
}

void render_interim(struct http_out *o, const struct http_response *response)
{
    const struct http_header *upgrade = http_find(&response->head, HTTP_UPGRADE);
    put_status_line(o, response);
    put_fields(o, &response->head);
    if (response->status == 101) {
        http_put_str(o, "Connection: Upgrade\r\n");
        if (upgrade)
            http_put_header(o, upgrade);
    }
    http_put_end(o);
}
