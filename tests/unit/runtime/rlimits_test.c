#include "runtime/rlimits.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/str.h"
#include "runtime/caps.h"

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < (int)RLIMIT_NLIMITS; i++) {
        assert_non_null(rlimits_name(i));
        assert_int_equal(rlimits_resource(rlimits_name(i)), i);
    }
    assert_null(rlimits_name(-1));
    assert_null(rlimits_name(RLIMIT_NLIMITS));
    assert_int_equal(rlimits_resource("NOFILE"), -1);
}

static void refuses(const struct oci_rlimit *limits, size_t count, const char *what,
                    const char *hint)
{
    struct rlimits_plan p;
    struct err e = { 0 };
    assert_int_equal(rlimits_plan_init(limits, count, &p, &e), -1);
    assert_int_equal(e.kind, ERR_INPUT);
    assert_string_equal(e.what, what);
    assert_string_equal(e.hint, hint);
}

static void test_mistakes_are_named(void **state)
{
    (void)state;
    const struct oci_rlimit unknown[] = { { "RLIMIT_NOFILES", 1, 1 } };
    refuses(unknown, 1, "process.rlimits[0].type: unknown limit \"RLIMIT_NOFILES\"",
            "did you mean \"RLIMIT_NOFILE\"?");
    const struct oci_rlimit twice[] = { { "RLIMIT_CORE", 0, 0 }, { "RLIMIT_CORE", 0, 0 } };
    refuses(twice, 2, "process.rlimits[1]: RLIMIT_CORE for the second time", "");
    const struct oci_rlimit upside[] = { { "RLIMIT_CORE", 5, 4 } };
    refuses(upside, 1, "process.rlimits[0]: RLIMIT_CORE soft 5 is above hard 4", "");
}

static int apply_and_look(const struct rlimits_plan *p, int resource, struct rlimit wanted)
{
    struct err e;
    struct rlimit now;
    if (rlimits_apply(p, &e) < 0)
        return 1;
    if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
        return 2;
    return now.rlim_cur == wanted.rlim_cur && now.rlim_max == wanted.rlim_max ? 0 : 3;
}

static void in_child(const struct rlimits_plan *p, int resource, struct rlimit wanted)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(apply_and_look(p, resource, wanted));
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_lower_limits_are_exact(void **state)
{
    (void)state;
    struct rlimits_plan p;
    struct err e;
    const struct oci_rlimit limits[] = { { "RLIMIT_NOFILE", 10, 20 }, { "RLIMIT_CORE", 0, 0 } };
    assert_int_equal(rlimits_plan_init(limits, 2, &p, &e), 0);
    assert_int_equal(p.count, 2);
    assert_false(p.items[0].is_clamped || p.items[0].is_raise);
    in_child(&p, RLIMIT_NOFILE, (struct rlimit){ 10, 20 });
}

/* Without CAP_SYS_RESOURCE the hard limit stays where it is, and the plan says so. */
static void test_higher_limits_are_clamped_or_raised(void **state)
{
    (void)state;
    struct rlimits_plan p;
    struct err e;
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    if (now.rlim_max > 1000 * 1000) {
        print_message("skipped: RLIMIT_NOFILE is at the kernel's maximum\n");
        skip();
    }
    const struct oci_rlimit limits[] = { { "RLIMIT_NOFILE", now.rlim_max + 1, now.rlim_max + 2 } };
    assert_int_equal(rlimits_plan_init(limits, 1, &p, &e), 0);
    assert_int_equal(p.items[0].wanted_hard, now.rlim_max + 2);
    if (caps_has(CAP_SYS_RESOURCE)) {
        assert_true(p.items[0].is_raise);
        return;
    }
    assert_true(p.items[0].is_clamped);
    assert_int_equal(rlimits_raise(&p, getpid(), &e), 0);
    in_child(&p, RLIMIT_NOFILE, (struct rlimit){ now.rlim_max, now.rlim_max });
}

static void test_no_limits_no_calls(void **state)
{
    (void)state;
    struct rlimits_plan p;
    struct err e;
    assert_int_equal(rlimits_plan_init(NULL, 0, &p, &e), 0);
    assert_int_equal(p.count, 0);
    assert_int_equal(rlimits_raise(&p, -1, &e), 0);
    assert_int_equal(rlimits_apply(&p, &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_lower_limits_are_exact),
        cmocka_unit_test(test_higher_limits_are_clamped_or_raised),
        cmocka_unit_test(test_no_limits_no_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
