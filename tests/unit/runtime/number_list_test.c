/* Lists of CPUs and memory nodes. */
#include "runtime/number_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/str.h"

static void test_lists(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t first_word;
        size_t count;
    } cases[] = {
        { "", 0, 0 },          { "0", 1, 1 },        { "7", 1 << 7, 1 },
        { "0-3", 0xf, 4 },     { "0-3,7", 0x8f, 5 }, { "1,1,0-1", 0x3, 2 },
        { "0-3, 7", 0x8f, 5 }, { "2-2", 0x4, 1 },    { "63", UINT64_C(1) << 63, 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct number_list l;
        struct err e;
        assert_int_equal(number_list_parse(cases[i].text, "f", &l, &e), 0);
        assert_int_equal(l.words[0], cases[i].first_word);
        assert_int_equal(l.count, cases[i].count);
    }
}

static void test_the_highest_number(void **state)
{
    (void)state;
    struct number_list l;
    struct err e;
    assert_int_equal(number_list_parse("1023", "f", &l, &e), 0);
    assert_true(l.words[NUMBER_LIST_WORDS - 1] == UINT64_C(1) << 63);
}

static void test_mistakes_name_the_field(void **state)
{
    (void)state;
    static const char *const texts[] = { "x",   "-",    "1-",         "-1",    "3-1", "1,,2", ",",
                                         "1 2", "1024", "0-99999999", "1-2-3", " ",   "0x1" };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct number_list l;
        struct err e = { 0 };
        assert_int_equal(number_list_parse(texts[i], "process.x", &l, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
        assert_non_null(strstr(e.what, "process.x"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_the_highest_number),
        cmocka_unit_test(test_mistakes_name_the_field),
    };
    return cmocka_run_group_tests_name("number_list", tests, NULL, NULL);
}
