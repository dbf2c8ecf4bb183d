#pragma once
/* HTTP/1 messages as data: what a parsed request or response head says.
 *
 * A parsed head points into the bytes that it was parsed from and owns nothing: it is valid as long
 * as those bytes stay where they are. Pure: no system calls, no allocation. Used by the proxy, the
 * health prober and the control API, so the rules are the strict ones of a gateway (RFC 9112, and
 * every leniency of Nginx, HAProxy and h2o that lets requests be smuggled is refused). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/auto.h"

enum {
    HTTP_HEAD_MAX = 16384,    /* bytes of a request head, start line included: then 431 */
    HTTP_REPLY_MAX = 32768,   /* bytes of a response head from an upstream: then 502 */
    HTTP_TARGET_MAX = 8192,   /* bytes of a request target: then 414 */
    HTTP_FIELDS_MAX = 100,    /* fields of a head: then 431 */
    HTTP_METHOD_MAX = 32,     /* bytes of a method: then 501 */
    HTTP_HOST_MAX = 261,      /* a DNS name, ':' and a port, NUL */
    HTTP_EMPTY_LINES_MAX = 2, /* CRLFs skipped before a request line, RFC 9112 2.2 */
};

struct http_text { /* not NUL-terminated */
    const char *at;
    size_t len;
};
#define HTTP_TEXT(literal) ((struct http_text){ (literal), sizeof(literal) - 1 })

enum http_method {
    HTTP_METHOD_OTHER, /* any other token; `method_text` has it. Methods are case-sensitive */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_CONNECT,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_PATCH,
    HTTP_METHOD_COUNT_
};

/* Fields that somebody here has to understand. */
enum http_field {
    HTTP_FIELD_OTHER,
    HTTP_ACCEPT,
    HTTP_AUTHORIZATION,
    HTTP_CONNECTION,
    HTTP_CONTENT_LENGTH,
    HTTP_CONTENT_TYPE,
    HTTP_COOKIE,
    HTTP_DATE,
    HTTP_EXPECT,
    HTTP_FORWARDED,
    HTTP_HOST,
    HTTP_IF_MATCH,
    HTTP_IF_MODIFIED_SINCE,
    HTTP_IF_NONE_MATCH,
    HTTP_IF_RANGE,
    HTTP_IF_UNMODIFIED_SINCE,
    HTTP_KEEP_ALIVE,
    HTTP_LOCATION,
    HTTP_PROXY_CONNECTION,
    HTTP_RANGE,
    HTTP_REFERER,
    HTTP_SERVER,
    HTTP_TE,
    HTTP_TRAILER,
    HTTP_TRANSFER_ENCODING,
    HTTP_UPGRADE,
    HTTP_USER_AGENT,
    HTTP_VIA,
    HTTP_X_FORWARDED_FOR,
    HTTP_X_FORWARDED_HOST,
    HTTP_X_FORWARDED_PORT,
    HTTP_X_FORWARDED_PROTO,
    HTTP_X_REAL_IP,
    HTTP_X_REQUEST_ID,
    HTTP_FIELD_COUNT_
};

struct http_header {
    struct http_text name;  /* as sent */
    struct http_text value; /* without surrounding white space */
    uint16_t line_len;      /* from name.at to the end of the line, CRLF included */
    uint8_t field;          /* enum http_field */
    bool is_hop;            /* for one connection only: RFC 9110 7.6.1, or named by Connection */
    bool has_underscore;    /* X_A: CGI-like gateways take it for X-A */
};

enum http_framing {
    HTTP_BODY_NONE,   /* no body, whatever the fields say (HEAD, 204, 304, 1xx) */
    HTTP_BODY_LENGTH, /* content_length bytes, 0 included */
    HTTP_BODY_CHUNKED,
    HTTP_BODY_CLOSE, /* responses: until the connection ends */
};

enum http_expect {
    HTTP_EXPECT_NONE,
    HTTP_EXPECT_CONTINUE,
};

/* What request and response have in common. */
struct http_head {
    struct http_header headers[HTTP_FIELDS_MAX];
    size_t header_count;
    size_t head_bytes;  /* start line to the empty line, both included */
    uint8_t minor;      /* HTTP/1.minor, 2 and more are treated as 1 */
    uint8_t framing;    /* enum http_framing */
    bool keep_alive;    /* what this head says; the body may still prevent it */
    bool wants_upgrade; /* Connection: upgrade and an Upgrade field, HTTP/1.1 */
    uint64_t content_length;
    /* index + 1 of the first header of that field, 0: absent */
    uint8_t first[HTTP_FIELD_COUNT_];
};

struct http_request {
    struct http_head head;
    enum http_method method;
    struct http_text method_text;
    struct http_text target; /* as sent */
    struct http_text path;   /* origin form: undecoded path of the target, "*" for OPTIONS * */
    struct http_text query;  /* after '?', without it; at == NULL: no '?' */
    struct http_text host;   /* authority, checked; empty for HTTP/1.0 without Host */
    enum http_expect expect;
    bool is_absolute; /* the target was in absolute form: `host` is from there */
};

struct http_response {
    struct http_head head;
    uint16_t status; /* 100–599 */
    struct http_text reason;
};

/* Borrowed from the head; NULL when there is none. The first one of several. */
static inline const struct http_header *http_find(const struct http_head *h, enum http_field f)
{
    return h->first[f] ? &h->headers[h->first[f] - 1] : NULL;
}
/* The value, or an empty text. */
struct http_text http_value(const struct http_head *h, enum http_field f);

bool http_text_eq(struct http_text a, const char *b); /* exact */
bool http_text_is(struct http_text a, const char *b); /* ASCII case-insensitive */
/* Is TOKEN an element of the comma-separated LIST (case-insensitive)? */
bool http_list_has(struct http_text list, const char *token);
/* Next element of a comma-separated list, trimmed, empty ones skipped; false at the end. */
bool http_list_next(struct http_text *list, struct http_text *element);

enum http_method http_method_of(struct http_text name);
enum http_field http_field_of(struct http_text name);
/* GET, HEAD, OPTIONS, TRACE, PUT, DELETE: may be sent twice (RFC 9110 9.2.2). */
bool http_method_is_idempotent(enum http_method m);
/* "Not Found"; "Unknown" for a status without a name. */
const char *http_status_name(unsigned status);
