#include "supervisor/proxy/table.h"

#include <string.h>

/* The binary form: little-endian numbers, strings as length and bytes with a NUL counted in
 * neither. magic, version, generation, upstreams (name, service, why, endpoints), routes. */
enum {
    TABLE_MAGIC = 0x54435653, /* "SVCT" */
    TABLE_VERSION = 1,
    SEGMENTS_MAX = 64, /* of a route's path: bounds the work of one lookup */
};

/* Encoding */

static void put_u32(struct buf *b, uint32_t n)
{
    unsigned char bytes[4];
    for (size_t i = 0; i < sizeof(bytes); i++, n >>= 8)
        bytes[i] = (unsigned char)n;
    (void)buf_add(b, bytes, sizeof(bytes));
}

static void put_u64(struct buf *b, uint64_t n)
{
    put_u32(b, (uint32_t)n);
    put_u32(b, (uint32_t)(n >> 32));
}

static void put_text(struct buf *b, const char *s)
{
    size_t len = s ? strlen(s) : 0;
    put_u32(b, (uint32_t)len);
    (void)buf_add(b, s, len);
}

static size_t count_segments(const char *path)
{
    size_t n = 0;
    for (; *path; path++)
        n += *path == '/';
    return n;
}

static bool is_too_long(const char *s)
{
    return s && strlen(s) > PROXY_TEXT_MAX;
}

static int check_route(const struct proxy_table *t, size_t i, struct err *e)
{
    const struct proxy_route *r = &t->routes[i];
    if (r->kind >= PROXY_ROUTE_KIND_COUNT_)
        return err_input(e, "route %zu: unknown kind %d", i, (int)r->kind);
    if (!r->path || r->path[0] != '/' || is_too_long(r->path))
        return err_input(e, "route %zu: the path does not begin with '/' or is too long", i);
    if (count_segments(r->path) > SEGMENTS_MAX)
        return err_input(e, "route %zu: the path has more than %d segments", i, SEGMENTS_MAX);
    if (is_too_long(r->host) || is_too_long(r->index))
        return err_input(e, "route %zu: a text is too long", i);
    if (r->kind == PROXY_ROUTE_UPSTREAM && r->upstream >= t->upstream_count)
        return err_input(e, "route %zu: there is no upstream %u", i, r->upstream);
    return 0;
}

static int check_table(const struct proxy_table *t, struct err *e)
{
    size_t endpoints = 0;
    if (t->upstream_count > PROXY_UPSTREAMS_MAX || t->route_count > PROXY_ROUTES_MAX)
        return err_input(e,
                         "the proxy table has %zu upstreams and %zu routes, at most %d and %d fit",
                         t->upstream_count, t->route_count, PROXY_UPSTREAMS_MAX, PROXY_ROUTES_MAX);
    for (size_t i = 0; i < t->upstream_count; i++) {
        const struct proxy_upstream *u = &t->upstreams[i];
        if (!u->name || !u->name[0] || is_too_long(u->name) || is_too_long(u->service) ||
            is_too_long(u->why))
            return err_input(e, "upstream %zu: a text is missing or too long", i);
        endpoints += u->endpoint_count;
    }
    if (endpoints > PROXY_ENDPOINTS_MAX)
        return err_input(e, "the proxy table has %zu endpoints, at most %d fit", endpoints,
                         PROXY_ENDPOINTS_MAX);
    for (size_t i = 0; i < t->route_count; i++)
        if (check_route(t, i, e) < 0)
            return -1;
    return 0;
}

static void put_upstream(struct buf *out, const struct proxy_upstream *u)
{
    put_text(out, u->name);
    put_text(out, u->service);
    put_text(out, u->why);
    put_u32(out, (uint32_t)u->endpoint_count);
    for (size_t i = 0; i < u->endpoint_count; i++) {
        put_u32(out, u->endpoints[i].ipv4);
        put_u32(out, (uint32_t)u->endpoints[i].port << 16 | u->endpoints[i].replica);
        put_u64(out, u->endpoints[i].instance);
    }
}

static void put_route(struct buf *out, const struct proxy_route *r)
{
    put_u32(out, (uint32_t)r->kind | (uint32_t)r->is_exact << 8 | (uint32_t)r->strip_prefix << 9);
    put_text(out, r->host);
    put_text(out, r->path);
    put_u32(out, r->kind == PROXY_ROUTE_UPSTREAM ? r->upstream : r->dir_id);
    put_text(out, r->index);
    put_u32(out, r->max_age_s);
    put_u32(out, r->connect_timeout_ms);
    put_u32(out, r->response_timeout_ms);
    put_u32(out, r->idle_timeout_ms);
    put_u32(out, r->tunnel_timeout_ms);
    put_u64(out, r->body_max_bytes);
}

int proxy_table_encode(const struct proxy_table *t, struct buf *out, struct err *e)
{
    if (check_table(t, e) < 0)
        return -1;
    put_u32(out, TABLE_MAGIC);
    put_u32(out, TABLE_VERSION);
    put_u64(out, t->generation);
    put_u32(out, (uint32_t)t->upstream_count);
    for (size_t i = 0; i < t->upstream_count; i++)
        put_upstream(out, &t->upstreams[i]);
    put_u32(out, (uint32_t)t->route_count);
    for (size_t i = 0; i < t->route_count; i++)
        put_route(out, &t->routes[i]);
    if (out->overflow)
        return err_input(e, "the proxy table is larger than %zu bytes", out->limit_bytes);
    return 0;
}

/* Decoding */

struct reader {
    const unsigned char *data;
    size_t len, at;
    bool is_bad; /* sticky: one check at the end of each part is enough */
    struct arena *arena;
};

static uint32_t get_u32(struct reader *r)
{
    if (r->is_bad || r->len - r->at < 4) {
        r->is_bad = true;
        return 0;
    }
    const unsigned char *p = r->data + r->at;
    r->at += 4;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(struct reader *r)
{
    uint64_t low = get_u32(r);
    return low | (uint64_t)get_u32(r) << 32;
}

/* Never NULL. A NUL inside would make two readers see two strings. */
static const char *get_text(struct reader *r)
{
    uint32_t len = get_u32(r);
    if (r->is_bad || len > PROXY_TEXT_MAX || r->len - r->at < len ||
        memchr(r->data + r->at, '\0', len)) {
        r->is_bad = true;
        return "";
    }
    const char *s = arena_strndup(r->arena, (const char *)r->data + r->at, len);
    r->at += len;
    return s;
}

/* A count of things that take at least BYTES each: more than could follow is not believed. */
static size_t get_count(struct reader *r, size_t max, size_t bytes)
{
    uint32_t n = get_u32(r);
    if (n > max || n > (r->len - r->at) / bytes)
        r->is_bad = true;
    return r->is_bad ? 0 : n;
}

static void get_upstream(struct reader *r, struct proxy_upstream *u)
{
    u->name = get_text(r);
    u->service = get_text(r);
    u->why = get_text(r);
    u->endpoint_count = get_count(r, PROXY_ENDPOINTS_MAX, 16);
    u->endpoints = arena_alloc(r->arena, sizeof(*u->endpoints) * (u->endpoint_count + 1));
    for (size_t i = 0; i < u->endpoint_count; i++) {
        u->endpoints[i].ipv4 = get_u32(r);
        uint32_t both = get_u32(r);
        u->endpoints[i].port = (uint16_t)(both >> 16);
        u->endpoints[i].replica = (uint16_t)both;
        u->endpoints[i].instance = get_u64(r);
    }
}

static void get_route(struct reader *r, struct proxy_route *to)
{
    uint32_t flags = get_u32(r);
    to->kind = flags & 0xff;
    to->is_exact = flags >> 8 & 1;
    to->strip_prefix = flags >> 9 & 1;
    to->host = get_text(r);
    to->path = get_text(r);
    uint32_t target = get_u32(r);
    to->upstream = to->kind == PROXY_ROUTE_UPSTREAM ? target : 0;
    to->dir_id = to->kind == PROXY_ROUTE_FILES ? target : 0;
    to->index = get_text(r);
    to->max_age_s = get_u32(r);
    to->connect_timeout_ms = get_u32(r);
    to->response_timeout_ms = get_u32(r);
    to->idle_timeout_ms = get_u32(r);
    to->tunnel_timeout_ms = get_u32(r);
    to->body_max_bytes = get_u64(r);
}

static void get_table(struct reader *r, struct proxy_table *t)
{
    if (get_u32(r) != TABLE_MAGIC || get_u32(r) != TABLE_VERSION)
        r->is_bad = true;
    t->generation = get_u64(r);
    t->upstream_count = get_count(r, PROXY_UPSTREAMS_MAX, 16);
    t->upstreams = arena_alloc(r->arena, sizeof(*t->upstreams) * (t->upstream_count + 1));
    for (size_t i = 0; i < t->upstream_count && !r->is_bad; i++)
        get_upstream(r, &t->upstreams[i]);
    t->route_count = get_count(r, PROXY_ROUTES_MAX, 48);
    t->routes = arena_alloc(r->arena, sizeof(*t->routes) * (t->route_count + 1));
    for (size_t i = 0; i < t->route_count && !r->is_bad; i++)
        get_route(r, &t->routes[i]);
    if (r->at != r->len)
        r->is_bad = true;
}

/* The index: one open-addressing table from (host group, exact or prefix, path) to a route. */

struct proxy_index {
    const char **hosts; /* group n is hosts[n - 1]; group 0: any host */
    size_t host_count;
    uint32_t *slots;  /* route + 1, 0: free */
    uint32_t *groups; /* by route */
    size_t mask;
};

static const uint64_t FNV_START = 0xcbf29ce484222325u;

static uint64_t hash_add(uint64_t h, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    return h;
}

static uint64_t hash_start(uint32_t group, bool is_exact)
{
    return (FNV_START ^ (group * 2 + is_exact)) * 0x9e3779b97f4a7c15u;
}

static size_t slot_of(const struct proxy_index *x, uint64_t hash)
{
    return (size_t)(hash ^ hash >> 29) & x->mask;
}

/* A prefix is kept and compared without the slash at its end. */
static size_t key_length(const struct proxy_route *r)
{
    size_t len = strlen(r->path);
    while (!r->is_exact && len && r->path[len - 1] == '/')
        len--;
    return len;
}

static const struct proxy_route *find_key(const struct proxy_table *t, uint32_t group,
                                          bool is_exact, const char *path, size_t len,
                                          uint64_t hash)
{
    const struct proxy_index *x = t->index;
    for (size_t at = slot_of(x, hash);; at = (at + 1) & x->mask) {
        if (!x->slots[at])
            return NULL;
        const struct proxy_route *r = &t->routes[x->slots[at] - 1];
        if (x->groups[x->slots[at] - 1] == group && r->is_exact == is_exact &&
            key_length(r) == len && memcmp(r->path, path, len) == 0)
            return r;
    }
}

static uint32_t group_of(const struct proxy_index *x, const char *host, size_t len)
{
    for (size_t i = 0; i < x->host_count; i++)
        if (strlen(x->hosts[i]) == len && memcmp(x->hosts[i], host, len) == 0)
            return (uint32_t)i + 1;
    return 0;
}

static void add_route(struct proxy_table *t, struct proxy_index *x, size_t i)
{
    struct proxy_route *r = &t->routes[i];
    uint32_t group = r->host[0] ? group_of(x, r->host, strlen(r->host)) : 0;
    if (r->host[0] && !group) {
        x->hosts[x->host_count++] = r->host;
        group = (uint32_t)x->host_count;
    }
    x->groups[i] = group;
    size_t len = key_length(r);
    uint64_t hash = hash_add(hash_start(group, r->is_exact), r->path, len);
    if (find_key(t, group, r->is_exact, r->path, len, hash))
        return; /* the first of two equal routes wins */
    size_t at = slot_of(x, hash);
    while (x->slots[at])
        at = (at + 1) & x->mask;
    x->slots[at] = (uint32_t)i + 1;
}

static void build_index(struct proxy_table *t)
{
    struct proxy_index *x = arena_alloc(&t->arena, sizeof(*x));
    size_t size = 16;
    while (size < t->route_count * 2)
        size *= 2;
    x->mask = size - 1;
    x->slots = arena_alloc(&t->arena, sizeof(*x->slots) * size);
    x->groups = arena_alloc(&t->arena, sizeof(*x->groups) * (t->route_count + 1));
    x->hosts = arena_alloc(&t->arena, sizeof(*x->hosts) * (t->route_count + 1));
    t->index = x;
    for (size_t i = 0; i < t->route_count; i++)
        add_route(t, x, i);
}

int proxy_table_decode(const void *data, size_t len, struct proxy_table **out, struct err *e)
{
    auto_(proxy_table_free) struct proxy_table *t = mem_alloc(sizeof(*t));
    if (len > PROXY_TABLE_MAX)
        return err_input(e, "the proxy table is larger than %d bytes", PROXY_TABLE_MAX);
    struct reader r = { .data = data, .len = len, .arena = &t->arena };
    get_table(&r, t);
    if (r.is_bad)
        return err_input(e, "the proxy table is malformed near byte %zu of %zu", r.at, r.len);
    if (check_table(t, e) < 0)
        return -1;
    build_index(t);
    *out = take_ptr(t);
    return 0;
}

void proxy_table_free(struct proxy_table *t)
{
    if (!t)
        return;
    arena_done(&t->arena);
    free(t);
}

/* Lookup */

static const struct proxy_route *find_in_group(const struct proxy_table *t, uint32_t group,
                                               const char *path, size_t len)
{
    const struct proxy_route *r =
        find_key(t, group, true, path, len, hash_add(hash_start(group, true), path, len));
    if (r)
        return r;
    /* Hashes of "", "/a", "/a/b", … in one pass, then looked up from the longest. */
    size_t ends[SEGMENTS_MAX + 1], count = 0, start = 0;
    uint64_t hashes[SEGMENTS_MAX + 1], hash = hash_start(group, false);
    for (size_t i = 0; i <= len && count <= SEGMENTS_MAX; i++) {
        if (i < len && path[i] != '/')
            continue;
        hash = hash_add(hash, path + start, i - start);
        start = i;
        ends[count] = i;
        hashes[count++] = hash;
    }
    while (count--) {
        size_t n = ends[count];
        if (n && path[n - 1] == '/') /* "/a/": the same as "/a", which comes next */
            continue;
        r = find_key(t, group, false, path, n, hashes[count]);
        if (r)
            return r;
    }
    return NULL;
}

const struct proxy_route *proxy_table_find(const struct proxy_table *t, const char *host,
                                           size_t host_len, const char *path, size_t path_len)
{
    const struct proxy_index *x = t->index;
    char wildcard[PROXY_TEXT_MAX > 512 ? 512 : PROXY_TEXT_MAX];
    const struct proxy_route *r = NULL;
    if (x->host_count && host_len && host_len < sizeof(wildcard) - 2) {
        uint32_t group = group_of(x, host, host_len);
        r = group ? find_in_group(t, group, path, path_len) : NULL;
        wildcard[0] = '*';
        for (size_t i = 0; !r && i < host_len; i++) {
            if (host[i] != '.')
                continue;
            memcpy(wildcard + 1, host + i, host_len - i);
            group = group_of(x, wildcard, host_len - i + 1);
            r = group ? find_in_group(t, group, path, path_len) : NULL;
        }
    }
    return r ? r : find_in_group(t, 0, path, path_len);
}

const struct proxy_upstream *proxy_table_upstream(const struct proxy_table *t, const char *name)
{
    for (size_t i = 0; i < t->upstream_count; i++)
        if (strcmp(t->upstreams[i].name, name) == 0)
            return &t->upstreams[i];
    return NULL;
}
