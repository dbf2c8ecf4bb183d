/* The prober against small servers on the loopback: unconfined, but for the last test, which runs
 * this program as `@prober`. */
#include "supervisor/health/prober.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

enum {
    PATIENCE_MS = 20000
};

struct world {
    pid_t prober;
    int channel;
    int listen;
    uint16_t port;
};

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static int set_up(void **state)
{
    struct world *w = mem_alloc(sizeof(*w));
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    w->prober = fork();
    if (w->prober == 0) {
        struct err e;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        _exit(prober_serve(pair[1], &e) == 0 ? 0 : 1);
    }
    close(pair[1]);
    w->channel = pair[0];
    w->listen = listen_on_loopback(&w->port);
    *state = w;
    return 0;
}

/* Closing the channel is what ends the prober. */
static int tear_down(void **state)
{
    struct world *w = *state;
    int status = -1;
    fd_close(&w->channel);
    fd_close(&w->listen);
    assert_int_equal(waitpid(w->prober, &status, 0), w->prober);
    assert_int_equal(status, 0);
    free(w);
    return 0;
}

static void ask(struct world *w, uint64_t id, const struct stack_healthcheck *check, uint16_t port)
{
    struct stack_healthcheck c = *check;
    struct probe_request q;
    struct err e;
    c.port = port;
    assert_int_equal(probe_request_make(&q, &c, INADDR_LOOPBACK, id, &e), 0);
    assert_int_equal(prober_send(w->channel, &q, &e), 0);
}

static void wait_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static struct probe_reply answer(struct world *w, uint64_t id)
{
    struct probe_reply r;
    struct err e;
    wait_readable(w->channel);
    assert_int_equal(prober_receive(w->channel, &r, &e), 1);
    assert_int_equal(r.id, id);
    return r;
}

static int accept_one(struct world *w)
{
    wait_readable(w->listen);
    int fd = accept4(w->listen, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* The text is BEFORE, the port, AFTER. */
static void assert_text(struct world *w, const struct probe_reply *r, const char *before,
                        const char *after)
{
    auto_free char *text = str_printf("%s%u%s", before, w->port, after);
    assert_string_equal(r->text, text);
}

static const struct stack_healthcheck tcp = { .kind = STACK_PROBE_TCP, .timeout_ms = 10000 };
static const struct stack_healthcheck http = { .kind = STACK_PROBE_HTTP,
                                               .path = "/health/",
                                               .status_min = 200,
                                               .status_max = 399,
                                               .timeout_ms = 10000 };

static void test_tcp(void **state)
{
    struct world *w = *state;
    ask(w, 1, &tcp, w->port);
    struct probe_reply r = answer(w, 1);
    assert_true(r.is_ok);
    assert_text(w, &r, "connect 127.0.0.1:", ": connected");
    fd_close(&w->listen);
    ask(w, 2, &tcp, w->port);
    r = answer(w, 2);
    assert_false(r.is_ok);
    assert_text(w, &r, "connect 127.0.0.1:", ": connection refused");
}

static const struct {
    const char *answer; /* NULL: closes at once */
    bool is_ok;
    uint32_t status;
    const char *after; /* "GET :PORT/health/" */
} answers[] = {
    { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true, 200, " answered 200" },
    { "HTTP/1.1 204 No Content\r\n\r\n", true, 204, " answered 204" },
    { "HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n", true, 302, " answered 302" },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, 200,
      " answered 200" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", true, 200,
      " answered 200" },
    { "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", false, 500, " answered 500" },
    { "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false, 404, " answered 404" },
    { NULL, false, 0, ": connection closed before the answer" },
    { "HTTP/1.1 200 OK\r\nConte", false, 0, ": connection closed before the answer" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", false, 0,
      ": connection closed in the middle of the answer" },
};

static void test_http_answers(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        ask(w, i, &http, w->port);
        int fd = accept_one(w);
        char request[512] = "";
        wait_readable(fd);
        assert_true(recv(fd, request, sizeof(request) - 1, 0) > 0);
        assert_string_equal(request,
                            "GET /health/ HTTP/1.1\r\nHost: localhost\r\nUser-Agent: svc-prober\r\n"
                            "Accept: */*\r\nConnection: close\r\n\r\n");
        if (answers[i].answer)
            assert_int_equal(fd_write_all(fd, answers[i].answer, strlen(answers[i].answer)), 0);
        close(fd);
        struct probe_reply r = answer(w, i);
        auto_free char *after = str_printf("/health/%s", answers[i].after);
        assert_text(w, &r, "GET :", after);
        assert_int_equal(r.is_ok, answers[i].is_ok);
        assert_int_equal(r.http_status, answers[i].status);
    }
}

static void test_not_http(void **state)
{
    struct world *w = *state;
    ask(w, 5, &http, w->port);
    int fd = accept_one(w);
    assert_int_equal(fd_write_all(fd, "-ERR no\r\n\r\n", 11), 0);
    struct probe_reply r = answer(w, 5);
    assert_false(r.is_ok);
    auto_free char *start = str_printf("GET :%u/health/: the answer is not HTTP: ", w->port);
    r.text[strlen(start)] = '\0'; /* then the parser's words */
    assert_string_equal(r.text, start);
    close(fd);
}

static void test_own_host_headers_and_range(void **state)
{
    struct world *w = *state;
    struct stack_pair headers[] = { { "X-One", "1" }, { "Authorization", "Bearer x" } };
    struct stack_healthcheck c = http;
    c.host = "example.com";
    c.headers.items = headers;
    c.headers.count = ARRAY_LEN(headers);
    c.status_min = c.status_max = 503;
    ask(w, 1, &c, w->port);
    int fd = accept_one(w);
    char request[512] = "";
    wait_readable(fd);
    assert_true(recv(fd, request, sizeof(request) - 1, 0) > 0);
    assert_non_null(strstr(request, "\r\nHost: example.com\r\n"));
    assert_non_null(strstr(request, "\r\nX-One: 1\r\nAuthorization: Bearer x\r\n\r\n"));
    static const char text[] = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(fd_write_all(fd, text, sizeof(text) - 1), 0);
    assert_true(answer(w, 1).is_ok);
    close(fd);
}

static void test_timeout_does_not_hold_others(void **state)
{
    struct world *w = *state;
    struct stack_healthcheck slow = http;
    slow.timeout_ms = 150;
    ask(w, 1, &slow, w->port); /* is accepted by the kernel, never answered */
    ask(w, 2, &tcp, w->port);
    assert_true(answer(w, 2).is_ok);
    struct probe_reply r = answer(w, 1);
    assert_false(r.is_ok);
    assert_text(w, &r, "GET :", "/health/: no answer within 150 ms");
    assert_true(r.elapsed_ms >= 150);
    slow.timeout_ms = 100;
    fd_close(&w->listen);
    uint16_t port;
    w->listen = listen_on_loopback(&port);
    w->port = port;
    ask(w, 3, &slow, w->port);
    int fd = accept_one(w);
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab";
    assert_int_equal(fd_write_all(fd, half, sizeof(half) - 1), 0);
    r = answer(w, 3);
    assert_text(w, &r, "GET :", "/health/: no complete answer within 100 ms");
    close(fd);
}

/* More at once than fit into the channel while nobody reads: all replies come. */
static void test_many_at_once(void **state)
{
    struct world *w = *state;
    enum {
        COUNT = 900
    };
    static bool seen[COUNT];
    fd_close(&w->listen);
    int sent = 0, got = 0;
    while (got < COUNT) {
        struct err e;
        struct probe_request q;
        struct stack_healthcheck c = tcp;
        c.port = w->port;
        bool is_full = false;
        while (sent < COUNT && !is_full) {
            assert_int_equal(probe_request_make(&q, &c, INADDR_LOOPBACK, (uint64_t)sent, &e), 0);
            if (prober_send(w->channel, &q, &e) == 0)
                sent++;
            else
                is_full = true;
            if (is_full)
                assert_int_equal(e.errnum, EAGAIN);
        }
        struct pollfd p = { .fd = w->channel, .events = (short)(sent < COUNT ? POLLOUT : POLLIN) };
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        if (sent < COUNT)
            continue;
        struct probe_reply r;
        assert_int_equal(prober_receive(w->channel, &r, &e), 1);
        assert_false(seen[r.id]);
        seen[r.id] = true;
        got++;
    }
}

static void test_requests_that_do_not_fit(void **state)
{
    (void)state;
    struct probe_request q;
    struct err e;
    struct stack_healthcheck c = http;
    c.path = "/a\r\nX: y";
    assert_int_equal(probe_request_make(&q, &c, 1, 1, &e), -1);
    assert_string_equal(e.what, "path of a healthcheck has a line break or is over 1023 bytes");
    struct stack_pair header = { "X", "a\nb" };
    c.path = "/";
    c.headers.items = &header;
    c.headers.count = 1;
    assert_int_equal(probe_request_make(&q, &c, 1, 1, &e), -1);
    assert_string_equal(e.what, "header \"X\" of a healthcheck has a line break, or the headers "
                                "are over 2047 bytes");
    c.kind = STACK_PROBE_CMD;
    assert_int_equal(probe_request_make(&q, &c, 1, 1, &e), -1);
    assert_int_equal(e.kind, ERR_INTERNAL);
}

static void test_nothing_to_receive(void **state)
{
    struct world *w = *state;
    struct probe_reply r;
    struct err e;
    assert_int_equal(prober_receive(w->channel, &r, &e), -1);
    assert_int_equal(e.errnum, EAGAIN);
}

/* Exec'ed, confined as svc starts it, in this network namespace. */
static void test_confined(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    print_message("skipped: AddressSanitizer needs system calls that the sandbox forbids\n");
    skip();
#endif
    if (geteuid() != 0) {
        print_message("skipped: giving up root takes root\n");
        skip();
    }
    struct world w = { .listen = -1 };
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    w.listen = listen_on_loopback(&w.port);
    w.channel = pair[0];
    w.prober = fork();
    if (w.prober == 0) {
        int theirs = fcntl(pair[1], F_DUPFD, 10);
        int ns = fcntl(netns, F_DUPFD, 10);
        dup2(theirs, PROBER_CHANNEL_FD);
        dup2(ns, PROBER_NETNS_FD);
        execl("/proc/self/exe", "svc", "@prober", (char *)NULL);
        _exit(126);
    }
    close(pair[1]);
    close(netns);
    ask(&w, 1, &tcp, w.port);
    assert_true(answer(&w, 1).is_ok);
    ask(&w, 2, &http, w.port);
    close(accept_one(&w)); /* the first one's */
    int fd = accept_one(&w);
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    assert_int_equal(fd_write_all(fd, text, sizeof(text) - 1), 0);
    assert_true(answer(&w, 2).is_ok);
    close(fd);

    char path[64];
    struct err e;
    auto_buf struct buf b;
    buf_init(&b, 8192);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", w.prober);
    assert_int_equal(fd_read_file(AT_FDCWD, path, &b, &e), 0);
    static const char *const expected[] = { "\nUid:\t65534\t65534\t65534\t65534\n",
                                            "\nCapEff:\t0000000000000000\n",
                                            "\nCapBnd:\t0000000000000000\n", "\nNoNewPrivs:\t1\n",
                                            "\nSeccomp:\t2\n" };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_non_null(strstr(b.data, expected[i]));
    int status = -1;
    close(w.channel);
    close(w.listen);
    assert_int_equal(waitpid(w.prober, &status, 0), w.prober);
    assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && str_eq(argv[1], "@prober"))
        return prober_main(argc, argv);
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_tcp),
        CASE(test_http_answers),
        CASE(test_not_http),
        CASE(test_own_host_headers_and_range),
        CASE(test_timeout_does_not_hold_others),
        CASE(test_many_at_once),
        cmocka_unit_test(test_requests_that_do_not_fit),
        CASE(test_nothing_to_receive),
        cmocka_unit_test(test_confined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
