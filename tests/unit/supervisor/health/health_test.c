#include "supervisor/health/health.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
enum {
    GENERATION = 7,
    ALWAYS = -1, /* fails for ever */
};

static struct stack_healthcheck check_of(uint32_t interval_ms, uint32_t start_period_ms,
                                         uint32_t retries)
{
    return (struct stack_healthcheck){ .kind = STACK_PROBE_TCP,
                                       .interval_ms = interval_ms,
                                       .timeout_ms = 1000,
                                       .start_period_ms = start_period_ms,
                                       .start_interval_ms = 5000,
                                       .retries = retries };
}

static enum health_change put(struct health *h, const struct stack_healthcheck *c, bool is_ok,
                              uint64_t at_ms)
{
    return health_on_result(h, c, GENERATION, is_ok, 1, is_ok ? "fine" : "refused", at_ms * MS);
}

/* A container that starts at 0 and whose probes take no time: failing before OK_MS, fine after. */
static const struct {
    const char *name;
    uint32_t interval_ms, start_period_ms, start_interval_ms, retries;
    int64_t ok_ms;
    uint64_t healthy_ms;   /* when it is found out; 0: never */
    uint64_t unhealthy_ms; /* 0: never */
    const char *early;     /* the first probe times */
} lives[] = {
    { "healthy at once", 30000, 0, 5000, 3, 0, 0, 0, "0 30000 60000" },
    { "a second to start", 30000, 0, 5000, 3, 1000, 1550, 0, "0 50 150 350 750 1550 31550" },
    { "never: as Compose counts", 30000, 0, 5000, 3, ALWAYS, 0, 90000,
      "0 50 150 350 750 1550 3150 6350 12750 25550 30000 60000 90000" },
    { "start period longer than the interval", 10000, 25000, 5000, 2, ALWAYS, 0, 35000,
      "0 50 150 350 750 1550 3150 6350 11350 16350 21350 25000 35000" },
    { "start interval bounds", 30000, 10000, 400, 3, 1900, 1950, 0,
      "0 50 150 350 750 1150 1550 1950" },
    { "interval below the first delay", 20, 0, 5000, 3, ALWAYS, 0, 60, "0 20 40 60" },
    { "one retry", 1000, 0, 5000, 1, ALWAYS, 0, 1000, "0 50 150 350 750 1000" },
    { "late, between counted failures", 1000, 0, 5000, 3, 2500, 3000, 0,
      "0 50 150 350 750 1000 2000 3000" },
};

static void test_lives(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        struct stack_healthcheck c =
            check_of(lives[i].interval_ms, lives[i].start_period_ms, lives[i].retries);
        c.start_interval_ms = lives[i].start_interval_ms;
        struct health h;
        uint64_t healthy_ms = UINT64_MAX, unhealthy_ms = 0;
        char times[256] = "";
        health_start(&h, &c, GENERATION, 0);
        assert_int_equal(h.status, HEALTH_STARTING);
        for (int probe = 0; probe < 20; probe++) {
            uint64_t ms = health_next_probe_ns(&h) / MS;
            size_t n = strlen(times);
            if (n < strlen(lives[i].early))
                (void)snprintf(times + n, sizeof(times) - n, "%s%llu", n ? " " : "",
                               (unsigned long long)ms);
            bool is_ok = lives[i].ok_ms != ALWAYS && (int64_t)ms >= lives[i].ok_ms;
            switch (put(&h, &c, is_ok, ms)) {
            case HEALTH_BECAME_HEALTHY: healthy_ms = ms; break;
            case HEALTH_BECAME_UNHEALTHY: unhealthy_ms = ms; break;
            case HEALTH_UNCHANGED: break;
            }
        }
        assert_string_equal(times, lives[i].early);
        if (lives[i].ok_ms != ALWAYS)
            assert_int_equal(healthy_ms, lives[i].healthy_ms);
        assert_int_equal(unhealthy_ms, lives[i].unhealthy_ms);
        assert_int_equal(h.status, lives[i].ok_ms == ALWAYS ? HEALTH_UNHEALTHY : HEALTH_HEALTHY);
    }
}

static void test_streaks_and_recovery(void **state)
{
    (void)state;
    struct stack_healthcheck c = check_of(1000, 0, 3);
    struct health h;
    health_start(&h, &c, GENERATION, 0);
    assert_int_equal(put(&h, &c, true, 10), HEALTH_BECAME_HEALTHY);
    assert_int_equal(put(&h, &c, false, 1010), HEALTH_UNCHANGED);
    assert_int_equal(put(&h, &c, false, 2010), HEALTH_UNCHANGED);
    assert_int_equal(put(&h, &c, true, 3010), HEALTH_UNCHANGED); /* the streak is broken */
    assert_int_equal(put(&h, &c, false, 4010), HEALTH_UNCHANGED);
    assert_int_equal(put(&h, &c, false, 5010), HEALTH_UNCHANGED);
    assert_int_equal(h.status, HEALTH_HEALTHY);
    assert_int_equal(put(&h, &c, false, 6010), HEALTH_BECAME_UNHEALTHY);
    assert_int_equal(put(&h, &c, false, 7010), HEALTH_UNCHANGED); /* said once */
    assert_int_equal(h.failure_streak, 4);
    assert_int_equal(health_next_probe_ns(&h), 8010 * MS);
    assert_int_equal(put(&h, &c, true, 8010), HEALTH_BECAME_HEALTHY); /* one success is enough */
    assert_int_equal(h.failure_streak, 0);
}

/* Compose: once it was healthy, the start period is over for it. */
static void test_success_ends_start_period(void **state)
{
    (void)state;
    struct stack_healthcheck c = check_of(1000, 60000, 2);
    struct health h;
    health_start(&h, &c, GENERATION, 0);
    assert_int_equal(put(&h, &c, true, 100), HEALTH_BECAME_HEALTHY);
    assert_int_equal(put(&h, &c, false, 1100), HEALTH_UNCHANGED);
    assert_int_equal(put(&h, &c, false, 2100), HEALTH_BECAME_UNHEALTHY);
}

static void test_stale_results(void **state)
{
    (void)state;
    struct stack_healthcheck c = check_of(1000, 0, 1);
    struct health h;
    health_start(&h, &c, GENERATION, 0);
    assert_int_equal(health_on_result(&h, &c, GENERATION - 1, true, 1, "old", 5 * MS),
                     HEALTH_UNCHANGED);
    assert_int_equal(h.status, HEALTH_STARTING);
    assert_null(health_find_result(&h, 0));
    assert_int_equal(health_next_probe_ns(&h), 0);
    health_stop(&h);
    assert_int_equal(h.status, HEALTH_NONE);
    assert_int_equal(health_next_probe_ns(&h), UINT64_MAX);
    assert_int_equal(put(&h, &c, true, 10), HEALTH_UNCHANGED); /* it has stopped */
    assert_int_equal(h.status, HEALTH_NONE);
    health_start(&h, &c, GENERATION + 1, 20 * MS);
    assert_int_equal(put(&h, &c, true, 30), HEALTH_UNCHANGED);
    assert_int_equal(health_on_result(&h, &c, GENERATION + 1, true, 1, "new", 31 * MS),
                     HEALTH_BECAME_HEALTHY);
}

static void test_slow_probes_delay_the_next(void **state)
{
    (void)state;
    struct stack_healthcheck c = check_of(1000, 0, 2);
    struct health h;
    health_start(&h, &c, GENERATION, 0);
    /* Each takes 3 s: the interval counts from its end, and each counts. */
    assert_int_equal(put(&h, &c, false, 3000), HEALTH_UNCHANGED);
    assert_int_equal(health_next_probe_ns(&h),
                     3050 * MS); /* adaptive; would not count before 4000 */
    assert_int_equal(put(&h, &c, false, 6050), HEALTH_BECAME_UNHEALTHY);
    assert_int_equal(health_next_probe_ns(&h), 6150 * MS);
}

static void test_no_check(void **state)
{
    (void)state;
    struct stack_healthcheck c = { .kind = STACK_PROBE_NONE };
    struct health h;
    health_start(&h, &c, GENERATION, 0);
    assert_int_equal(h.status, HEALTH_NONE);
    assert_int_equal(health_next_probe_ns(&h), UINT64_MAX);
}

static void test_results_ring_and_text(void **state)
{
    (void)state;
    struct stack_healthcheck c = check_of(1000, 0, 3);
    struct health h;
    health_start(&h, &c, GENERATION, 0);
    for (int i = 0; i < HEALTH_RESULTS_MAX + 2; i++) {
        char text[8] = { (char)('a' + i), '\n', 'x', 0x7f };
        (void)health_on_result(&h, &c, GENERATION, false, (uint32_t)i, text, (uint64_t)i * MS);
    }
    assert_string_equal(health_find_result(&h, 0)->text, "g x ");
    assert_string_equal(health_find_result(&h, 4)->text, "c x ");
    assert_null(health_find_result(&h, 5));

    char big[2 * HEALTH_TEXT_MAX];
    memset(big, 'e', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    memcpy(big + HEALTH_TEXT_MAX - 2, "\xc3\xa9", 2); /* é over the edge */
    (void)health_on_result(&h, &c, GENERATION, false, 1, big, MS);
    assert_int_equal(strlen(health_find_result(&h, 0)->text), HEALTH_TEXT_MAX - 2);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(health_status_name(HEALTH_NONE), "none");
    assert_string_equal(health_status_name(HEALTH_UNHEALTHY), "unhealthy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lives),
        cmocka_unit_test(test_streaks_and_recovery),
        cmocka_unit_test(test_success_ends_start_period),
        cmocka_unit_test(test_stale_results),
        cmocka_unit_test(test_slow_probes_delay_the_next),
        cmocka_unit_test(test_no_check),
        cmocka_unit_test(test_results_ring_and_text),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
