#pragma once
/* IPv4 addresses and subnets: strict text forms and arithmetic. Pure; no system calls.
 *
 * An address is a uint32_t in host byte order; 0 (0.0.0.0) means "none". A struct addr_cidr is
 * data: zeroed is "none". It stands for a subnet (host bits zero, addr_cidr_is_subnet) or for an
 * address with its prefix length, as it is set on an interface. IPv6 is refused by the parsers. */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/err.h"

enum {
    ADDR_TEXT_MAX = 16,      /* "255.255.255.255" with NUL */
    ADDR_CIDR_TEXT_MAX = 19, /* with "/32" */
    ADDR_MAC_LEN = 6
};

struct addr_cidr {
    uint32_t addr;
    uint8_t prefix; /* bits, 0–32 */
};

/* Dotted decimal, four parts, no leading zeros, nothing around it. ERR_INPUT. */
must_check int addr_parse(const char *text, uint32_t *out, struct err *e);
/* "10.0.0.0/24"; the prefix is required, host bits may be set. ERR_INPUT. */
must_check int addr_cidr_parse(const char *text, struct addr_cidr *out, struct err *e);
/* The same, but host bits must be zero and the prefix 8–30. ERR_INPUT, hint gives the subnet. */
must_check int addr_subnet_parse(const char *text, struct addr_cidr *out, struct err *e);

/* Write to TEXT (ADDR_TEXT_MAX, ADDR_CIDR_TEXT_MAX bytes) and return it. */
char *addr_format(uint32_t addr, char *text);
char *addr_cidr_format(struct addr_cidr c, char *text);

uint32_t addr_mask(uint8_t prefix);
/* The subnet that C lies in. */
struct addr_cidr addr_subnet(struct addr_cidr c);
uint32_t addr_broadcast(struct addr_cidr c);
bool addr_cidr_is_subnet(struct addr_cidr c);
bool addr_cidr_has(struct addr_cidr subnet, uint32_t addr);
bool addr_cidr_overlaps(struct addr_cidr a, struct addr_cidr b);

/* A locally administered MAC that an address always gets, so that no neighbour ever holds a stale
 * one when an address moves to a new container. */
void addr_mac(uint32_t addr, uint8_t mac[ADDR_MAC_LEN]);
