#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "supervisor/http/target.h"
#include "supervisor/proxy/worker.h"

static void on_client(void *self, uint32_t events);
static void on_client_timer(void *self);

/* The list of all clients: those without a request at the front, the longest idle first. */

static void unlink_client(struct worker *w, struct client *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        w->clients_head = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        w->clients_tail = c->prev;
    c->prev = c->next = NULL;
}

static void append_client(struct worker *w, struct client *c)
{
    c->prev = w->clients_tail;
    c->next = NULL;
    if (w->clients_tail)
        w->clients_tail->next = c;
    else
        w->clients_head = c;
    w->clients_tail = c;
}

static bool is_idle(const struct client *c)
{
    return c->state == CLIENT_HEAD && c->in_len == 0;
}

bool client_evict(struct worker *w)
{
    for (struct client *c = w->clients_head; c; c = c->next) {
        if (is_idle(c)) {
            client_close(c);
            return true;
        }
    }
    return false;
}

void client_accept(struct worker *w, int owned_fd, const char *address)
{
    struct err e;
    struct client *c = calloc(1, sizeof(*c));
    if (!c || loop_add_fd(w->loop, &c->io, owned_fd, EPOLLIN, on_client, c, "client", &e) < 0) {
        free(c);
        fd_close(&owned_fd);
        return;
    }
    loop_timer_init(&c->timer, on_client_timer, c, "client");
    c->w = w;
    c->idle_ms = IDLE_TIMEOUT_MS;
    (void)snprintf(c->address, sizeof(c->address), "%s", address);
    append_client(w, c);
    w->counters.connections++;
    w->counters.connections_now++;
    client_set_deadline_ms(c, FIRST_TIMEOUT_MS);
    worker_touch(w);
}

/* The timer is lazy: moving a deadline later costs nothing, the old expiry re-arms. */
void client_set_deadline_ms(struct client *c, uint64_t ms)
{
    c->deadline_ns = ms ? loop_now_ns(c->w->loop) + ms * 1000000u : 0;
    if (ms && (!c->timer.heap_index || c->timer.deadline_ns > c->deadline_ns))
        loop_timer_set(c->w->loop, &c->timer, c->deadline_ns);
}

void client_want(struct client *c, bool in, bool out)
{
    loop_set_events(c->w->loop, &c->io, (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u));
}

int client_keep(struct client *c, const char *data, size_t len)
{
    if (len == 0)
        return 0;
    char *in = malloc(c->in_len + len);
    if (!in)
        return -1;
    if (c->in_len)
        memcpy(in, c->in, c->in_len);
    memcpy(in + c->in_len, data, len);
    free(c->in);
    c->in = in;
    c->in_len += (uint32_t)len;
    return 0;
}

void client_consume(struct client *c, size_t len)
{
    c->in_len -= (uint32_t)len;
    if (c->in_len) {
        memmove(c->in, c->in + len, c->in_len);
    } else {
        free(c->in);
        c->in = NULL;
    }
}

static void free_client(void *self)
{
    free(self);
}

static void end_client(struct client *c)
{
    struct worker *w = c->w;
    c->state = CLIENT_CLOSED;
    loop_timer_cancel(w->loop, &c->timer);
    unlink_client(w, c);
    free(c->in);
    c->in = NULL;
    c->in_len = 0;
    outgoing_done(&c->out);
    loop_later(w->loop, free_client, c);
    w->counters.connections_now--;
    worker_connection_ended(w);
}

void client_close(struct client *c)
{
    if (c->state == CLIENT_CLOSED)
        return;
    int fd = c->io.fd;
    loop_remove_fd(c->w->loop, &c->io);
    struct exchange *x = c->x;
    struct file_send *file = c->file;
    c->x = NULL;
    c->file = NULL;
    end_client(c);
    fd_close(&fd);
    if (x)
        exchange_client_gone(x);
    if (file)
        file_send_abort(file);
}

int client_detach(struct client *c)
{
    int fd = c->io.fd;
    loop_remove_fd(c->w->loop, &c->io);
    c->x = NULL;
    end_client(c);
    return fd;
}

void clients_close_idle(struct worker *w)
{
    struct client *next;
    for (struct client *c = w->clients_head; c; c = next) {
        next = c->next;
        if (is_idle(c))
            client_close(c);
        else
            c->closes_after = true;
    }
}

/* Ending */

static void begin_linger(struct client *c)
{
    (void)shutdown(c->io.fd, SHUT_WR);
    if (c->is_eof) {
        client_close(c);
        return;
    }
    c->state = CLIENT_LINGER;
    client_set_deadline_ms(c, LINGER_MS);
    client_want(c, true, false);
}

/* Everything of an answer is with the kernel. */
static void after_flush(struct client *c)
{
    if (c->closes_after || c->w->is_draining || (c->is_eof && c->in_len == 0)) {
        /* Closing while input is unread makes the kernel send a reset, which can destroy the
         * answer on its way: RFC 9112 9.6. */
        if (c->must_linger || c->in_len)
            begin_linger(c);
        else
            client_close(c);
        return;
    }
    c->state = CLIENT_HEAD;
    client_set_deadline_ms(c, c->idle_ms);
    unlink_client(c->w, c);
    append_client(c->w, c);
    client_want(c, true, false);
}

static void process(struct client *c);

void client_answered(struct client *c)
{
    if (c->state == CLIENT_CLOSED)
        return;
    c->x = NULL;
    c->file = NULL;
    if (!outgoing_is_empty(&c->out)) {
        c->state = CLIENT_FLUSH;
        client_set_deadline_ms(c, STALL_TIMEOUT_MS);
        client_want(c, false, true);
        return;
    }
    after_flush(c);
    if (c->state == CLIENT_HEAD && c->in_len && !c->is_processing)
        process(c);
}

/* A request */

/* OPTIONS *: about the server, not about any resource of an upstream. */
static void answer_options(struct client *c, const struct http_request *r, struct record *rec)
{
    reply_send(c,
               &(struct reply){ .status = 204,
                                .allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
                                .keep_alive = r->head.keep_alive },
               rec);
}

static void answer_error(struct client *c, const struct http_request *r, unsigned status,
                         const char *cause, const char *text, struct record *rec)
{
    reply_send(c,
               &(struct reply){
                   .status = status,
                   .cause = cause,
                   .text = text,
                   .wants_html = reply_wants_html(r),
                   .is_head = r->method == HTTP_HEAD,
                   .allow = status == 405 ? "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" : NULL,
                   .keep_alive = r->head.keep_alive,
               },
               rec);
}

struct location {
    char path[PATH_BYTES];
    char host[HTTP_HOST_MAX];
    long path_len, host_len;
};

/* NULL: *status says why not. */
static const struct proxy_route *find_route(struct worker *w, const struct http_request *r,
                                            struct location *l, unsigned *status)
{
    const struct proxy_table *t = w->view->table;
    *status = 400;
    l->path_len = http_path_normalise(r->path, false, l->path, sizeof(l->path));
    l->host_len = http_host_name(r->host, l->host, sizeof(l->host));
    if (l->path_len < 0 || l->host_len < 0)
        return NULL;
    const struct proxy_route *route =
        proxy_table_find(t, l->host, (size_t)l->host_len, l->path, (size_t)l->path_len);
    if (http_path_has_encoded_slash(r->path)) {
        /* Whether %2F is a slash is the upstream's decision: allowed where it changes nothing. */
        char kept[PATH_BYTES];
        long n = http_path_normalise(r->path, true, kept, sizeof(kept));
        if (n < 0 || proxy_table_find(t, l->host, (size_t)l->host_len, kept, (size_t)n) != route)
            return NULL;
    }
    *status = 404;
    return route;
}

static void handle_request(struct client *c, struct http_request *r)
{
    struct worker *w = c->w;
    struct location l;
    unsigned status;
    struct record *rec = record_new(w, c->address, r);
    if (!rec) {
        client_close(c);
        return;
    }
    w->counters.requests++;
    worker_touch(w);
    if (r->method == HTTP_TRACE) {
        answer_error(c, r, 405, "method", "TRACE is not answered here.", rec);
        return;
    }
    if (http_text_eq(r->path, "*")) {
        answer_options(c, r, rec);
        return;
    }
    const struct proxy_route *route = find_route(w, r, &l, &status);
    if (!route) {
        answer_error(c, r, status, status == 404 ? "no route" : "path",
                     status == 404 ? "No route of this stack matches this host and path."
                                   : "The path of the request is malformed.",
                     rec);
        return;
    }
    if (route->idle_timeout_ms)
        c->idle_ms = route->idle_timeout_ms;
    if (route->body_max_bytes && r->head.content_length > route->body_max_bytes) {
        answer_error(c, r, 413, "body limit", "The request body is larger than this route allows.",
                     rec);
        return;
    }
    if (route->kind == PROXY_ROUTE_FILES) {
        files_answer(c, route, r, l.path, (size_t)l.path_len, rec);
        return;
    }
    exchange_start(c, &(struct exchange_start){ .route = route,
                                                .request = r,
                                                .path = l.path,
                                                .path_len = (size_t)l.path_len,
                                                .record = rec,
                                                .is_path_plain = http_path_is_plain(r->path) });
}

/* DATA begins with a head or a part of one; nothing of it is in c->in. */
static void take_head(struct client *c, const char *data, size_t len)
{
    struct worker *w = c->w;
    struct http_request *r = &w->request;
    enum http_error error;
    size_t seen = c->scan.seen;
    switch (http_parse_request(data, len, &c->scan, r, &error)) {
    case HTTP_PARSE_MORE:
        if (client_keep(c, data, len) < 0) {
            client_close(c);
            return;
        }
        if (seen == 0) /* absolute: bytes that trickle in do not move it */
            client_set_deadline_ms(c, HEAD_TIMEOUT_MS);
        return;
    case HTTP_PARSE_ERROR:
        w->counters.bad_requests++;
        c->must_linger = true;
        reply_error(c, error);
        return;
    case HTTP_PARSE_DONE: break;
    }
    c->state = CLIENT_BUSY;
    c->must_linger = false;
    c->closes_after = !r->head.keep_alive;
    if (client_keep(c, data + r->head.head_bytes, len - r->head.head_bytes) < 0) {
        client_close(c);
        return;
    }
    /* An answer of our own does not read the body: then what follows is no next request. */
    bool has_body = r->head.framing == HTTP_BODY_CHUNKED || r->head.content_length > 0;
    c->must_linger = has_body;
    handle_request(c, r);
}

/* The requests that are in c->in already. */
static void process(struct client *c)
{
    c->is_processing = true;
    while (c->state == CLIENT_HEAD && c->in_len) {
        struct worker *w = c->w;
        size_t len = c->in_len;
        memcpy(w->scratch, c->in, len);
        client_consume(c, len);
        c->scan = (struct http_scan){ 0 };
        take_head(c, w->scratch, len);
        if (c->state == CLIENT_HEAD && c->in_len && c->scan.seen)
            break; /* an incomplete head */
    }
    c->is_processing = false;
}

static void read_head(struct client *c)
{
    struct worker *w = c->w;
    size_t have = c->in_len;
    if (have)
        memcpy(w->scratch, c->in, have);
    ssize_t n = recv(c->io.fd, w->scratch + have, SCRATCH_BYTES - have, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_close(c);
        return;
    }
    w->counters.bytes_in += (uint64_t)n;
    client_consume(c, have);
    c->is_processing = true;
    take_head(c, w->scratch, have + (size_t)n);
    c->is_processing = false;
    if (c->state == CLIENT_HEAD && c->in_len && !c->scan.seen)
        process(c);
}

static void throw_away(struct client *c)
{
    ssize_t n = recv(c->io.fd, c->w->scratch, SCRATCH_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        c->linger_bytes += (uint32_t)n;
        c->w->counters.bytes_in += (uint64_t)n;
    }
    if (n <= 0 || c->linger_bytes > LINGER_BYTES)
        client_close(c);
}

static void on_writable(struct client *c)
{
    size_t before = c->out.len - c->out.at;
    if (outgoing_flush(&c->out, c->io.fd) < 0) {
        client_close(c);
        return;
    }
    if (c->out.len - c->out.at != before && c->state == CLIENT_FLUSH)
        client_set_deadline_ms(c, STALL_TIMEOUT_MS);
    if (c->x)
        exchange_client_writable(c->x);
    else if (!outgoing_is_empty(&c->out))
        return;
    else if (c->file)
        file_send_continue(c->file);
    else if (c->state == CLIENT_FLUSH)
        client_answered(c);
}

static void on_client(void *self, uint32_t events)
{
    struct client *c = self;
    /* HUP is both directions at once: nothing can be delivered any more. */
    if (events & (EPOLLERR | EPOLLHUP)) {
        client_close(c);
        return;
    }
    if (events & EPOLLOUT)
        on_writable(c);
    if (c->state == CLIENT_CLOSED || !(events & EPOLLIN))
        return;
    if (c->state == CLIENT_HEAD)
        read_head(c);
    else if (c->state == CLIENT_LINGER)
        throw_away(c);
    else if (c->x)
        exchange_client_readable(c->x);
    else /* not its turn: what arrives waits in the kernel */
        client_want(c, false, c->io.events & EPOLLOUT);
}

static void on_client_timer(void *self)
{
    struct client *c = self;
    if (!c->deadline_ns)
        return;
    if (c->deadline_ns > loop_now_ns(c->w->loop)) {
        loop_timer_set(c->w->loop, &c->timer, c->deadline_ns);
        return;
    }
    if (c->x) {
        exchange_timeout(c->x);
    } else if (c->state == CLIENT_HEAD && c->in_len) {
        c->must_linger = true;
        reply_send(c,
                   &(struct reply){ .status = 408,
                                    .cause = "head timeout",
                                    .text = "The request head did not arrive in time." },
                   NULL);
    } else {
        client_close(c);
    }
}
