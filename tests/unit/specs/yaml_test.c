#include "specs/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/str.h"

struct fixture {
    struct arena arena;
    struct json *root;
    struct json_place at;
    struct stack_problems problems;
    struct err e;
};

static int parse_text(struct fixture *f, const char *text, size_t len)
{
    memset(f, 0, sizeof(*f));
    return yaml_parse_placed(&f->arena, "f", text, len, &f->problems, &f->root, &f->at, &f->e);
}

static void done(struct fixture *f)
{
    arena_done(&f->arena);
    stack_problems_done(&f->problems);
}

/* TEXT as YAML is the JSON document WANT. */
static void means(const char *text, const char *want)
{
    struct fixture f;
    auto_buf struct buf b = { 0 };
    struct json_writer w;
    buf_init(&b, 1 << 20);
    if (parse_text(&f, text, strlen(text)) < 0)
        fail_msg("%u:%u: %s", f.at.line, f.at.column, f.e.what);
    json_writer_init(&w, &b, 0);
    json_put_tree(&w, NULL, f.root);
    assert_string_equal(b.data, want);
    done(&f);
}

static void refuses(const char *text, unsigned line, unsigned column, const char *what)
{
    struct fixture f;
    assert_int_equal(parse_text(&f, text, strlen(text)), -1);
    assert_int_equal(f.e.kind, ERR_INPUT);
    assert_string_equal(f.e.what, what);
    assert_int_equal(f.at.line, line);
    assert_int_equal(f.at.column, column);
    done(&f);
}

static void styles_of_text(void **state)
{
    (void)state;
    means("a: plain text\nb: 'it''s'\nc: \"x\\ty\"\n",
          "{\"a\":\"plain text\",\"b\":\"it's\",\"c\":\"x\\ty\"}");
    means("a: |\n  one\n   two\n\nb: >-\n  one\n  two\n",
          "{\"a\":\"one\\n two\\n\",\"b\":\"one two\"}");
    means("{a: [1, 'x', {b: c}], d: }", "{\"a\":[1,\"x\",{\"b\":\"c\"}],\"d\":null}");
    means("- a\n-\n  - b\n- c: d\n", "[\"a\",[\"b\"],{\"c\":\"d\"}]");
    means("{\"a\": 1, \"b\": [true]}", "{\"a\":1,\"b\":[true]}");
    means("\xEF\xBB\xBF"
          "a: \xC3\xA9 # comment\n",
          "{\"a\":\"\xC3\xA9\"}");
}

static void words_are_those_of_the_core_schema(void **state)
{
    (void)state;
    means("[true, False, TRUE, null, ~, Null]", "[true,false,true,null,null,null]");
    means("[\"true\", 'null', !!str true, ! 12]", "[\"true\",\"null\",\"true\",\"12\"]");
    means("[1, -2, +3, 0x1F, 0o17, 0440, 0b11, 1_000, 089]", "[1,-2,3,31,15,288,3,1000,89]");
    means("[1.5, .5, 5., 3.10, -0.25, 1e3, 6.02E+23, 007.5]",
          "[1.5,0.5,5.0,3.10,-0.25,1e3,6.02E+23,7.5]");
    means("[1.2.3, 0x, 1e, 0xZZ, -, 1-2, .inf, 2001-12-14, 8080:80, 99999999999999999999]",
          "[\"1.2.3\",\"0x\",\"1e\",\"0xZZ\",\"-\",\"1-2\",\".inf\",\"2001-12-14\",\"8080:80\","
          "99999999999999999999]");
    means("[!!int 0x10, !!float 1.5, !!bool true, !!null '']", "[16,1.5,true,null]");
}

static void what_older_readers_take_for_more_is_a_warning(void **state)
{
    (void)state;
    static const char *const texts[] = { "a: no", "a: On", "a: YES", "a: off", "a: 22:22" };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct fixture f;
        assert_int_equal(parse_text(&f, texts[i], strlen(texts[i])), 0);
        assert_int_equal(f.root->items[0]->type, JSON_STRING);
        assert_int_equal(f.problems.count, 1);
        assert_true(f.problems.items[0].is_warning);
        assert_int_equal(f.problems.items[0].place.column, 4);
        done(&f);
    }
    struct fixture f;
    const char *quiet = "a: 'no'\nb: 8080:80\nc: nobody\nno: 1\n";
    assert_int_equal(parse_text(&f, quiet, strlen(quiet)), 0);
    assert_int_equal(f.problems.count, 0);
    done(&f);
    assert_int_equal(parse_text(&f, "a: no", 5), 0);
    assert_string_equal(f.problems.items[0].what,
                        "no is text here, but older YAML readers take it for false");
    assert_string_equal(f.problems.items[0].hint, "write \"no\" to be clear");
    done(&f);
}

static void aliases_bring_what_they_name(void **state)
{
    (void)state;
    means("a: &x {b: 1}\nc: *x\nd: [*x, *x]",
          "{\"a\":{\"b\":1},\"c\":{\"b\":1},\"d\":[{\"b\":1},{\"b\":1}]}");
    means("a: &x 1\nb: &x 2\nc: *x", "{\"a\":1,\"b\":2,\"c\":2}");
    means("a: &k key\n*k : 1", "{\"a\":\"key\",\"key\":1}");
    struct fixture f;
    const char *text = "a: &x\n  b: 1\nc: *x\n";
    assert_int_equal(parse_text(&f, text, strlen(text)), 0);
    const struct json *c = json_find(f.root, "c");
    assert_int_equal(c->key_place.line, 3);
    assert_int_equal(json_find(c, "b")->place.line, 2);
    done(&f);
    refuses("a: *y\n", 1, 4, "*y: there is no anchor of this name above");
    refuses("a: &x [1, *x]\n", 1, 11, "*x stands inside of what it refers to");
}

static void merge_keys_merge(void **state)
{
    (void)state;
    means("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3, c: 4}",
          "{\"x\":{\"a\":1,\"b\":2},\"y\":{\"b\":3,\"c\":4,\"a\":1}}");
    means("x: &x {a: 1}\nz: &z {a: 2, d: 5}\ny: {<<: [*x, *z]}",
          "{\"x\":{\"a\":1},\"z\":{\"a\":2,\"d\":5},\"y\":{\"a\":1,\"d\":5}}");
    means("x: &x {a: 1}\nz: &z {<<: *x, b: 2}\ny: {<<: *z}",
          "{\"x\":{\"a\":1},\"z\":{\"b\":2,\"a\":1},\"y\":{\"b\":2,\"a\":1}}");
    means("x: {<<: {a: 1}}\n", "{\"x\":{\"a\":1}}");
    means("x: {'<<': 1}\n", "{\"x\":{\"<<\":1}}");
    refuses("x: {<<: 1}\n", 1, 9, "\"<<\" takes a map or a list of maps");
    refuses("x: {<<: [1]}\n", 1, 10, "\"<<\" takes maps only, not number");
    refuses("x: &x {a: 1}\ny: {<<: *x, b: 1, b: 2}\n", 2, 19,
            "key \"b\" is given twice (first at line 2)");
}

static void tags_of_compose_are_kept(void **state)
{
    (void)state;
    struct fixture f;
    const char *text = "a: !reset null\nb: !override [1]\nc: !reset {d: 1}\n";
    assert_int_equal(parse_text(&f, text, strlen(text)), 0);
    assert_int_equal(json_find(f.root, "a")->tag, JSON_TAG_RESET);
    assert_int_equal(json_find(f.root, "b")->tag, JSON_TAG_OVERRIDE);
    assert_int_equal(json_find(f.root, "b")->type, JSON_ARRAY);
    assert_int_equal(json_find(f.root, "c")->tag, JSON_TAG_RESET);
    done(&f);
    refuses("a: !secret x\n", 1, 4, "unknown tag \"!secret\"");
    refuses("a: !!int x\n", 1, 4, "the tag says number and the value is string");
    refuses("a: !!set {b: }\n", 1, 4, "unknown tag \"tag:yaml.org,2002:set\"");
}

static void keys_are_text(void **state)
{
    (void)state;
    means("80: a\ntrue: b\n~: c\n", "{\"80\":\"a\",\"true\":\"b\",\"~\":\"c\"}");
    refuses("? [a]\n: b\n", 1, 3, "a key must be text");
    refuses("? ''\n: b\n", 1, 3, "a key is missing before the colon");
    refuses("[a, , b]", 1, 5, "a value is missing here");
    refuses("a: 1\nb: 2\na: 3\n", 3, 1, "key \"a\" is given twice (first at line 1)");
}

static void syntax_errors_are_placed(void **state)
{
    (void)state;
    refuses("a:\n  b: 1\n c: 2\n", 3, 2, "the indentation of this line fits nothing above it");
    refuses("a: b: c\n", 1, 5, "a \":\" does not fit here");
    refuses("a:\n\t- b\n", 2, 1, "unexpected character");
    refuses("a: \"b\n", 2, 1, "the quoted text has no closing quote");
    refuses("a: [1, 2\n", 2, 1, "a comma or a closing bracket is expected here");
    refuses("", 1, 1, "the file is empty");
    refuses("# nothing\n", 1, 1, "the file is empty");
    refuses("a: 1\n---\nb: 2\n", 2, 1, "a second document begins here; one file is one");
    refuses("\xC3\xA9: \xC3\xA9\n\xC3\xA9\xC3\xA9: @\n", 2, 7, "unexpected character");
    refuses("a: \"\\0\"\n", 1, 4, "a string may not contain \\0");
    struct fixture f;
    assert_int_equal(parse_text(&f, "a: 1\nb: \xFF", 9), -1);
    assert_string_equal(f.e.what, "the text is not valid UTF-8");
    assert_int_equal(f.at.line, 2);
    assert_int_equal(f.at.column, 4);
    done(&f);
}

/* Ten levels of ten aliases: 10^10 values if they were copied. */
static void bombs_are_too_many_values(void **state)
{
    (void)state;
    auto_buf struct buf b = { 0 };
    buf_init(&b, 1 << 20);
    (void)buf_printf(&b, "l0: &l0 [a,a,a,a,a,a,a,a,a,a]\n");
    for (int i = 1; i < 10; i++) {
        (void)buf_printf(&b, "l%d: &l%d [", i, i);
        for (int k = 0; k < 10; k++)
            (void)buf_printf(&b, "*l%d,", i - 1);
        (void)buf_printf(&b, "]\n");
    }
    struct fixture f;
    assert_int_equal(parse_text(&f, b.data, b.len), -1);
    assert_string_equal(f.e.what, "more than 1000000 values");
    done(&f);
    buf_reset(&b);
    for (int i = 0; i < 1000; i++)
        (void)buf_add_char(&b, '[');
    assert_int_equal(parse_text(&f, b.data, b.len), -1);
    assert_string_equal(f.e.what, "nested deeper than 64 levels");
    done(&f);
    buf_reset(&b);
    for (int i = 0; i <= YAML_ANCHORS_MAX; i++)
        (void)buf_printf(&b, "- &a%d x\n", i);
    assert_int_equal(parse_text(&f, b.data, b.len), -1);
    assert_string_equal(f.e.what, "more than 250 anchors");
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(styles_of_text),
        cmocka_unit_test(words_are_those_of_the_core_schema),
        cmocka_unit_test(what_older_readers_take_for_more_is_a_warning),
        cmocka_unit_test(aliases_bring_what_they_name),
        cmocka_unit_test(merge_keys_merge),
        cmocka_unit_test(tags_of_compose_are_kept),
        cmocka_unit_test(keys_are_text),
        cmocka_unit_test(syntax_errors_are_placed),
        cmocka_unit_test(bombs_are_too_many_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
