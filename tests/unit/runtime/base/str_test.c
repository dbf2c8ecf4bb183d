/* Strict numbers, and the nearest word. */
#include "runtime/base/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void numbers_are_digits_and_nothing_else(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       "+1",
                                       "-1",
                                       " 1",
                                       "1 ",
                                       "0x10",
                                       "1e3",
                                       "1.0",
                                       "18446744073709551616",
                                       "99999999999999999999999" };
    uint64_t n = 7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(str_to_u64(bad[i], UINT64_MAX, &n), -1);
    assert_int_equal(n, 7);
    assert_int_equal(str_to_u64("18446744073709551615", UINT64_MAX, &n), 0);
    assert_true(n == UINT64_MAX);
    assert_int_equal(str_to_u64("007", 10, &n), 0);
    assert_int_equal(n, 7);
    assert_int_equal(str_to_u64("11", 10, &n), -1);
}

static void one_minus_is_allowed_where_asked(void **state)
{
    (void)state;
    int64_t n;
    assert_int_equal(str_to_i64("-5", -5, 5, &n), 0);
    assert_int_equal(n, -5);
    assert_int_equal(str_to_i64("-6", -5, 5, &n), -1);
    assert_int_equal(str_to_i64("--5", -9, 9, &n), -1);
    assert_int_equal(str_to_i64("-", -9, 9, &n), -1);
}

static void the_nearest_word_is_a_typing_mistake_away(void **state)
{
    (void)state;
    static const char *const words[] = { "command", "interval", "image", "init", "ports" };
    assert_string_equal(str_nearest("intervall", words, ARRAY_LEN(words)), "interval");
    assert_string_equal(str_nearest("comand", words, ARRAY_LEN(words)), "command");
    assert_string_equal(str_nearest("prots", words, ARRAY_LEN(words)), "ports");
    assert_null(str_nearest("healthcheck", words, ARRAY_LEN(words)));
    assert_null(str_nearest("", words, ARRAY_LEN(words)));
    static const char *const short_words[] = { "BPF", "KILL", "as", "x" };
    assert_null(str_nearest("FOO", short_words, ARRAY_LEN(short_words)));
    assert_null(str_nearest("FILE", short_words, ARRAY_LEN(short_words)));
    assert_null(str_nearest("y", short_words, ARRAY_LEN(short_words)));
    assert_string_equal(str_nearest("KIL", short_words, ARRAY_LEN(short_words)), "KILL");
    assert_string_equal(str_nearest("KLIL", short_words, ARRAY_LEN(short_words)), "KILL");
    assert_string_equal(str_nearest("BFP", short_words, ARRAY_LEN(short_words)), "BPF");
}

static void copies_fit_or_are_refused(void **state)
{
    (void)state;
    char to[4] = "abc";
    assert_int_equal(str_copy(to, sizeof(to), "xyz"), 0);
    assert_string_equal(to, "xyz");
    assert_int_equal(str_copy(to, sizeof(to), "long"), -1);
    assert_string_equal(to, "");
    assert_true(str_ends("stack.json", ".json"));
    assert_false(str_ends("n", ".json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_digits_and_nothing_else),
        cmocka_unit_test(one_minus_is_allowed_where_asked),
        cmocka_unit_test(the_nearest_word_is_a_typing_mistake_away),
        cmocka_unit_test(copies_fit_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
