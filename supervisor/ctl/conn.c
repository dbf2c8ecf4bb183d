#include "supervisor/ctl/conn.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "runtime/base/fd.h"
#include "supervisor/ctl/error.h"
#include "supervisor/http/write.h"

enum {
    READ_BYTES = 16384,
    HEAD_BYTES = 512,       /* of an answer */
    LAST_NOTE_BYTES = 4096, /* kept free for the last line of a dropped stream */
    LINGER_MS = 1000,       /* for the rest of a request that was answered early */
    ARENA_BYTES = 4 * CTL_BODY_BYTES_MAX + 65536, /* query and tree of one request */
};

struct ctl_conn *ctl_conn_of_request(const struct ctl_request *r)
{
    return (struct ctl_conn *)((char *)(uintptr_t)r - offsetof(struct ctl_conn, request));
}

static struct ctl_conn *conn_of_stream(const struct ctl_stream *s)
{
    return (struct ctl_conn *)((char *)(uintptr_t)s - offsetof(struct ctl_conn, stream));
}

/* ---- the end of a connection ---- */

static void conn_tell_room(struct ctl_conn *c)
{
    if (c->state != CONN_STREAMING || !c->stream.on_room ||
        ctl_stream_room(&c->stream) < CTL_STREAM_BYTES_MAX / 2)
        return;
    ctl_room_fn *on_room = take_ptr(c->stream.on_room);
    on_room(c->stream.self, &c->stream);
}

/* At the end of the tick: calls what could not be called from inside a ctl_stream_* call. */
static void conn_settle(void *self)
{
    struct ctl_conn *c = self;
    c->settles = false;
    if (c->stream.is_gone) {
        c->stream.is_gone = false;
        ctl_gone_fn *on_gone = take_ptr(c->stream.on_gone);
        if (on_gone)
            on_gone(c->stream.self, &c->stream);
    }
    conn_tell_room(c);
    if (c->state != CONN_CLOSED || c->settles)
        return;
    if (c->host.on_end)
        c->host.on_end(c->host.self, c);
    http_reader_done(&c->reader);
    arena_done(&c->arena);
    buf_done(&c->out);
    free(c);
}

static void settle_later(struct ctl_conn *c)
{
    if (c->settles)
        return;
    c->settles = true;
    loop_later(c->loop, conn_settle, c);
}

void ctl_conn_close(struct ctl_conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    c->stream.is_gone = c->stream.on_gone != NULL;
    loop_remove_fd(c->loop, &c->source);
    loop_timer_cancel(c->loop, &c->timer);
    fd_close(&c->fd);
    settle_later(c);
}

static void on_timeout(void *self)
{
    ctl_conn_close(self);
}

/* ---- writing ---- */

static void conn_sent_all(struct ctl_conn *c)
{
    buf_reset(&c->out);
    c->sent = 0;
    loop_timer_cancel(c->loop, &c->timer);
    if (c->state == CONN_STREAMING)
        return;
    if (!c->has_rest) {
        ctl_conn_close(c);
        return;
    }
    c->state = CONN_LINGERING;
    (void)shutdown(c->fd, SHUT_WR); /* the client has gone already: the next read tells */
    loop_timer_in_ms(c->loop, &c->timer, LINGER_MS);
}

/* Sends what the socket takes now. */
static void conn_flush(struct ctl_conn *c)
{
    bool has_moved = false;
    while (c->sent < c->out.len) {
        ssize_t n =
            send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            ctl_conn_close(c);
            return;
        }
        c->sent += (size_t)n;
        has_moved = true;
    }
    if (c->sent == c->out.len)
        conn_sent_all(c);
    else if (has_moved || !c->timer.heap_index)
        loop_timer_in_ms(c->loop, &c->timer, CTL_WRITE_TIMEOUT_MS);
    if (c->state == CONN_CLOSED)
        return;
    if (c->sent > c->out.len / 2) {
        buf_consume(&c->out, c->sent);
        c->sent = 0;
    }
    bool wants_read = c->state == CONN_STREAMING || c->state == CONN_LINGERING;
    loop_set_events(c->loop, &c->source,
                    (c->out.len ? EPOLLOUT : 0U) | (wants_read ? EPOLLIN : 0U));
}

static void put_head(struct ctl_conn *c, unsigned status, const char *type,
                     const char *const *fields, long long body_len)
{
    char head[HEAD_BYTES];
    struct http_out o = http_out_on(head, sizeof(head));
    http_put_response(&o, status, type, fields, body_len);
    assert(!o.overflow);
    (void)buf_add(&c->out, o.data, o.len);
}

void ctl_conn_answer(struct ctl_conn *c, unsigned status, const char *text, size_t len)
{
    static const char *const fields[] = { "Connection", "close", NULL };
    put_head(c, status, "application/json", fields, (long long)len + 1);
    (void)buf_add(&c->out, text, len);
    (void)buf_add_char(&c->out, '\n');
    c->request.is_answered = true;
    c->state = CONN_FLUSHING;
    loop_timer_cancel(c->loop, &c->timer);
    conn_flush(c);
}

static void error_text(struct buf *to, const struct err *e)
{
    struct json_writer w;
    json_writer_init(&w, to, 0);
    json_begin_object(&w, NULL);
    ctl_error_write(&w, "error", e);
    json_end_object(&w);
}

void ctl_conn_answer_err(struct ctl_conn *c, unsigned status, const struct err *e)
{
    auto_buf struct buf text;
    buf_init(&text, LAST_NOTE_BYTES);
    error_text(&text, e);
    ctl_conn_answer(c, status, text.data, text.len);
}

/* ---- streams ---- */

struct ctl_stream *ctl_stream_begin(struct ctl_request *r, ctl_gone_fn *on_gone, void *self)
{
    static const char *const fields[] = { "Connection", "close", "Transfer-Encoding", "chunked",
                                          NULL };
    assert(!r->is_answered && on_gone);
    struct ctl_conn *c = ctl_conn_of_request(r);
    put_head(c, 200, "application/x-ndjson", fields, -1);
    r->is_answered = true;
    c->state = CONN_STREAMING;
    c->stream = (struct ctl_stream){ .on_gone = on_gone, .self = self };
    loop_timer_cancel(c->loop, &c->timer);
    conn_flush(c);
    return &c->stream;
}

static void put_line(struct ctl_conn *c, const char *line, size_t len)
{
    char head[HTTP_CHUNK_HEAD_MAX];
    (void)buf_add(&c->out, head, http_chunk_head(head, len + 1));
    (void)buf_add(&c->out, line, len);
    (void)buf_add_str(&c->out, "\n\r\n");
}

/* The last line, the last chunk; what is left is sent by the loop. */
static void finish(struct ctl_conn *c, const struct err *e)
{
    if (c->state != CONN_STREAMING)
        return;
    if (e) {
        auto_buf struct buf text;
        buf_init(&text, LAST_NOTE_BYTES);
        error_text(&text, e);
        put_line(c, text.data, text.len);
    }
    (void)buf_add_str(&c->out, HTTP_CHUNK_LAST);
    c->state = CONN_FLUSHING;
    conn_flush(c);
}

size_t ctl_stream_room(const struct ctl_stream *s)
{
    const struct ctl_conn *c = conn_of_stream(s);
    size_t waiting = c->out.len - c->sent;
    if (c->state != CONN_STREAMING || waiting >= CTL_STREAM_BYTES_MAX)
        return 0;
    return CTL_STREAM_BYTES_MAX - waiting;
}

void ctl_stream_send(struct ctl_stream *s, const char *line, size_t len)
{
    struct ctl_conn *c = conn_of_stream(s);
    if (c->state != CONN_STREAMING)
        return;
    struct err e;
    if (len > CTL_LINE_BYTES_MAX)
        (void)err_internal(&e, "line of %zu bytes is over the limit of %d", len,
                           CTL_LINE_BYTES_MAX);
    else if (len + HTTP_CHUNK_HEAD_MAX > ctl_stream_room(s))
        (void)err_conflict(&e, "client reads too slowly: %d bytes wait for it",
                           CTL_STREAM_BYTES_MAX);
    else
        e.kind = ERR_NONE;
    if (e.kind == ERR_NONE) {
        put_line(c, line, len);
        conn_flush(c);
        return;
    }
    s->is_gone = true;
    finish(c, &e);
    settle_later(c);
}

void ctl_stream_on_room(struct ctl_stream *s, ctl_room_fn *on_room)
{
    struct ctl_conn *c = conn_of_stream(s);
    s->on_room = on_room;
    if (ctl_stream_room(s) >= CTL_STREAM_BYTES_MAX / 2)
        settle_later(c); /* not from here: the caller may not expect it */
}

void ctl_stream_end(struct ctl_stream *s)
{
    s->on_gone = NULL;
    s->on_room = NULL;
    finish(conn_of_stream(s), NULL);
}

void ctl_stream_fail(struct ctl_stream *s, const struct err *e)
{
    s->on_gone = NULL;
    s->on_room = NULL;
    finish(conn_of_stream(s), e);
}

/* ---- reading ---- */

static void conn_parse(struct ctl_conn *c, const char *data, size_t len)
{
    switch (http_reader_feed(&c->reader, data, len)) {
    case HTTP_PARSE_MORE: return;
    case HTTP_PARSE_DONE: c->host.on_request(c->host.self, c); return;
    default: break;
    }
    struct err e;
    c->has_rest = true;
    if (c->reader.body_too_large)
        (void)err_input(&e, "request body is over the limit of %d bytes", CTL_BODY_BYTES_MAX);
    else
        (void)err_input(&e, "request: %s", http_error_text(c->reader.error));
    ctl_conn_answer_err(c, c->reader.body_too_large ? 413 : http_error_status(c->reader.error), &e);
}

/* A client that asked already has nothing more to say: what comes is read to see its end only. */
static void conn_read(struct ctl_conn *c)
{
    char data[READ_BYTES];
    ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        ctl_conn_close(c);
    else if (c->state == CONN_READING)
        conn_parse(c, data, (size_t)n);
}

static void on_conn_event(void *self, uint32_t events)
{
    struct ctl_conn *c = self;
    if (events & EPOLLIN)
        conn_read(c);
    else if (events & (EPOLLHUP | EPOLLERR))
        ctl_conn_close(c);
    if ((events & EPOLLOUT) && (c->state == CONN_STREAMING || c->state == CONN_FLUSHING)) {
        conn_flush(c);
        conn_tell_room(c);
    }
}

int ctl_conn_new(struct loop *loop, int owned_fd, const struct ctl_conn_host *host,
                 struct ctl_conn **out, struct err *e)
{
    auto_fd int fd = owned_fd;
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return err_sys(e, errno, "read the credentials of a control client");
    struct ctl_conn *c = mem_alloc(sizeof(*c));
    if (loop_add_fd(loop, &c->source, fd, EPOLLIN, on_conn_event, c, "ctl", e) < 0) {
        free(c);
        return -1;
    }
    c->host = *host;
    c->loop = loop;
    c->fd = take_fd(&fd);
    c->uid = peer.uid;
    c->pid = peer.pid;
    c->arena.limit_bytes = ARENA_BYTES;
    http_reader_init_request(&c->reader, CTL_BODY_BYTES_MAX);
    buf_init(&c->out, CTL_REPLY_BYTES_MAX + CTL_STREAM_BYTES_MAX + LAST_NOTE_BYTES);
    loop_timer_init(&c->timer, on_timeout, c, "ctl.timeout");
    loop_timer_in_ms(loop, &c->timer, CTL_REQUEST_TIMEOUT_MS);
    *out = c;
    return 0;
}
