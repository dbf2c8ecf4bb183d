/* The proxy section: short and long forms of listen and routes. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"
#include "specs/units.h"

enum {
    BODY_DEFAULT_MIB = 50,
    ROUTES_MAX = 1000,
    LISTENS_MAX = 64
};
#define LIFETIME_MAX_S (UINT64_C(10) * 365 * 24 * 3600)

struct listen_draft {
    uint16_t port;
    const char *address;
};

struct route_draft {
    struct stack_route r;
    const char *path;
    const struct json *to, *files;
};

static void listen_add(struct field_ctx *ctx, const struct json *node, const char *address,
                       uint16_t port)
{
    struct stack_proxy *p = &draft_of(ctx)->stack->proxy;
    if (p->listen_count == LISTENS_MAX) {
        field_error(ctx, node->place, "more than %d listeners", LISTENS_MAX);
        return;
    }
    p->listens = decode_room(ctx->arena, p->listens, p->listen_count, sizeof(*p->listens));
    p->listens[p->listen_count++] = (struct stack_listen){ address, port, node->place };
}

static const struct field listen_fields[] = {
    { "port", FIELD_U16, offsetof(struct listen_draft, port), .min = 1, .max = 65535,
      .flags = FIELD_NEED, .doc = "port on the machine" },
    { "address", FIELD_STRING, offsetof(struct listen_draft, address),
      .doc = "address on the machine; all when left out" },
    { "tls", FIELD_REFUSED, .doc = "TLS is not supported yet, it comes in a later version of svc" },
    { "acme", FIELD_REFUSED,
      .doc = "TLS is not supported yet, it comes in a later version of svc" },
    { "redirect", FIELD_REFUSED, .doc = "redirects come with TLS in a later version of svc" },
    { "tcp", FIELD_REFUSED, .doc = "TCP routes come in a later version of svc" },
};
const struct field_table stack_listen_table = FIELD_TABLE(listen_fields);

static void decode_one_listen(struct field_ctx *ctx, const struct json *node)
{
    struct listen_draft ld = { .address = "" };
    size_t before = ctx->problems->error_count;
    if (node->type == JSON_STRING || node->type == JSON_NUMBER) {
        if (decode_address_port(ctx->arena, node->text, &ld.address, &ld.port)) {
            listen_add(ctx, node, ld.address, ld.port);
            return;
        }
        const char *quote = node->type == JSON_STRING ? "\"" : "";
        field_error(ctx, node->place, "%s%.60s%s is not a port (1–65535) or ADDRESS:PORT", quote,
                    node->text, quote);
    } else if (node->type != JSON_OBJECT) {
        field_type_error(ctx, node, "a port, \"ADDRESS:PORT\" or an object");
    } else if (field_decode(ctx, node, listen_fields, ARRAY_LEN(listen_fields), &ld) == 0 &&
               ctx->problems->error_count == before) {
        if (*ld.address && !decode_is_ip(ld.address))
            field_error(ctx, json_find(node, "address")->place, "\"%.60s\" is not an IP address",
                        ld.address);
        else
            listen_add(ctx, node, ld.address, ld.port);
    }
}

static void decode_listen(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)base;
    if (node->type != JSON_ARRAY) {
        decode_one_listen(ctx, node);
        return;
    }
    for (size_t i = 0; i < node->item_count; i++) {
        size_t mark = field_enter_index(ctx, i);
        decode_one_listen(ctx, node->items[i]);
        field_leave(ctx, mark);
    }
}

static void keep_to(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    ((struct route_draft *)base)->to = node;
}
static void keep_files(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    ((struct route_draft *)base)->files = node;
}

#define ROUTE(member) offsetof(struct route_draft, member)

static const struct field timeout_fields[] = {
    { "connect", FIELD_DURATION, ROUTE(r.connect_timeout_ms), .min = 1,
      .doc = "to reach the service, 5s" },
    { "response", FIELD_DURATION, ROUTE(r.response_timeout_ms), .min = 1,
      .doc = "for the head of the answer, 120s" },
    { "idle", FIELD_DURATION, ROUTE(r.idle_timeout_ms), .min = 1,
      .doc = "of a connection without traffic, 60s" },
    FIELD_LATER("hold"),
};
const struct field_table stack_timeout_table = FIELD_TABLE(timeout_fields);
static const struct field route_fields[] = {
    { "path", FIELD_STRING, ROUTE(path), .doc = "a prefix, or \"=/exact\"" },
    { "host", FIELD_STRING, ROUTE(r.host), .doc = "only for this host, or \"*.example.com\"" },
    { "to", FIELD_CALL, .call = keep_to, .doc = "\"service:port\"" },
    { "files", FIELD_CALL, .call = keep_files,
      .doc = "a directory, or {dir or volume, index, expires}" },
    { "strip", FIELD_BOOL, ROUTE(r.strip_prefix), .doc = "the service does not see the prefix" },
    { "timeouts", FIELD_OBJECT, .rows = timeout_fields, .row_count = ARRAY_LEN(timeout_fields),
      .doc = "connect, response, idle" },
    FIELD_LATER("balance"),
    FIELD_LATER("retries"),
    FIELD_LATER("cors"),
    FIELD_LATER("limits"),
    FIELD_LATER("buffering"),
    FIELD_LATER("basic_auth"),
    FIELD_LATER("allow"),
    FIELD_LATER("deny"),
    FIELD_LATER("headers"),
};
const struct field_table stack_route_table = FIELD_TABLE(route_fields);

struct files_draft {
    const char *dir, *volume, *index, *expires;
};
static const struct field files_fields[] = {
    { "dir", FIELD_STRING, offsetof(struct files_draft, dir), .doc = "a directory of the machine" },
    { "volume", FIELD_STRING, offsetof(struct files_draft, volume), .doc = "a named volume" },
    { "index", FIELD_STRING, offsetof(struct files_draft, index),
      .doc = "served for a directory, index.html" },
    { "expires", FIELD_TEXT, offsetof(struct files_draft, expires),
      .doc = "how long browsers may keep it, such as \"30d\"" },
    FIELD_LATER("spa"),
    FIELD_LATER("cache"),
    FIELD_LATER("path"),
    FIELD_LATER("image"),
};
const struct field_table stack_files_table = FIELD_TABLE(files_fields);

static void decode_expires(struct field_ctx *ctx, const struct json *node, const char *text,
                           struct stack_route *r)
{
    uint64_t seconds;
    if (units_lifetime_s(text, LIFETIME_MAX_S, &seconds) == 0) {
        r->expires = arena_printf(ctx->arena, "%" PRIu64, seconds);
        return;
    }
    field_error(ctx, node->place, "\"%.40s\" is not a lifetime", text);
    field_hint(ctx, "such as \"30d\", \"1h\", \"1y\"");
}

static void check_dir(struct field_ctx *ctx, const struct json *node, const char *path)
{
    struct stat st;
    if (!decode_checks_host(draft_of(ctx)))
        return;
    if (stat(path, &st) < 0)
        decode_host_missing(ctx, node->place, path);
    else if (!S_ISDIR(st.st_mode))
        field_error(ctx, node->place, "%.200s is not a directory", path);
}

static void route_files(struct field_ctx *ctx, const struct json *node, struct stack_route *r)
{
    struct files_draft fd = { .index = "index.html" };
    r->kind = STACK_ROUTE_FILES;
    if (node->type == JSON_STRING)
        fd.dir = node->text;
    else if (field_decode(ctx, node, files_fields, ARRAY_LEN(files_fields), &fd) < 0)
        return;
    if (!fd.dir == !fd.volume) {
        field_error(ctx, node->place, "needs one of dir and volume");
        return;
    }
    if (fd.dir && !strchr("./~", fd.dir[0])) {
        field_error(ctx, node->place, "\"%.80s\" is not a path", fd.dir);
        field_hint(ctx, "begin a directory with ./; a volume is {\"volume\": \"%.40s\"}", fd.dir);
        return;
    }
    if (fd.dir) {
        r->dir = decode_path(draft_of(ctx), node->place, fd.dir);
        check_dir(ctx, node, r->dir);
    } else if (decode_volume_ref(ctx, json_find(node, "volume")->place, fd.volume)) {
        r->volume = fd.volume;
    }
    if (strchr(fd.index, '/'))
        field_error(ctx, json_find(node, "index")->place, "the index is a file name, not a path");
    r->index = fd.index;
    if (fd.expires)
        decode_expires(ctx, json_find(node, "expires"), fd.expires, r);
}

/* The port of a service that has only one. */
static uint16_t only_port(const struct stack_service *s)
{
    uint16_t port = 0;
    for (size_t i = 0; i < s->expose_count + s->port_count; i++) {
        bool is_expose = i < s->expose_count;
        const struct stack_port *p = is_expose ? NULL : &s->ports[i - s->expose_count];
        uint16_t candidate = p ? p->target : s->expose[i];
        if (candidate == port)
            continue;
        if (port)
            return 0;
        port = candidate;
    }
    return port;
}

/* "service:port", or "service" when it has one port only. */
static void route_service(struct field_ctx *ctx, const struct json *node, struct stack_route *r)
{
    r->kind = STACK_ROUTE_SERVICE;
    if (node->type == JSON_OBJECT || node->type == JSON_ARRAY) {
        field_error(ctx, node->place, "more than one target is not supported yet");
        field_hint(ctx, "\"service:port\" is balanced over the replicas of that service");
        return;
    }
    if (node->type != JSON_STRING || !node->text_len) {
        field_type_error(ctx, node, "\"service:port\"");
        return;
    }
    const char *colon = strrchr(node->text, ':');
    size_t len = colon ? (size_t)(colon - node->text) : node->text_len;
    if (colon && !decode_port_text(colon + 1, &r->port)) {
        field_error(ctx, node->place, "\"%.40s\" is not a port (1–65535)", colon + 1);
        return;
    }
    r->service = decode_service_ref(ctx, node->place, arena_strndup(ctx->arena, node->text, len));
    if (r->service == SIZE_MAX || r->port)
        return;
    const struct stack_service *s = &draft_of(ctx)->stack->services[r->service];
    r->port = only_port(s);
    if (r->port)
        return;
    field_error(ctx, node->place, "which port of \"%.63s\"?", s->name);
    field_hint(ctx, "write \"%.63s:8000\", or let the service expose exactly one", s->name);
}

static void check_host(struct field_ctx *ctx, struct json_place at, const char *host)
{
    const char *rest = str_starts(host, "*.") ? host + 2 : host;
    for (const char *p = rest; *p; p++)
        if (!(((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' ||
              *p == '.')) {
            field_error(ctx, at, "\"%.80s\" is not a host name", host);
            field_hint(ctx, "without port, such as \"shop.example\" or \"*.shop.example\"");
            return;
        }
}

/* "shop.example/api/" is a host and a path; "static/" is a path that lacks its slash. */
static const char *take_host(struct field_ctx *ctx, struct json_place at, const char *text,
                             struct stack_route *r)
{
    const char *slash = strchr(text, '/');
    if (!slash || slash == text)
        return text;
    const char *host = arena_strndup(ctx->arena, text, (size_t)(slash - text));
    if (!strchr(host, '.') && strcmp(host, "localhost") != 0)
        return text;
    if (r->host)
        field_error(ctx, at, "has the host \"%.80s\" in its path and another as \"host\"", host);
    check_host(ctx, at, host);
    r->host = host;
    return slash;
}

static bool route_path(struct field_ctx *ctx, struct json_place at, const char *text,
                       struct stack_route *r)
{
    r->is_exact = text[0] == '=';
    r->path = take_host(ctx, at, text + r->is_exact, r);
    if (strchr(r->path, '*')) {
        field_error(ctx, at, "wildcards in paths are not supported yet");
        field_hint(ctx, "a path is a prefix, or \"=/exact\"");
        return false;
    }
    if (r->path[0] != '/') {
        field_error(ctx, at, "the path \"%.80s\" does not begin with /", r->path);
        field_hint(ctx, "\"/%.60s\", or a host such as \"shop.example/\"", r->path);
        return false;
    }
    for (const char *p = r->path; *p; p++)
        if (*p <= ' ' || *p == 0x7F || *p == '?' || *p == '#') {
            field_error(ctx, at, "the path \"%.80s\" has a character that no path has", r->path);
            return false;
        }
    return true;
}

static bool is_same_route(const struct stack_route *a, const struct stack_route *b)
{
    return a->is_exact == b->is_exact && strcmp(a->path, b->path) == 0 && (!a->host == !b->host) &&
           (!a->host || strcasecmp(a->host, b->host) == 0);
}

static void route_add(struct field_ctx *ctx, const struct stack_route *r)
{
    struct stack_proxy *p = &draft_of(ctx)->stack->proxy;
    for (size_t i = 0; i < p->route_count; i++)
        if (is_same_route(&p->routes[i], r)) {
            field_error(ctx, r->place, "the path %s%.80s has a route already (line %u)",
                        r->is_exact ? "=" : "", r->path, p->routes[i].place.line);
            return;
        }
    if (p->route_count == ROUTES_MAX) {
        field_error(ctx, r->place, "more than %d routes", ROUTES_MAX);
        return;
    }
    p->routes = decode_room(ctx->arena, p->routes, p->route_count, sizeof(*p->routes));
    p->routes[p->route_count++] = *r;
}

/* A route as an object; KEY is its path when the routes are a map. */
static void decode_route(struct field_ctx *ctx, const struct json *node,
                         const struct stack_route *defaults)
{
    struct route_draft rd = { .r = *defaults, .path = node->key };
    size_t before = ctx->problems->error_count;
    rd.r.place = node->key ? node->key_place : node->place;
    if (node->type == JSON_STRING && node->key) {
        bool is_path = node->text_len && strchr("./~", node->text[0]);
        *(is_path ? &rd.files : &rd.to) = node;
    } else if (field_decode(ctx, node, route_fields, ARRAY_LEN(route_fields), &rd) < 0) {
        return;
    }
    if (node->key && json_find(node, "path"))
        field_error(ctx, json_find(node, "path")->key_place, "the path is the key already");
    if (rd.r.host)
        check_host(ctx, json_find(node, "host")->place, rd.r.host);
    if (!rd.path)
        field_error(ctx, node->place, "needs a path");
    else
        (void)route_path(ctx, rd.r.place, rd.path, &rd.r);
    if (!rd.to == !rd.files)
        field_error(ctx, node->place, "needs one of to and files");
    else if (rd.to)
        route_service(ctx, rd.to, &rd.r);
    else
        route_files(ctx, rd.files, &rd.r);
    if (ctx->problems->error_count == before)
        route_add(ctx, &rd.r);
}

struct proxy_draft {
    struct stack_route defaults; /* timeouts for all routes */
    const struct json *routes;
    uint64_t body_max_bytes;
};

static void keep_routes(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_ARRAY && node->type != JSON_OBJECT)
        field_type_error(ctx, node, "an object or a list");
    ((struct proxy_draft *)base)->routes = node;
}

static void decode_default_timeouts(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct proxy_draft *pd = base;
    struct route_draft rd = { .r = pd->defaults };
    (void)field_decode(ctx, node, timeout_fields, ARRAY_LEN(timeout_fields), &rd);
    pd->defaults = rd.r;
}

static const struct field proxy_limit_fields[] = {
    { "body", FIELD_SIZE, offsetof(struct proxy_draft, body_max_bytes), .min = 0,
      .doc = "of a request, 50m" },
    FIELD_LATER("header"),
    FIELD_LATER("rate"),
    FIELD_LATER("connections_per_client"),
};
static const struct field proxy_fields[] = {
    { "listen", FIELD_CALL, .call = decode_listen, .flags = FIELD_NEED,
      .doc = "8080, \"127.0.0.1:8080\", or a list of them" },
    { "routes", FIELD_CALL, .call = keep_routes, .flags = FIELD_NEED,
      .doc = "{\"/\": \"web:8000\", \"/static/\": \"./static\"}, or a list of objects" },
    { "timeouts", FIELD_CALL, .call = decode_default_timeouts, .doc = "for all routes" },
    { "limits", FIELD_OBJECT, .rows = proxy_limit_fields,
      .row_count = ARRAY_LEN(proxy_limit_fields), .doc = "body" },
    FIELD_LATER("hosts"),
    FIELD_LATER("canonical_host"),
    FIELD_LATER("trusted_proxies"),
    FIELD_LATER("compress"),
    FIELD_LATER("security_headers"),
    FIELD_LATER("access_log"),
    FIELD_LATER("errors"),
    FIELD_LATER("tls"),
    FIELD_LATER("acme"),
};
const struct field_table stack_proxy_table = FIELD_TABLE(proxy_fields);

void decode_proxy(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)base;
    struct stack_proxy *p = &draft_of(ctx)->stack->proxy;
    struct proxy_draft pd = {
        .defaults = { .connect_timeout_ms = 5000,
                      .response_timeout_ms = 120000,
                      .idle_timeout_ms = 60000 },
        .body_max_bytes = (uint64_t)BODY_DEFAULT_MIB << 20,
    };
    if (field_decode(ctx, node, proxy_fields, ARRAY_LEN(proxy_fields), &pd) < 0)
        return;
    p->is_set = true;
    p->body_max_bytes = pd.body_max_bytes;
    if (!pd.routes)
        return;
    size_t mark = field_enter(ctx, "routes");
    for (size_t i = 0; i < pd.routes->item_count; i++) {
        const struct json *item = pd.routes->items[i];
        size_t inner = item->key ? field_enter(ctx, item->key) : field_enter_index(ctx, i);
        decode_route(ctx, item, &pd.defaults);
        field_leave(ctx, inner);
    }
    field_leave(ctx, mark);
}
