#pragma once
/* Writing heads into memory of the caller. Appending past the end sets `overflow` and changes
 * nothing, so that one check at the end is enough. Values are refused (overflow) when they have a
 * CR, LF or NUL: a response cannot be split by what somebody else wrote. Pure. */
#include "supervisor/http/message.h"

struct http_out {
    char *data;
    size_t len;
    size_t cap;
    bool overflow;
};

static inline struct http_out http_out_on(char *data, size_t cap)
{
    return (struct http_out){ .data = data, .cap = cap };
}
void http_put(struct http_out *o, const void *data, size_t len);
void http_put_str(struct http_out *o, const char *s);
void http_put_u64(struct http_out *o, uint64_t n);
/* "name: value\r\n" */
void http_put_field(struct http_out *o, const char *name, const char *value);
void http_put_field_text(struct http_out *o, const char *name, struct http_text value);
void http_put_field_u64(struct http_out *o, const char *name, uint64_t value);
/* A parsed field as it came. */
void http_put_header(struct http_out *o, const struct http_header *h);
/* "GET /path HTTP/1.1\r\n" / "HTTP/1.1 200 OK\r\n"; end with http_put_end. */
void http_put_request_line(struct http_out *o, const char *method, const char *target);
void http_put_status_line(struct http_out *o, unsigned status);
void http_put_end(struct http_out *o); /* "\r\n" */

/* Whole heads for clients and servers of the control API and for probes. FIELDS is NULL or
 * {name, value, …, NULL}. BODY_LEN -1: no body and no Content-Length. */
void http_put_request(struct http_out *o, const char *method, const char *target, const char *host,
                      const char *const *fields, long long body_len);
void http_put_response(struct http_out *o, unsigned status, const char *content_type,
                       const char *const *fields, long long body_len);
