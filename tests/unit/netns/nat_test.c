#include "netns/nat.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "netns/bridge.h"
#include "netns/endpoint.h"
#include "runtime/base/fd.h"

/* Golden files are read from the top of the tree, where `make unit` runs. */
static void golden_compare(const char *name, const struct buf *text)
{
    auto_buf struct buf golden = { 0 };
    struct err e = { 0 };
    char path[128];
    (void)snprintf(path, sizeof path, "tests/unit/netns/golden/%s.nft", name);
    buf_init(&golden, NAT_TEXT_MAX);
    assert_int_equal(fd_read_file(AT_FDCWD, path, &golden, &e), 0);
    assert_false(text->overflow);
    assert_string_equal(text->data, golden.data);
}

static void test_host(void **state)
{
    auto_buf struct buf text = { 0 };
    char table[NAT_TABLE_MAX];
    (void)state;
    buf_init(&text, NAT_TEXT_MAX);
    nat_host_table("notes", table);
    nat_host_text(table, "svc-1a2b3c4d", (struct addr_cidr){ 0x647fc002, 30 }, &text);
    golden_compare("host", &text);
}

static void test_stack(void **state)
{
    const struct nat_bridge bridges[] = { { "br-default", false }, { "br-back", true } };
    auto_buf struct buf text = { 0 };
    (void)state;
    buf_init(&text, NAT_TEXT_MAX);
    nat_stack_text("uplink", bridges, ARRAY_LEN(bridges), &text);
    golden_compare("stack", &text);
}

static void test_stack_without_networks(void **state)
{
    auto_buf struct buf text = { 0 };
    (void)state;
    buf_init(&text, NAT_TEXT_MAX);
    nat_stack_text("uplink", NULL, 0, &text);
    golden_compare("stack-empty", &text);
}

static void test_remove(void **state)
{
    auto_buf struct buf text = { 0 };
    (void)state;
    buf_init(&text, NAT_TEXT_MAX);
    nat_remove_text("svc_notes", &text);
    golden_compare("remove", &text);
}

static void test_longest_stack_fits(void **state)
{
    struct nat_bridge bridges[NET_NETWORKS_MAX];
    auto_buf struct buf text = { 0 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bridges); i++)
        bridges[i] = (struct nat_bridge){ "br-abcdefghijkl", false };
    buf_init(&text, NAT_TEXT_MAX);
    nat_stack_text("uplink", bridges, ARRAY_LEN(bridges), &text);
    assert_false(text.overflow);
}

static void test_interface_names(void **state)
{
    char name[IFNAMSIZ];
    (void)state;
    bridge_name("default", name);
    assert_string_equal(name, "br-default");
    bridge_name("abcdefghijkl", name);
    assert_string_equal(name, "br-abcdefghijkl");
    bridge_name("abcdefghijklm", name); /* one too long */
    assert_memory_equal(name, "brh-", 4);
    bridge_name("a.b", name); /* net.ipv4.conf.br-a.b would be another key */
    assert_memory_equal(name, "brh-", 4);
    endpoint_name(0x0a590002, name);
    assert_string_equal(name, "ve0a590002");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_stack_without_networks),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_longest_stack_fits),
        cmocka_unit_test(test_interface_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
