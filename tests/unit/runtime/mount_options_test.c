#include "runtime/mount_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>

#include <cmocka.h>

static void parse(const char *const *names, size_t count, struct arena *a, struct mounts_item *m)
{
    static struct oci_mount spec;
    spec = (struct oci_mount){ .destination = "/d", .options = { (const char **)names, count } };
    *m = (struct mounts_item){ .spec = &spec };
    mount_options_parse(a, m);
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
    parse(names, ARRAY_LEN(names), &a, &m);
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
    parse(names, ARRAY_LEN(names), &a, &m);
    assert_int_equal(m.attr_set, MOUNT_ATTR_NOEXEC);
    assert_true(m.attr_clear & MOUNT_ATTR_RDONLY);
    arena_done(&a);
}

static void test_access_times_take_back_only_themselves(void **state)
{
    (void)state;
    const char *names[] = { "noatime", "nostrictatime", "rstrictatime", "rnostrictatime" };
    struct arena a = { 0 };
    struct mounts_item m;
    parse(names, ARRAY_LEN(names), &a, &m);
    assert_int_equal(m.attr_set & MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME);
    assert_int_equal(m.below_set & MOUNT_ATTR__ATIME, MOUNT_ATTR_RELATIME);
    assert_int_equal(m.below_clear & MOUNT_ATTR__ATIME, MOUNT_ATTR__ATIME);
    arena_done(&a);
}

static void test_superblock_options_are_kept_apart(void **state)
{
    (void)state;
    const char *names[] = { "sync", "size=1m", "dirsync", "silent", "iversion" };
    struct arena a = { 0 };
    struct mounts_item m;
    parse(names, ARRAY_LEN(names), &a, &m);
    assert_string_equal(m.super[0], "sync");
    assert_string_equal(m.super[1], "dirsync");
    assert_null(m.super[2]);
    assert_string_equal(m.data[0], "size=1m");
    assert_null(m.data[1]);
    arena_done(&a);
}

static void test_flags(void **state)
{
    (void)state;
    const char *names[] = { "remount",      "tmpcopyup",     "copy-symlink",
                            "src-nofollow", "dest-nofollow", "idmap=uids=0-1-1;gids=0-1-1" };
    struct arena a = { 0 };
    struct mounts_item m;
    parse(names, ARRAY_LEN(names), &a, &m);
    assert_true(m.is_remount && m.copies_up && m.copies_symlink && m.source_nofollow &&
                m.target_nofollow && m.wants_idmap && !m.idmap_below);
    assert_string_equal(m.idmap_text, "uids=0-1-1;gids=0-1-1");
    assert_null(m.data[0]);
    arena_done(&a);
}

/* runtime-spec config.md §Linux mount options: every name of the table. */
static void test_the_table_is_whole(void **state)
{
    (void)state;
    static const char *const names[] = {
        "async",          "atime",      "bind",         "defaults",    "dev",
        "diratime",       "dirsync",    "exec",         "iversion",    "lazytime",
        "loud",           "mand",       "noatime",      "nodev",       "nodiratime",
        "noexec",         "noiversion", "nolazytime",   "nomand",      "norelatime",
        "nostrictatime",  "nosuid",     "nosymfollow",  "private",     "ratime",
        "rbind",          "rdev",       "rdiratime",    "relatime",    "remount",
        "rexec",          "rnoatime",   "rnodiratime",  "rnoexec",     "rnorelatime",
        "rnostrictatime", "rnosuid",    "rnosymfollow", "ro",          "rprivate",
        "rrelatime",      "rro",        "rrw",          "rshared",     "rslave",
        "rstrictatime",   "rsuid",      "rsymfollow",   "runbindable", "rw",
        "shared",         "silent",     "slave",        "strictatime", "suid",
        "symfollow",      "sync",       "tmpcopyup",    "unbindable",  "idmap",
        "ridmap"
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        bool is_known = false;
        for (size_t k = 0; mount_options_name(k); k++)
            is_known = is_known || strcmp(mount_options_name(k), names[i]) == 0;
        if (!is_known)
            fail_msg("%s is missing", names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_names_are_sorted),
        cmocka_unit_test(test_attributes_and_data),
        cmocka_unit_test(test_the_last_one_wins),
        cmocka_unit_test(test_access_times_take_back_only_themselves),
        cmocka_unit_test(test_superblock_options_are_kept_apart),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_the_table_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
