#include "netns/ipam.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct addr_cidr small = { 0x0a000000, 29 }; /* hosts .1 to .6 */

static uint32_t take(struct ipam *p, uint32_t wanted)
{
    struct err e = { 0 };
    uint32_t addr = 0;
    return ipam_take(p, wanted, &addr, &e) ? 0 : addr;
}

static enum err_kind refusal(struct ipam *p, uint32_t wanted)
{
    struct err e = { 0 };
    uint32_t addr;
    return ipam_take(p, wanted, &addr, &e) ? e.kind : ERR_NONE;
}

static void test_gives_all_hosts_but_the_gateway(void **state)
{
    struct ipam p;
    struct err e = { 0 };
    (void)state;
    assert_int_equal(ipam_init(&p, small, 0, &e), 0);
    assert_int_equal(p.gateway, 0x0a000001);
    for (uint32_t addr = 0x0a000002; addr <= 0x0a000006; addr++)
        assert_int_equal(take(&p, 0), addr);
    assert_int_equal(refusal(&p, 0), ERR_CONFLICT);
    ipam_done(&p);
}

static void test_skips_a_gateway_in_the_middle(void **state)
{
    struct ipam p;
    struct err e = { 0 };
    (void)state;
    assert_int_equal(ipam_init(&p, small, 0x0a000003, &e), 0);
    assert_int_equal(take(&p, 0), 0x0a000001);
    assert_int_equal(take(&p, 0), 0x0a000002);
    assert_int_equal(take(&p, 0), 0x0a000004);
    ipam_done(&p);
}

static void test_a_freed_address_is_the_last_to_come_again(void **state)
{
    struct ipam p;
    struct err e = { 0 };
    (void)state;
    assert_int_equal(ipam_init(&p, small, 0, &e), 0);
    assert_int_equal(take(&p, 0), 0x0a000002);
    assert_int_equal(take(&p, 0), 0x0a000003);
    ipam_give(&p, 0x0a000002);
    ipam_give(&p, 0x0a000002); /* a second time is ignored */
    assert_int_equal(take(&p, 0), 0x0a000004);
    assert_int_equal(take(&p, 0), 0x0a000005);
    assert_int_equal(take(&p, 0), 0x0a000006);
    assert_int_equal(take(&p, 0), 0x0a000002);
    assert_int_equal(refusal(&p, 0), ERR_CONFLICT);
    ipam_done(&p);
}

static void test_fixed_addresses(void **state)
{
    struct ipam p;
    struct err e = { 0 };
    (void)state;
    assert_int_equal(ipam_init(&p, small, 0, &e), 0);
    assert_int_equal(take(&p, 0x0a000003), 0x0a000003);
    assert_int_equal(take(&p, 0), 0x0a000002);
    assert_int_equal(take(&p, 0), 0x0a000004);
    assert_int_equal(refusal(&p, 0x0a000003), ERR_CONFLICT); /* taken */
    assert_int_equal(refusal(&p, 0x0a000001), ERR_CONFLICT); /* the gateway */
    assert_int_equal(refusal(&p, 0x0a000000), ERR_INPUT);    /* the network */
    assert_int_equal(refusal(&p, 0x0a000007), ERR_INPUT);    /* the broadcast */
    assert_int_equal(refusal(&p, 0x0a000009), ERR_INPUT);    /* outside */
    ipam_done(&p);
}

static void test_refuses_a_gateway_that_is_no_host(void **state)
{
    static const uint32_t gateways[] = { 0x0a000000, 0x0a000007, 0x0b000001 };
    (void)state;
    /* 0x0a000000 is not 0, so it is not "choose one" */
    for (size_t i = 0; i < ARRAY_LEN(gateways); i++) {
        struct ipam p;
        struct err e = { 0 };
        assert_int_equal(ipam_init(&p, small, gateways[i], &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
    }
}

static void test_limit_of_a_large_subnet(void **state)
{
    struct ipam p;
    struct err e = { 0 };
    (void)state;
    assert_int_equal(ipam_init(&p, (struct addr_cidr){ 0x0a000000, 8 }, 0, &e), 0);
    for (uint32_t i = 0; i < IPAM_ADDRESSES_MAX; i++)
        assert_int_equal(take(&p, 0), 0x0a000002 + i);
    assert_int_equal(refusal(&p, 0), ERR_CONFLICT);
    assert_int_equal(refusal(&p, 0x0affff00), ERR_CONFLICT);
    ipam_give(&p, 0x0a000100);
    assert_int_equal(take(&p, 0x0affff00), 0x0affff00);
    ipam_done(&p);
}

static void test_pick_subnet(void **state)
{
    static const struct addr_cidr pools[] = { { 0x0a000000, 23 }, { 0xac100000, 24 } };
    const struct addr_cidr used[] = { { 0x0a000080, 32 }, { 0x0a000100, 24 }, { 0xac000000, 8 } };
    struct addr_cidr c;
    struct err e = { 0 };
    (void)state;
    assert_int_equal(ipam_pick_subnet(pools, 2, 24, 0, used, 0, &c, &e), 0);
    assert_int_equal(c.addr, 0x0a000000);
    assert_int_equal(ipam_pick_subnet(pools, 2, 24, 7, used, 0, &c, &e), 0);
    assert_int_equal(c.addr, 0x0a000100); /* rotated */
    assert_int_equal(ipam_pick_subnet(pools, 2, 24, 0, used, 1, &c, &e), 0);
    assert_int_equal(c.addr, 0x0a000100);
    assert_int_equal(ipam_pick_subnet(pools, 2, 24, 0, used, 2, &c, &e), 0);
    assert_int_equal(c.addr, 0xac100000); /* next pool */
    assert_int_equal(ipam_pick_subnet(pools, 2, 24, 0, used, 3, &c, &e), -1);
    assert_int_equal(e.kind, ERR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gives_all_hosts_but_the_gateway),
        cmocka_unit_test(test_skips_a_gateway_in_the_middle),
        cmocka_unit_test(test_a_freed_address_is_the_last_to_come_again),
        cmocka_unit_test(test_fixed_addresses),
        cmocka_unit_test(test_refuses_a_gateway_that_is_no_host),
        cmocka_unit_test(test_limit_of_a_large_subnet),
        cmocka_unit_test(test_pick_subnet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
