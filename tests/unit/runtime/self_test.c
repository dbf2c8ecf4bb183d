#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/self.h"

#define USER_NS  "{\"linux\":{\"namespaces\":[{\"type\": \"user\" }]}}"
#define USER_KEY "{\"process\":{\"user\" \n:{\"uid\":0}}}"

static bool is_sure(const char *text)
{
    return self_is_surely_reachable(text, strlen(text));
}

static void test_a_text_without_the_word_has_no_user_namespace(void **state)
{
    (void)state;
    assert_true(is_sure(""));
    assert_true(is_sure("{\"process\":{\"cwd\":\"/user\"}}"));
    assert_true(is_sure(USER_KEY));
    assert_false(is_sure(USER_NS));
    assert_false(is_sure("{\"x\":\"user\"}"));
    assert_false(is_sure("\"user\""));
    assert_false(is_sure(USER_KEY USER_NS));
    assert_false(is_sure("{\"type\":\"\\u0075ser\"}"));
    assert_true(
        self_is_surely_reachable(USER_NS, strlen("{\"linux\":{\"namespaces\":[{\"type\": \"user")));
}

static bool is_reachable(uint32_t first, uint32_t size, bool own_pids, const char *path)
{
    struct oci_idmap map = { 0, first, size };
    struct oci_config c = { .uid_mappings = { &map, 1 } };
    c.namespaces[OCI_NS_USER].is_wanted = true;
    c.namespaces[OCI_NS_USER].path = path;
    c.namespaces[OCI_NS_PID].is_wanted = own_pids;
    return self_is_reachable(&c);
}

static void test_who_maps_neither_root_nor_the_owner_cannot_write(void **state)
{
    (void)state;
    struct oci_config none = { 0 };
    assert_int_equal(chmod("/proc/self/exe", 0755), 0); /* whatever the umask of the build */
    assert_true(self_is_reachable(&none));
    assert_false(is_reachable(1200000000, 65536, true, NULL));
    assert_true(is_reachable(1200000000, 65536, false, NULL));
    assert_true(is_reachable(1200000000, 65536, true, "/proc/1/ns/user"));
    assert_true(is_reachable(0, 1, true, NULL));
    assert_true(is_reachable(0, UINT32_MAX, true, NULL));
    assert_false(is_reachable(1200000000, 0, true, NULL));
}

static void test_a_process_of_our_namespace_can(void **state)
{
    (void)state;
    assert_true(self_is_reachable_from(getpid()));
    assert_true(self_is_reachable_from(-1)); /* none: nothing is known of it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_without_the_word_has_no_user_namespace),
        cmocka_unit_test(test_who_maps_neither_root_nor_the_owner_cannot_write),
        cmocka_unit_test(test_a_process_of_our_namespace_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
