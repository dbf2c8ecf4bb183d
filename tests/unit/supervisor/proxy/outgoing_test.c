/* What a socket does not take is kept; what it took is told even when the rest cannot be kept. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/proxy/worker.h"

enum {
    BYTES = 4 * 1024 * 1024
};

static void open_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
}

/* Reads until nothing more is there. */
static size_t drain(int fd)
{
    static char data[65536];
    size_t all = 0;
    ssize_t n;
    while ((n = recv(fd, data, sizeof(data), 0)) > 0)
        all += (size_t)n;
    return all;
}

static void test_rest_is_kept_and_flushed(void **state)
{
    (void)state;
    int pair[2];
    open_pair(pair);
    char *data = calloc(1, BYTES);
    assert_non_null(data);
    struct outgoing o = { 0 };
    struct iovec pieces[2] = { { data, 100 }, { data + 100, BYTES - 100 } };
    size_t sent;
    assert_int_equal(outgoing_write(&o, pair[0], pieces, 2, &sent), 0);
    assert_true(sent > 0 && sent < BYTES);
    assert_int_equal(o.len - o.at, BYTES - sent);
    size_t got = 0;
    while (!outgoing_is_empty(&o)) {
        got += drain(pair[1]);
        assert_int_equal(outgoing_flush(&o, pair[0]), 0);
    }
    assert_int_equal(got + drain(pair[1]), BYTES);
    free(data);
    close(pair[0]);
    close(pair[1]);
}

static void test_sent_is_told_when_the_rest_cannot_be_kept(void **state)
{
    (void)state;
    int pair[2];
    open_pair(pair);
    size_t len = (size_t)UINT32_MAX / 2 + 64 * 1024 * 1024; /* more than is ever kept */
    void *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(data != MAP_FAILED);
    struct outgoing o = { 0 };
    struct iovec piece = { data, len };
    size_t sent = 0;
    assert_int_equal(outgoing_write(&o, pair[0], &piece, 1, &sent), -1);
    assert_int_equal(errno, ENOBUFS);
    assert_true(sent > 0 && outgoing_is_empty(&o));
    assert_int_equal(drain(pair[1]), sent);
    assert_int_equal(munmap(data, len), 0);
    close(pair[0]);
    close(pair[1]);
}

static void test_nothing_is_sent_to_a_closed_peer(void **state)
{
    (void)state;
    int pair[2];
    open_pair(pair);
    close(pair[1]);
    struct outgoing o = { 0 };
    struct iovec piece = { (void *)(uintptr_t) "abc", 3 };
    size_t sent = 1;
    assert_int_equal(outgoing_write(&o, pair[0], &piece, 1, &sent), -1);
    assert_true(sent == 0 && outgoing_is_empty(&o));
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rest_is_kept_and_flushed),
                                        cmocka_unit_test(
                                            test_sent_is_told_when_the_rest_cannot_be_kept),
                                        cmocka_unit_test(test_nothing_is_sent_to_a_closed_peer) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
