#include "supervisor/ctl/server.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "supervisor/ctl/client.h"
#include "supervisor/ctl/error.h"

enum {
    TICKS_MAX = 5000,
    TICK_MS = 20,
    ANSWER_BYTES = 16 * 1024 * 1024,
};

struct world {
    struct loop *loop;
    struct ctl_server *server;
    int listen_fd;
    char dir[64];
    struct ctl_stream *stream;
    unsigned gone, rooms, handled;
    char seen[256]; /* what the last handler read of its request */
};

static void on_echo(void *self, struct ctl_request *r)
{
    struct world *w = self;
    const char *a = ctl_request_query(r, "a");
    const char *b = ctl_request_query_at(r, "a", 1);
    (void)snprintf(w->seen, sizeof(w->seen), "%s|%s|%d|%s", a ? a : "-", b ? b : "-",
                   ctl_request_query_flag(r, "flag"),
                   json_find_string(ctl_request_body(r), "key", "-"));
    assert_int_equal(ctl_request_peer_uid(r), getuid());
    assert_int_equal(ctl_request_peer_pid(r), getpid());
    w->handled++;
    ctl_reply(r, "{\"ok\":true}", 11);
}

static void on_number(void *self, struct ctl_request *r)
{
    struct err e;
    uint64_t n;
    (void)self;
    if (ctl_request_query_u64(r, "n", 7, 100, &n, &e) < 0)
        ctl_reply_err(r, &e);
    else
        ctl_reply(r, n == 7 ? "{\"n\":7}" : "{\"n\":0}", 7);
}

static void on_conflict(void *self, struct ctl_request *r)
{
    struct err e;
    (void)self;
    (void)err_conflict(&e, "it is busy");
    err_hint(&e, "wait");
    ctl_reply_err(r, &e);
}

static void on_silent(void *self, struct ctl_request *r)
{
    (void)self;
    (void)r;
}

static void on_gone(void *self, struct ctl_stream *s)
{
    struct world *w = self;
    assert_ptr_equal(s, w->stream);
    w->stream = NULL;
    w->gone++;
}

static void on_stream(void *self, struct ctl_request *r)
{
    struct world *w = self;
    w->stream = ctl_stream_begin(r, on_gone, w);
    ctl_stream_send(w->stream, "{\"n\":1}", 7);
}

static const struct ctl_route routes[] = {
    { "GET", "/v1/echo", on_echo },     { "POST", "/v1/echo", on_echo },
    { "GET", "/v1/number", on_number }, { "GET", "/v1/conflict", on_conflict },
    { "GET", "/v1/silent", on_silent }, { "GET", "/v1/stream", on_stream },
};

static void world_open(struct world *w, uid_t owner)
{
    struct err e;
    *w = (struct world){ .dir = "/tmp/svc-ctl-test-XXXXXX" };
    assert_non_null(mkdtemp(w->dir));
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/ctl.sock", w->dir);
    w->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(w->listen_fd, 128), 0);
    assert_int_equal(loop_new(&w->loop, &e), 0);
    assert_int_equal(
        ctl_server_new(w->loop, w->listen_fd, owner, routes, ARRAY_LEN(routes), w, &w->server, &e),
        0);
}

static void world_close(struct world *w)
{
    ctl_server_free(w->server);
    loop_free(w->loop);
    fd_close(&w->listen_fd);
    assert_int_equal(fd_remove_tree(AT_FDCWD, w->dir), 0);
}

static int dial(const struct world *w)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/ctl.sock", w->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Sends TEXT while the loop runs, and reads until the server closes. The caller frees. */
static char *ask(struct world *w, const char *text, size_t len)
{
    int fd = dial(w);
    struct buf in;
    buf_init(&in, ANSWER_BYTES);
    (void)buf_add_str(&in, "");
    for (int i = 0; i < TICKS_MAX; i++) {
        if (len) {
            ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
            if (n > 0) {
                text += n;
                len -= (size_t)n;
            }
        }
        loop_tick(w->loop, 1);
        char data[65536];
        ssize_t n = recv(fd, data, sizeof(data), 0);
        if (n == 0)
            break;
        if (n > 0)
            (void)buf_add(&in, data, (size_t)n);
    }
    (void)close(fd);
    loop_tick(w->loop, 0);
    return buf_take(&in);
}

static char *get(struct world *w, const char *target)
{
    char text[9000];
    int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: svc\r\n\r\n", target);
    return ask(w, text, (size_t)n);
}

static void expect(char *owned_answer, const char *status, const char *part)
{
    if (strncmp(owned_answer + 9, status, 3) != 0 || !strstr(owned_answer, part))
        fail_msg("expected %s with %s, got: %.300s", status, part, owned_answer);
    free(owned_answer);
}

static void test_object(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, getuid());
    expect(get(&w, "/v1/echo?a=x%20y&a=z&flag=1"), "200", "\r\n\r\n{\"ok\":true}\n");
    assert_string_equal(w.seen, "x y|z|1|-");
    static const char post[] = "POST /v1/echo HTTP/1.1\r\nHost: svc\r\nContent-Length: 13\r\n\r\n"
                               "{\"key\":\"word\"}";
    expect(ask(&w, post, sizeof(post) - 2), "400", "\"kind\":\"input\""); /* cut by one */
    static const char whole[] = "POST /v1/echo HTTP/1.1\r\nHost: svc\r\nContent-Length: 14\r\n\r\n"
                                "{\"key\":\"word\"}";
    expect(ask(&w, whole, sizeof(whole) - 1), "200", "true");
    assert_string_equal(w.seen, "-|-|0|word");
    world_close(&w);
}

static void test_errors(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, getuid());
    expect(get(&w, "/v1/nothing"), "404", "no such path");
    expect(get(&w, "/v1/echo/"), "404", "no such path");
    expect(get(&w, "/v1/echo?a=%zz"), "400", "not an encoded character");
    expect(get(&w, "/v1/number?n=101"), "400", "not a number up to 100");
    expect(get(&w, "/v1/number"), "200", "{\"n\":7}");
    expect(get(&w, "/v1/conflict"), "409",
           "{\"error\":{\"kind\":\"conflict\",\"what\":\"it is busy\",\"hint\":\"wait\","
           "\"exit_code\":4}}");
    expect(get(&w, "/v1/silent"), "500", "was not answered");
    static const char other[] = "DELETE /v1/echo HTTP/1.1\r\nHost: svc\r\n\r\n";
    expect(ask(&w, other, sizeof(other) - 1), "405", "other methods");
    static const char noise[] = "\x16\x03\x01 hello\r\n\r\n";
    expect(ask(&w, noise, sizeof(noise) - 1), "400", "\"error\"");
    static const char array[] =
        "POST /v1/echo HTTP/1.1\r\nHost: svc\r\nContent-Length: 2\r\n\r\n[]";
    expect(ask(&w, array, sizeof(array) - 1), "400", "must be an object");
    assert_int_equal(w.handled, 0);
    world_close(&w);
}

static void test_limits(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, getuid());
    size_t len = CTL_BODY_BYTES_MAX + 1000;
    char *big = mem_alloc(len + 200);
    int head = snprintf(big, 200,
                        "POST /v1/echo HTTP/1.1\r\nHost: svc\r\nContent-Length: %zu\r\n\r\n", len);
    memset(big + head, ' ', len);
    expect(ask(&w, big, (size_t)head + len), "413", "over the limit");
    head = snprintf(big, 200, "GET /v1/echo HTTP/1.1\r\nHost: svc\r\nX: ");
    memset(big + head, 'x', len);
    expect(ask(&w, big, (size_t)head + len), "431", "\"error\"");
    free(big);
    assert_int_equal(w.handled, 0);
    world_close(&w);
}

static void test_other_user(void **state)
{
    struct world w;
    (void)state;
    if (getuid() == 0) {
        print_message("root may always: the refusal is tested by a child with another uid\n");
        world_open(&w, 12345);
        assert_int_equal(chmod(w.dir, 0755), 0);
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/ctl.sock", w.dir);
        assert_int_equal(chmod(path, 0666), 0);
        pid_t child = fork();
        if (child == 0) {
            struct err e = { 0 };
            struct json *answer;
            struct arena a = { 0 };
            struct ctl_call call = { .run_dir = w.dir, .method = "GET", .target = "/v1/echo" };
            if (setuid(54321) < 0)
                _exit(9);
            int got = ctl_client_call(&call, &a, &answer, &e);
            _exit(got < 0 && e.kind == ERR_HOST && strstr(e.what, "may not control") ? 0 : 1);
        }
        int status = -1;
        for (int i = 0; i < TICKS_MAX && waitpid(child, &status, WNOHANG) == 0; i++)
            loop_tick(w.loop, TICK_MS);
        assert_int_equal(status, 0);
        assert_int_equal(w.handled, 0);
        world_close(&w);
    } else {
        skip();
    }
}

static void tick(struct world *w)
{
    loop_tick(w->loop, TICK_MS);
}

static void send_request(const struct world *w, int fd, const char *target)
{
    char text[256];
    (void)w;
    int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: svc\r\n\r\n", target);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

static void test_stream_client_leaves(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, getuid());
    int fd = dial(&w);
    send_request(&w, fd, "/v1/stream");
    for (int i = 0; i < TICKS_MAX && !w.stream; i++)
        tick(&w);
    assert_non_null(w.stream);
    (void)close(fd);
    for (int i = 0; i < TICKS_MAX && !w.gone; i++)
        tick(&w);
    assert_int_equal(w.gone, 1);
    world_close(&w);
}

static void test_stream_slow_client(void **state)
{
    struct world w;
    static char line[4096];
    (void)state;
    world_open(&w, getuid());
    int fd = dial(&w);
    send_request(&w, fd, "/v1/stream");
    for (int i = 0; i < TICKS_MAX && !w.stream; i++)
        tick(&w);
    memset(line, 'x', sizeof(line));
    line[0] = line[sizeof(line) - 1] = '"';
    struct ctl_stream *s = w.stream;
    size_t sent = 0;
    while (!w.gone && sent < 64u * 1024 * 1024) {
        ctl_stream_send(s, line, sizeof(line));
        sent += sizeof(line);
        if (sent % (1024 * 1024) == 0)
            loop_tick(w.loop, 0);
    }
    assert_int_equal(w.gone, 1);
    assert_true(sent >= CTL_STREAM_BYTES_MAX);
    assert_true(sent < 4u * CTL_STREAM_BYTES_MAX);
    /* The client still gets what was buffered, and why it ends. */
    struct buf in;
    buf_init(&in, ANSWER_BYTES);
    for (int i = 0; i < TICKS_MAX; i++) {
        char data[65536];
        loop_tick(w.loop, 1);
        ssize_t n = recv(fd, data, sizeof(data), 0);
        if (n == 0)
            break;
        if (n > 0)
            (void)buf_add(&in, data, (size_t)n);
    }
    assert_non_null(memmem(in.data, in.len, "reads too slowly", 16));
    assert_memory_equal(in.data + in.len - 5, "0\r\n\r\n", 5);
    buf_done(&in);
    (void)close(fd);
    world_close(&w);
}

static void on_room(void *self, struct ctl_stream *s)
{
    struct world *w = self;
    assert_true(ctl_stream_room(s) >= CTL_STREAM_BYTES_MAX / 2);
    w->rooms++;
}

static void test_stream_room(void **state)
{
    struct world w;
    static char line[4096];
    (void)state;
    world_open(&w, getuid());
    int fd = dial(&w);
    send_request(&w, fd, "/v1/stream");
    for (int i = 0; i < TICKS_MAX && !w.stream; i++)
        tick(&w);
    memset(line, '1', sizeof(line));
    while (ctl_stream_room(w.stream) > sizeof(line) + 100)
        ctl_stream_send(w.stream, line, sizeof(line));
    ctl_stream_on_room(w.stream, on_room);
    loop_tick(w.loop, 0);
    assert_int_equal(w.rooms, 0);
    for (int i = 0; i < TICKS_MAX && !w.rooms; i++) {
        char data[65536];
        (void)!recv(fd, data, sizeof(data), 0);
        loop_tick(w.loop, 1);
    }
    assert_int_equal(w.rooms, 1);
    ctl_stream_on_room(w.stream, on_room); /* asked for with room: comes from the loop */
    assert_int_equal(w.rooms, 1);
    for (int i = 0; i < TICKS_MAX && w.rooms < 2; i++)
        loop_tick(w.loop, 1);
    assert_int_equal(w.rooms, 2);
    struct err e;
    (void)err_conflict(&e, "enough");
    ctl_stream_fail(w.stream, &e);
    assert_true(ctl_server_unsent(w.server) > 0 || w.gone == 0);
    (void)close(fd);
    for (int i = 0; i < 5; i++)
        loop_tick(w.loop, 1);
    assert_int_equal(w.gone, 0); /* ended by the owner */
    assert_int_equal(ctl_server_unsent(w.server), 0);
    world_close(&w);
}

static void test_too_many(void **state)
{
    struct world w;
    int fds[CTL_CONNECTIONS_MAX];
    (void)state;
    world_open(&w, getuid());
    for (int i = 0; i < CTL_CONNECTIONS_MAX; i++) {
        fds[i] = dial(&w);
        loop_tick(w.loop, 0);
    }
    char *answer = get(&w, "/v1/echo");
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_non_null(strstr(answer, "Content-Length: 82\r\n"));
    assert_int_equal(strlen(body + 4), 82);
    expect(answer, "503", "too many");
    (void)close(fds[0]);
    for (int i = 0; i < 5; i++)
        loop_tick(w.loop, 1);
    expect(get(&w, "/v1/echo"), "200", "true");
    for (int i = 1; i < CTL_CONNECTIONS_MAX; i++)
        (void)close(fds[i]);
    world_close(&w);
}

static void test_request_timeout(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, getuid());
    uint64_t now = 1000000000;
    loop_set_clock(w.loop, &now);
    loop_tick(w.loop, 0);
    int fd = dial(&w);
    for (int i = 0; i < 5; i++)
        loop_tick(w.loop, 1);
    now += (uint64_t)CTL_REQUEST_TIMEOUT_MS * 1000000 + 1;
    for (int i = 0; i < 5; i++)
        loop_tick(w.loop, 1);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    (void)close(fd);
    loop_set_clock(w.loop, NULL);
    world_close(&w);
}

/* ---- the client, in a child, against this server ---- */

static int client_reads_stream(const char *dir)
{
    struct ctl_call call = { .run_dir = dir, .method = "GET", .target = "/v1/stream" };
    struct ctl_watch *watch = NULL;
    struct err e = { 0 };
    if (ctl_watch_open(&call, &watch, &e) < 0)
        return 2;
    for (int64_t want = 1; want <= 3; want++) {
        struct arena a = { 0 };
        struct json *line;
        int64_t n = 0;
        if (ctl_watch_wait(watch, &a, &line, &e) != 1 || !json_find(line, "n") ||
            json_to_i64(json_find(line, "n"), &n) < 0 || n != want)
            return 3;
        arena_done(&a);
    }
    struct arena a = { 0 };
    struct json *line;
    int end = ctl_watch_wait(watch, &a, &line, &e);
    ctl_watch_close(watch);
    arena_done(&a);
    return end < 0 && e.kind == ERR_CONFLICT && strcmp(e.what, "no more") == 0 ? 0 : 4;
}

static void test_client_stream(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, getuid());
    pid_t child = fork();
    if (child == 0)
        _exit(client_reads_stream(w.dir));
    for (int i = 0; i < TICKS_MAX && !w.stream; i++)
        tick(&w);
    assert_non_null(w.stream);
    ctl_stream_send(w.stream, "{\"n\":2}", 7);
    tick(&w);
    ctl_stream_send(w.stream, "{\"n\":3}", 7);
    struct err e;
    (void)err_conflict(&e, "no more");
    ctl_stream_fail(w.stream, &e);
    int status = -1;
    for (int i = 0; i < TICKS_MAX && waitpid(child, &status, WNOHANG) == 0; i++)
        tick(&w);
    assert_int_equal(status, 0);
    world_close(&w);
}

/* A server that dies with the connection open, then one that answers: the client asks twice. */
static void test_client_retries(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, getuid());
    pid_t child = fork();
    if (child == 0) {
        struct ctl_call call = { .run_dir = w.dir, .method = "GET", .target = "/v1/number" };
        struct arena a = { 0 };
        struct json *answer;
        struct err e;
        _exit(ctl_client_call(&call, &a, &answer, &e) == 0 ? 0 : 1);
    }
    struct pollfd dialled = { .fd = w.listen_fd, .events = POLLIN };
    assert_int_equal(poll(&dialled, 1, TICKS_MAX), 1);
    int first = accept(w.listen_fd, NULL, NULL);
    assert_true(first >= 0);
    (void)close(first);
    int status = -1;
    for (int i = 0; i < TICKS_MAX && waitpid(child, &status, WNOHANG) == 0; i++)
        tick(&w);
    assert_int_equal(status, 0);
    world_close(&w);
}

static void test_client_nobody(void **state)
{
    struct arena a = { 0 };
    struct json *answer;
    struct err e = { 0 };
    (void)state;
    struct ctl_call call = { .run_dir = "/tmp/svc-no-such-dir/notes",
                             .method = "GET",
                             .target = "/v1/ps" };
    assert_int_equal(ctl_client_call(&call, &a, &answer, &e), -1);
    assert_int_equal(e.kind, ERR_CONFLICT);
    assert_string_equal(e.what, "stack notes is not running");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_other_user),
        cmocka_unit_test(test_stream_client_leaves),
        cmocka_unit_test(test_stream_slow_client),
        cmocka_unit_test(test_stream_room),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_request_timeout),
        cmocka_unit_test(test_client_stream),
        cmocka_unit_test(test_client_retries),
        cmocka_unit_test(test_client_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
