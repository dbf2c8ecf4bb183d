#include "runtime/mount_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>

#include <cmocka.h>

static int parse(const char *const *names, size_t count, struct arena *a, struct mounts_item *m,
                 struct err *e)
{
    static struct oci_mount spec;
    spec = (struct oci_mount){ .destination = "/d", .options = { (const char **)names, count } };
    *m = (struct mounts_item){ .spec = &spec };
    *e = (struct err){ 0 };
    return mount_options_parse(a, m, e);
}

static void test_the_names_are_sorted(void **state)
{
    (void)state;
    for (size_t i = 1; mount_options_name(i); i++)
        assert_true(strcmp(mount_options_name(i - 1), mount_options_name(i)) < 0);
}

static void test_attributes_and_data(void **state)
{
    (void)state;
    const char *names[] = { "rbind",  "ro",      "nosuid",  "suid",   "rro",
                            "rslave", "size=1m", "noatime", "strange" };
    struct arena a = { 0 };
    struct mounts_item m;
    struct err e;
    assert_int_equal(parse(names, ARRAY_LEN(names), &a, &m, &e), 0);
    assert_true(m.is_bind && m.is_recursive && m.propagation_below);
    assert_int_equal(m.attr_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
    assert_true(m.attr_clear & MOUNT_ATTR_NOSUID);
    assert_true((m.attr_clear & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME);
    assert_int_equal(m.below_set, MOUNT_ATTR_RDONLY);
    assert_int_equal(m.propagation, MS_SLAVE);
    assert_string_equal(m.data[0], "size=1m");
    assert_string_equal(m.data[1], "strange");
    assert_null(m.data[2]);
    arena_done(&a);
}

static void test_the_last_one_wins(void **state)
{
    (void)state;
    const char *names[] = { "ro", "rw", "exec", "noexec", "noatime", "relatime" };
    struct arena a = { 0 };
    struct mounts_item m;
    struct err e;
    assert_int_equal(parse(names, ARRAY_LEN(names), &a, &m, &e), 0);
    assert_int_equal(m.attr_set, MOUNT_ATTR_NOEXEC);
    assert_true(m.attr_clear & MOUNT_ATTR_RDONLY);
    arena_done(&a);
}

static void test_refused(void **state)
{
    (void)state;
    const char *names[] = { "remount" };
    struct arena a = { 0 };
    struct mounts_item m;
    struct err e;
    assert_int_equal(parse(names, 1, &a, &m, &e), -1);
    assert_string_equal(e.what, "mounts: /d: option \"remount\" is not supported");
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_names_are_sorted),
        cmocka_unit_test(test_attributes_and_data),
        cmocka_unit_test(test_the_last_one_wins),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
