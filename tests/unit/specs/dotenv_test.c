#include "specs/dotenv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/buf.h"

static const char *find(const void *self, const char *name)
{
    (void)self;
    return strcmp(name, "OUTER") == 0 ? "outer" : NULL;
}

struct fixture {
    struct arena arena;
    struct stack_pairs pairs;
    struct json_place at;
    struct err e;
};

static int parse(struct fixture *f, const char *text, bool is_raw)
{
    struct interpolate env = { .find = find };
    memset(f, 0, sizeof(*f));
    return dotenv_parse(&f->arena, ".env", text, strlen(text), is_raw, &env, &f->pairs, &f->at,
                        &f->e);
}

static void gives(const char *text, const char *name, const char *value)
{
    struct fixture f;
    assert_int_equal(parse(&f, text, false), 0);
    const char *found = dotenv_find(&f.pairs, name);
    if (value) {
        assert_non_null(found);
        assert_string_equal(found, value);
    } else {
        assert_null(found);
    }
    arena_done(&f.arena);
}

static void plain_lines(void **state)
{
    (void)state;
    gives("A=1", "A", "1");
    gives("\xEF\xBB\xBF"
          "A=1\r\nB=2\r\n",
          "A", "1");
    gives("A=1\r\nB=2\r\n", "B", "2");
    gives("A=", "A", "");
    gives("A = spaced out  ", "A", "spaced out");
    gives("A: yaml", "A", "yaml");
    gives("export A=1", "A", "1");
    gives("  # no\n\n  A=1", "A", "1");
    gives("A=1\nA=2", "A", "2");
    gives("exported=1", "exported", "1");
    gives("a.b-c[0]=1", "a.b-c[0]", "1");
    gives("URL=postgres://u:p@h/d?x=y", "URL", "postgres://u:p@h/d?x=y");
}

static void comments(void **state)
{
    (void)state;
    gives("A=1 # (선택)", "A", "1");
    gives("A=1#2", "A", "1#2");
    gives("A=#1", "A", "");
    gives("A='x # y' # z", "A", "x # y");
    gives("A=\"x # y\"# z", "A", "x # y");
    gives("#A=1", "A", NULL);
}

static void quotes(void **state)
{
    (void)state;
    gives("A='$OUTER \\n \"'", "A", "$OUTER \\n \"");
    gives("A=\"a\\n\\tb\\\\ \\\"q\\\" \\$OUTER \\x\"", "A", "a\n\tb\\ \"q\" $OUTER \\x");
    gives("A=\"two\nlines\"\nB=3", "A", "two\nlines");
    gives("A='two\nlines'\nB=3", "B", "3");
    gives("A=it's", "A", "it's");
}

static void values_see_names(void **state)
{
    (void)state;
    gives("R=redis\nB=${R}/1", "B", "redis/1");
    gives("B=\"$OUTER!\"", "B", "outer!");
    gives("OUTER=mine\nB=$OUTER", "B", "outer");
    gives("B=${NOPE:-d}", "B", "d");
    gives("B=pa$$word", "B", "pa$word");
    gives("OUTER", "OUTER", "outer");
    gives("NOPE", "NOPE", NULL);
    gives("export OUTER", "OUTER", "outer");
}

static void raw_values_stand_as_they_are(void **state)
{
    (void)state;
    struct fixture f;
    assert_int_equal(parse(&f, "A='$OUTER' # x\r\nB= y \n", true), 0);
    assert_string_equal(dotenv_find(&f.pairs, "A"), "'$OUTER' # x");
    assert_string_equal(dotenv_find(&f.pairs, "B"), " y ");
    arena_done(&f.arena);
}

static void fails(const char *text, unsigned line, unsigned column, const char *what)
{
    struct fixture f;
    assert_int_equal(parse(&f, text, false), -1);
    assert_string_equal(f.e.what, what);
    assert_int_equal(f.at.line, line);
    assert_int_equal(f.at.column, column);
    assert_string_equal(f.at.file, ".env");
    arena_done(&f.arena);
}

static void mistakes_have_places(void **state)
{
    (void)state;
    fails("A=1\n  not a line", 2, 3, "\"not\" is not followed by =");
    fails("=1", 1, 1, "a line that is not NAME=VALUE");
    fails("A=1\nB=\"open\n\n", 2, 1, "B: a quoted value without closing quote");
    fails("B='open", 1, 1, "B: a quoted value without closing quote");
    fails("B='x' y", 1, 1, "B: text after the closing quote");
    fails("A='x\ny'\nB=${!}", 3, 1, "B: invalid template \"${!}\"");
    fails("B=${X:?give it}", 1, 1, "B: required variable X is missing a value: give it");
}

static void names_grow_without_end_of_room(void **state)
{
    (void)state;
    struct fixture f;
    auto_buf struct buf b = { 0 };
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 300; i++)
        buf_printf(&b, "N%d=%d\n", i, i);
    assert_int_equal(parse(&f, b.data, false), 0);
    assert_int_equal(f.pairs.count, 300);
    assert_string_equal(dotenv_find(&f.pairs, "N299"), "299");
    arena_done(&f.arena);
    memset(&f, 0, sizeof(f));
    struct interpolate env = { .find = find };
    assert_int_equal(dotenv_parse(&f.arena, ".env", "A\0B", 3, false, &env, &f.pairs, &f.at, &f.e),
                     -1);
    assert_string_equal(f.e.what, "the file is not text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines),
        cmocka_unit_test(comments),
        cmocka_unit_test(quotes),
        cmocka_unit_test(values_see_names),
        cmocka_unit_test(raw_values_stand_as_they_are),
        cmocka_unit_test(mistakes_have_places),
        cmocka_unit_test(names_grow_without_end_of_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
