/* process.scheduler, ioPriority and execCPUAffinity as numbers. */
#include "runtime/scheduling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <linux/ioprio.h>
#include <linux/sched.h>

#include <cmocka.h>

#include "runtime/base/str.h"

static void test_nothing_is_nothing(void **state)
{
    (void)state;
    struct oci_process p = { 0 };
    struct scheduling_plan plan;
    struct err e;
    assert_int_equal(scheduling_plan_init(&p, &plan, &e), 0);
    assert_false(plan.has_attr || plan.has_io || plan.initial_cpus.count || plan.final_cpus.count);
}

static void test_policies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t number;
    } cases[] = {
        { "SCHED_OTHER", SCHED_NORMAL }, { "SCHED_FIFO", SCHED_FIFO }, { "SCHED_RR", SCHED_RR },
        { "SCHED_BATCH", SCHED_BATCH },  { "SCHED_ISO", 4 },           { "SCHED_IDLE", SCHED_IDLE }
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct oci_process p = { .scheduler = {
                                     .policy = cases[i].name, .nice = 3, .priority = 2 } };
        struct scheduling_plan plan;
        struct err e;
        assert_int_equal(scheduling_plan_init(&p, &plan, &e), 0);
        assert_int_equal(plan.attr.policy, cases[i].number);
        assert_int_equal(plan.attr.nice, 3);
        assert_int_equal(plan.attr.priority, 2);
        assert_int_equal(plan.attr.size, 56); /* SCHED_ATTR_SIZE_VER1 */
    }
}

static void test_flags_and_classes(void **state)
{
    (void)state;
    const char *flags[] = { "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM" };
    struct oci_process p = { .scheduler = { .policy = "SCHED_FIFO", .flags = { flags, 2 } },
                             .io_priority = { "IOPRIO_CLASS_BE", 5 },
                             .exec_cpu_affinity = { "0", "0-1" } };
    struct scheduling_plan plan;
    struct err e;
    assert_int_equal(scheduling_plan_init(&p, &plan, &e), 0);
    assert_int_equal(plan.attr.flags, SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_RECLAIM);
    assert_int_equal(plan.io, IOPRIO_CLASS_BE << 13 | 5);
    assert_int_equal(plan.initial_cpus.count, 1);
    assert_int_equal(plan.final_cpus.count, 2);
}

static void test_mistakes(void **state)
{
    (void)state;
    const char *flag = "SCHED_FLAG_NONSENSE";
    const struct {
        struct oci_process process;
        const char *words;
    } cases[] = {
        { { .scheduler = { .policy = "SCHED_NONSENSE" } }, "scheduler.policy" },
        { { .scheduler = { .policy = "SCHED_FIFO", .flags = { &flag, 1 } } }, "scheduler.flags" },
        { { .io_priority = { "IOPRIO_CLASS_NONE", 0 } }, "ioPriority.class" },
        { { .exec_cpu_affinity = { "x", NULL } }, "execCPUAffinity.initial" },
        { { .exec_cpu_affinity = { NULL, "x" } }, "execCPUAffinity.final" },
        { { .scheduler = { .policy = "SCHED_DEADLINE" } }, "requires `runtime`" },
        { { .scheduler = { .policy = "SCHED_DEADLINE", .has_runtime = true, .runtime_ns = 4096 } },
          "requires `deadline`" },
        { { .scheduler = { .policy = "SCHED_DEADLINE",
                           .has_runtime = true,
                           .has_deadline = true } },
          "greater than 0" },
        { { .scheduler = { .policy = "SCHED_DEADLINE",
                           .has_runtime = true,
                           .has_deadline = true,
                           .runtime_ns = 5000,
                           .deadline_ns = 4000 } },
          "must be <= deadline" },
        { { .scheduler = { .policy = "SCHED_DEADLINE",
                           .has_runtime = true,
                           .has_deadline = true,
                           .runtime_ns = 4000,
                           .deadline_ns = 5000,
                           .period_ns = 4500 } },
          "must be <= period" },
        { { .scheduler = { .policy = "SCHED_DEADLINE",
                           .has_runtime = true,
                           .has_deadline = true,
                           .runtime_ns = 1023,
                           .deadline_ns = 5000 } },
          "must be between" },
        { { .scheduler = { .policy = "SCHED_DEADLINE",
                           .has_runtime = true,
                           .has_deadline = true,
                           .runtime_ns = UINT64_MAX,
                           .deadline_ns = UINT64_MAX } },
          "must be between" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scheduling_plan plan;
        struct err e = { 0 };
        assert_int_equal(scheduling_plan_init(&cases[i].process, &plan, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
        assert_non_null(strstr(e.what, cases[i].words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_nothing),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_flags_and_classes),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests_name("scheduling", tests, NULL, NULL);
}
