#include "supervisor/cli/lastwords.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/auto.h"

static void test_found(void **state)
{
    struct err e = { 0 };
    (void)state;
    assert_true(cli_lastwords_find(
        "2026-11-21T04:05:06.789Z info engine.started pid=1\n"
        "2026-11-21T04:05:06.789Z error stack.failed kind=input what=\"old\"\n"
        "2026-11-21T04:05:06.790Z error stack.failed kind=conflict "
        "what=\"listen on \\\"x\\\" \\x41: in use\" hint=\"look\"\n"
        "2026-11-21T04:05:06.791Z warn cgroup.left kind=system what=\"not this\"\n",
        &e));
    assert_int_equal(e.kind, ERR_CONFLICT);
    assert_string_equal(e.what, "listen on \"x\" A: in use");
    assert_string_equal(e.hint, "look");
}

static void test_nothing(void **state)
{
    static const char *const texts[] = { "", "\n\n", "x error what=\"unended", "error\n",
                                         "2026 info a what=\"b\"\n" };
    struct err e = { .kind = ERR_HOST };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (i != 2)
            assert_false(cli_lastwords_find(texts[i], &e));
    }
    assert_int_equal(e.kind, ERR_HOST);
    assert_true(cli_lastwords_find(texts[2], &e)); /* cut off, but better than nothing */
    assert_string_equal(e.what, "unended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
