/* One failure, one line: kinds, exit codes, wrapping, hints, and that nothing overflows. */
#include "runtime/base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void a_system_error_ends_in_the_words_of_errno(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_sys(&e, ENOENT, "open %s", "/x"), -1);
    assert_string_equal(e.what, "open /x: not found");
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_int_equal(e.errnum, ENOENT);
    (void)err_sys(&e, EPERM, "mount");
    assert_int_equal(e.kind, ERR_HOST);
    (void)err_sys(&e, 99999, "x");
    assert_string_equal(e.what, "x: unknown error");
}

static void wrapping_goes_outward_and_keeps_the_rest(void **state)
{
    (void)state;
    struct err e;
    (void)err_input(&e, "port %d is too large", 70000);
    err_hint(&e, "use a port up to 65535");
    err_hint(&e, "another hint");
    err_subject(&e, "service \"web\"");
    (void)err_wrap(&e, "start");
    char line[ERR_LINE_MAX];
    assert_string_equal(err_line(&e, line, sizeof(line)),
                        "service \"web\": start: port 70000 is too large — use a port up to 65535");
    assert_int_equal(err_exit_code(&e), 2);
}

static void every_kind_has_its_exit_code(void **state)
{
    (void)state;
    static const int codes[] = { 0, 2, 3, 4, 5, 70 };
    for (unsigned kind = 0; kind < ERR_KIND_COUNT_; kind++) {
        struct err e = { .kind = (enum err_kind)kind };
        assert_int_equal(err_exit_code(&e), codes[kind]);
        assert_true(err_kind_name(e.kind)[0] != '\0');
    }
}

static void what_is_too_long_is_cut(void **state)
{
    (void)state;
    struct err e;
    char word[2 * sizeof(e.what)];
    memset(word, 'a', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    (void)err_sys(&e, EIO, "%s", word);
    assert_int_equal(strlen(e.what), sizeof(e.what) - 1);
    (void)err_input(&e, "inner");
    (void)err_wrap(&e, "%.505s", word);
    assert_int_equal(strlen(e.what), sizeof(e.what) - 1);
    assert_memory_equal(e.what + 505, ": inne", 6);
    (void)err_wrap(&e, "%s", word);
    assert_int_equal(strlen(e.what), sizeof(e.what) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_system_error_ends_in_the_words_of_errno),
        cmocka_unit_test(wrapping_goes_outward_and_keeps_the_rest),
        cmocka_unit_test(every_kind_has_its_exit_code),
        cmocka_unit_test(what_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
