#include "supervisor/health/prober.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/write.h"
#include "supervisor/loop/loop.h"
#include "supervisor/sandbox/sandbox.h"

enum {
    REQUESTS_PER_TICK = 32,
    REQUEST_MAX = 4096, /* bytes of an HTTP request: path, host, headers and ours */
    BODY_MAX = 65536,   /* is read so that the server gets rid of its answer; not looked at */
    READ_BYTES = 16384, /* per tick and probe */
    TARGET_MAX = 160,   /* of "GET :8000/health/" in texts; more is cut */
    NOFILE = PROBER_CONCURRENT_MAX + 64,
    TIMEOUT_DEFAULT_MS = 30000,
};
_Static_assert((int)REQUEST_MAX >
                   (int)PROBE_PATH_MAX + (int)PROBE_HOST_MAX + (int)PROBE_HEADERS_MAX + 256,
               "every request fits");

struct prober {
    struct loop *loop;
    int channel;
    struct loop_fd watch;
    size_t count;
    struct probe *done; /* ended while the channel was full; oldest first */
};

/* From its request until the channel took its reply. */
struct probe {
    struct prober *prober;
    struct probe *next_done;
    struct probe_reply reply;
    uint32_t kind, timeout_ms;
    uint16_t status_min, status_max;
    char target[TARGET_MAX];
    uint64_t since_ns;
    int fd;
    struct loop_fd watch;
    struct loop_timer timeout;
    bool is_connected;
    char out[REQUEST_MAX];
    size_t out_len, sent;
    struct http_reader reader;
};

/* Replies */

static bool try_reply(struct prober *p, const struct probe_reply *reply)
{
    return send(p->channel, reply, sizeof(*reply), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void watch_channel(struct prober *p)
{
    loop_set_events(p->loop, &p->watch, p->done ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void free_probe(struct probe *b)
{
    b->prober->count--;
    http_reader_done(&b->reader);
    free(b);
}

static void flush_done(struct prober *p)
{
    while (p->done && try_reply(p, &p->done->reply)) {
        struct probe *b = p->done;
        p->done = b->next_done;
        free_probe(b);
    }
    watch_channel(p);
}

/* The probe ends here: B must not be used after. */
static void finish(struct probe *b, bool is_ok, const char *fmt, ...) printf_like(3, 4);
static void finish(struct probe *b, bool is_ok, const char *fmt, ...)
{
    struct prober *p = b->prober;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(b->reply.text, sizeof(b->reply.text), fmt, args);
    va_end(args);
    b->reply.is_ok = is_ok;
    b->reply.elapsed_ms = (uint32_t)((loop_now_ns(p->loop) - b->since_ns) / 1000000u);
    loop_timer_cancel(p->loop, &b->timeout);
    loop_remove_fd(p->loop, &b->watch);
    fd_close(&b->fd);
    struct probe **last = &p->done;
    while (*last)
        last = &(*last)->next_done;
    *last = b;
    flush_done(p);
}

/* ERRNUM in the words of the rest of svc: "connect 10.1.0.2:6379: connection refused". */
static void finish_errno(struct probe *b, int errnum)
{
    struct err e = { 0 };
    (void)err_sys(&e, errnum, "%s", b->target);
    finish(b, false, "%.255s", e.what);
}

/* One probe */

static void on_timeout(void *self)
{
    struct probe *b = self;
    const char *missing = "answer";
    if (!b->is_connected)
        missing = "connection";
    else if (b->reader.has_head)
        missing = "complete answer";
    finish(b, false, "%s: no %s within %u ms", b->target, missing, b->timeout_ms);
}

static void judge_http(struct probe *b)
{
    unsigned status = b->reader.response.status;
    b->reply.http_status = status;
    finish(b, status >= b->status_min && status <= b->status_max, "%s answered %u", b->target,
           status);
}

static void read_answer(struct probe *b)
{
    char bytes[READ_BYTES];
    ssize_t n = recv(b->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        finish_errno(b, errno);
        return;
    }
    enum http_parsed parsed =
        n ? http_reader_feed(&b->reader, bytes, (size_t)n) : http_reader_end(&b->reader);
    if (parsed == HTTP_PARSE_MORE)
        return;
    if (parsed == HTTP_PARSE_DONE || b->reader.body_too_large)
        judge_http(b);
    else if (n)
        finish(b, false, "%s: the answer is not HTTP: %s", b->target,
               http_error_text(b->reader.error));
    else
        finish(b, false, "%s: connection closed %s the answer", b->target,
               b->reader.has_head ? "in the middle of" : "before");
}

static void send_request(struct probe *b)
{
    ssize_t n = send(b->fd, b->out + b->sent, b->out_len - b->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        finish_errno(b, errno);
        return;
    }
    b->sent += n > 0 ? (size_t)n : 0;
    loop_set_events(b->prober->loop, &b->watch, b->sent == b->out_len ? EPOLLIN : EPOLLOUT);
}

static void on_socket(void *self, uint32_t events)
{
    struct probe *b = self;
    (void)events;
    if (!b->is_connected) {
        int errnum = 0;
        socklen_t len = sizeof(errnum);
        if (getsockopt(b->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
            errnum = errno;
        if (errnum) {
            finish_errno(b, errnum);
            return;
        }
        b->is_connected = true;
        if (b->kind == STACK_PROBE_TCP) {
            finish(b, true, "%s: connected", b->target);
            return;
        }
    }
    if (b->sent < b->out_len)
        send_request(b);
    else
        read_answer(b);
}

static void write_request(struct probe *b, const struct probe_request *q)
{
    struct http_out o = http_out_on(b->out, sizeof(b->out));
    http_put_request_line(&o, "GET", q->path);
    http_put_field(&o, "Host", q->host);
    http_put_str(&o, "User-Agent: svc-prober\r\nAccept: */*\r\nConnection: close\r\n");
    http_put_str(&o, q->headers);
    http_put_end(&o);
    b->out_len = o.overflow ? 0 : o.len;
}

static void begin(struct probe *b, const struct probe_request *q)
{
    struct prober *p = b->prober;
    struct err e;
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons(q->port),
                                    .sin_addr.s_addr = htonl(q->ipv4) };
    b->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (b->fd < 0 ||
        (connect(b->fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)) {
        finish_errno(b, errno);
        return;
    }
    if (loop_add_fd(p->loop, &b->watch, b->fd, EPOLLOUT, on_socket, b, "probe", &e) < 0) {
        finish(b, false, "%s: %s", b->target, e.what);
        return;
    }
    loop_timer_in_ms(p->loop, &b->timeout, b->timeout_ms);
}

static void name_target(struct probe *b, const struct probe_request *q)
{
    if (q->kind == STACK_PROBE_HTTP)
        (void)snprintf(b->target, sizeof(b->target), "GET :%u%.*s", q->port, TARGET_MAX - 16,
                       q->path);
    else
        (void)snprintf(b->target, sizeof(b->target), "connect %u.%u.%u.%u:%u", q->ipv4 >> 24,
                       q->ipv4 >> 16 & 255, q->ipv4 >> 8 & 255, q->ipv4 & 255, q->port);
}

static void start_probe(struct prober *p, const struct probe_request *q)
{
    if (p->count == PROBER_CONCURRENT_MAX) {
        struct probe_reply reply = { .id = q->id, .text = "too many probes at once" };
        (void)try_reply(p, &reply); /* lost when the channel is full too: the engine asks again */
        return;
    }
    struct probe *b = mem_alloc(sizeof(*b));
    p->count++;
    b->prober = p;
    b->reply.id = q->id;
    b->kind = q->kind;
    b->timeout_ms = q->timeout_ms ? q->timeout_ms : TIMEOUT_DEFAULT_MS;
    b->status_min = q->status_min;
    b->status_max = q->status_max;
    b->since_ns = loop_now_ns(p->loop);
    b->fd = b->watch.fd = -1;
    loop_timer_init(&b->timeout, on_timeout, b, "probe");
    http_reader_init_response(&b->reader, HTTP_GET, BODY_MAX);
    name_target(b, q);
    if (q->kind == STACK_PROBE_HTTP)
        write_request(b, q);
    if (q->kind != STACK_PROBE_HTTP && q->kind != STACK_PROBE_TCP)
        finish(b, false, "probe of an unknown kind %u", q->kind);
    else if (q->kind == STACK_PROBE_HTTP && !b->out_len)
        finish(b, false, "%s: the request is too long", b->target);
    else
        begin(b, q);
}

/* The process */

static void on_channel(void *self, uint32_t events)
{
    struct prober *p = self;
    if (events & EPOLLOUT)
        flush_done(p);
    for (int i = 0; i < REQUESTS_PER_TICK; i++) {
        struct probe_request q;
        ssize_t n = recv(p->channel, &q, sizeof(q), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            loop_stop(p->loop, 0);
            return;
        }
        if ((size_t)n != sizeof(q))
            continue;
        q.path[sizeof(q.path) - 1] = q.host[sizeof(q.host) - 1] = '\0';
        q.headers[sizeof(q.headers) - 1] = '\0';
        start_probe(p, &q);
    }
}

int prober_serve(int channel, struct err *e)
{
    auto_(loop_free) struct loop *loop = NULL;
    if (loop_new(&loop, e) < 0)
        return -1;
    struct prober p = { .loop = loop, .channel = channel };
    if (loop_add_fd(loop, &p.watch, channel, EPOLLIN, on_channel, &p, "engine", e) < 0)
        return -1;
    /* Probes that still run when the channel closes have nobody to report to: the process ends. */
    return loop_run(loop);
}

int prober_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const int keep[] = { PROBER_CHANNEL_FD };
    const struct sandbox_plan plan = { .role = SANDBOX_PROBER,
                                       .netns_fd = PROBER_NETNS_FD,
                                       .keep_fds = keep,
                                       .keep_count = ARRAY_LEN(keep),
                                       .nofile = NOFILE };
    struct err e;
    (void)signal(SIGPIPE, SIG_IGN);
    int code = sandbox_enter(&plan, &e);
    if (code == 0)
        code = prober_serve(PROBER_CHANNEL_FD, &e);
    if (code < 0) {
        log_err(LOG_ERROR, NULL, "prober.failed", &e);
        return err_exit_code(&e);
    }
    return code;
}
