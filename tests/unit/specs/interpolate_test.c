#include "specs/interpolate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/buf.h"
#include "specs/json.h"

static const char *find(const void *self, const char *name)
{
    (void)self;
    if (strcmp(name, "A") == 0)
        return "value";
    if (strcmp(name, "EMPTY") == 0)
        return "";
    if (strcmp(name, "DOLLAR") == 0)
        return "$A";
    return NULL;
}

static void on_unset(void *self, const char *name)
{
    buf_printf(self, "%s ", name);
}

/* The names that were warned about go to WARNED, "" for none. */
static void gives(const char *text, const char *wanted, const char *warned)
{
    struct arena a = { .limit_bytes = 0 };
    struct err e = { 0 };
    const char *out = NULL;
    auto_buf struct buf unset = { 0 };
    buf_init(&unset, 1000);
    buf_add_str(&unset, "");
    struct interpolate vars = { .find = find, .unset = on_unset, .unset_self = &unset };
    assert_int_equal(interpolate_text(&a, &vars, text, &out, &e), 0);
    assert_string_equal(out, wanted);
    assert_string_equal(unset.data ? unset.data : "", warned);
    arena_done(&a);
}

static void fails(const char *text, const char *what)
{
    struct arena a = { .limit_bytes = 0 };
    struct err e = { 0 };
    const char *out = NULL;
    struct interpolate vars = { .find = find };
    assert_int_equal(interpolate_text(&a, &vars, text, &out, &e), -1);
    assert_int_equal(e.kind, ERR_INPUT);
    assert_string_equal(e.what, what);
    arena_done(&a);
}

static void plain_names(void **state)
{
    (void)state;
    gives("", "", "");
    gives("nothing", "nothing", "");
    gives("$A", "value", "");
    gives("${A}", "value", "");
    gives("x${A}y$A-z", "xvalueyvalue-z", "");
    gives("$A_B", "", "A_B ");
    gives("${NOPE}", "", "NOPE ");
    gives("$EMPTY|${EMPTY}", "|", "");
    gives("$DOLLAR", "$A", "");
}

static void dollars(void **state)
{
    (void)state;
    gives("$$A", "$A", "");
    gives("$$$A", "$value", "");
    gives("$", "$", "");
    gives("a$", "a$", "");
    gives("$1 $- $.", "$1 $- $.", "");
    gives("$${A}", "${A}", "");
}

static void defaults(void **state)
{
    (void)state;
    gives("${NOPE:-d}", "d", "");
    gives("${EMPTY:-d}", "d", "");
    gives("${EMPTY-d}", "", "");
    gives("${NOPE-d}", "d", "");
    gives("${A:-d}", "value", "");
    gives("${NOPE:-}", "", "");
    gives("${NOPE:-a:-b?c+d}", "a:-b?c+d", "");
    gives("${NOPE:-a b/c}", "a b/c", "");
    gives("${NOPE:-{\"a\": {}}}", "{\"a\": {}}", "");
    gives("${NOPE:-$$}", "$", "");
}

static void alternatives(void **state)
{
    (void)state;
    gives("${A:+x}", "x", "");
    gives("${EMPTY:+x}", "", "");
    gives("${EMPTY+x}", "x", "");
    gives("${NOPE+x}", "", "");
    gives("${NOPE:+x}", "", "");
}

static void nesting_is_lazy(void **state)
{
    (void)state;
    gives("${NOPE:-${A}}", "value", "");
    gives("${NOPE:-${ALSO:-${EMPTY-no}d}}", "d", "");
    gives("${NOPE:-$ALSO}", "", "ALSO ");
    gives("${A:-$NOPE}", "value", "");
    gives("${A:-${NOPE:?never}}", "value", "");
    gives("${NOPE:+$ALSO}", "", "");
    gives("a${NOPE:-b${A:+c${EMPTY:-d}e}f}g", "abcdefg", "");
}

static void required_names(void **state)
{
    (void)state;
    gives("${A:?m}", "value", "");
    gives("${EMPTY?m}", "", "");
    fails("${EMPTY:?set it}", "required variable EMPTY is missing a value: set it");
    fails("x${NOPE?set $A}", "required variable NOPE is missing a value: set value");
    fails("${NOPE:?}", "required variable NOPE is missing a value");
}

static void invalid_templates(void **state)
{
    (void)state;
    fails("${", "invalid template \"${\"");
    fails("a${}b", "invalid template \"${}\"");
    fails("${ A}", "invalid template \"${ A}\"");
    fails("${A!}", "invalid template \"${A!}\"");
    fails("${A:}", "invalid template \"${A:}\"");
    fails("${A:=x}", "invalid template \"${A:=x}\"");
    fails("${A", "invalid template \"${A\"");
    fails("${A:-x", "invalid template \"${A:-x\"");
    fails("${1}", "invalid template \"${1}\"");
}

static void depth_and_size_are_limited(void **state)
{
    (void)state;
    auto_buf struct buf b = { 0 };
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 100; i++)
        buf_add_str(&b, "${N:-");
    fails(b.data, "templates nested deeper than 16");
    buf_reset(&b);
    for (size_t i = 0; i < INTERPOLATE_NAME_MAX; i++)
        buf_add_char(&b, 'x');
    buf_add_char(&b, '}');
    auto_buf struct buf name = { 0 };
    buf_init(&name, 1 << 20);
    buf_printf(&name, "${%s", b.data);
    fails(name.data, "a variable name is longer than 255 bytes");
}

static void trees_keep_places_and_keys(void **state)
{
    (void)state;
    struct arena a = { .limit_bytes = 0 };
    struct json *root = NULL;
    struct err e = { 0 };
    struct stack_problems problems = { 0 };
    const char *text =
        "{\"$A\": [\"$A\", 1, true],\n \"b\": {\"c\": \"${NOPE}\", \"d\": \"${!}\"}}";
    assert_int_equal(json_parse(&a, "f", text, strlen(text), &root, &e), 0);
    struct interpolate vars = { .find = find };
    const struct json *copy = interpolate_tree(&a, root, &vars, &problems);
    assert_string_equal(copy->items[0]->key, "$A");
    assert_string_equal(copy->items[0]->items[0]->text, "value");
    assert_int_equal(copy->items[0]->items[0]->text_len, 5);
    assert_int_equal(copy->items[0]->items[0]->place.column, 9);
    assert_string_equal(root->items[0]->items[0]->text, "$A");
    char line[ERR_LINE_MAX];
    assert_int_equal(problems.count, 2);
    assert_int_equal(problems.error_count, 1);
    stack_problem_line(&problems.items[0], line, sizeof(line));
    assert_string_equal(line, "f:2:13: warning: b.c: the variable NOPE is not set, an empty string "
                              "takes its place");
    stack_problem_line(&problems.items[1], line, sizeof(line));
    assert_string_equal(line,
                        "f:2:29: b.d: invalid template \"${!}\" (write $$ for a dollar sign)");
    stack_problems_done(&problems);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_names),
        cmocka_unit_test(dollars),
        cmocka_unit_test(defaults),
        cmocka_unit_test(alternatives),
        cmocka_unit_test(nesting_is_lazy),
        cmocka_unit_test(required_names),
        cmocka_unit_test(invalid_templates),
        cmocka_unit_test(depth_and_size_are_limited),
        cmocka_unit_test(trees_keep_places_and_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
