/* Which label is written where, or refused. That the kernel then follows it needs a machine where
 * the module is at work. */
#include "runtime/lsm.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct lsm_host none = { false, false }, both = { true, true };

static struct lsm_plan chosen(const char *profile, const char *label, const struct lsm_host *host)
{
    struct oci_process p = { .apparmor_profile = profile, .selinux_label = label };
    struct lsm_plan plan;
    struct err e = { 0 };
    if (lsm_plan_choose(&p, host, &plan, &e) < 0)
        fail_msg("%s", e.what);
    assert_int_equal(plan.proc_fd, -1);
    return plan;
}

static void refused(const char *profile, const char *label, const struct lsm_host *host,
                    const char *what)
{
    struct oci_process p = { .apparmor_profile = profile, .selinux_label = label };
    struct lsm_plan plan;
    struct err e = { 0 };
    assert_int_equal(lsm_plan_choose(&p, host, &plan, &e), -1);
    assert_int_equal(e.kind, ERR_HOST);
    assert_string_equal(e.what, what);
    assert_true(e.hint[0]);
}

static void test_nothing_is_asked_for(void **state)
{
    (void)state;
    static const struct lsm_host *const hosts[] = { &none, &both };
    for (size_t i = 0; i < 2; i++) {
        struct lsm_plan a = chosen(NULL, NULL, hosts[i]), b = chosen("", "", hosts[i]);
        assert_true(!a.apparmor_profile && !a.selinux_label);
        assert_true(!b.apparmor_profile && !b.selinux_label);
    }
    assert_null(chosen("unconfined", NULL, &none).apparmor_profile);
}

static void test_labels_where_the_module_is(void **state)
{
    (void)state;
    struct lsm_plan plan = chosen("docker-default", "system_u:system_r:container_t:s0", &both);
    assert_string_equal(plan.apparmor_profile, "docker-default");
    assert_string_equal(plan.selinux_label, "system_u:system_r:container_t:s0");
    /* Of a confined caller it is a change: written. */
    assert_string_equal(chosen("unconfined", NULL, &both).apparmor_profile, "unconfined");
}

static void test_labels_where_it_is_not(void **state)
{
    (void)state;
    static const struct lsm_host apparmor = { true, false }, selinux = { false, true };
    refused(
        "docker-default", NULL, &selinux,
        "process.apparmorProfile: \"docker-default\" is asked for, and AppArmor is not at work on "
        "this machine");
    refused(
        NULL, "container_t", &apparmor,
        "process.selinuxLabel: \"container_t\" is asked for, and SELinux is not at work on this "
        "machine");
}

/* It is the caller's own attr/exec that is written, and what the kernel says to it is told. */
static void test_writes_to_the_own_attribute(void **state)
{
    (void)state;
    struct lsm_host host;
    lsm_host_read(&host);
    if (host.has_selinux || host.has_apparmor)
        skip(); /* there it is a matter of loaded policy */
    struct oci_process p = { .selinux_label = "no_such_label" };
    struct lsm_plan plan;
    struct err e = { 0 };
    assert_int_equal(lsm_plan_choose(&p, &both, &plan, &e), 0);
    plan.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(lsm_apply(&plan, &e), -1);
    assert_string_equal(e.what, "process.selinuxLabel: write \"no_such_label\" to "
                                "`/proc/thread-self/attr/exec`: invalid argument");
    plan.apparmor_profile = "none";
    assert_int_equal(lsm_apply(&plan, &e), -1);
    assert_string_equal(e.what, "process.apparmorProfile: write \"exec none\" to "
                                "`/proc/thread-self/attr/exec`: invalid argument");
    lsm_plan_done(&plan);
}

static void test_mount_labels(void **state)
{
    (void)state;
    struct arena a = { 0 };
    static const char label[] = "system_u:object_r:container_file_t:s0:c1,c2";
    assert_string_equal(lsm_mount_option(&a, label, &both, "tmpfs"),
                        "context=system_u:object_r:container_file_t:s0:c1,c2");
    assert_non_null(lsm_mount_option(&a, label, &both, "devpts"));
    assert_null(lsm_mount_option(&a, label, &both, "proc"));
    assert_null(lsm_mount_option(&a, label, &both, "mqueue"));
    assert_null(lsm_mount_option(&a, label, &none, "tmpfs"));
    assert_null(lsm_mount_option(&a, "", &both, "tmpfs"));
    assert_null(lsm_mount_option(&a, NULL, &both, "tmpfs"));
    arena_done(&a);
}

static void test_a_plan_that_is_zero_owns_nothing(void **state)
{
    (void)state;
    struct lsm_plan plan = { 0 };
    lsm_plan_done(&plan);
    assert_int_equal(plan.proc_fd, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_asked_for),
        cmocka_unit_test(test_labels_where_the_module_is),
        cmocka_unit_test(test_labels_where_it_is_not),
        cmocka_unit_test(test_writes_to_the_own_attribute),
        cmocka_unit_test(test_mount_labels),
        cmocka_unit_test(test_a_plan_that_is_zero_owns_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
