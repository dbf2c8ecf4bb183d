#include "specs/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void splits(const char *text, const char *const *words)
{
    struct arena a = { .limit_bytes = 0 };
    struct strings out = { 0 };
    struct err e = { 0 };
    assert_int_equal(words_split(&a, text, &out, &e), 0);
    size_t n = 0;
    for (; words[n]; n++) {
        assert_true(n < out.count);
        assert_string_equal(out.items[n], words[n]);
    }
    assert_int_equal(out.count, n);
    assert_null(out.items[n]);
    arena_done(&a);
}

#define WORDS(...)                      \
    (const char *const[])               \
    {                                   \
        __VA_ARGS__ __VA_OPT__(, ) NULL \
    }

static void words_are_split_as_a_shell_does(void **state)
{
    (void)state;
    splits("", WORDS());
    splits("  \t\n ", WORDS());
    splits("a", WORDS("a"));
    splits(" a  b\tc\nd ", WORDS("a", "b", "c", "d"));
    splits("redis-server --appendonly no --save \"\"",
           WORDS("redis-server", "--appendonly", "no", "--save", ""));
    splits("sh -c \"daphne -b 0.0.0.0 config.asgi:application\"",
           WORDS("sh", "-c", "daphne -b 0.0.0.0 config.asgi:application"));
    splits("'a b'\"c d\"e", WORDS("a bc de"));
    splits("a\\ b \\\"c", WORDS("a b", "\"c"));
    splits("'a\\b' \"a\\b\\\"\\\\\\$\"", WORDS("a\\b", "a\\b\"\\$"));
    splits("a\\\nb c", WORDS("ab", "c"));
    splits("'line\nline'", WORDS("line\nline"));
    splits("$HOME * | > &", WORDS("$HOME", "*", "|", ">", "&"));
}

static void refuses(const char *text, const char *what)
{
    struct arena a = { .limit_bytes = 0 };
    struct strings out = { 0 };
    struct err e = { 0 };
    assert_int_equal(words_split(&a, text, &out, &e), -1);
    assert_string_equal(e.what, what);
    arena_done(&a);
}

static void open_ends_are_refused(void **state)
{
    (void)state;
    refuses("a 'b", "a quote (') without end in the command");
    refuses("a \"b'", "a quote (\") without end in the command");
    refuses("a\\", "a backslash at the end of the command");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_as_a_shell_does),
        cmocka_unit_test(open_ends_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
