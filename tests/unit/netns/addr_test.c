#include "netns/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct addr_cidr cidr(const char *text)
{
    struct err e = { 0 };
    struct addr_cidr c = { 0 };
    assert_int_equal(addr_cidr_parse(text, &c, &e), 0);
    return c;
}

static void test_parse_formats_back(void **state)
{
    static const char *const texts[] = { "0.0.0.0", "10.0.0.1", "192.168.100.200",
                                         "255.255.255.255" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err e = { 0 };
        uint32_t addr;
        char text[ADDR_TEXT_MAX];
        assert_int_equal(addr_parse(texts[i], &addr, &e), 0);
        assert_string_equal(addr_format(addr, text), texts[i]);
    }
    uint32_t addr;
    struct err e = { 0 };
    assert_int_equal(addr_parse("1.2.3.4", &addr, &e), 0);
    assert_int_equal(addr, 0x01020304);
}

static void test_parse_refuses(void **state)
{
    static const char *const texts[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.4 ",
        " 1.2.3.4",
        "01.2.3.4",
        "1.2.3.004",
        "1.2.3.-4",
        "0x1.2.3.4",
        "1..2.3",
        "1.2.3.4/8",
        "::1",
        "1.2.3.",
        "localhost",
        ".1.2.3",
        "1,2,3,4",
        "999999999999.2.3.4",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err e = { 0 };
        uint32_t addr = 42;
        assert_int_equal(addr_parse(texts[i], &addr, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
        assert_int_equal(addr, 42);
    }
}

static void test_cidr_refuses(void **state)
{
    static const char *const texts[] = { "10.0.0.0",    "10.0.0.0/",   "10.0.0.0/33",
                                         "10.0.0.0/08", "10.0.0.0/8x", "10.0.0/8",
                                         "/8",          "fd00::/8",    "10.0.0.0/-1" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err e = { 0 };
        struct addr_cidr c;
        assert_int_equal(addr_cidr_parse(texts[i], &c, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
    }
}

static void test_subnet_says_what_to_write(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct addr_cidr c;
    char line[ERR_LINE_MAX];
    assert_int_equal(addr_subnet_parse("10.1.2.3/16", &c, &e), -1);
    assert_string_equal(err_line(&e, line, sizeof line),
                        "subnet 10.1.2.3/16 has bits set behind its prefix — write 10.1.0.0/16");
    assert_int_equal(addr_subnet_parse("10.0.0.0/31", &c, &e), -1);
    assert_int_equal(addr_subnet_parse("0.0.0.0/0", &c, &e), -1);
    assert_int_equal(addr_subnet_parse("10.0.0.0/8", &c, &e), 0);
    assert_int_equal(addr_subnet_parse("10.0.0.4/30", &c, &e), 0);
}

static void test_arithmetic(void **state)
{
    (void)state;
    char text[ADDR_CIDR_TEXT_MAX];
    assert_int_equal(addr_mask(0), 0);
    assert_int_equal(addr_mask(32), UINT32_MAX);
    assert_int_equal(addr_mask(24), 0xffffff00);
    assert_string_equal(addr_cidr_format(addr_subnet(cidr("10.1.2.3/20")), text), "10.1.0.0/20");
    assert_string_equal(addr_cidr_format(cidr("255.255.255.255/32"), text), "255.255.255.255/32");
    assert_int_equal(addr_broadcast(cidr("10.1.2.3/24")), 0x0a0102ff);
    assert_true(addr_cidr_has(cidr("10.0.0.0/8"), 0x0affffff));
    assert_false(addr_cidr_has(cidr("10.0.0.0/8"), 0x0b000000));
    assert_true(addr_cidr_has(cidr("0.0.0.0/0"), 0xdeadbeef));
}

static void test_overlap_is_symmetric(void **state)
{
    static const struct {
        const char *a, *b;
        bool overlaps;
    } cases[] = {
        { "10.0.0.0/8", "10.89.0.0/24", true },      { "10.0.0.0/24", "10.0.1.0/24", false },
        { "10.0.0.0/24", "10.0.0.0/24", true },      { "10.0.0.0/24", "10.0.0.255/32", true },
        { "172.16.0.0/12", "172.32.0.0/16", false }, { "0.0.0.0/0", "1.2.3.4/32", true },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct addr_cidr a = cidr(cases[i].a);
        struct addr_cidr b = cidr(cases[i].b);
        assert_int_equal(addr_cidr_overlaps(a, b), cases[i].overlaps);
        assert_int_equal(addr_cidr_overlaps(b, a), cases[i].overlaps);
    }
}

static void test_mac_is_local_unicast(void **state)
{
    (void)state;
    const uint8_t wanted[ADDR_MAC_LEN] = { 0x02, 0x53, 10, 89, 0, 2 };
    uint8_t mac[ADDR_MAC_LEN];
    addr_mac(0x0a590002, mac);
    assert_memory_equal(mac, wanted, sizeof mac);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_formats_back),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_cidr_refuses),
        cmocka_unit_test(test_subnet_says_what_to_write),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_overlap_is_symmetric),
        cmocka_unit_test(test_mac_is_local_unicast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
