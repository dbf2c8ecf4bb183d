#include "specs/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/auto.h"

#define DAY_MS UINT64_C(86400000)

static void durations_are_summed_and_rounded_up(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        { "0", 0 },      { "0s", 0 },        { "30s", 30000 },      { "1h5m30s20ms", 3930020 },
        { "500us", 1 },  { "1500us", 2 },    { "1.5s", 1500 },      { "0.25h", 900000 },
        { "10ms", 10 },  { "1m1m", 120000 }, { "1000000us", 1000 }, { "24h", 86400000 },
        { "1M", 60000 },
    };
    static const char *const bad[] = { "",
                                       "30",
                                       "s",
                                       "5 s",
                                       "-1s",
                                       "1d",
                                       "1.s",
                                       ".5s",
                                       "1s30",
                                       "1ss",
                                       "1h-1m",
                                       "1e3s",
                                       " 1s",
                                       "1s ",
                                       "24h1ms",
                                       "99999999999999999999h",
                                       "0.0000000001s" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t ms = 77;
        assert_int_equal(units_duration_ms(good[i].text, DAY_MS, &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t ms = 77;
        assert_int_equal(units_duration_ms(bad[i], DAY_MS, &ms), -1);
        assert_int_equal(ms, 77);
    }
}

static void lifetimes_have_long_units(void **state)
{
    (void)state;
    uint64_t s;
    assert_int_equal(units_lifetime_s("30d", UINT32_MAX, &s), 0);
    assert_int_equal(s, 2592000);
    assert_int_equal(units_lifetime_s("1y2w1d", UINT32_MAX, &s), 0);
    assert_int_equal(s, (365 + 14 + 1) * 86400);
    assert_int_equal(units_lifetime_s("1ms", UINT32_MAX, &s), -1);
    assert_int_equal(units_lifetime_s("2d", 86400, &s), -1);
}

static void sizes_are_powers_of_1024(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        { "0", 0 },
        { "1024", 1024 },
        { "1b", 1 },
        { "1k", 1024 },
        { "1KB", 1024 },
        { "64m", 64 << 20 },
        { "1.5g", 1610612736 },
        { "2GB", UINT64_C(2) << 30 },
        { "1 mb", 1 << 20 },
        { "1MiB", 1 << 20 },
        { "1t", UINT64_C(1) << 40 },
    };
    static const char *const bad[] = { "",
                                       "m",
                                       "-1",
                                       "1x",
                                       "1mm",
                                       "1.m",
                                       "0x10",
                                       "1e3",
                                       "1m ",
                                       " 1",
                                       "1  m",
                                       "9999999999g",
                                       "99999999999999999999" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t bytes = 77;
        assert_int_equal(units_size(good[i].text, &bytes), 0);
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t bytes = 77;
        assert_int_equal(units_size(bad[i], &bytes), -1);
    }
}

static void cpus_have_three_decimals(void **state)
{
    (void)state;
    uint64_t millis;
    assert_int_equal(units_cpu_millis("1.5", &millis), 0);
    assert_int_equal(millis, 1500);
    assert_int_equal(units_cpu_millis("2", &millis), 0);
    assert_int_equal(millis, 2000);
    assert_int_equal(units_cpu_millis("0.500000", &millis), 0);
    assert_int_equal(millis, 500);
    assert_int_equal(units_cpu_millis("0.0005", &millis), -1);
    assert_int_equal(units_cpu_millis("1.5.1", &millis), -1);
    assert_int_equal(units_cpu_millis("", &millis), -1);
    assert_int_equal(units_cpu_millis("1cpu", &millis), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_summed_and_rounded_up),
        cmocka_unit_test(lifetimes_have_long_units),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(cpus_have_three_decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
