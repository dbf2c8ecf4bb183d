#include "supervisor/cli/help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/str.h"
#include "supervisor/cli/text.h"

/* The tables keep what the help and the parser rely on. */
static void check_rows(const struct cli_options *o)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct cli_option *row = &o->rows[i];
        assert_true(row->help[0] && row->help[strlen(row->help) - 1] != '.');
        assert_true((row->kind == CLI_FLAG) == (row->value == NULL));
        assert_true((row->kind == CLI_NUMBER) == (row->max > 0));
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(row->name, o->rows[k].name);
            assert_true(!row->letter || row->letter != o->rows[k].letter);
        }
    }
}

static void check_width(const struct buf *page)
{
    for (const char *line = page->data; *line;) {
        size_t len = strcspn(line, "\n");
        if (cli_text_width(line, len) > 100)
            fail_msg("too wide: %.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

static void test_tables(void **state)
{
    (void)state;
    check_rows(&cli_common_options);
    for (size_t i = 0; i < cli_verb_count; i++) {
        const struct cli_verb *v = &cli_verbs[i];
        assert_ptr_equal(cli_verb_find(v->name), v);
        assert_non_null(v->run);
        assert_true(v->min_words <= v->max_words);
        check_rows(&v->options);
        struct buf page;
        buf_init(&page, 65536);
        cli_help_verb(v, &page);
        assert_non_null(strstr(page.data, v->summary));
        check_width(&page);
        buf_done(&page);
    }
}

static void test_first_page(void **state)
{
    struct buf page;
    size_t lines = 0;
    (void)state;
    buf_init(&page, 65536);
    cli_help_first(&page);
    for (const char *c = page.data; *c; c++)
        lines += *c == '\n';
    assert_true(lines <= 24);
    assert_non_null(strstr(page.data, "svc run stack.json"));
    assert_non_null(strstr(page.data, "svc help"));
    check_width(&page);
    buf_reset(&page);
    cli_help_all(&page);
    check_width(&page);
    for (size_t i = 0; i < cli_verb_count; i++)
        assert_non_null(strstr(page.data, cli_verbs[i].name));
    buf_done(&page);
}

static void check_unknown(const char *word, const char *hint)
{
    struct err e = { 0 };
    assert_int_equal(cli_verb_unknown(word, &e), -1);
    assert_int_equal(err_exit_code(&e), 2);
    assert_string_equal(e.hint, hint);
}

static void test_unknown(void **state)
{
    (void)state;
    check_unknown("lgos", "did you mean \"logs\"?");
    check_unknown("restrat", "did you mean \"restart\"?");
    check_unknown("validate", "did you mean \"check\"?");
    check_unknown("zzzzzz", "`svc help` lists the commands");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_first_page),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
