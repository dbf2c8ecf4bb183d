#pragma once
/* Heads as they are passed on: what is dropped, replaced and added between client and upstream
 * (RFC 9110 7.6, PROXY rules of this house). Pure. */
#include "supervisor/http/write.h"
#include "supervisor/proxy/table.h"

struct render_request {
    const struct http_request *request;
    const struct proxy_route *route;
    const char *path; /* normalised */
    size_t path_len;
    bool is_path_plain;        /* the original path may be forwarded */
    const char *address;       /* of the client */
    const char *id;            /* X-Request-Id */
    const char *fallback_host; /* for HTTP/1.0 without Host */
};
/* Returns how many fields with '_' in the name were dropped. */
size_t render_request(struct http_out *o, const struct render_request *r);

struct render_response {
    const struct http_response *response;
    const char *date; /* added when the upstream sent none */
    bool is_chunked;  /* to the client */
    bool says_close;
    bool says_keep_alive; /* HTTP/1.0 clients have to be told */
    bool is_head;         /* answer to HEAD: Content-Length stays */
};
void render_response(struct http_out *o, const struct render_response *r);
/* 102 and 103, and 101 with its Upgrade field. */
void render_interim(struct http_out *o, const struct http_response *response);
