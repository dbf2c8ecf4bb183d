#include "supervisor/cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/cli/text.h"

static void check_cut(const char *text, size_t columns, const char *want, size_t want_columns)
{
    struct buf b;
    buf_init(&b, 4096);
    (void)buf_add_str(&b, "");
    assert_int_equal(cli_text_add(&b, text, columns), want_columns);
    assert_string_equal(b.data ? b.data : "", want);
    buf_done(&b);
}

static void test_text(void **state)
{
    (void)state;
    assert_int_equal(cli_text_width("abc", 3), 3);
    assert_int_equal(cli_text_width("é", 2), 1);
    assert_int_equal(cli_text_width("e\xcc\x81", 3), 1); /* e and a combining accent */
    assert_int_equal(cli_text_width("日本", 6), 4);
    assert_int_equal(cli_text_width("😀", 4), 2);
    assert_int_equal(cli_text_width("\xff\xc3", 2), 2);
    assert_int_equal(cli_text_fit("日本", 6, 3), 3);
    assert_int_equal(cli_text_fit("ab", 2, 9), 2);
    check_cut("abc", 3, "abc", 3);
    check_cut("abcd", 3, "ab…", 3);
    check_cut("日本語", 5, "日本…", 5);
    check_cut("日本語", 4, "日…", 3); /* a wide one is not cut in half */
    check_cut("abc", 0, "", 0);
    check_cut("a\x1b[31m\n\x7f", 99, "a?[31m??", 8); /* nothing may steer the terminal */
    check_cut("a\xc2\x9b"
              "b",
              99, "a?b", 3);
    check_cut("a\xff", 99, "a?", 2);
}

static const struct cli_column columns[] = {
    { "NAME", 4, false, 0 },
    { "STATE", 0, false, 0 },
    { "WHY", 3, true, 0 },
};

static void check_table(const char *const *cells, size_t width, bool has_colour, const char *want)
{
    struct cli_table t;
    struct buf b;
    buf_init(&b, 4096);
    cli_table_init(&t, columns, ARRAY_LEN(columns));
    for (; *cells; cells++)
        cli_table_add(&t, *cells, strcmp(*cells, "up") == 0 ? CLI_GREEN : CLI_PLAIN);
    cli_table_render(&t, width, has_colour, &b);
    assert_string_equal(b.data, want);
    cli_table_done(&t);
    buf_done(&b);
}

#define CELLS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_table(void **state)
{
    (void)state;
    check_table(CELLS("a", "up", "", "long-name", "down", "no\nreason"), 0, false,
                "NAME       STATE  WHY\n"
                "a          up\n"
                "long-name  down   no?reason\n");
    check_table(CELLS("a", "up", "-"), 0, false, "NAME  STATE\na     up\n");
    check_table(CELLS("é", "up", ""), 0, true, "NAME  STATE\né     \033[32mup\033[0m\n");
    check_table(CELLS("long-name", "up", "because of this"), 24, false,
                "NAME       STATE  WHY\n"
                "long-name  up     becau…\n");
    check_table(CELLS("long-name", "up", "because"), 18, false,
                "NAME    STATE  WHY\n"
                "long-…  up     be…\n");
    check_table(CELLS("long-name", "up", "because"), 5, false,
                "NAME  STATE  WHY\n"
                "lon…  up     be…\n");
}

static void test_drop(void **state)
{
    static const struct cli_column some[] = {
        { "NAME", 0, false, 0 },
        { "A", 0, false, 2 },
        { "B", 0, false, 1 },
        { "WHY", 3, true, 0 },
    };
    static const struct {
        size_t width;
        const char *want;
    } rows[] = {
        { 26, "NAME       A   B   WHY\nlong-name  aa  bb  because\n" },
        { 22, "NAME       A   B   WHY\nlong-name  aa  bb  be…\n" },
        { 21, "NAME       A   WHY\nlong-name  aa  becau…\n" },
        { 17, "NAME       WHY\nlong-name  becau…\n" },
        { 5, "NAME       WHY\nlong-name  be…\n" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static const char *const cells[] = { "long-name", "aa", "bb", "because" };
        struct cli_table t;
        struct buf b;
        buf_init(&b, 4096);
        cli_table_init(&t, some, ARRAY_LEN(some));
        for (size_t c = 0; c < ARRAY_LEN(cells); c++)
            cli_table_add(&t, cells[c], CLI_PLAIN);
        cli_table_render(&t, rows[i].width, false, &b);
        assert_string_equal(b.data, rows[i].want);
        cli_table_done(&t);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
