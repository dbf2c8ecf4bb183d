#include "supervisor/ctl/server.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/ctl/conn.h"
#include "supervisor/ctl/error.h"

enum {
    ACCEPTS_PER_TICK = 16,
    PATH_SHOWN_MAX = 128 /* bytes of an unknown path in an error */
};

struct ctl_server {
    struct loop *loop;
    int listen_fd;
    struct loop_fd source;
    uid_t owner_uid;
    const struct ctl_route *routes;
    size_t route_count;
    void *self;
    struct ctl_conn *conns;
    size_t conn_count;
    bool is_shut;
};

void ctl_reply(struct ctl_request *r, const char *text, size_t len)
{
    assert(!r->is_answered);
    struct ctl_conn *c = ctl_conn_of_request(r);
    if (len <= CTL_REPLY_BYTES_MAX) {
        ctl_conn_answer(c, 200, text, len);
        return;
    }
    struct err e;
    (void)err_internal(&e, "answer of %zu bytes is over the limit of %d", len, CTL_REPLY_BYTES_MAX);
    ctl_conn_answer_err(c, 500, &e);
}

void ctl_reply_err(struct ctl_request *r, const struct err *e)
{
    assert(!r->is_answered);
    ctl_conn_answer_err(ctl_conn_of_request(r), (unsigned)ctl_error_status(e), e);
}

/* ---- requests ---- */

const char *ctl_request_query(const struct ctl_request *r, const char *name)
{
    return ctl_query_find(&r->query, name, 0);
}

const char *ctl_request_query_at(const struct ctl_request *r, const char *name, size_t index)
{
    return ctl_query_find(&r->query, name, index);
}

int ctl_request_query_u64(const struct ctl_request *r, const char *name, uint64_t fallback,
                          uint64_t max, uint64_t *out, struct err *e)
{
    const char *text = ctl_request_query(r, name);
    if (!text) {
        *out = fallback;
        return 0;
    }
    if (str_to_u64(text, max, out) < 0)
        return err_input(e, "%s: \"%.64s\" is not a number up to %llu", name, text,
                         (unsigned long long)max);
    return 0;
}

bool ctl_request_query_flag(const struct ctl_request *r, const char *name)
{
    const char *text = ctl_request_query(r, name);
    return text && (str_eq(text, "1") || str_eq(text, "true"));
}

const struct json *ctl_request_body(const struct ctl_request *r)
{
    return r->body;
}

uid_t ctl_request_peer_uid(const struct ctl_request *r)
{
    return ctl_conn_of_request(r)->uid;
}

pid_t ctl_request_peer_pid(const struct ctl_request *r)
{
    return ctl_conn_of_request(r)->pid;
}

/* ---- dispatch ---- */

static int read_request(struct ctl_conn *c, struct err *e)
{
    const struct http_request *q = &c->reader.request;
    if (ctl_query_parse(&c->arena, q->query.at, q->query.at ? q->query.len : 0, &c->request.query,
                        e) < 0)
        return -1;
    bool has_body = c->reader.body.len > 0;
    if (json_parse(&c->arena, NULL, has_body ? c->reader.body.data : "{}",
                   has_body ? c->reader.body.len : 2, &c->request.body, e) < 0)
        return err_wrap(e, "request body");
    if (c->request.body->type != JSON_OBJECT)
        return err_input(e, "request body: must be an object");
    return 0;
}

/* Sets *IS_PATH_KNOWN when the path is there, but not for this method. */
static const struct ctl_route *find_route(const struct ctl_server *s, const struct http_request *q,
                                          bool *is_path_known)
{
    for (size_t i = 0; i < s->route_count; i++) {
        if (!http_text_eq(q->path, s->routes[i].path))
            continue;
        *is_path_known = true;
        if (http_text_eq(q->method_text, s->routes[i].method))
            return &s->routes[i];
    }
    return NULL;
}

static void dispatch(void *self, struct ctl_conn *c)
{
    struct ctl_server *s = self;
    const struct http_request *q = &c->reader.request;
    struct err e;
    if (c->uid != 0 && c->uid != s->owner_uid) {
        (void)err_host(&e, "user id %u may not control this stack", (unsigned)c->uid);
        err_hint(&e, "it belongs to user id %u", (unsigned)s->owner_uid);
        ctl_conn_answer_err(c, 403, &e);
        return;
    }
    if (s->is_shut) {
        (void)err_conflict(&e, "the stack is down");
        ctl_conn_answer_err(c, 503, &e);
        return;
    }
    bool is_path_known = false;
    const struct ctl_route *route = find_route(s, q, &is_path_known);
    if (!route) {
        (void)err_input(&e, "%.*s %.*s: %s", (int)q->method_text.len, q->method_text.at,
                        (int)(q->path.len < PATH_SHOWN_MAX ? q->path.len : PATH_SHOWN_MAX),
                        q->path.at, is_path_known ? "this path has other methods" : "no such path");
        ctl_conn_answer_err(c, is_path_known ? 405 : 404, &e);
        return;
    }
    if (read_request(c, &e) < 0) {
        ctl_conn_answer_err(c, 400, &e);
        return;
    }
    route->handle(s->self, &c->request);
    if (!c->request.is_answered) {
        (void)err_internal(&e, "%s %s was not answered", route->method, route->path);
        ctl_conn_answer_err(c, 500, &e);
    }
}

/* ---- accepting ---- */

static void refuse(int fd)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Content-Type: application/json\r\nContent-Length: 82\r\n\r\n"
                               "{\"error\":{\"kind\":\"conflict\",\"what\":\"too many control "
                               "connections\",\"exit_code\":4}}\n";
    (void)send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* as far as it goes */
}

static void on_conn_end(void *self, struct ctl_conn *c)
{
    struct ctl_server *s = self;
    struct ctl_conn **at = &s->conns;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    s->conn_count--;
}

static void on_accept(void *self, uint32_t events)
{
    struct ctl_server *s = self;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TICK; i++) {
        auto_fd int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;   /* EAGAIN, or a client that went away again */
        struct err e; /* a client without an answer tries again; nothing to tell here */
        if (s->conn_count >= CTL_CONNECTIONS_MAX) {
            refuse(fd);
            continue;
        }
        struct ctl_conn *c;
        struct ctl_conn_host host = { dispatch, on_conn_end, s };
        if (ctl_conn_new(s->loop, take_fd(&fd), &host, &c, &e) < 0)
            continue;
        c->next = s->conns;
        s->conns = c;
        s->conn_count++;
    }
}

int ctl_server_new(struct loop *loop, int listen_fd, uid_t owner_uid,
                   const struct ctl_route *routes, size_t route_count, void *self,
                   struct ctl_server **out, struct err *e)
{
    if (fd_set_nonblock(listen_fd) < 0)
        return err_sys(e, errno, "make the control socket non-blocking");
    struct ctl_server *s = mem_alloc(sizeof(*s));
    *s = (struct ctl_server){ .loop = loop,
                              .listen_fd = listen_fd,
                              .owner_uid = owner_uid,
                              .routes = routes,
                              .route_count = route_count,
                              .self = self };
    if (loop_add_fd(loop, &s->source, listen_fd, EPOLLIN, on_accept, s, "ctl.listen", e) < 0) {
        free(s);
        return err_wrap(e, "control socket");
    }
    *out = s;
    return 0;
}

void ctl_server_shut(struct ctl_server *s)
{
    s->is_shut = true;
}

static void server_release(void *self)
{
    free(self);
}

void ctl_server_free(struct ctl_server *s)
{
    if (!s)
        return;
    loop_remove_fd(s->loop, &s->source);
    for (struct ctl_conn *c = s->conns; c; c = c->next) {
        c->host.on_end = NULL;
        c->stream.on_gone = NULL;
        c->stream.on_room = NULL;
        ctl_conn_close(c);
    }
    s->conns = NULL;
    /* A handler of ours may be below on the stack. */
    loop_later(s->loop, server_release, s);
}

size_t ctl_server_unsent(const struct ctl_server *s)
{
    size_t unsent = 0;
    for (const struct ctl_conn *c = s->conns; c; c = c->next)
        unsent += c->out.len - c->sent;
    return unsent;
}
