#include "netns/ipam.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

static bool is_host(const struct ipam *p, uint32_t addr)
{
    return addr_cidr_has(p->subnet, addr) && addr != p->subnet.addr &&
           addr != addr_broadcast(p->subnet);
}

/* Where ADDR stands, or would stand, in `taken`. */
static size_t taken_slot(const struct ipam *p, uint32_t addr)
{
    size_t low = 0;
    size_t high = p->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->taken[middle] < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool taken_has(const struct ipam *p, uint32_t addr)
{
    size_t slot = taken_slot(p, addr);
    return slot < p->count && p->taken[slot] == addr;
}

static void taken_add(struct ipam *p, uint32_t addr)
{
    size_t slot = taken_slot(p, addr);
    p->taken = mem_grow(p->taken, &p->cap, p->count + 1, sizeof *p->taken);
    memmove(p->taken + slot + 1, p->taken + slot, (p->count - slot) * sizeof *p->taken);
    p->taken[slot] = addr;
    p->count++;
}

int ipam_init(struct ipam *p, struct addr_cidr subnet, uint32_t gateway, struct err *e)
{
    assert(addr_cidr_is_subnet(subnet) && subnet.prefix <= 30);
    struct ipam made = { .subnet = subnet, .gateway = gateway ? gateway : subnet.addr + 1 };
    if (!is_host(&made, made.gateway)) {
        char addr[ADDR_TEXT_MAX];
        char text[ADDR_CIDR_TEXT_MAX];
        return err_input(e, "gateway %s is not a host address of %s", addr_format(gateway, addr),
                         addr_cidr_format(subnet, text));
    }
    *p = made;
    return 0;
}

void ipam_done(struct ipam *p)
{
    free(p->taken);
    *p = (struct ipam){ 0 };
}

/* The next free host address above `last`, wrapping; 0 when there is none. Among count + 2
 * candidates in a row (all taken, the gateway, one more) one must be free, or the subnet is full.
 */
static uint32_t next_free(const struct ipam *p)
{
    uint32_t first = p->subnet.addr + 1;
    uint32_t end = addr_broadcast(p->subnet);
    uint32_t hosts = end - first;
    uint32_t at = p->last ? p->last + 1 : first;
    for (uint32_t tries = 0; tries < hosts; tries++, at++) {
        if (at >= end || at < first)
            at = first;
        if (at != p->gateway && !taken_has(p, at))
            return at;
    }
    return 0;
}

static int take_wanted(const struct ipam *p, uint32_t wanted, struct err *e)
{
    char addr[ADDR_TEXT_MAX];
    char subnet[ADDR_CIDR_TEXT_MAX];
    (void)addr_format(wanted, addr);
    (void)addr_cidr_format(p->subnet, subnet);
    if (!is_host(p, wanted))
        return err_input(e, "%s is not a host address of %s", addr, subnet);
    if (wanted == p->gateway)
        return err_conflict(e, "%s is the gateway of %s", addr, subnet);
    if (taken_has(p, wanted))
        return err_conflict(e, "%s is already in use in %s", addr, subnet);
    return 0;
}

int ipam_take(struct ipam *p, uint32_t wanted, uint32_t *out, struct err *e)
{
    char subnet[ADDR_CIDR_TEXT_MAX];
    if (wanted && take_wanted(p, wanted, e))
        return -1;
    uint32_t addr = wanted || p->count >= IPAM_ADDRESSES_MAX ? wanted : next_free(p);
    if (!addr || p->count >= IPAM_ADDRESSES_MAX) {
        (void)err_conflict(e, "no free address in %s: %zu are in use",
                           addr_cidr_format(p->subnet, subnet), p->count);
        err_hint(e, "give the network a larger subnet");
        return -1;
    }
    taken_add(p, addr);
    if (!wanted)
        p->last = addr; /* a fixed address does not move the order of the others */
    *out = addr;
    return 0;
}

void ipam_give(struct ipam *p, uint32_t addr)
{
    size_t slot = taken_slot(p, addr);
    if (slot >= p->count || p->taken[slot] != addr)
        return;
    p->count--;
    memmove(p->taken + slot, p->taken + slot + 1, (p->count - slot) * sizeof *p->taken);
}

static bool overlaps_any(struct addr_cidr c, const struct addr_cidr *used, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (addr_cidr_overlaps(c, used[i]))
            return true;
    }
    return false;
}

int ipam_pick_subnet(const struct addr_cidr *pools, size_t pool_count, uint8_t prefix,
                     uint32_t start, const struct addr_cidr *used, size_t used_count,
                     struct addr_cidr *out, struct err *e)
{
    for (size_t i = 0; i < pool_count; i++) {
        assert(addr_cidr_is_subnet(pools[i]) && pools[i].prefix >= 8 && pools[i].prefix <= prefix);
        uint32_t slots = 1U << (prefix - pools[i].prefix);
        for (uint32_t tries = 0; tries < slots; tries++) {
            uint32_t slot = (start + tries) % slots;
            struct addr_cidr c = { pools[i].addr + (slot << (32 - prefix)), prefix };
            if (overlaps_any(c, used, used_count))
                continue;
            *out = c;
            return 0;
        }
    }
    return err_conflict(e, "no free /%u subnet: all overlap addresses or routes in use", prefix);
}
