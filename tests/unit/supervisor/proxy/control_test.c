/* The channel: what fits before the worker reads, and what a full one says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "supervisor/proxy/control.h"

struct channel {
    int engine, worker;
};

static int setup(void **state)
{
    static struct channel c;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -1;
    c = (struct channel){ pair[0], pair[1] };
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    struct channel *c = *state;
    close(c->engine);
    close(c->worker);
    return 0;
}

/* Until the channel is full, or all is sent: how many. */
static uint32_t send_all(int channel, uint32_t count, struct err *e)
{
    uint32_t sent = 0;
    while (sent < count && proxy_control_dir(channel, sent, STDERR_FILENO, e) == 0)
        sent++;
    return sent;
}

static void test_prepared_channel_takes_a_whole_stack(void **state)
{
    const struct channel *c = *state;
    struct err e = { 0 };
    struct proxy_command command;
    if (geteuid() != 0)
        skip(); /* SO_SNDBUFFORCE needs CAP_NET_ADMIN */
    proxy_control_prepare(c->engine);
    uint32_t all = 2 * (PROXY_LISTENERS_MAX + PROXY_DIRS_MAX);
    assert_int_equal(send_all(c->engine, all, &e), all);
    for (uint32_t i = 0; i < all; i++) {
        auto_fd int fd = -1;
        assert_int_equal(proxy_control_next(c->worker, &command, &fd, &e), 1);
        assert_true(command.type == PROXY_COMMAND_DIR && command.id == i && fd >= 0);
    }
}

static void test_full_channel_says_eagain_and_loses_nothing(void **state)
{
    const struct channel *c = *state;
    struct err e = { 0 };
    struct proxy_command command;
    uint32_t sent = send_all(c->engine, UINT32_MAX, &e);
    assert_true(sent > 0);
    assert_int_equal(e.errnum, EAGAIN);
    e = (struct err){ 0 };
    assert_int_equal(proxy_control_quit(c->engine, 1, &e), -1);
    assert_int_equal(e.errnum, EAGAIN);
    for (uint32_t i = 0; i < sent; i++) {
        auto_fd int fd = -1;
        assert_int_equal(proxy_control_next(c->worker, &command, &fd, &e), 1);
        assert_int_equal(command.id, i);
    }
    int fd = -1;
    assert_int_equal(proxy_control_next(c->worker, &command, &fd, &e), -1);
    assert_int_equal(e.errnum, EAGAIN);
    assert_int_equal(proxy_control_quit(c->engine, 1, &e), 0);
}

static void test_reports(void **state)
{
    const struct channel *c = *state;
    struct err e = { 0 };
    struct proxy_report r = { .type = PROXY_REPORT_HELLO }, got;
    assert_int_equal(proxy_control_report(c->worker, &r), 0);
    assert_int_equal(proxy_control_receive(c->engine, &got, &e), 1);
    assert_int_equal(got.type, PROXY_REPORT_HELLO);
    r.type = PROXY_REPORT_HELLO - 1;
    assert_int_equal(proxy_control_report(c->worker, &r), 0);
    assert_int_equal(proxy_control_receive(c->engine, &got, &e), -1);
    assert_int_equal(e.kind, ERR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_prepared_channel_takes_a_whole_stack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_channel_says_eagain_and_loses_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_reports, setup, teardown)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
