#pragma once
/* Which addresses of one subnet are taken. Pure: the caller tells what is in use (ipam_take with
 * the address, after a restart) and keeps the answer.
 *
 * Never given: the network address, the gateway, the broadcast address. Free addresses are given
 * in ascending order from just above the last one given, wrapping at the end: the same sequence of
 * calls gives the same addresses, and an address just freed is the last to be used again. */
#include <stddef.h>
#include <stdint.h>

#include "netns/addr.h"
#include "runtime/base/err.h"

enum {
    IPAM_ADDRESSES_MAX = 4096 /* taken at once in one subnet */
};

struct ipam {
    struct addr_cidr subnet;
    uint32_t gateway;
    uint32_t last;   /* given last, 0 when none was */
    uint32_t *taken; /* ascending */
    size_t count;
    size_t cap;
};

/* SUBNET as addr_subnet_parse gives it; GATEWAY 0 takes the first address of the subnet. ERR_INPUT
 * when the gateway is not a host address of the subnet. */
must_check int ipam_init(struct ipam *p, struct addr_cidr subnet, uint32_t gateway, struct err *e);
void ipam_done(struct ipam *p);

/* WANTED 0: the next free one, ERR_CONFLICT when none is left. Otherwise exactly that one:
 * ERR_INPUT when it is not a host address of the subnet, ERR_CONFLICT when it is taken or the
 * gateway's. */
must_check int ipam_take(struct ipam *p, uint32_t wanted, uint32_t *out, struct err *e);
/* Frees ADDR; one that is not taken is ignored. */
void ipam_give(struct ipam *p, uint32_t addr);

/* The first /PREFIX of POOLS (tried in order, each at most /PREFIX) that overlaps none of USED;
 * START rotates the first try within each pool. ERR_CONFLICT when there is none. */
must_check int ipam_pick_subnet(const struct addr_cidr *pools, size_t pool_count, uint8_t prefix,
                                uint32_t start, const struct addr_cidr *used, size_t used_count,
                                struct addr_cidr *out, struct err *e);
