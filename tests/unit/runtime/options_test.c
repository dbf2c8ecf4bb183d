#include "runtime/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct values {
    bool detach;
    const char *bundle;
    struct options_list env;
    unsigned fds;
};
static const struct options_row rows[] = {
    { 'd', "detach", OPTIONS_FLAG, offsetof(struct values, detach), "h" },
    { 'b', "bundle", OPTIONS_STRING, offsetof(struct values, bundle), "h" },
    { 'e', "env", OPTIONS_STRINGS, offsetof(struct values, env), "h" },
    { 0, "preserve-fds", OPTIONS_UINT, offsetof(struct values, fds), "h" },
};

enum {
    WORDS_MAX = 8
};

static int parse(enum options_order order, char *words[WORDS_MAX], struct values *v, struct err *e)
{
    int count = 0;
    while (count < WORDS_MAX && words[count])
        count++;
    *v = (struct values){ 0 };
    *e = (struct err){ 0 };
    return options_parse(rows, ARRAY_LEN(rows), order, count, words, v, e);
}

static void every_form_is_taken(void **state)
{
    (void)state;
    struct values v;
    struct err e;
    char *forms[] = { "--bundle", "x", "--preserve-fds=3", "-eA=1", "-de", "B=2", "id", NULL };
    assert_int_equal(parse(OPTIONS_MIXED, forms, &v, &e), 1);
    assert_string_equal(forms[0], "id");
    assert_string_equal(v.bundle, "x");
    assert_int_equal(v.fds, 3);
    assert_true(v.detach);
    assert_int_equal(v.env.count, 2);
    assert_string_equal(v.env.items[0], "A=1");
    assert_string_equal(v.env.items[1], "B=2");
    options_list_done(&v.env);
    assert_int_equal(v.env.count, 0);
    char *flag[WORDS_MAX] = { "--detach=false", "--bundle=", "-" };
    assert_int_equal(parse(OPTIONS_MIXED, flag, &v, &e), 1);
    assert_false(v.detach);
    assert_string_equal(v.bundle, "");
}

static void the_order_says_where_options_end(void **state)
{
    (void)state;
    struct values v;
    struct err e;
    char *mixed[WORDS_MAX] = { "id", "-d", "--", "-b" };
    assert_int_equal(parse(OPTIONS_MIXED, mixed, &v, &e), 2);
    assert_true(v.detach);
    assert_string_equal(mixed[1], "-b");
    char *first[WORDS_MAX] = { "-d", "id", "ls", "-b" };
    assert_int_equal(parse(OPTIONS_FIRST_STOPS, first, &v, &e), 3);
    assert_string_equal(first[2], "-b");
    assert_null(v.bundle);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        char *word;
        const char *what;
    } bad[] = {
        { "--bundel", "unknown option --bundel (did you mean --bundle?)" },
        { "--zzzzzzzz=1", "unknown option --zzzzzzzz" },
        { "-z", "unknown option -z" },
        { "-dz", "unknown option -z" },
        { "--bundle", "option --bundle needs a value" },
        { "-b", "option --bundle needs a value" },
        { "--detach=maybe", "option --detach takes true or false, not \"maybe\"" },
        { "--preserve-fds=3x", "option --preserve-fds: \"3x\" is not a number" },
        { "--preserve-fds=-1", "option --preserve-fds: \"-1\" is not a number" },
        { "--preserve-fds=4294967296", "option --preserve-fds: \"4294967296\" is not a number" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct values v;
        struct err e;
        char *words[WORDS_MAX] = { bad[i].word };
        assert_int_equal(parse(OPTIONS_MIXED, words, &v, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
        assert_string_equal(e.what, bad[i].what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_taken),
        cmocka_unit_test(the_order_says_where_options_end),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
