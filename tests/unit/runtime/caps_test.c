#include "runtime/caps.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/str.h"
#include "specs/capability_names.h"

#define BIT(n) (UINT64_C(1) << (n))

static struct oci_strings list(const char **items, size_t count)
{
    return (struct oci_strings){ items, count };
}
#define LIST(...)                               \
    list((const char *[]){ __VA_ARGS__, NULL }, \
         sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CAPABILITY_COUNT; i++) {
        assert_int_equal(capability_number(capability_name(i)), i);
        assert_int_equal(capability_number_loose(capability_name(i) + 4), i);
    }
    assert_null(capability_name(CAPABILITY_COUNT));
    assert_int_equal(capability_number("NET_RAW"), -1);
    assert_int_equal(capability_number_loose("cap_net_raw"), CAP_NET_RAW);
    assert_int_equal(capability_number_loose("ALL"), -1);
    assert_string_equal(capability_nearest("CAP_NET_ADMN"), "CAP_NET_ADMIN");
    assert_int_equal(__builtin_popcountll(capability_default_mask), 11);
    assert_int_equal(capability_default_mask, 0x800405fb);
}

static void test_absent_is_empty(void **state)
{
    (void)state;
    struct oci_capabilities none = { 0 };
    struct caps_plan p;
    struct err e;
    assert_int_equal(caps_plan_init(&none, true, &p, &e), 0);
    assert_int_equal(p.bounding | p.permitted | p.effective | p.inheritable | p.ambient, 0);
    assert_in_range(p.last_cap, CAP_AUDIT_READ, 63);
}

/* CVE-2022-29162: an inheritable set that nobody asked for. */
static void test_sets_are_exact(void **state)
{
    (void)state;
    struct oci_capabilities c = { .is_set = true };
    struct caps_plan p;
    struct err e;
    c.bounding = LIST("CAP_KILL", "CAP_CHOWN", "CAP_NET_RAW");
    c.permitted = LIST("CAP_KILL", "CAP_CHOWN");
    c.effective = LIST("CAP_KILL");
    assert_int_equal(caps_plan_init(&c, true, &p, &e), 0);
    assert_int_equal(p.bounding, BIT(CAP_KILL) | BIT(CAP_CHOWN) | BIT(CAP_NET_RAW));
    assert_int_equal(p.permitted, BIT(CAP_KILL) | BIT(CAP_CHOWN));
    assert_int_equal(p.effective, BIT(CAP_KILL));
    assert_int_equal(p.inheritable, 0);
    assert_int_equal(p.ambient, 0);
    assert_int_equal(p.unavailable, 0);
}

static void test_ambient_needs_permitted_and_inheritable(void **state)
{
    (void)state;
    struct oci_capabilities c = { .is_set = true };
    struct caps_plan p;
    struct err e;
    c.bounding = c.permitted = LIST("CAP_KILL", "CAP_CHOWN");
    c.inheritable = LIST("CAP_KILL");
    c.ambient = LIST("CAP_KILL", "CAP_CHOWN");
    assert_int_equal(caps_plan_init(&c, true, &p, &e), 0);
    assert_int_equal(p.ambient, BIT(CAP_KILL));
    assert_int_equal(p.unavailable, BIT(CAP_CHOWN));
}

/* config.md §Linux Process: logged as a warning, "Runtimes SHOULD NOT fail" */
static void test_unknown_names_are_kept_for_a_warning(void **state)
{
    (void)state;
    struct oci_capabilities c = { .is_set = true };
    struct caps_plan p;
    struct err e;
    c.permitted = LIST("CAP_KILL", "CAP_SYS_ADMNI", "CAP_NONSENSE");
    assert_int_equal(caps_plan_init(&c, true, &p, &e), 0);
    assert_int_equal(p.permitted, BIT(CAP_KILL));
    assert_string_equal(p.unknown, "CAP_SYS_ADMNI");
}

static void test_mistakes_are_named(void **state)
{
    (void)state;
    struct oci_capabilities c = { .is_set = true };
    struct caps_plan p;
    struct err e = { 0 };
    c.permitted = LIST("CAP_KILL");
    c.effective = LIST("CAP_KILL", "CAP_MKNOD");
    assert_int_equal(caps_plan_init(&c, true, &p, &e), -1);
    assert_string_equal(
        e.what, "process.capabilities.effective: CAP_MKNOD not in permitted (capabilities(7))");
}

static void test_mask_names(void **state)
{
    (void)state;
    char to[64];
    assert_string_equal(caps_mask_names(0, to, sizeof(to)), "");
    assert_string_equal(caps_mask_names(BIT(CAP_KILL) | BIT(CAP_BPF), to, sizeof(to)),
                        "CAP_KILL CAP_BPF");
    assert_string_equal(caps_mask_names(BIT(CAP_KILL) | BIT(CAP_BPF), to, 12), "CAP_KILL");
}

static uint64_t status_mask(const char *key)
{
    char line[256];
    unsigned long long mask = UINT64_MAX;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f))
        if (str_starts(line, key))
            (void)sscanf(line + strlen(key), ": %llx", &mask);
    if (f)
        fclose(f);
    return mask;
}

static int become(const struct caps_plan *p)
{
    struct err e;
    if (caps_apply_bounding(p, &e) < 0)
        return 1;
    if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
        return 2;
    if (caps_apply_sets(p, &e) < 0)
        return 3;
    if (status_mask("CapBnd") != p->bounding || status_mask("CapPrm") != p->permitted ||
        status_mask("CapEff") != p->effective || status_mask("CapInh") != p->inheritable ||
        status_mask("CapAmb") != p->ambient)
        return 4;
    return prctl(PR_GET_KEEPCAPS) == 0 ? 0 : 5;
}

static void test_applied_sets_are_what_the_kernel_shows(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root to change the user\n");
        skip();
    }
    struct oci_capabilities c = { .is_set = true };
    struct caps_plan p;
    struct err e;
    c.bounding = LIST("CAP_KILL", "CAP_CHOWN", "CAP_NET_BIND_SERVICE");
    c.permitted = LIST("CAP_KILL", "CAP_NET_BIND_SERVICE");
    c.effective = LIST("CAP_NET_BIND_SERVICE");
    c.inheritable = LIST("CAP_KILL", "CAP_NET_BIND_SERVICE");
    c.ambient = LIST("CAP_KILL");
    assert_int_equal(caps_plan_init(&c, false, &p, &e), 0);
    assert_int_equal(p.unavailable, 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(become(&p));
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_what_we_lack_is_reported(void **state)
{
    (void)state;
    struct oci_capabilities c = { .is_set = true };
    struct caps_plan p;
    struct err e;
    uint64_t own = status_mask("CapPrm");
    unsigned lacking = CAPABILITY_COUNT;
    for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
        if (!(own & BIT(i)))
            lacking = i;
    if (lacking == CAPABILITY_COUNT) {
        print_message("skipped: this process has every capability\n");
        skip();
    }
    c.bounding = c.permitted = c.effective = LIST(capability_name(lacking));
    assert_int_equal(caps_plan_init(&c, false, &p, &e), 0);
    assert_int_equal(p.unavailable, BIT(lacking));
    assert_int_equal(p.permitted | p.effective, 0);
    assert_false(caps_has(lacking));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_absent_is_empty),
        cmocka_unit_test(test_sets_are_exact),
        cmocka_unit_test(test_ambient_needs_permitted_and_inheritable),
        cmocka_unit_test(test_unknown_names_are_kept_for_a_warning),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_mask_names),
        cmocka_unit_test(test_applied_sets_are_what_the_kernel_shows),
        cmocka_unit_test(test_what_we_lack_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
