#include "supervisor/cli/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct target {
    bool follow, detach;
    const char *file;
    struct cli_texts env;
    struct cli_number tail;
    struct cli_number index;
    bool common_flag;
};

static const struct cli_option own[] = {
    { "follow", 'f', CLI_FLAG, offsetof(struct target, follow), NULL, "", 0, false },
    { "detach", 'd', CLI_FLAG, offsetof(struct target, detach), NULL, "", 0, false },
    { "env", 'e', CLI_TEXTS, offsetof(struct target, env), "KEY=VALUE", "", 0, false },
    { "tail", 'n', CLI_NUMBER, offsetof(struct target, tail), "N", "", 1000, true },
    { "index", 0, CLI_NUMBER, offsetof(struct target, index), "N", "", 9, false },
};
static const struct cli_option common[] = {
    { "file", 'f', CLI_TEXT, offsetof(struct target, file), "FILE", "", 0, false },
    { "json", 0, CLI_FLAG, offsetof(struct target, common_flag), NULL, "", 0, false },
};
static struct cli_syntax syntax = { .own = { own, ARRAY_LEN(own) },
                                    .common = { common, ARRAY_LEN(common) } };

struct parsed {
    struct target target;
    const char *words[32];
    size_t count;
    struct err e;
    int result;
};

#define PARSE(...) parse((const char *const[]){ __VA_ARGS__, NULL })

static struct parsed parse(const char *const *argv)
{
    struct parsed p = { 0 };
    p.result = cli_args_parse(&syntax, argv, &p.target, p.words, &p.count, &p.e);
    return p;
}

static void test_forms(void **state)
{
    (void)state;
    struct parsed p = PARSE("web", "-fd", "--tail", "5", "redis", "--json");
    assert_int_equal(p.result, 0);
    assert_true(p.target.follow && p.target.detach && p.target.common_flag);
    assert_true(p.target.tail.is_set);
    assert_int_equal(p.target.tail.value, 5);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.words[1], "redis");
    assert_null(p.words[2]);

    p = PARSE("-n7");
    assert_int_equal(p.target.tail.value, 7);
    p = PARSE("-dn", "8");
    assert_int_equal(p.target.tail.value, 8);
    p = PARSE("--tail=all");
    assert_true(p.target.tail.value == CLI_ALL);
    p = PARSE("--file=x.json", "-e", "A=1", "-eB=2", "--env=C=3=4");
    assert_string_equal(p.target.file, "x.json");
    assert_int_equal(p.target.env.count, 3);
    assert_string_equal(p.target.env.items[1], "B=2");
    assert_string_equal(p.target.env.items[2], "C=3=4");
}

static void test_words_only(void **state)
{
    (void)state;
    struct parsed p = PARSE("-d", "--", "-f", "--tail");
    assert_int_equal(p.result, 0);
    assert_int_equal(p.count, 2);
    assert_false(p.target.follow);
    p = PARSE("-");
    assert_int_equal(p.count, 1);
    syntax.stops_at_word = true;
    p = PARSE("-d", "web", "ls", "-f", "--", "--tail");
    syntax.stops_at_word = false;
    assert_int_equal(p.result, 0);
    assert_int_equal(p.count, 5);
    assert_string_equal(p.words[3], "--");
    assert_false(p.target.follow);
}

static void check_error(struct parsed p, const char *what, const char *hint)
{
    assert_int_equal(p.result, -1);
    assert_int_equal(p.e.kind, ERR_INPUT);
    assert_string_equal(p.e.what, what);
    assert_string_equal(p.e.hint, hint);
}

static void test_errors(void **state)
{
    (void)state;
    check_error(PARSE("--folow"), "unknown option \"--folow\"", "did you mean \"--follow\"?");
    check_error(PARSE("--folow=1"), "unknown option \"--folow\"", "did you mean \"--follow\"?");
    check_error(PARSE("--zzzzzz"), "unknown option \"--zzzzzz\"", "");
    check_error(PARSE("-x"), "unknown option \"-x\"", "");
    check_error(PARSE("-dx"), "unknown option \"-x\"", "");
    check_error(PARSE("--tail"), "--tail needs a value (N)", "");
    check_error(PARSE("--file="), "--file needs a value (FILE)", "");
    check_error(PARSE("--follow=1"), "--follow takes no value", "");
    check_error(PARSE("--tail", "-1"), "--tail: \"-1\" is not a number from 0 to 1000 or \"all\"",
                "");
    check_error(PARSE("--tail=1001"), "--tail: \"1001\" is not a number from 0 to 1000 or \"all\"",
                "");
    check_error(PARSE("--index=all"), "--index: \"all\" is not a number from 0 to 9", "");
}

static void test_too_many(void **state)
{
    const char *argv[2 * CLI_TEXTS_MAX + 3] = { 0 };
    (void)state;
    for (size_t i = 0; i < 2 * CLI_TEXTS_MAX + 2; i++)
        argv[i] = i % 2 ? "A=1" : "-e";
    check_error(parse(argv), "--env: more than 64 of them", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_words_only),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
