#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "supervisor/proxy/worker.h"

/* Two sockets with bytes going both ways: an upgraded connection, or one of a TCP listener.
 *
 * Each direction ends by itself: the end of input on one side, once everything before it was
 * written, shuts the output of the other. What a side does not take is kept, and the other is not
 * read until it is gone. */
struct side {
    struct loop_fd io;
    struct tunnel *t;
    struct outgoing out; /* to this side */
    bool is_eof;         /* its input ended */
    bool is_shut;        /* its output ended */
};

struct tunnel {
    struct worker *w;
    struct tunnel *prev, *next;
    struct side client, upstream;
    struct loop_timer timer;
    struct endpoint *endpoint;
    struct record *rec;
    uint64_t deadline_ns;
    uint32_t timeout_ms;
    bool is_closed;
    /* a TCP listener's, until connected */
    bool is_connecting;
    struct view *view;
    const struct proxy_upstream *target;
    uint64_t tried;
    uint8_t tries;
};

enum {
    TCP_CONNECT_MS = 5000,
    TCP_IDLE_MS = 24 * 3600 * 1000, /* as good as none: keep-alive probes are the endpoints' */
};

static void connect_next(struct tunnel *t);

static void free_tunnel(void *self)
{
    free(self);
}

static void close_tunnel(struct tunnel *t, const char *cause)
{
    struct worker *w = t->w;
    struct side *sides[] = { &t->client, &t->upstream };
    if (t->is_closed)
        return;
    t->is_closed = true;
    for (size_t i = 0; i < 2; i++) {
        int fd = sides[i]->io.fd;
        loop_remove_fd(w->loop, &sides[i]->io);
        fd_close(&fd);
        outgoing_done(&sides[i]->out);
    }
    loop_timer_cancel(w->loop, &t->timer);
    if (t->prev)
        t->prev->next = t->next;
    else
        w->tunnels = t->next;
    if (t->next)
        t->next->prev = t->prev;
    endpoint_put(t->endpoint);
    view_put(t->view);
    if (t->rec && cause)
        t->rec->cause = cause;
    record_end(w, t->rec);
    loop_later(w->loop, free_tunnel, t);
    w->counters.tunnels_now--;
    worker_touch(w);
    worker_connection_ended(w);
}

void tunnels_close(struct worker *w)
{
    while (w->tunnels)
        close_tunnel(w->tunnels, "drain");
}

static struct side *other(struct side *s)
{
    return s == &s->t->client ? &s->t->upstream : &s->t->client;
}

static void set_deadline(struct tunnel *t, uint64_t ms)
{
    t->deadline_ns = loop_now_ns(t->w->loop) + ms * 1000000u;
    if (!t->timer.heap_index || t->timer.deadline_ns > t->deadline_ns)
        loop_timer_set(t->w->loop, &t->timer, t->deadline_ns);
}

static void update_interest(struct side *s)
{
    bool reads = !s->is_eof && outgoing_is_empty(&other(s)->out) && !s->t->is_connecting;
    loop_set_events(s->t->w->loop, &s->io,
                    (reads ? EPOLLIN : 0u) | (outgoing_is_empty(&s->out) ? 0u : EPOLLOUT));
}

/* Passes on the end of input when nothing is left before it. */
static void pass_end(struct side *to)
{
    if (!other(to)->is_eof || to->is_shut || !outgoing_is_empty(&to->out))
        return;
    to->is_shut = true;
    (void)shutdown(to->io.fd, SHUT_WR);
}

/* False: the tunnel is closed. */
static bool settle(struct tunnel *t)
{
    pass_end(&t->client);
    pass_end(&t->upstream);
    if (t->client.is_shut && t->upstream.is_shut) {
        close_tunnel(t, NULL);
        return false;
    }
    update_interest(&t->client);
    update_interest(&t->upstream);
    return true;
}

static bool read_side(struct side *s)
{
    struct tunnel *t = s->t;
    struct worker *w = t->w;
    struct side *to = other(s);
    for (int i = 0; i < READS_PER_EVENT && outgoing_is_empty(&to->out); i++) {
        ssize_t n = recv(s->io.fd, w->scratch, SCRATCH_BYTES, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) {
            close_tunnel(t, s == &t->client ? "client closed" : "upstream closed");
            return false;
        }
        if (n == 0) {
            s->is_eof = true;
            break;
        }
        struct iovec piece = { w->scratch, (size_t)n };
        size_t sent;
        if (outgoing_write(&to->out, to->io.fd, &piece, 1, &sent) < 0) {
            close_tunnel(t, to == &t->client ? "client closed" : "upstream closed");
            return false;
        }
        if (to == &t->client) {
            t->rec->bytes_out += (uint64_t)n;
            w->counters.bytes_out += (uint64_t)n;
        } else {
            w->counters.bytes_in += (uint64_t)n;
        }
        if (n < SCRATCH_BYTES)
            break;
    }
    set_deadline(t, t->timeout_ms);
    return true;
}

static void connected(struct tunnel *t, uint32_t events)
{
    int errnum = 0;
    socklen_t size = sizeof(errnum);
    (void)getsockopt(t->upstream.io.fd, SOL_SOCKET, SO_ERROR, &errnum, &size);
    if (errnum || !(events & EPOLLOUT)) {
        int fd = t->upstream.io.fd;
        loop_remove_fd(t->w->loop, &t->upstream.io);
        fd_close(&fd);
        endpoint_failed(t->w, t->endpoint, t->target->name, errnum ? errnum : ECONNREFUSED);
        endpoint_put(t->endpoint);
        t->endpoint = NULL;
        connect_next(t);
        return;
    }
    t->is_connecting = false;
    set_deadline(t, t->timeout_ms);
    (void)settle(t);
}

static void on_side(void *self, uint32_t events)
{
    struct side *s = self;
    struct tunnel *t = s->t;
    if (t->is_connecting && s == &t->upstream) {
        connected(t, events);
        return;
    }
    /* HUP while input is still to be read: the reads come first, then their end. */
    if ((events & EPOLLERR) || ((events & EPOLLHUP) && !(events & EPOLLIN))) {
        close_tunnel(t, s == &t->client ? "client closed" : "upstream closed");
        return;
    }
    if ((events & EPOLLOUT) && outgoing_flush(&s->out, s->io.fd) < 0) {
        close_tunnel(t, s == &t->client ? "client closed" : "upstream closed");
        return;
    }
    if (events & EPOLLOUT)
        set_deadline(t, t->timeout_ms);
    if ((events & EPOLLIN) && !read_side(s))
        return;
    (void)settle(t);
}

static void on_timer(void *self)
{
    struct tunnel *t = self;
    if (t->deadline_ns > loop_now_ns(t->w->loop)) {
        loop_timer_set(t->w->loop, &t->timer, t->deadline_ns);
        return;
    }
    if (t->is_connecting)
        connected(t, 0);
    else
        close_tunnel(t, "idle");
}

static struct tunnel *new_tunnel(struct worker *w, struct record *rec)
{
    struct tunnel *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->w = w;
    t->rec = rec;
    t->client.t = t->upstream.t = t;
    t->client.io.fd = t->upstream.io.fd = -1;
    loop_timer_init(&t->timer, on_timer, t, "tunnel");
    t->next = w->tunnels;
    if (w->tunnels)
        w->tunnels->prev = t;
    w->tunnels = t;
    w->counters.tunnels_now++;
    worker_touch(w);
    return t;
}

static bool add_side(struct side *s, int owned_fd, uint32_t events, const char *name)
{
    struct err e;
    if (loop_add_fd(s->t->w->loop, &s->io, owned_fd, events, on_side, s, name, &e) == 0)
        return true;
    fd_close(&owned_fd);
    return false;
}

void tunnel_start(struct worker *w, int client_fd, int upstream_fd, struct endpoint *endpoint,
                  uint32_t timeout_ms, struct record *owned_rec, struct outgoing to_client,
                  struct outgoing to_upstream)
{
    struct tunnel *t = new_tunnel(w, owned_rec);
    if (!t) {
        fd_close(&client_fd);
        fd_close(&upstream_fd);
        outgoing_done(&to_client);
        outgoing_done(&to_upstream);
        endpoint_put(endpoint);
        record_end(w, owned_rec);
        return;
    }
    t->endpoint = endpoint;
    t->timeout_ms = timeout_ms;
    t->client.out = to_client;
    t->upstream.out = to_upstream;
    bool is_added = add_side(&t->client, client_fd, EPOLLIN, "tunnel client");
    if (!add_side(&t->upstream, upstream_fd, EPOLLIN, "tunnel upstream") || !is_added) {
        close_tunnel(t, "out of memory");
        return;
    }
    set_deadline(t, timeout_ms);
    if (outgoing_flush(&t->upstream.out, upstream_fd) < 0)
        close_tunnel(t, "upstream closed");
    else
        (void)settle(t);
}

/* TCP listeners */

static void connect_next(struct tunnel *t)
{
    struct worker *w = t->w;
    struct balance *b = &t->view->balances[t->target - t->view->table->upstreams];
    for (; t->tries < ENDPOINT_TRIES_MAX; t->tries++) {
        struct endpoint *ep = balance_pick(w, b, &t->tried);
        if (!ep)
            break;
        int fd = endpoint_connect(ep);
        if (fd < 0) {
            endpoint_failed(w, ep, t->target->name, errno);
            continue;
        }
        if (!add_side(&t->upstream, fd, EPOLLOUT, "tunnel upstream"))
            break;
        t->tries++;
        ep->refs++;
        t->endpoint = ep;
        t->rec->endpoint = ep->id;
        t->is_connecting = true;
        set_deadline(t, TCP_CONNECT_MS);
        return;
    }
    close_tunnel(t, b->count ? "connect failed" : "no endpoint");
}

void tunnel_accept(struct worker *w, int owned_fd, const char *address, const char *upstream)
{
    const struct proxy_upstream *target = proxy_table_upstream(w->view->table, upstream);
    struct record *rec = record_new_tcp(w, address, upstream);
    struct tunnel *t = rec ? new_tunnel(w, rec) : NULL;
    if (!t) {
        free(rec);
        fd_close(&owned_fd);
        return;
    }
    w->counters.tcp_relays++;
    t->timeout_ms = TCP_IDLE_MS;
    t->view = view_ref(w->view);
    t->target = target;
    if (!add_side(&t->client, owned_fd, 0, "tunnel client") || !target)
        close_tunnel(t, "no endpoint");
    else
        connect_next(t);
}
