#include "specs/signal_names.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names_and_numbers(void **state)
{
    (void)state;
    assert_int_equal(signal_number("SIGTERM"), SIGTERM);
    assert_int_equal(signal_number("term"), SIGTERM);
    assert_int_equal(signal_number("SigQuit"), SIGQUIT);
    assert_int_equal(signal_number("9"), SIGKILL);
    assert_int_equal(signal_number("64"), 64);
    assert_int_equal(signal_number("RTMIN"), 34);
    assert_int_equal(signal_number("SIGRTMIN+3"), 37);
    assert_int_equal(signal_number("SIGRTMAX-1"), 63);
    static const char *const bad[] = { "",        "SIG",        "0",        "65",
                                       "-1",      "SIGTERMS",   "RTMIN+31", "RTMIN-1",
                                       "RTMAX+1", "SIGSIGTERM", "TERM " };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(signal_number(bad[i]), -1);
}

static void every_name_leads_back(void **state)
{
    (void)state;
    for (int number = 1; number < 32; number++) {
        assert_non_null(signal_name(number));
        assert_int_equal(signal_number(signal_name(number)), number);
    }
    assert_null(signal_name(0));
    assert_null(signal_name(34));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers),
        cmocka_unit_test(every_name_leads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
