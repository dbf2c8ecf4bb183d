#pragma once
/* One whole message in memory: for the control API (HTTP + JSON over a unix socket) and health
 * probes, where bodies are small. Feed received bytes, get a head and a body. Pure but for the
 * buffer, which grows up to its limit by runtime/base/buf. The proxy does not use it: it streams.
 *
 *   struct http_reader r; http_reader_init(&r, LIMIT);
 *   while ((got = http_reader_feed(&r, bytes, n)) == HTTP_PARSE_MORE) read more;
 *   r.request / r.response, r.body.data, r.body.len
 *
 * One message per connection: bytes after it are dropped. */
#include "runtime/base/buf.h"
#include "supervisor/http/body.h"

struct http_reader {
    struct buf in;   /* the head as received: stays put while the message is looked at */
    struct buf body; /* decoded payload */
    struct http_scan scan;
    struct http_body framing;
    enum http_error error;
    enum http_method method; /* for a response: of the request that it answers */
    bool is_response;
    bool has_head;
    bool body_too_large; /* with HTTP_PARSE_ERROR */
    union {
        struct http_request request;
        struct http_response response;
    };
};

/* LIMIT_BYTES: of the body. */
void http_reader_init_request(struct http_reader *r, size_t limit_bytes);
void http_reader_init_response(struct http_reader *r, enum http_method method, size_t limit_bytes);
void http_reader_done(struct http_reader *r);
/* DATA is copied. LEN 0 says nothing: use http_reader_end for the end of the connection. 1xx
 * responses are skipped. */
enum http_parsed http_reader_feed(struct http_reader *r, const void *data, size_t len);
/* The peer closed: DONE when that ends the body legally, ERROR otherwise. */
enum http_parsed http_reader_end(struct http_reader *r);
