#include "supervisor/http/exchange.h"

#include <string.h>

enum {
    INTERIM_MAX = 8 /* 1xx responses before the real one */
};

static void init(struct http_reader *r, bool is_response, enum http_method method,
                 size_t limit_bytes)
{
    memset(r, 0, sizeof(*r));
    r->is_response = is_response;
    r->method = method;
    /* One piece of a connection may hold a head, a body and the beginning of the next message. */
    buf_init(&r->in, HTTP_REPLY_MAX + 1);
    buf_init(&r->body, limit_bytes);
}

void http_reader_init_request(struct http_reader *r, size_t limit_bytes)
{
    init(r, false, HTTP_GET, limit_bytes);
}

void http_reader_init_response(struct http_reader *r, enum http_method method, size_t limit_bytes)
{
    init(r, true, method, limit_bytes);
}

void http_reader_done(struct http_reader *r)
{
    buf_done(&r->in);
    buf_done(&r->body);
}

/* Body bytes; what is after the body is dropped. */
static enum http_parsed take_body(struct http_reader *r, const char *data, size_t len)
{
    for (;;) {
        size_t used = 0;
        struct http_text payload;
        switch (http_body_read(&r->framing, data, len, &used, &payload, &r->error)) {
        case HTTP_BODY_ERROR: return HTTP_PARSE_ERROR;
        case HTTP_BODY_MORE: return HTTP_PARSE_MORE;
        case HTTP_BODY_DATA:
            if (buf_add(&r->body, payload.at, payload.len) < 0) {
                r->body_too_large = true;
                return HTTP_PARSE_ERROR;
            }
            break;
        case HTTP_BODY_END: return HTTP_PARSE_DONE;
        }
        data += used;
        len -= used;
    }
}

static enum http_parsed parse_head(struct http_reader *r)
{
    if (r->is_response)
        return http_parse_response(r->in.data, r->in.len, &r->scan, r->method, &r->response,
                                   &r->error);
    return http_parse_request(r->in.data, r->in.len, &r->scan, &r->request, &r->error);
}

static const struct http_head *head_of(const struct http_reader *r)
{
    return r->is_response ? &r->response.head : &r->request.head;
}

/* Moves bytes into `in` until the head is complete; *data and *len keep what is left over. */
static enum http_parsed take_head(struct http_reader *r, const char **data, size_t *len)
{
    for (int interim = 0; interim <= INTERIM_MAX;) {
        size_t room = r->in.limit_bytes - r->in.len;
        size_t take = *len < room ? *len : room;
        size_t before = r->in.len;
        if (buf_add(&r->in, *data, take) < 0) {
            r->error = HTTP_ERR_HEAD_LARGE;
            return HTTP_PARSE_ERROR;
        }
        enum http_parsed parsed = parse_head(r);
        if (parsed != HTTP_PARSE_DONE)
            return parsed;
        size_t head_bytes = head_of(r)->head_bytes;
        *data += head_bytes - before;
        *len -= head_bytes - before;
        if (!r->is_response || r->response.status >= 200 || r->response.status == 101)
            return HTTP_PARSE_DONE;
        buf_reset(&r->in);
        interim++;
    }
    r->error = HTTP_ERR_STATUS;
    return HTTP_PARSE_ERROR;
}

enum http_parsed http_reader_feed(struct http_reader *r, const void *data, size_t len)
{
    const char *at = data;
    if (!r->has_head) {
        enum http_parsed parsed = take_head(r, &at, &len);
        if (parsed != HTTP_PARSE_DONE)
            return parsed;
        r->has_head = true;
        http_body_init(&r->framing, head_of(r));
    }
    return take_body(r, at, len);
}

enum http_parsed http_reader_end(struct http_reader *r)
{
    if (r->has_head && (r->framing.framing == HTTP_BODY_CLOSE || http_body_is_done(&r->framing)))
        return HTTP_PARSE_DONE;
    r->error = HTTP_ERR_START_LINE;
    return HTTP_PARSE_ERROR;
}
