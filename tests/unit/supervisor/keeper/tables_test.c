#include "supervisor/keeper/tables.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/mem.h"

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void test_held(void **state)
{
    (void)state;
    auto_free struct keeper_held_table *t = mem_alloc(sizeof(*t));
    int fd = open_null();
    int first = fd;
    assert_false(keeper_held_add(t, "", &fd));
    assert_int_equal(fd, first);
    assert_true(keeper_held_add(t, "a", &fd));
    assert_int_equal(fd, -1);
    fd = open_null();
    int second = fd;
    assert_true(keeper_held_add(t, "b", &fd));
    keeper_held_drop(t, "a");
    keeper_held_drop(t, "a");
    keeper_held_drop(t, "");
    assert_int_equal(fcntl(first, F_GETFD), -1);
    size_t at = 0;
    const struct keeper_held *h = keeper_held_next(t, &at);
    assert_string_equal(h->name, "b");
    assert_int_equal(at, 1);
    /* The same name: the new one takes its place, the old one is closed. */
    fd = open_null();
    assert_true(keeper_held_add(t, "b", &fd));
    assert_true(fcntl(second, F_GETFD) < 0 || second == t->slots[0].fd);
    at = 0;
    h = keeper_held_next(t, &at);
    assert_string_equal(h->name, "b");
    at++;
    assert_null(keeper_held_next(t, &at));
    keeper_held_drop(t, "b");
}

static void test_held_is_bounded(void **state)
{
    (void)state;
    auto_free struct keeper_held_table *t = mem_alloc(sizeof(*t));
    char name[KEEPER_NAME_MAX];
    for (int i = 0; i < KEEPER_HELD_MAX; i++) {
        int none = -1; /* the table does not look at it */
        (void)snprintf(name, sizeof(name), "n%d", i);
        assert_true(keeper_held_add(t, name, &none));
    }
    int fd = open_null();
    assert_false(keeper_held_add(t, "one more", &fd));
    assert_true(fd >= 0);
    keeper_held_drop(t, "n7");
    assert_true(keeper_held_add(t, "one more", &fd));
    keeper_held_drop(t, "one more");
}

static void test_children(void **state)
{
    (void)state;
    auto_free struct keeper_child_table *t = mem_alloc(sizeof(*t));
    keeper_child_add(t, 100, 1);
    keeper_child_add(t, 200, 2);
    assert_int_equal(keeper_child_take(t, 300), 0);
    assert_int_equal(keeper_child_take(t, 100), 1);
    assert_int_equal(keeper_child_take(t, 100), 0);
    size_t at = 0;
    assert_int_equal(keeper_child_next(t, &at)->pid, 200);
    for (pid_t pid = 1000; !keeper_child_is_full(t); pid++)
        keeper_child_add(t, pid, 3);
    assert_int_equal(t->count, KEEPER_CHILDREN_MAX);
}

static void test_exits(void **state)
{
    (void)state;
    auto_free struct keeper_exit_table *t = mem_alloc(sizeof(*t));
    for (int i = 1; i <= KEEPER_EXITS_MAX; i++)
        keeper_exit_add(t, &(struct keeper_exit){ .pid = i });
    assert_true(keeper_exit_is_full(t));
    assert_int_equal(keeper_exit_at(t, 1)->pid, 1);
    keeper_exit_ack(t, 10);
    keeper_exit_ack(t, 5); /* older than what is known */
    assert_int_equal(t->acked, 10);
    assert_false(keeper_exit_is_full(t));
    for (int i = 1; i <= 10; i++)
        keeper_exit_add(t, &(struct keeper_exit){ .pid = -i });
    assert_int_equal(keeper_exit_at(t, 11)->pid, 11);
    assert_int_equal(keeper_exit_at(t, KEEPER_EXITS_MAX + 10)->pid, -10);
    assert_true(keeper_exit_is_full(t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_held_is_bounded),
        cmocka_unit_test(test_children),
        cmocka_unit_test(test_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
