#include "specs/passwd.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment\n"
                             "broken:x:12x:0::/:/bin/sh\n"
                             "short:x:5\n"
                             "www:x:33:34:web:/var/www:/bin/sh\n"
                             "last:x:99:98::/home/last";
static const char group[] =
    "root:x:0:\nwww:x:34:\nmail:x:8:root,www\nssl:x:110:www\nno:x:7:wwww,ww\n";

static void test_found(void **state)
{
    (void)state;
    static const struct {
        const char *who;
        uint32_t uid, gid;
        size_t groups;
    } cases[] = {
        { "www", 33, 34, 2 },    { "33", 33, 34, 2 },    { "www:mail", 33, 8, 0 },
        { "www:12", 33, 12, 0 }, { "4000", 4000, 0, 0 }, { "4000:5000", 4000, 5000, 0 },
        { "last", 99, 98, 0 },   { "0", 0, 0, 1 },       { "4294967294", 4294967294U, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct passwd_ids ids;
        struct err e;
        assert_int_equal(passwd_find(cases[i].who, passwd, group, &ids, &e), 0);
        assert_int_equal(ids.uid, cases[i].uid);
        assert_int_equal(ids.gid, cases[i].gid);
        assert_int_equal(ids.group_count, cases[i].groups);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[] = { "nobody", "broken",  "short",      "",           ":",
                                         "www:",   ":www",    "33x",        "33:34x",     "-1",
                                         "www:-1", "www:no2", "4294967295", "4294967296", "1:2:3" };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct passwd_ids ids = { .uid = 77 };
        struct err e = { 0 };
        assert_int_equal(passwd_find(cases[i], passwd, group, &ids, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
        assert_int_equal(ids.uid, 77);
    }
}

static void test_home(void **state)
{
    (void)state;
    char home[16];
    assert_int_equal(passwd_home(passwd, 33, home, sizeof(home)), 0);
    assert_string_equal(home, "/var/www");
    assert_int_equal(passwd_home(passwd, 99, home, sizeof(home)), 0);
    assert_string_equal(home, "/home/last");
    assert_int_equal(passwd_home(passwd, 1, home, sizeof(home)), -1);
    assert_int_equal(passwd_home(passwd, 33, home, 8), -1);
    assert_int_equal(passwd_home("", 33, home, sizeof(home)), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
