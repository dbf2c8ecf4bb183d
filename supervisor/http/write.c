#include "supervisor/http/write.h"

#include <string.h>

enum {
    U64_DIGITS = 20
};

void http_put(struct http_out *o, const void *data, size_t len)
{
    if (o->overflow || len > o->cap - o->len) {
        o->overflow = true;
        return;
    }
    if (len)
        memcpy(o->data + o->len, data, len);
    o->len += len;
}

void http_put_str(struct http_out *o, const char *s)
{
    http_put(o, s, strlen(s));
}

void http_put_u64(struct http_out *o, uint64_t n)
{
    char digits[U64_DIGITS];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    http_put(o, digits + at, sizeof(digits) - at);
}

static bool has_line_end(struct http_text t)
{
    return t.len &&
           (memchr(t.at, '\r', t.len) || memchr(t.at, '\n', t.len) || memchr(t.at, '\0', t.len));
}

void http_put_field_text(struct http_out *o, const char *name, struct http_text value)
{
    if (has_line_end(value))
        o->overflow = true;
    http_put_str(o, name);
    http_put(o, ": ", 2);
    http_put(o, value.at, value.len);
    http_put(o, "\r\n", 2);
}

void http_put_field(struct http_out *o, const char *name, const char *value)
{
    http_put_field_text(o, name, (struct http_text){ value, strlen(value) });
}

void http_put_field_u64(struct http_out *o, const char *name, uint64_t value)
{
    http_put_str(o, name);
    http_put(o, ": ", 2);
    http_put_u64(o, value);
    http_put(o, "\r\n", 2);
}

void http_put_header(struct http_out *o, const struct http_header *h)
{
    http_put(o, h->name.at, h->name.len);
    http_put(o, ": ", 2);
    http_put(o, h->value.at, h->value.len);
    http_put(o, "\r\n", 2);
}

void http_put_request_line(struct http_out *o, const char *method, const char *target)
{
    http_put_str(o, method);
    http_put(o, " ", 1);
    http_put_str(o, target);
    http_put_str(o, " HTTP/1.1\r\n");
}

void http_put_status_line(struct http_out *o, unsigned status)
{
    http_put_str(o, "HTTP/1.1 ");
    http_put_u64(o, status);
    http_put(o, " ", 1);
    http_put_str(o, http_status_name(status));
    http_put(o, "\r\n", 2);
}

void http_put_end(struct http_out *o)
{
    http_put(o, "\r\n", 2);
}

static void put_fields(struct http_out *o, const char *const *fields, long long body_len)
{
    for (; fields && fields[0]; fields += 2)
        http_put_field(o, fields[0], fields[1]);
    if (body_len >= 0)
        http_put_field_u64(o, "Content-Length", (uint64_t)body_len);
    http_put_end(o);
}

void http_put_request(struct http_out *o, const char *method, const char *target, const char *host,
                      const char *const *fields, long long body_len)
{
    http_put_request_line(o, method, target);
    http_put_field(o, "Host", host);
    put_fields(o, fields, body_len);
}

void http_put_response(struct http_out *o, unsigned status, const char *content_type,
                       const char *const *fields, long long body_len)
{
    http_put_status_line(o, status);
    if (content_type)
        http_put_field(o, "Content-Type", content_type);
    put_fields(o, fields, body_len);
}
