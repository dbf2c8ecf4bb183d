#include "specs/yaml_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "specs/problem.h"
#include "specs/yaml.h"

/* JSON becomes the YAML WANT, which is read back as the same JSON without a word about old readers;
 * WANT NULL: only that. */
static void writes(const char *text, const char *want)
{
    struct arena a = { 0 };
    struct json *root, *back;
    struct json_place at = { 0 };
    struct stack_problems problems = { 0 };
    struct err e = { 0 };
    auto_buf struct buf yaml = { 0 }, json = { 0 }, again = { 0 };
    struct json_writer w;
    buf_init(&yaml, 1 << 20);
    buf_init(&json, 1 << 20);
    buf_init(&again, 1 << 20);
    assert_int_equal(json_parse(&a, NULL, text, strlen(text), &root, &e), 0);
    json_writer_init(&w, &json, 0);
    json_put_tree(&w, NULL, root);
    yaml_write(root, &yaml);
    if (want)
        assert_string_equal(yaml.data, want);
    if (yaml_parse_placed(&a, "f", yaml.data, yaml.len, &problems, &back, &at, &e) < 0)
        fail_msg("%u:%u: %s in %s", at.line, at.column, e.what, yaml.data);
    assert_int_equal(problems.count, 0);
    json_writer_init(&w, &again, 0);
    json_put_tree(&w, NULL, back);
    assert_string_equal(again.data, json.data);
    stack_problems_done(&problems);
    arena_done(&a);
}

static void block_style(void **state)
{
    (void)state;
    writes("{\"a\":{\"b\":[1,{\"c\":true,\"d\":[\"e\"]},[null,[]]],\"f\":{}}}", "a:\n"
                                                                                "  b:\n"
                                                                                "    - 1\n"
                                                                                "    - c: true\n"
                                                                                "      d:\n"
                                                                                "        - e\n"
                                                                                "    - - null\n"
                                                                                "      - []\n"
                                                                                "  f: {}\n");
    writes("[]", "[]\n");
    writes("\"x\"", "x\n");
}

static void plain_words(void **state)
{
    static const char *const words[] = { "redis", "postgres:16-alpine", "/var/lib/x",
                                         "a b c", "http://h:80/p",      "$$HOME" };
    char text[64], want[64];
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        (void)snprintf(text, sizeof(text), "{\"k\":\"%s\"}", words[i]);
        (void)snprintf(want, sizeof(want), words[i][0] == '$' ? "k: \"%s\"\n" : "k: %s\n",
                       words[i]);
        writes(text, want);
    }
}

/* Words that a reader of either YAML takes for something else, and characters of the grammar. */
static void quoted_words(void **state)
{
    static const char *const words[] = {
        "",       "no",  "Yes",  "ON",  "off",  "y",   "N",    "true",     "False", "null",
        "~",      "1",   "0x1f", "1e3", ".inf", "nan", "-1",   "22:22",    "0777",  "1_000",
        "0b11",   "0o7", "<<",   "=",   "-",    "- a", "a: b", "a #b",     "a:",    " a",
        "a ",     "#a",  "&a",   "*a",  "!a",   "|",   ">",    "{a}",      "[a]",   "%a",
        "@a",     "`a",  "? a",  "a::", "---",  "...", "a'b",  "2001-1-1", "+.5",   "a: ",
        "a,b: c", ", a", "a  b", ": a", "a :b", "Inf",
    };
    char text[64], want[64];
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        (void)snprintf(text, sizeof(text), "{\"k\":\"%s\"}", words[i]);
        (void)snprintf(want, sizeof(want), "k: \"%s\"\n", words[i]);
        writes(text, want);
        if (!words[i][0])
            continue; /* no key for our reader */
        (void)snprintf(text, sizeof(text), "{\"%s\":[\"%s\"]}", words[i], words[i]);
        writes(text, NULL);
    }
}

static void odd_characters(void **state)
{
    (void)state;
    writes("[\"a\\nb\\t\\r\\u0001\\u007f\\u0085\\u00a0\\u2028\\ufeff\\u00e9\\ufffe\\\\\\\"\"]",
           NULL);
    writes("[\"\\ud83d\\ude00 x\",\"\\uffff\",\"\\u2027\"]", NULL);
    writes("{\"a\\nb\":1}", "\"a\\nb\": 1\n");
}

static void long_keys(void **state)
{
    char text[2100] = "{\"";
    (void)state;
    memset(text + 2, 'k', 2000);
    (void)snprintf(text + 2002, 32, "\":{\"a\":[1]}}");
    writes(text, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_style),  cmocka_unit_test(plain_words),
        cmocka_unit_test(quoted_words), cmocka_unit_test(odd_characters),
        cmocka_unit_test(long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
