/* What parent and child of a create tell each other, when one of them ends in the middle of it. */
#include "runtime/sync.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void open_pair(int *ours, int *theirs)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    *ours = pair[0];
    *theirs = pair[1];
}

/* The other side says why it ends, and ends. */
static void end_with_reason(int *theirs)
{
    struct err why;
    (void)err_input(&why, "hostname: set \"x\"");
    sync_send_failure(*theirs, &why);
    fd_close(theirs);
}

static void assert_why(const struct err *e)
{
    assert_int_equal(e->kind, ERR_INPUT);
    assert_string_equal(e->what, "hostname: set \"x\"");
}

static void test_the_reason_is_received(void **state)
{
    (void)state;
    int theirs;
    auto_fd int ours = -1;
    struct err e;
    open_pair(&ours, &theirs);
    end_with_reason(&theirs);
    assert_int_equal(sync_expect(ours, SYNC_READY, NULL, &e), -1);
    assert_why(&e);
}

/* Without it "broken pipe" would be all that a user hears of a wrong configuration. */
static void test_the_reason_is_told_by_who_cannot_send_any_more(void **state)
{
    (void)state;
    int theirs;
    auto_fd int ours = -1;
    struct err e;
    open_pair(&ours, &theirs);
    end_with_reason(&theirs);
    assert_int_equal(sync_send(ours, SYNC_PREPARED, NULL, &e), -1);
    assert_why(&e);
}

/* unix(7): who closes with something unread resets the other side, before what it has sent. */
static void test_the_reason_is_not_lost_in_a_reset(void **state)
{
    (void)state;
    int theirs;
    auto_fd int ours = -1, none = -1, words = -1;
    struct err e;
    for (int i = 0; i < 3; i++) {
        open_pair(&ours, &theirs);
        assert_int_equal(sync_send(ours, SYNC_PREPARED, NULL, &e), 0);
        end_with_reason(&theirs);
        int result = i == 0   ? sync_expect(ours, SYNC_READY, NULL, &e)
                     : i == 1 ? sync_expect_exec(ours, &none, &words, &e)
                              : sync_send(ours, SYNC_RECORDED, NULL, &e);
        assert_int_equal(result, -1);
        assert_why(&e);
        fd_close(&ours);
    }
}

/* The end of file after the last message is success; a reset is not: nobody has read the message.
 */
static void test_a_reset_is_no_success(void **state)
{
    (void)state;
    int theirs;
    auto_fd int ours = -1, none = -1, words = -1;
    struct err e;
    open_pair(&ours, &theirs);
    fd_close(&theirs);
    assert_int_equal(sync_expect_exec(ours, &none, &words, &e), 0);
    fd_close(&ours);
    open_pair(&ours, &theirs);
    assert_int_equal(sync_send(ours, SYNC_RECORDED, NULL, &e), 0);
    fd_close(&theirs);
    assert_int_equal(sync_expect_exec(ours, &none, &words, &e), -1);
    assert_int_equal(e.errnum, ECONNRESET);
}

static void test_an_end_without_a_reason(void **state)
{
    (void)state;
    int theirs;
    auto_fd int ours = -1;
    struct err e;
    open_pair(&ours, &theirs);
    fd_close(&theirs);
    assert_int_equal(sync_send(ours, SYNC_PREPARED, NULL, &e), -1);
    assert_int_equal(e.errnum, EPIPE);
    assert_int_equal(sync_expect(ours, SYNC_READY, NULL, &e), -1);
    assert_string_equal(e.what, "the process ended before it was \"ready\"");
}

static void test_what_is_not_expected(void **state)
{
    (void)state;
    int theirs;
    auto_fd int ours = -1;
    struct err e;
    open_pair(&ours, &theirs);
    assert_int_equal(sync_send(theirs, SYNC_ENTERED, NULL, &e), 0);
    assert_int_equal(sync_expect(ours, SYNC_READY, NULL, &e), -1);
    assert_int_equal(e.kind, ERR_INTERNAL);
    fd_close(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reason_is_received),
        cmocka_unit_test(test_the_reason_is_told_by_who_cannot_send_any_more),
        cmocka_unit_test(test_the_reason_is_not_lost_in_a_reset),
        cmocka_unit_test(test_a_reset_is_no_success),
        cmocka_unit_test(test_an_end_without_a_reason),
        cmocka_unit_test(test_what_is_not_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
