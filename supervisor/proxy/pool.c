#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "supervisor/proxy/worker.h"

/* Endpoints */

static bool is_same(const struct proxy_endpoint *a, const struct proxy_endpoint *b)
{
    return a->ipv4 == b->ipv4 && a->port == b->port && a->instance == b->instance;
}

static struct endpoint *endpoint_get(struct worker *w, const struct proxy_endpoint *id)
{
    struct endpoint *ep = w->endpoints;
    while (ep && !is_same(&ep->id, id))
        ep = ep->next;
    if (!ep) {
        ep = mem_alloc(sizeof(*ep));
        ep->next = w->endpoints;
        w->endpoints = ep;
    }
    ep->id = *id;
    ep->refs++;
    return ep;
}

/* Endpoints without references stay in the list until the next view: see sweep. */
void endpoint_put(struct endpoint *ep)
{
    if (ep)
        ep->refs--;
}

static void sweep(struct worker *w)
{
    struct endpoint **at = &w->endpoints;
    while (*at) {
        struct endpoint *ep = *at;
        if (ep->refs) {
            at = &ep->next;
        } else {
            *at = ep->next;
            free(ep);
        }
    }
}

void endpoint_failed(struct worker *w, struct endpoint *ep, const char *name, int errnum)
{
    struct proxy_report r = { .type = PROXY_REPORT_ENDPOINT, .errnum = errnum, .endpoint = ep->id };
    ep->penalty_until_ns = loop_now_ns(w->loop) + ENDPOINT_PENALTY_MS * 1000000ull;
    w->counters.upstream_failures++;
    (void)snprintf(r.name, sizeof(r.name), "%s", name);
    (void)proxy_control_report(w->control_fd, &r); /* a full channel: the next failure tells */
    worker_touch(w);
}

/* Views */

struct view *view_new(struct worker *w, struct proxy_table *owned_table)
{
    struct view *v = mem_alloc(sizeof(*v));
    v->table = owned_table;
    v->refs = 1;
    v->balances = mem_alloc(sizeof(*v->balances) * (owned_table->upstream_count + 1));
    for (size_t i = 0; i < owned_table->upstream_count; i++) {
        const struct proxy_upstream *u = &owned_table->upstreams[i];
        struct balance *b = &v->balances[i];
        b->count = u->endpoint_count;
        b->endpoints = mem_alloc(sizeof(struct endpoint *) * (b->count + 1));
        for (size_t n = 0; n < b->count; n++) {
            b->endpoints[n] = endpoint_get(w, &u->endpoints[n]);
            b->endpoints[n]->views++;
        }
        const struct proxy_upstream *old =
            w->view ? proxy_table_upstream(w->view->table, u->name) : NULL;
        if (old)
            b->next = w->view->balances[old - w->view->table->upstreams].next;
    }
    return v;
}

struct view *view_ref(struct view *v)
{
    v->refs++;
    return v;
}

void view_put(struct view *v)
{
    if (!v || --v->refs)
        return;
    for (size_t i = 0; i < v->table->upstream_count; i++) {
        for (size_t n = 0; n < v->balances[i].count; n++)
            endpoint_put(v->balances[i].endpoints[n]);
        free(v->balances[i].endpoints);
    }
    free(v->balances);
    proxy_table_free(v->table);
    free(v);
}

void view_retire(struct worker *w, struct view *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->table->upstream_count; i++) {
        for (size_t n = 0; n < v->balances[i].count; n++) {
            struct endpoint *ep = v->balances[i].endpoints[n];
            if (--ep->views)
                continue;
            while (ep->idle)
                upstream_close(ep->idle);
        }
    }
    view_put(v);
    sweep(w);
}

struct endpoint *balance_pick(struct worker *w, struct balance *b, uint64_t *tried)
{
    struct endpoint *second = NULL;
    size_t second_at = 0;
    for (size_t i = 0; i < b->count; i++) {
        size_t at = b->next + i < b->count ? b->next + i : (b->next + i) % b->count;
        if (at < 64 && (*tried >> at & 1))
            continue;
        struct endpoint *ep = b->endpoints[at];
        if (ep->penalty_until_ns > loop_now_ns(w->loop)) {
            if (!second) {
                second = ep;
                second_at = at;
            }
            continue;
        }
        second = ep;
        second_at = at;
        break;
    }
    if (!second)
        return NULL;
    b->next = second_at + 1 < b->count ? second_at + 1 : 0;
    if (second_at < 64)
        *tried |= 1ull << second_at;
    return second;
}

/* Connections */

int endpoint_connect(const struct endpoint *ep)
{
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(ep->id.port),
                              .sin_addr.s_addr = htonl(ep->id.ipv4) };
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
        return -1;
    return take_fd(&fd);
}

static void on_upstream(void *self, uint32_t events)
{
    struct upstream *u = self;
    if (u->x)
        exchange_upstream_event(u->x, events);
    else /* RFC 9112 9.3: bytes on an idle connection are no answer to anything */
        upstream_close(u);
}

static void on_idle_timeout(void *self)
{
    struct upstream *u = self;
    if (!u->x)
        upstream_close(u);
}

struct upstream *upstream_connect(struct worker *w, struct endpoint *ep)
{
    auto_fd int fd = endpoint_connect(ep);
    if (fd < 0)
        return NULL;
    struct upstream *u = calloc(1, sizeof(*u));
    struct err e;
    if (!u)
        return NULL;
    if (loop_add_fd(w->loop, &u->io, fd, EPOLLIN | EPOLLOUT, on_upstream, u, "upstream", &e) < 0) {
        free(u);
        errno = ENOMEM;
        return NULL;
    }
    (void)take_fd(&fd);
    loop_timer_init(&u->timer, on_idle_timeout, u, "upstream idle");
    u->w = w;
    u->endpoint = ep;
    ep->refs++;
    u->is_connecting = true;
    w->counters.upstream_connects++;
    return u;
}

static void unlink_idle(struct upstream *u)
{
    struct endpoint *ep = u->endpoint;
    if (u->prev)
        u->prev->next = u->next;
    else
        ep->idle = u->next;
    if (u->next)
        u->next->prev = u->prev;
    u->prev = u->next = NULL;
    ep->idle_count--;
    u->w->counters.upstream_idle_now--;
}

struct upstream *upstream_take(struct worker *w, struct endpoint *ep, bool checked)
{
    while (ep->idle) {
        struct upstream *u = ep->idle;
        char byte;
        if (checked &&
            (recv(u->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN)) {
            upstream_close(u);
            continue;
        }
        unlink_idle(u);
        u->is_reused = true;
        w->counters.upstream_reuses++;
        return u;
    }
    return NULL;
}

void upstream_release(struct upstream *u, uint32_t idle_ms)
{
    struct endpoint *ep = u->endpoint;
    if (!ep->views || ep->idle_count >= UPSTREAM_IDLE_COUNT || u->w->is_draining || !idle_ms) {
        upstream_close(u);
        return;
    }
    u->x = NULL;
    u->scan = (struct http_scan){ 0 };
    u->prev = NULL;
    u->next = ep->idle;
    if (ep->idle)
        ep->idle->prev = u;
    ep->idle = u;
    ep->idle_count++;
    u->w->counters.upstream_idle_now++;
    loop_set_events(u->w->loop, &u->io, EPOLLIN);
    loop_timer_in_ms(u->w->loop, &u->timer, idle_ms);
}

int upstream_keep(struct upstream *u, const char *data, size_t len)
{
    char *in = malloc(len);
    if (!in)
        return -1;
    u->in = memcpy(in, data, len);
    u->in_len = (uint32_t)len;
    return 0;
}

static void free_upstream(void *self)
{
    free(self);
}

static void end_upstream(struct upstream *u)
{
    if (!u->x && u->endpoint && (u->prev || u->endpoint->idle == u))
        unlink_idle(u);
    loop_remove_fd(u->w->loop, &u->io);
    loop_timer_cancel(u->w->loop, &u->timer);
    u->is_closed = true;
    u->x = NULL;
    free(u->in);
    u->in = NULL;
    loop_later(u->w->loop, free_upstream, u);
}

void upstream_close(struct upstream *u)
{
    if (!u || u->is_closed)
        return;
    int fd = u->io.fd;
    struct endpoint *ep = u->endpoint;
    end_upstream(u);
    fd_close(&fd);
    endpoint_put(ep);
}

int upstream_detach(struct upstream *u)
{
    int fd = u->io.fd;
    end_upstream(u);
    return fd;
}

void pool_close_idle(struct worker *w)
{
    for (struct endpoint *ep = w->endpoints; ep; ep = ep->next)
        while (ep->idle)
            upstream_close(ep->idle);
}
