#include "runtime/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "short:x:5\n"
                             "junk:x:7x:7:::\n"
                             "web:x:33:34:w:/srv:/bin/sh\n"
                             "same:x:33:99::/other:";
static const char group[] = "root:x:0:\nadm:x:4:web,bob\nbad:x:9z:web\nlog:x:6:bob,web\n"
                            "near:x:8:webby,aweb\nwww:x:34:";

static void names_and_numbers_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *who;
        uint32_t uid, gid;
        size_t groups;
    } good[] = {
        { "root", 0, 0, 0 },         { "web", 33, 34, 2 },    { "33", 33, 34, 2 },
        { "web:log", 33, 6, 0 },     { "web:77", 33, 77, 0 }, { "1000", 1000, 0, 0 },
        { "1000:www", 1000, 34, 0 }, { "0:0", 0, 0, 0 },      { "4294967294", 4294967294U, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct user_ids ids = { .uid = 1 };
        struct err e = { 0 };
        if (user_find(good[i].who, passwd, group, &ids, &e) < 0)
            fail_msg("%s: %s", good[i].who, e.what);
        assert_int_equal(ids.uid, good[i].uid);
        assert_int_equal(ids.gid, good[i].gid);
        assert_int_equal(ids.group_count, good[i].groups);
    }
    struct user_ids web = { 0 };
    struct err e = { 0 };
    assert_int_equal(user_find("web", passwd, group, &web, &e), 0);
    assert_int_equal(web.groups[0], 4);
    assert_int_equal(web.groups[1], 6);
}

/* CVE-2026-30892: what does not parse must not become another user, root least of all. */
static void a_bad_user_is_never_another_one(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       ":",
                                       ":0",
                                       "web:",
                                       "nobody",
                                       "web:none",
                                       "0x0",
                                       "1000x",
                                       "1000:6x",
                                       "-1",
                                       "+1",
                                       " 0",
                                       "1000 ",
                                       "junk",
                                       "short",
                                       "4294967295",
                                       "web:bad",
                                       "0:0:0",
                                       "99999999999999999999" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct user_ids ids = { .uid = 77, .gid = 78 };
        struct err e = { 0 };
        if (user_find(bad[i], passwd, group, &ids, &e) == 0)
            fail_msg("taken: \"%s\"", bad[i]);
        assert_int_equal(e.kind, ERR_INPUT);
        assert_int_equal(ids.uid, 77);
        assert_int_equal(ids.gid, 78);
    }
}

static void the_home_is_of_the_first_line(void **state)
{
    (void)state;
    char home[8];
    assert_int_equal(user_home_of(passwd, 33, home, sizeof(home)), 0);
    assert_string_equal(home, "/srv");
    assert_int_equal(user_home_of(passwd, 5, home, sizeof(home)), -1);
    assert_int_equal(user_home_of(passwd, 33, home, 4), -1);
    assert_int_equal(user_home_of("", 0, home, sizeof(home)), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers_are_found),
        cmocka_unit_test(a_bad_user_is_never_another_one),
        cmocka_unit_test(the_home_is_of_the_first_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
