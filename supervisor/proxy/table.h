#pragma once
/* The proxy's table: upstreams with their endpoints, and routes. The engine fills one and sends it
 * whole (proxy/control.h); a worker swaps it in at a loop boundary; a request keeps the table it
 * began with. Data only, plus the binary form and the lookup. Pure: no system calls.
 *
 * The decoder trusts nothing (every count, index and string is checked), although the sender is the
 * engine: the worker's answer to a broken table is to keep the old one. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/mem.h"

enum {
    PROXY_UPSTREAMS_MAX = 4096,
    PROXY_ENDPOINTS_MAX = 16384, /* of all upstreams */
    PROXY_ROUTES_MAX = 16384,
    PROXY_TEXT_MAX = 8192,              /* bytes of one string */
    PROXY_TABLE_MAX = 16 * 1024 * 1024, /* bytes of the encoded table */
};

struct proxy_endpoint {
    uint32_t ipv4; /* host order, in the stack netns */
    uint16_t port;
    uint16_t replica;  /* 1, 2, …: for the log */
    uint64_t instance; /* another container at the same address has another number: connections
                          are never shared between the two */
};

struct proxy_upstream {  /* one per service and port */
    const char *name;    /* "web:8000": identity across tables (round-robin position) */
    const char *service; /* "web" */
    const char *why;     /* when there is no endpoint: "starting", "unhealthy: GET /health answered
                            500", "stopped"; "" otherwise */
    struct proxy_endpoint *endpoints;
    size_t endpoint_count;
};

enum proxy_route_kind {
    PROXY_ROUTE_UPSTREAM,
    PROXY_ROUTE_FILES,
    PROXY_ROUTE_KIND_COUNT_
};

struct proxy_route {
    enum proxy_route_kind kind;
    const char *host;   /* NULL or "": any; "shop.example"; "*.shop.example" (any depth below) */
    const char *path;   /* begins with '/'. A prefix at segment boundaries: "/api" and "/api/" are
                           one and match "/api", "/api/" and what is below, not "/apix" */
    bool is_exact;      /* only this path; here a slash at the end counts */
    bool strip_prefix;  /* the upstream or directory sees the path without `path` */
    uint32_t upstream;  /* PROXY_ROUTE_UPSTREAM: index in upstreams */
    uint32_t dir_id;    /* PROXY_ROUTE_FILES: as sent by proxy_control_dir */
    const char *index;  /* files: "index.html"; "": directories answer 404 */
    uint32_t max_age_s; /* files: Cache-Control; 0: none */
    uint32_t connect_timeout_ms;
    uint32_t response_timeout_ms; /* request sent → response head; then between two reads */
    uint32_t idle_timeout_ms;     /* client connection between requests */
    uint32_t tunnel_timeout_ms;   /* upgraded connections without a byte in both directions */
    uint64_t body_max_bytes;      /* then 413; 0: no limit */
};

struct proxy_index; /* made by the decoder */

struct proxy_table {
    struct arena arena; /* owns what a decoded table points to */
    uint64_t generation;
    struct proxy_upstream *upstreams;
    size_t upstream_count;
    struct proxy_route *routes;
    size_t route_count;
    struct proxy_index *index; /* NULL in the engine */
};

/* Engine: appends the binary form to OUT. ERR_INPUT: over a limit, or an index out of range. */
must_check int proxy_table_encode(const struct proxy_table *t, struct buf *out, struct err *e);
/* Worker: a new table, or ERR_INPUT with the offset of what is wrong. */
must_check int proxy_table_decode(const void *data, size_t len, struct proxy_table **out,
                                  struct err *e);
void proxy_table_free(struct proxy_table *t);
DEFINE_AUTO(proxy_table_free, struct proxy_table *);

/* The route of lower-case HOST (no port) and normalised PATH, NULL when there is none. The most
 * specific host that has a match wins (exact, wildcard by length, any), in it exact before the
 * longest prefix, then file order. Cost grows with the number of segments, not of routes. */
const struct proxy_route *proxy_table_find(const struct proxy_table *t, const char *host,
                                           size_t host_len, const char *path, size_t path_len);
/* Borrowed; NULL when there is none. */
const struct proxy_upstream *proxy_table_upstream(const struct proxy_table *t, const char *name);
