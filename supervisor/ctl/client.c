#include "supervisor/ctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "supervisor/ctl/error.h"
#include "supervisor/ctl/paths.h"
#include "supervisor/http/body.h"
#include "supervisor/http/write.h"

enum {
    READ_BYTES = 65536,
    REQUEST_BYTES = HTTP_TARGET_MAX + 1024,
    LINES_BYTES_MAX = 16 * 1024 * 1024,
    TAKEN_BYTES_MAX = 65536, /* of lines handed out before the rest moves to the front */
    RETRY_PAUSE_MS = 20,
};

struct ctl_watch {
    int fd;
    enum http_method method;
    struct buf head; /* received, not yet a whole head */
    struct http_scan scan;
    bool has_head;
    unsigned status;
    struct http_body framing;
    bool is_complete;
    struct buf lines; /* payload */
    size_t taken;     /* of lines */
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void ctl_watch_close(struct ctl_watch *w)
{
    if (!w)
        return;
    fd_close(&w->fd);
    buf_done(&w->head);
    buf_done(&w->lines);
    free(w);
}

int ctl_watch_fd(const struct ctl_watch *w)
{
    return w->fd;
}

static const char *project_of(const char *run_dir)
{
    const char *slash = strrchr(run_dir, '/');
    return slash ? slash + 1 : run_dir;
}

static int connect_error(const char *run_dir, int errnum, struct err *e)
{
    if (errnum != ENOENT && errnum != ECONNREFUSED && errnum != ENOTDIR) {
        (void)err_sys(e, errnum, "connect to stack %s", project_of(run_dir));
        if (errnum == EACCES || errnum == EPERM)
            err_hint(e, "try sudo");
        return -1;
    }
    (void)err_conflict(e, "stack %s is not running", project_of(run_dir));
    e->errnum = errnum;
    return -1;
}

/* By way of the directory's fd: sun_path has only 108 bytes. */
static int connect_to(const char *run_dir, struct err *e)
{
    auto_fd int dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return connect_error(run_dir, errno, e);
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(e, errno, "make a socket");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir,
                   CTL_SOCKET_FILE);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return connect_error(run_dir, errno, e);
    return take_fd(&fd);
}

static int send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int broke(int errnum, struct err *e)
{
    (void)err_sys(e, errnum, "talk to the engine");
    e->errnum = ECONNRESET;
    err_hint(e, "it may be starting again: `svc ps` shows the state");
    return -1;
}

/* An EPIPE is not the end: the server may have answered and closed before it read everything. */
static int send_request(int fd, const struct ctl_call *call, struct err *e)
{
    static const char *const with_body[] = { "Connection", "close", "Content-Type",
                                             "application/json", NULL };
    static const char *const without_body[] = { "Connection", "close", NULL };
    char head[REQUEST_BYTES];
    struct http_out o = http_out_on(head, sizeof(head));
    http_put_request(&o, call->method, call->target, "svc", call->body ? with_body : without_body,
                     call->body ? (long long)strlen(call->body) : -1);
    if (o.overflow)
        return err_input(e, "request is too long");
    int failed = send_all(fd, o.data, o.len);
    if (!failed && call->body)
        failed = send_all(fd, call->body, strlen(call->body));
    return failed && errno != EPIPE && errno != ECONNRESET ? broke(errno, e) : 0;
}

static int bad_answer(struct err *e, enum http_error error)
{
    return err_internal(e, "answer of the engine: %s", http_error_text(error));
}

static int feed_body(struct ctl_watch *w, const char *data, size_t len, struct err *e)
{
    while (!w->is_complete) {
        size_t used = 0;
        struct http_text payload = { 0 };
        enum http_error error = HTTP_OK;
        enum http_body_step step = http_body_read(&w->framing, data, len, &used, &payload, &error);
        if (step == HTTP_BODY_ERROR)
            return bad_answer(e, error);
        if (step == HTTP_BODY_DATA && buf_add(&w->lines, payload.at, payload.len) < 0)
            return err_internal(e, "answer of the engine is over %d bytes", LINES_BYTES_MAX);
        w->is_complete = step == HTTP_BODY_END;
        if (step == HTTP_BODY_MORE)
            break;
        data += used;
        len -= used;
    }
    return 0;
}

static int feed_head(struct ctl_watch *w, const char *data, size_t len, struct err *e)
{
    if (buf_add(&w->head, data, len) < 0)
        return err_internal(e, "answer of the engine has no end of head");
    struct http_response response;
    enum http_error error = HTTP_OK;
    switch (
        http_parse_response(w->head.data, w->head.len, &w->scan, w->method, &response, &error)) {
    case HTTP_PARSE_MORE: return 0;
    case HTTP_PARSE_DONE: break;
    default: return bad_answer(e, error);
    }
    w->has_head = true;
    w->status = response.status;
    http_body_init(&w->framing, &response.head);
    w->is_complete = http_body_is_done(&w->framing);
    size_t head_bytes = response.head.head_bytes;
    return feed_body(w, w->head.data + head_bytes, w->head.len - head_bytes, e);
}

int ctl_watch_read(struct ctl_watch *w, struct err *e)
{
    if (w->is_complete)
        return 0;
    char data[READ_BYTES];
    ssize_t n;
    do
        n = recv(w->fd, data, sizeof(data), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return broke(errno, e);
    if (n == 0 && w->has_head && w->framing.framing == HTTP_BODY_CLOSE)
        w->is_complete = true;
    else if (n == 0)
        return broke(ECONNRESET, e);
    else if ((w->has_head ? feed_body : feed_head)(w, data, (size_t)n, e) < 0)
        return -1;
    return 1;
}

int ctl_watch_next(struct ctl_watch *w, struct arena *a, struct json **out, struct err *e)
{
    const char *line = w->lines.data + w->taken;
    size_t left = w->lines.len - w->taken;
    const char *end = left ? memchr(line, '\n', left) : NULL;
    if (!end && (!left || !w->is_complete))
        return 0;
    size_t len = end ? (size_t)(end - line) : left;
    struct json *node;
    if (json_parse(a, NULL, line, len, &node, e) < 0) {
        e->kind = ERR_INTERNAL;
        return err_wrap(e, "answer of the engine");
    }
    w->taken += len + (end ? 1 : 0);
    if (w->taken == w->lines.len || w->taken > TAKEN_BYTES_MAX) {
        buf_consume(&w->lines, w->taken);
        w->taken = 0;
    }
    const struct json *error = json_find(node, "error");
    if (error && error->type == JSON_OBJECT && !json_find(node, "event")) {
        ctl_error_read(error, e);
        return -1;
    }
    *out = node;
    return 1;
}

int ctl_watch_wait(struct ctl_watch *w, struct arena *a, struct json **out, struct err *e)
{
    for (;;) {
        int got = ctl_watch_next(w, a, out, e);
        if (got)
            return got;
        int more = ctl_watch_read(w, e);
        if (more < 0)
            return -1;
        if (!more)
            return 0;
    }
}

/* One read within the time that is left. 1 as ctl_watch_read. */
static int read_until(struct ctl_watch *w, int64_t deadline_ms, struct err *e)
{
    struct pollfd p = { .fd = w->fd, .events = POLLIN };
    for (;;) {
        int64_t left = deadline_ms - now_ms();
        if (left <= 0)
            return err_set(e, ERR_SYSTEM, "the engine does not answer for %d s",
                           CTL_ANSWER_TIMEOUT_MS / 1000);
        if (poll(&p, 1, (int)left) > 0)
            return ctl_watch_read(w, e);
    }
}

static int read_all(struct ctl_watch *w, int64_t deadline_ms, struct err *e)
{
    while (!w->is_complete) {
        if (read_until(w, deadline_ms, e) < 0)
            return -1;
    }
    return 0;
}

/* The answer is an error: reads it into E. */
static int refused(struct ctl_watch *w, int64_t deadline_ms, struct err *e)
{
    struct json *node;
    struct arena a = { 0 };
    if (read_all(w, deadline_ms, e) == 0 && ctl_watch_next(w, &a, &node, e) >= 0)
        (void)err_internal(e, "the engine answered with status %u", w->status);
    arena_done(&a);
    return -1;
}

static int open_once(const struct ctl_call *call, struct ctl_watch **out, struct err *e)
{
    auto_fd int fd = connect_to(call->run_dir, e);
    if (fd < 0 || send_request(fd, call, e) < 0)
        return -1;
    auto_(ctl_watch_close) struct ctl_watch *w = mem_alloc(sizeof(*w));
    w->fd = take_fd(&fd);
    w->method = str_eq(call->method, "GET") ? HTTP_GET : HTTP_POST;
    buf_init(&w->head, HTTP_REPLY_MAX + READ_BYTES);
    buf_init(&w->lines, LINES_BYTES_MAX);
    int64_t deadline_ms = now_ms() + CTL_ANSWER_TIMEOUT_MS;
    while (!w->has_head) {
        if (read_until(w, deadline_ms, e) < 0)
            return -1;
    }
    if (w->status != 200)
        return refused(w, deadline_ms, e);
    *out = take_ptr(w);
    return 0;
}

/* May CALL, which failed with E, be sent again? Pauses when so. */
static bool may_retry(const struct ctl_call *call, int64_t deadline_ms, const struct err *e)
{
    bool is_safe = call->is_idempotent || str_eq(call->method, "GET");
    if (!is_safe || e->errnum != ECONNRESET || now_ms() >= deadline_ms)
        return false;
    (void)poll(NULL, 0, RETRY_PAUSE_MS);
    return true;
}

int ctl_watch_open(const struct ctl_call *call, struct ctl_watch **out, struct err *e)
{
    int64_t deadline_ms = now_ms() + CTL_RETRY_MS;
    while (open_once(call, out, e) < 0) {
        if (!may_retry(call, deadline_ms, e))
            return -1;
    }
    return 0;
}

static int call_once(const struct ctl_call *call, struct arena *a, struct json **out, struct err *e)
{
    auto_(ctl_watch_close) struct ctl_watch *w = NULL;
    if (open_once(call, &w, e) < 0 || read_all(w, now_ms() + CTL_ANSWER_TIMEOUT_MS, e) < 0)
        return -1;
    int got = ctl_watch_next(w, a, out, e);
    if (got == 0)
        return err_internal(e, "the engine sent an empty answer");
    return got < 0 ? -1 : 0;
}

int ctl_client_call(const struct ctl_call *call, struct arena *a, struct json **out, struct err *e)
{
    int64_t deadline_ms = now_ms() + CTL_RETRY_MS;
    while (call_once(call, a, out, e) < 0) {
        if (!may_retry(call, deadline_ms, e))
            return -1;
    }
    return 0;
}
