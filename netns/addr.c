#include "netns/addr.h"

#include <stdio.h>
#include <string.h>

enum {
    SUBNET_PREFIX_MIN = 8,
    SUBNET_PREFIX_MAX = 30 /* network, gateway, one container, broadcast */
};

/* One decimal number of one to three digits without leading zero; NULL when there is none.
 * inet_aton would read "010" as octal, and programs disagree about what inet_pton's elders meant.
 */
static const char *octet_scan(const char *p, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    int digits = 0;
    for (; *p >= '0' && *p <= '9'; p++, digits++) {
        if (digits == 3 || (digits == 1 && value == 0))
            return NULL;
        value = value * 10 + (uint32_t)(*p - '0');
    }
    if (!digits || value > max)
        return NULL;
    *out = value;
    return p;
}

static const char *addr_scan(const char *p, uint32_t *out)
{
    uint32_t addr = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t octet;
        if (i && *p++ != '.')
            return NULL;
        p = octet_scan(p, 255, &octet);
        if (!p)
            return NULL;
        addr = addr << 8 | octet;
    }
    *out = addr;
    return p;
}

int addr_parse(const char *text, uint32_t *out, struct err *e)
{
    uint32_t addr;
    const char *end = addr_scan(text, &addr);
    if (!end || *end) {
        (void)err_input(e, "\"%.48s\" is not an IPv4 address", text);
        err_hint(e, "write four decimal numbers, as in 10.0.0.1");
        return -1;
    }
    *out = addr;
    return 0;
}

int addr_cidr_parse(const char *text, struct addr_cidr *out, struct err *e)
{
    uint32_t addr;
    uint32_t prefix;
    const char *p = addr_scan(text, &addr);
    p = p && *p == '/' ? octet_scan(p + 1, 32, &prefix) : NULL;
    if (!p || *p) {
        (void)err_input(e, "\"%.48s\" is not an IPv4 subnet", text);
        err_hint(e, "write an address and a prefix length, as in 10.0.0.0/24");
        return -1;
    }
    *out = (struct addr_cidr){ .addr = addr, .prefix = (uint8_t)prefix };
    return 0;
}

int addr_subnet_parse(const char *text, struct addr_cidr *out, struct err *e)
{
    struct addr_cidr c;
    if (addr_cidr_parse(text, &c, e))
        return -1;
    if (c.prefix < SUBNET_PREFIX_MIN || c.prefix > SUBNET_PREFIX_MAX)
        return err_input(e, "subnet %s: prefix /%d is not between /%d and /%d", text, c.prefix,
                         SUBNET_PREFIX_MIN, SUBNET_PREFIX_MAX);
    if (!addr_cidr_is_subnet(c)) {
        char whole[ADDR_CIDR_TEXT_MAX];
        (void)err_input(e, "subnet %s has bits set behind its prefix", text);
        err_hint(e, "write %s", addr_cidr_format(addr_subnet(c), whole));
        return -1;
    }
    *out = c;
    return 0;
}

char *addr_format(uint32_t addr, char *text)
{
    (void)snprintf(text, ADDR_TEXT_MAX, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255,
                   addr >> 8 & 255, addr & 255);
    return text;
}

char *addr_cidr_format(struct addr_cidr c, char *text)
{
    char addr[ADDR_TEXT_MAX];
    (void)snprintf(text, ADDR_CIDR_TEXT_MAX, "%s/%u", addr_format(c.addr, addr), c.prefix % 100U);
    return text;
}

uint32_t addr_mask(uint8_t prefix)
{
    return prefix ? UINT32_MAX << (32 - prefix) : 0; /* a shift by 32 is undefined */
}

struct addr_cidr addr_subnet(struct addr_cidr c)
{
    return (struct addr_cidr){ .addr = c.addr & addr_mask(c.prefix), .prefix = c.prefix };
}

uint32_t addr_broadcast(struct addr_cidr c)
{
    return c.addr | ~addr_mask(c.prefix);
}

bool addr_cidr_is_subnet(struct addr_cidr c)
{
    return (c.addr & ~addr_mask(c.prefix)) == 0;
}

bool addr_cidr_has(struct addr_cidr subnet, uint32_t addr)
{
    return ((subnet.addr ^ addr) & addr_mask(subnet.prefix)) == 0;
}

bool addr_cidr_overlaps(struct addr_cidr a, struct addr_cidr b)
{
    return ((a.addr ^ b.addr) & addr_mask(a.prefix < b.prefix ? a.prefix : b.prefix)) == 0;
}

void addr_mac(uint32_t addr, uint8_t mac[ADDR_MAC_LEN])
{
    /* IEEE 802: bit 1 of the first byte says locally administered, bit 0 clear says unicast. */
    const uint8_t made[ADDR_MAC_LEN] = {
        0x02,         0x53, (uint8_t)(addr >> 24), (uint8_t)(addr >> 16), (uint8_t)(addr >> 8),
        (uint8_t)addr
    };
    memcpy(mac, made, sizeof made);
}
