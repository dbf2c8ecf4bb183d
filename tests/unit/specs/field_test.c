#include "specs/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/buf.h"
#include "runtime/base/str.h"

struct thing {
    const char *name, *text;
    bool flag;
    uint16_t port;
    uint32_t count, wait_ms;
    int64_t number;
    uint64_t size;
    struct strings list;
    struct stack_pairs pairs;
    int choice;
    int calls;
};

static void count_call(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    (void)node;
    ((struct thing *)base)->calls++;
}

static const char *const choices[] = { "first", "second", "service_third", NULL };
#define AT(member) offsetof(struct thing, member)
static const struct field inner_rows[] = { { "port", FIELD_U16, .offset = AT(port), .min = 1,
                                             .max = 65535 } };
static const struct field rows[] = {
    { "name", FIELD_STRING, .offset = AT(name), .flags = FIELD_NEED },
    { "text", FIELD_TEXT, .offset = AT(text) },
    { "flag", FIELD_BOOL, .offset = AT(flag) },
    { "count", FIELD_U32, .offset = AT(count), .min = 1, .max = 10 },
    { "number", FIELD_I64, .offset = AT(number), .min = -1 },
    { "wait", FIELD_DURATION, .offset = AT(wait_ms), .min = 10, .max = 60000 },
    { "size", FIELD_SIZE, .offset = AT(size), .min = 1024 },
    { "list", FIELD_STRINGS, .offset = AT(list), .flags = FIELD_ONE },
    { "pairs", FIELD_PAIRS, .offset = AT(pairs) },
    { "choice", FIELD_CHOICE, .offset = AT(choice), .names = choices },
    { "inner", FIELD_OBJECT, .rows = inner_rows, .row_count = ARRAY_LEN(inner_rows) },
    { "ours", FIELD_CALL, .call = count_call, .flags = FIELD_OURS },
    { "nullable", FIELD_CALL, .call = count_call, .flags = FIELD_NULL },
    { "later", FIELD_REFUSED, .doc = "not supported yet" },
    { "label", FIELD_ACCEPTED, .doc = "for people" },
};

/* Decodes TEXT; the problem lines, each with a line end, are what is wanted. */
static void decodes(const char *text, struct thing *t, struct arena *a, const char *wanted)
{
    struct stack_problems problems = { 0 };
    struct json *root = NULL;
    struct err e = { 0 };
    char line[ERR_LINE_MAX];
    auto_buf struct buf said = { 0 };
    buf_init(&said, 1 << 16);
    buf_add_str(&said, "");
    struct field_ctx ctx = { .arena = a, .problems = &problems };
    memset(t, 0, sizeof(*t));
    assert_int_equal(json_parse(a, NULL, text, strlen(text), &root, &e), 0);
    (void)field_decode(&ctx, root, rows, ARRAY_LEN(rows), t);
    for (size_t i = 0; i < problems.count; i++) {
        stack_problem_line(&problems.items[i], line, sizeof(line));
        buf_printf(&said, "%s\n", line);
    }
    assert_string_equal(said.data ? said.data : "", wanted);
    assert_int_equal(ctx.path_len, 0);
    stack_problems_done(&problems);
}

static void says(const char *text, const char *wanted)
{
    struct arena a = { .limit_bytes = 0 };
    struct thing t;
    decodes(text, &t, &a, wanted);
    arena_done(&a);
}

static void good_values_are_stored(void **state)
{
    (void)state;
    struct arena a = { .limit_bytes = 0 };
    struct thing t;
    decodes(
        "{\"name\": \"n\", \"text\": 1.50, \"flag\": true, \"count\": 10, \"number\": -1,"
        " \"wait\": \"1m\", \"size\": \"2k\", \"list\": [\"a\", 5], \"pairs\": {\"a\": 1, \"b\": null,"
        " \"c\": true}, \"choice\": \"second\", \"inner\": {\"port\": \"80\"}, \"x-ours\": 1,"
        " \"nullable\": null, \"label\": {}, \"x-other\": [1]}",
        &t, &a, "1:233: warning: label: is accepted and has no effect here: for people\n");
    assert_string_equal(t.name, "n");
    assert_string_equal(t.text, "1.50");
    assert_true(t.flag);
    assert_int_equal(t.count, 10);
    assert_int_equal(t.number, -1);
    assert_int_equal(t.wait_ms, 60000);
    assert_int_equal(t.size, 2048);
    assert_int_equal(t.list.count, 2);
    assert_string_equal(t.list.items[1], "5");
    assert_null(t.list.items[2]);
    assert_int_equal(t.pairs.count, 3);
    assert_string_equal(t.pairs.items[1].value, "");
    assert_string_equal(t.pairs.items[2].value, "true");
    assert_int_equal(t.choice, 1);
    assert_int_equal(t.port, 80);
    assert_int_equal(t.calls, 2);
    arena_done(&a);
}

static void strings_are_cast_after_interpolation(void **state)
{
    (void)state;
    struct arena a = { .limit_bytes = 0 };
    struct thing t;
    decodes("{\"name\": \"n\", \"flag\": \"Yes\", \"count\": \"3\", \"size\": \"4096\","
            " \"list\": \"one\", \"pairs\": [\"a=b=c\", \"d\"]}",
            &t, &a, "");
    assert_true(t.flag);
    assert_int_equal(t.count, 3);
    assert_int_equal(t.size, 4096);
    assert_int_equal(t.list.count, 1);
    assert_string_equal(t.pairs.items[0].key, "a");
    assert_string_equal(t.pairs.items[0].value, "b=c");
    assert_string_equal(t.pairs.items[1].value, "");
    arena_done(&a);
}

static void null_is_as_absent(void **state)
{
    (void)state;
    struct arena a = { .limit_bytes = 0 };
    struct thing t;
    decodes("{\"name\": \"n\", \"count\": null, \"list\": null, \"inner\": null, \"ours\": null}",
            &t, &a, "");
    assert_int_equal(t.calls, 0);
    arena_done(&a);
}

static void all_problems_are_reported(void **state)
{
    (void)state;
    says("[]", "1:1: must be an object, not a list\n");
    says("{}", "1:1: needs the key \"name\"\n");
    says("{\"name\": \"\", \"text\": [], \"flag\": 1, \"count\": 0}",
         "1:10: name: must not be empty\n"
         "1:22: text: must be a string, not a list\n"
         "1:34: flag: must be true or false, not a number\n"
         "1:46: count: 0 is out of range (1–10)\n");
    says("{\"name\": 5, \"count\": \"3.5\", \"number\": -2}",
         "1:10: name: must be a string, not a number\n"
         "1:22: count: \"3.5\" is not a whole number\n"
         "1:39: number: -2 is too small (at least -1)\n");
    says("{\"name\": \"n\", \"wait\": \"30\",\n\"size\": \"10\"}",
         "1:23: wait: \"30\" is not a duration (give a unit: \"30s\")\n"
         "2:9: size: 10 is too small (at least 1024 bytes)\n");
    says("{\"name\": \"n\", \"wait\": \"1h\"}", "1:23: wait: \"1h\" is too long (at most 60 s)\n");
    says("{\"name\": \"n\", \"wait\": \"1ms\"}",
         "1:23: wait: \"1ms\" is too short (at least 10 ms)\n");
    says("{\"name\": \"n\", \"list\": [\"a\", {}], \"inner\": {\"port\": 0}}",
         "1:29: list[1]: must be a string, not an object\n"
         "1:52: inner.port: 0 is out of range (1–65535)\n");
    says("{\"name\": \"n\", \"inner\": \"x\", \"later\": 1}",
         "1:24: inner: must be an object, not a string\n"
         "1:29: later: not supported yet\n");
}

static void unknown_words_get_suggestions(void **state)
{
    (void)state;
    says("{\"name\": \"n\", \"cuont\": 1}",
         "1:15: unknown key \"cuont\" (did you mean \"count\"?)\n");
    says("{\"name\": \"n\", \"qqqqqq\": 1}", "1:15: unknown key \"qqqqqq\"\n");
    says("{\"name\": \"n\", \"inner\": {\"prot\": 1}}",
         "1:25: inner: unknown key \"prot\" (did you mean \"port\"?)\n");
    says("{\"name\": \"n\", \"choice\": \"frist\"}",
         "1:25: choice: \"frist\" is not one of: first, second, service_third "
         "(did you mean \"first\"?)\n");
    says("{\"name\": \"n\", \"choice\": \"third\"}",
         "1:25: choice: \"third\" is not one of: first, second, service_third "
         "(did you mean \"service_third\"?)\n");
    says("{\"name\": \"n\", \"ours\": 1, \"x-ours\": 2}",
         "1:26: \"ours\" and \"x-ours\" are the same key\n");
}

static void long_paths_are_cut(void **state)
{
    (void)state;
    struct stack_problems problems = { 0 };
    struct field_ctx ctx = { .problems = &problems };
    char key[120];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    size_t outer = field_enter(&ctx, key), inner = field_enter(&ctx, key);
    size_t innermost = field_enter_index(&ctx, 7);
    assert_int_equal(strlen(ctx.path), sizeof(ctx.path) - 1);
    field_leave(&ctx, innermost);
    field_leave(&ctx, inner);
    assert_string_equal(ctx.path, key);
    field_leave(&ctx, outer);
    assert_string_equal(ctx.path, "");
}

static void the_list_is_limited_and_sorted(void **state)
{
    (void)state;
    struct stack_problems problems = { 0 };
    struct json_place place = { "f", 0, 1 };
    for (unsigned i = 0; i < STACK_PROBLEMS_MAX + 5; i++) {
        place.line = 1000 - i;
        struct stack_problem *p = problem_add(&problems, false, place, "", "x");
        assert_int_equal(p == NULL, i >= STACK_PROBLEMS_MAX);
    }
    assert_int_equal(problems.count, STACK_PROBLEMS_MAX);
    assert_int_equal(problems.error_count, STACK_PROBLEMS_MAX + 5);
    assert_true(problems.truncated);
    problem_sort(&problems);
    for (size_t i = 1; i < problems.count; i++)
        assert_true(problems.items[i - 1].place.line < problems.items[i].place.line);
    stack_problems_done(&problems);
    assert_int_equal(problems.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_values_are_stored),
        cmocka_unit_test(strings_are_cast_after_interpolation),
        cmocka_unit_test(null_is_as_absent),
        cmocka_unit_test(all_problems_are_reported),
        cmocka_unit_test(unknown_words_get_suggestions),
        cmocka_unit_test(long_paths_are_cut),
        cmocka_unit_test(the_list_is_limited_and_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
