/* Buffers and arenas keep to their limits. */
#include "runtime/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/mem.h"

static void a_buffer_stops_at_its_limit_and_says_so(void **state)
{
    (void)state;
    auto_buf struct buf b;
    buf_init(&b, 10);
    assert_int_equal(buf_add_str(&b, "12345"), 0);
    assert_int_equal(buf_printf(&b, "%s", "678901"), -1);
    assert_true(b.overflow);
    assert_string_equal(b.data, "12345");
    assert_int_equal(buf_add_char(&b, 'x'), -1); /* sticky */
    buf_reset(&b);
    assert_int_equal(buf_printf(&b, "%010d", 7), 0);
    assert_int_equal(b.len, 10);
    assert_int_equal(buf_add_char(&b, 'x'), -1);
}

static void the_front_can_be_taken_away(void **state)
{
    (void)state;
    auto_buf struct buf b;
    buf_init(&b, 64);
    (void)buf_add_str(&b, "head body");
    buf_consume(&b, 5);
    assert_string_equal(b.data, "body");
    char *taken = buf_take(&b);
    assert_string_equal(taken, "body");
    free(taken);
    taken = buf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
}

static void an_arena_with_a_limit_gives_null(void **state)
{
    (void)state;
    struct arena a = { .limit_bytes = 10000 };
    char *p = arena_alloc(&a, 6000);
    assert_non_null(p);
    assert_int_equal(p[5999], 0);
    assert_null(arena_alloc(&a, 6000));
    assert_string_equal(arena_printf(&a, "%d-%s", 1, "x"), "1-x");
    arena_done(&a);
    assert_int_equal(a.used_bytes, 0);
}

static void growing_keeps_and_clears(void **state)
{
    (void)state;
    size_t cap = 0;
    int *items = NULL;
    for (int i = 0; i < 100; i++) {
        items = mem_grow(items, &cap, (size_t)i + 1, sizeof(*items));
        assert_int_equal(items[i], 0);
        items[i] = i;
    }
    assert_int_equal(items[99], 99);
    assert_int_equal(items[0], 0);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_stops_at_its_limit_and_says_so),
        cmocka_unit_test(the_front_can_be_taken_away),
        cmocka_unit_test(an_arena_with_a_limit_gives_null),
        cmocka_unit_test(growing_keeps_and_clears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
