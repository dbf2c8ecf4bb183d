#include "runtime/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct values {
    bool force, quiet;
    const char *name;
    struct options_list env;
    unsigned count;
};

static const struct options_row rows[] = {
    { 'c', "count", OPTIONS_UINT, offsetof(struct values, count), "how many" },
    { 'e', "env", OPTIONS_STRINGS, offsetof(struct values, env), "NAME=VALUE" },
    { 'f', "force", OPTIONS_FLAG, offsetof(struct values, force), "by force" },
    { 0, "name", OPTIONS_STRING, offsetof(struct values, name), "name" },
    { 'q', "quiet", OPTIONS_FLAG, offsetof(struct values, quiet), NULL },
};

/* Splits LINE at its spaces; returns what options_parse does. */
static int parse(char *line, enum options_order order, char *argv[16], struct values *v,
                 struct err *e)
{
    int argc = 0;
    for (char *p = line; *p && argc < 16;) {
        argv[argc++] = p;
        p += strcspn(p, " ");
        if (*p)
            *p++ = '\0';
    }
    *v = (struct values){ 0 };
    *e = (struct err){ 0 };
    return options_parse(rows, ARRAY_LEN(rows), order, argc, argv, v, e);
}

static void test_every_form(void **state)
{
    (void)state;
    char line[] = "--force --name=a --count 7 -e A=1 -eB=2 --env=C=3 -qf first -- -second";
    char *argv[16];
    struct values v;
    struct err e;
    assert_int_equal(parse(line, OPTIONS_MIXED, argv, &v, &e), 2);
    assert_string_equal(argv[0], "first");
    assert_string_equal(argv[1], "-second");
    assert_true(v.force && v.quiet);
    assert_string_equal(v.name, "a");
    assert_int_equal(v.count, 7);
    assert_int_equal(v.env.count, 3);
    assert_string_equal(v.env.items[0], "A=1");
    assert_string_equal(v.env.items[1], "B=2");
    assert_string_equal(v.env.items[2], "C=3");
    options_list_done(&v.env);
}

static void test_order(void **state)
{
    (void)state;
    char mixed[] = "id --force", stops[] = "-q id ls --force -x";
    char *argv[16];
    struct values v;
    struct err e;
    assert_int_equal(parse(mixed, OPTIONS_MIXED, argv, &v, &e), 1);
    assert_true(v.force);
    assert_int_equal(parse(stops, OPTIONS_FIRST_STOPS, argv, &v, &e), 4);
    assert_true(v.quiet);
    assert_false(v.force);
    assert_string_equal(argv[3], "-x");
}

static void test_flags_with_values(void **state)
{
    (void)state;
    char yes[] = "--force=true", no[] = "--force=false", bad[] = "--force=maybe";
    char *argv[16];
    struct values v;
    struct err e;
    assert_int_equal(parse(yes, OPTIONS_MIXED, argv, &v, &e), 0);
    assert_true(v.force);
    assert_int_equal(parse(no, OPTIONS_MIXED, argv, &v, &e), 0);
    assert_false(v.force);
    assert_int_equal(parse(bad, OPTIONS_MIXED, argv, &v, &e), -1);
    assert_string_equal(e.what, "option --force takes true or false, not \"maybe\"");
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *line, *what;
    } cases[] = {
        { "--forse", "unknown option --forse (did you mean --force?)" },
        { "--zzzzzzzz=1", "unknown option --zzzzzzzz" },
        { "-x", "unknown option -x" },
        { "--name", "option --name needs a value" },
        { "-e", "option --env needs a value" },
        { "--count -1", "option --count: \"-1\" is not a number" },
        { "--count 4294967296", "option --count: \"4294967296\" is not a number" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[64];
        char *argv[16];
        struct values v;
        struct err e;
        (void)snprintf(line, sizeof(line), "%s", cases[i].line);
        assert_int_equal(parse(line, OPTIONS_MIXED, argv, &v, &e), -1);
        assert_string_equal(e.what, cases[i].what);
        assert_int_equal(e.kind, ERR_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_flags_with_values),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
