#include "runtime/sysctl.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int check(const char *name, bool has_namespaces, struct err *e)
{
    struct oci_pair pair = { .key = name, .value = "1" };
    struct oci_config c = { .sysctl = { &pair, 1 } };
    for (size_t i = 0; i < OCI_NS_COUNT_; i++)
        c.namespaces[i].is_wanted = has_namespaces;
    *e = (struct err){ 0 };
    return sysctl_check(&c, e);
}

static void test_allowed(void **state)
{
    (void)state;
    static const char *const names[] = { "net.ipv4.ip_forward",
                                         "net/ipv4/conf/eth0.1/rp_filter",
                                         "net.ipv4.conf.eth0/1.rp_filter",
                                         "kernel.shm_rmid_forced",
                                         "kernel/sem",
                                         "fs.mqueue.msg_max",
                                         "user.max_user_namespaces",
                                         "kernel.domainname" };
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(check(names[i], true, &e), 0);
        assert_int_equal(check(names[i], false, &e), -1);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "kernel.panic",
                                         "vm.swappiness",
                                         "net/../kernel/panic",
                                         "net..x",
                                         "net/./x",
                                         "",
                                         "/net/x",
                                         "network.x",
                                         "kernel.shmmaxx",
                                         "kernel.shmmax.x",
                                         "fs.mqueue/../../x/.",
                                         "kernel.hostname" };
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(check(names[i], true, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
