#include "specs/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/str.h"

struct fixture {
    struct arena arena;
    struct json *root;
    struct err e;
};

static int parse(struct fixture *f, const char *text)
{
    memset(f, 0, sizeof(*f));
    return json_parse(&f->arena, "f", text, strlen(text), &f->root, &f->e);
}

static void refuses(const char *text, const char *what)
{
    struct fixture f;
    assert_int_equal(parse(&f, text), -1);
    assert_int_equal(f.e.kind, ERR_INPUT);
    assert_string_equal(f.e.what, what);
    assert_null(f.root);
    arena_done(&f.arena);
}

static void at(const struct json *n, unsigned line, unsigned column)
{
    assert_non_null(n);
    assert_int_equal(n->place.line, line);
    assert_int_equal(n->place.column, column);
    assert_string_equal(n->place.file, "f");
}

static void key_at(const struct json *n, unsigned line, unsigned column)
{
    assert_non_null(n);
    assert_int_equal(n->key_place.line, line);
    assert_int_equal(n->key_place.column, column);
}

static void places_are_token_starts(void **state)
{
    (void)state;
    struct fixture f;
    const char *text = "{ \"a\" : 12,\n"
                       "  \"b\":[ true , null,\n"
                       "\t\"x\\n\\u00e9y\" ,-1.5e3],\"c\"\n"
                       "  : { } , \"d\":\"\xC3\xA9\", \"e\": false }\n";
    assert_int_equal(parse(&f, text), 0);
    at(f.root, 1, 1);
    assert_null(f.root->key);
    const struct json *b = json_find(f.root, "b"), *c = json_find(f.root, "c");
    at(json_find(f.root, "a"), 1, 9);
    key_at(json_find(f.root, "a"), 1, 3);
    at(b, 2, 7);
    key_at(b, 2, 3);
    at(b->items[0], 2, 9);
    at(b->items[1], 2, 16);
    at(b->items[2], 3, 2);
    assert_string_equal(b->items[2]->text, "x\n\xC3\xA9y");
    at(b->items[3], 3, 16);
    assert_string_equal(b->items[3]->text, "-1.5e3");
    key_at(c, 3, 24);
    at(c, 4, 5);
    at(json_find(f.root, "d"), 4, 15);
    key_at(json_find(f.root, "e"), 4, 21);
    at(json_find(f.root, "e"), 4, 26);
    arena_done(&f.arena);
}

static void single_values_are_documents(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const texts[] = { " 42 ", "\n 7", "\"s\"", "true", "null", "[]", "{}" };
    static const enum json_type types[] = { JSON_NUMBER, JSON_NUMBER, JSON_STRING, JSON_BOOL,
                                            JSON_NULL,   JSON_ARRAY,  JSON_OBJECT };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(parse(&f, texts[i]), 0);
        assert_int_equal(f.root->type, types[i]);
        arena_done(&f.arena);
    }
    assert_int_equal(parse(&f, "\n 7"), 0);
    at(f.root, 2, 2);
    arena_done(&f.arena);
}

static void byte_order_mark_is_skipped(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(parse(&f, "\xEF\xBB\xBF{\"a\": 1}"), 0);
    at(json_find(f.root, "a"), 1, 7);
    arena_done(&f.arena);
}

static void syntax_errors_say_where_and_what(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "f:1:1: the file is empty" },
        { " \n ", "f:2:2: the file is empty" },
        { "{\"a\": 1,}", "f:1:9: the comma before this bracket is one too many" },
        { "[1,\n 2,\n]", "f:3:1: the comma before this bracket is one too many" },
        { "{\"a\" 1}", "f:1:6: a colon is missing after the key" },
        { "{\"a\": 1 \"b\": 2}", "f:1:9: a comma or \"}\" is expected here" },
        { "{\"a\": 1,, \"b\": 2}", "f:1:9: a key in double quotes is expected here" },
        { "{\"a\": , \"b\": 2}", "f:1:7: a value is expected here" },
        { "[1 2]", "f:1:4: a comma or \"]\" is expected here" },
        { "[1\n,\n,2]", "f:3:1: a value is expected here" },
        { "{\"a\": 1} {}", "f:1:10: nothing may follow the document" },
        { "1 2", "f:1:3: nothing may follow the document" },
        { "{\"a\": [1,\n 2", "f:2:3: the file ends inside of the array that begins at line 1" },
        { "{\"a\":\n{\"b\": 1", "f:2:8: the file ends inside of the object that begins at line 2" },
        { "{\"a\": \"xy", "f:1:7: the string that begins here has no closing quote" },
        { "{\"a\": tr", "f:1:7: unknown word" },
        { "{\"a\": \"x\ny\"}", "f:1:9: a control character or line end inside a string" },
        { "{\"a\": \"x\\qy\"}", "f:1:10: unknown escape in a string" },
        { "{\"a\": \"\\u12g4\"}", "f:1:12: \\u is followed by four hexadecimal digits" },
        { "{\"a\": tru}", "f:1:7: unknown word" },
        { "{a: 1}", "f:1:2: unexpected character" },
        { "{'a': 1}", "f:1:2: unexpected character" },
        { "{\"a\": 'b'}", "f:1:7: unexpected character" },
        { "{\"a\": True}", "f:1:7: unexpected character" },
        { "{\"a\": 1 // one\n}", "f:1:9: JSON has no comments" },
        { "/* x */ {}", "f:1:1: JSON has no comments" },
        { "{\"a\": 1.}", "f:1:9: a digit is missing after the decimal point" },
        { "{\"a\": 1e}", "f:1:9: a digit is missing after the exponent" },
        { "{\"a\": -}", "f:1:8: a digit is missing after the minus sign" },
        { "{\"a\": 01}", "f:1:8: a comma or \"}\" is expected here" },
        { "{\"a\": .5}", "f:1:7: unexpected character" },
        { "{1: 2}", "f:1:2: a key in double quotes is expected here" },
        { "}", "f:1:1: a value is expected here" },
        { "{]", "f:1:2: a key in double quotes is expected here" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        refuses(cases[i][0], cases[i][1]);
}

static void quotes_are_hinted(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(parse(&f, "{'a': 1}"), -1);
    assert_string_equal(f.e.hint, "names and strings stand in double quotes");
    arena_done(&f.arena);
    assert_int_equal(parse(&f, "{name: 1}"), -1);
    assert_string_equal(f.e.hint, "names and strings stand in double quotes");
    arena_done(&f.arena);
}

static void strings_that_are_not_text_are_refused(void **state)
{
    (void)state;
    refuses("{\"a\":\n \"x\xFFy\"}", "f:2:4: the text is not valid UTF-8");
    refuses("[\"\xC0\x80\"]", "f:1:3: the text is not valid UTF-8");
    refuses("[\"\xED\xA0\x80\"]", "f:1:3: the text is not valid UTF-8");
    refuses("[\"\xF4\x90\x80\x80\"]", "f:1:3: the text is not valid UTF-8");
    refuses("[\"\xE2\x82\"]", "f:1:3: the text is not valid UTF-8");
    refuses("[1, \"a\\u0000b\"]", "f:1:5: a string may not contain \\u0000");
    refuses("{\"\\u0000\": 1}", "f:1:2: a string may not contain \\u0000");
    refuses("[\"a\\ud800\"]", "f:1:4: \\ud800 is half of a surrogate pair");
    refuses("[\"\\\\\\udc00\"]", "f:1:5: \\udc00 is half of a surrogate pair");
    struct fixture f;
    assert_int_equal(parse(&f, "[\"\\ud83d\\ude00\", \"\\\\ud800\"]"), 0);
    assert_string_equal(f.root->items[0]->text, "\xF0\x9F\x98\x80");
    assert_string_equal(f.root->items[1]->text, "\\ud800");
    arena_done(&f.arena);
    memset(&f, 0, sizeof(f));
    assert_int_equal(json_parse(&f.arena, "f", "[1\0]", 4, &f.root, &f.e), -1);
    assert_string_equal(f.e.what, "f:1:3: unexpected character");
    arena_done(&f.arena);
}

static void duplicate_keys_are_refused(void **state)
{
    (void)state;
    refuses("{\"a\": 1,\n \"b\": 2,\n  \"a\": 3}",
            "f:3:3: key \"a\" is given twice (first at line 1)");
    refuses("{\"a\": {\"x\": 1, \"\\u0078\": 2}}",
            "f:1:16: key \"x\" is given twice (first at line 1)");
    auto_buf struct buf b = { 0 };
    buf_init(&b, 1 << 20);
    buf_add_str(&b, "{");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "\"k%d\": 0,\n", i);
    buf_add_str(&b, "\"k500\": 1, \"k7\": 2}");
    refuses(b.data, "f:1001:1: key \"k500\" is given twice (first at line 501)");
}

static void limits_hold(void **state)
{
    (void)state;
    char deep[2 * JSON_DEPTH_MAX + 3];
    memset(deep, '[', JSON_DEPTH_MAX);
    memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    deep[2 * JSON_DEPTH_MAX] = '\0';
    struct fixture f;
    assert_int_equal(parse(&f, deep), 0);
    arena_done(&f.arena);
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    refuses(deep, "f:1:65: nested deeper than 64 levels");

    auto_buf struct buf b = { 0 };
    buf_init(&b, 4 << 20);
    buf_add_str(&b, "[0");
    for (int i = 0; i < JSON_NODES_MAX; i++)
        buf_add_str(&b, ",0");
    buf_add_str(&b, "]");
    refuses(b.data, "f:1:2000000: more than 1000000 values");

    char *big = mem_alloc(JSON_BYTES_MAX + 2);
    memset(big, ' ', JSON_BYTES_MAX + 1);
    refuses(big, "f:1:16777217: the document is larger than 16777216 bytes");
    free(big);

    memset(&f, 0, sizeof(f));
    f.arena.limit_bytes = 400;
    assert_int_equal(json_parse(&f.arena, NULL, "[1,2,3,4]", 9, &f.root, &f.e), -1);
    assert_string_equal(f.e.what, "1:6: the document needs more than 400 bytes of memory");
    arena_done(&f.arena);
}

static void whole_numbers_are_read(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(
        parse(&f, "[0, -5, 9223372036854775807, 9223372036854775808, 1.0, 1e3, \"1\"]"), 0);
    int64_t n = 99;
    assert_int_equal(json_to_i64(f.root->items[0], &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(json_to_i64(f.root->items[1], &n), 0);
    assert_int_equal(n, -5);
    assert_int_equal(json_to_i64(f.root->items[2], &n), 0);
    assert_true(n == INT64_MAX);
    for (size_t i = 3; i < f.root->item_count; i++)
        assert_int_equal(json_to_i64(f.root->items[i], &n), -1);
    assert_int_equal(json_to_i64(NULL, &n), -1);
    arena_done(&f.arena);
}

static void members_are_found(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(parse(&f, "{\"a\": \"x\", \"b\": 1, \"c\": {\"d\": null}}"), 0);
    assert_string_equal(json_find_string(f.root, "a", "-"), "x");
    assert_string_equal(json_find_string(f.root, "b", "-"), "-");
    assert_string_equal(json_find_string(f.root, "z", "-"), "-");
    assert_null(json_find(json_find(f.root, "a"), "x"));
    assert_null(json_find(NULL, "x"));
    assert_int_equal(json_find(json_find(f.root, "c"), "d")->type, JSON_NULL);
    arena_done(&f.arena);
}

static void load_names_the_file(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct json *root = NULL;
    assert_int_equal(json_load(&a, -100, "/nonexistent/x.json", &root, &e), -1);
    assert_string_equal(e.what, "open /nonexistent/x.json: not found");
    arena_done(&a);
}

static void writer_escapes_and_indents(void **state)
{
    (void)state;
    auto_buf struct buf b = { 0 };
    buf_init(&b, 4096);
    struct json_writer w;
    json_writer_init(&w, &b, 2);
    json_begin_object(&w, NULL);
    json_put_string(&w, "a\"b", "x\\\n\t\x01\xC3\xA9\xFFz\x7F");
    json_begin_array(&w, "list");
    json_put_i64(&w, NULL, INT64_MIN);
    json_put_u64(&w, NULL, UINT64_MAX);
    json_put_bool(&w, NULL, true);
    json_put_null(&w, NULL);
    json_put_string(&w, NULL, NULL);
    json_end_array(&w);
    json_begin_object(&w, "empty");
    json_end_object(&w);
    json_begin_array(&w, "none");
    json_end_array(&w);
    json_end_object(&w);
    assert_string_equal(b.data, "{\n"
                                "  \"a\\\"b\": \"x\\\\\\n\\t\\u0001\xC3\xA9\xEF\xBF\xBDz\x7F\",\n"
                                "  \"list\": [\n"
                                "    -9223372036854775808,\n"
                                "    18446744073709551615,\n"
                                "    true,\n"
                                "    null,\n"
                                "    null\n"
                                "  ],\n"
                                "  \"empty\": {},\n"
                                "  \"none\": []\n"
                                "}");
}

static void written_trees_read_back_the_same(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1,2.50,-3e+7,{\"b\":[]},[[\"\\u0001\\\"\xC3\xA9\"]]],\"c\":null,"
                       "\"d\":{},\"e\":true,\"f\":false}";
    for (unsigned indent = 0; indent < 5; indent += 2) {
        struct fixture f, again;
        auto_buf struct buf b = { 0 }, second = { 0 };
        buf_init(&b, 4096);
        buf_init(&second, 4096);
        struct json_writer w;
        assert_int_equal(parse(&f, text), 0);
        json_writer_init(&w, &b, indent);
        json_put_tree(&w, NULL, f.root);
        assert_int_equal(parse(&again, b.data), 0);
        json_writer_init(&w, &second, 0);
        json_put_tree(&w, NULL, again.root);
        assert_string_equal(second.data, text);
        arena_done(&f.arena);
        arena_done(&again.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_token_starts),
        cmocka_unit_test(single_values_are_documents),
        cmocka_unit_test(byte_order_mark_is_skipped),
        cmocka_unit_test(syntax_errors_say_where_and_what),
        cmocka_unit_test(quotes_are_hinted),
        cmocka_unit_test(strings_that_are_not_text_are_refused),
        cmocka_unit_test(duplicate_keys_are_refused),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(whole_numbers_are_read),
        cmocka_unit_test(members_are_found),
        cmocka_unit_test(load_names_the_file),
        cmocka_unit_test(writer_escapes_and_indents),
        cmocka_unit_test(written_trees_read_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
