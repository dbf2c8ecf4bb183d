#include "netns/bridge.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/ipam.h"
#include "netns/link.h"
#include "netns/route.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

enum {
    SUBNET_PREFIX = 24 /* of a network whose file gives none */
};

static const struct addr_cidr pools[] = {
    { 0x0a590000, 16 }, /* 10.89.0.0 */
    { 0xac1c0000, 14 }, /* 172.28.0.0 */
    { 0xc0a88000, 17 }, /* 192.168.128.0 */
};

/* A bridge that exists. */
struct found {
    char name[IFNAMSIZ];
    struct addr_cidr address; /* zero: none yet */
};

void bridge_name(const char *name, char bridge[IFNAMSIZ])
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = strlen(name);
    if (len <= IFNAMSIZ - 1 - strlen("br-") && strspn(name, plain) == len)
        (void)snprintf(bridge, IFNAMSIZ, "br-%.12s", name);
    else
        (void)snprintf(bridge, IFNAMSIZ, "brh-%08x", link_hash(name));
}

static int found_load(struct nl_channel *c, struct found **out, size_t *count, struct err *e)
{
    auto_free struct link_info *links = NULL;
    auto_free struct route_addr *addrs = NULL;
    size_t link_count;
    size_t addr_count;
    if (link_list(c, &links, &link_count, e) || route_addr_list(c, &addrs, &addr_count, e))
        return -1;
    struct found *found = mem_alloc((link_count + 1) * sizeof *found);
    size_t n = 0;
    for (size_t i = 0; i < link_count; i++) {
        if (!str_eq(links[i].kind, "bridge"))
            continue;
        memcpy(found[n].name, links[i].name, sizeof found[n].name);
        for (size_t j = 0; j < addr_count; j++) {
            if (addrs[j].index == links[i].index)
                found[n].address = addrs[j].address;
        }
        n++;
    }
    *out = found;
    *count = n;
    return 0;
}

static const struct found *found_find(const struct found *found, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(found[i].name, name))
            return &found[i];
    }
    return NULL;
}

static int overlap_check(const struct net_network *networks, size_t index, struct addr_cidr uplink,
                         struct err *e)
{
    const struct net_network *n = &networks[index];
    char text[ADDR_CIDR_TEXT_MAX];
    char other[ADDR_CIDR_TEXT_MAX];
    (void)addr_cidr_format(n->subnet, text);
    for (size_t i = 0; i < index; i++) {
        if (str_eq(networks[i].bridge, n->bridge))
            return err_conflict(e, "networks %s and %s have the same interface name %s",
                                networks[i].name, n->name, n->bridge);
        if (addr_cidr_overlaps(networks[i].subnet, n->subnet))
            return err_conflict(e, "network %s: subnet %s overlaps %s of network %s", n->name, text,
                                addr_cidr_format(networks[i].subnet, other), networks[i].name);
    }
    if (uplink.prefix && addr_cidr_overlaps(uplink, n->subnet))
        return err_conflict(e, "network %s: subnet %s overlaps %s of the uplink", n->name, text,
                            addr_cidr_format(uplink, other));
    return 0;
}

/* Chooses the subnet of networks[index], which has none: not one of USED, the uplink's, or that of
 * another network (later ones included, so that the order in the file does not matter). */
static int subnet_choose(struct net_network *networks, size_t count, size_t index,
                         struct addr_cidr uplink, const struct addr_cidr *used, size_t used_count,
                         struct err *e)
{
    struct route_used taken = { 0 };
    for (size_t i = 0; i < used_count; i++)
        route_used_add(&taken, used[i]);
    for (size_t i = 0; i < count; i++) {
        if (networks[i].subnet.prefix)
            route_used_add(&taken, networks[i].subnet);
    }
    if (uplink.prefix)
        route_used_add(&taken, uplink);
    int rc = ipam_pick_subnet(pools, ARRAY_LEN(pools), SUBNET_PREFIX, 0, taken.subnets, taken.count,
                              &networks[index].subnet, e);
    route_used_done(&taken);
    return rc ? err_wrap(e, "network %s", networks[index].name) : 0;
}

/* Takes over the subnet of a bridge that exists, so that a restart keeps what was chosen. */
static void subnet_keep(struct net_network *n, const struct found *found, size_t count)
{
    const struct found *f = found_find(found, count, n->bridge);
    if (!f || !f->address.prefix)
        return;
    if (!n->subnet.prefix)
        n->subnet = addr_subnet(f->address);
    if (!n->gateway && addr_cidr_has(n->subnet, f->address.addr))
        n->gateway = f->address.addr;
}

int bridge_plan(struct nl_channel *stack, struct net_network *networks, size_t count,
                const struct addr_cidr *used, size_t used_count, struct addr_cidr uplink,
                struct err *e)
{
    auto_free struct found *found = NULL;
    size_t found_count;
    if (found_load(stack, &found, &found_count, e))
        return -1;
    for (size_t i = 0; i < count; i++) {
        bridge_name(networks[i].name, networks[i].bridge);
        subnet_keep(&networks[i], found, found_count);
    }
    for (size_t i = 0; i < count; i++) {
        struct net_network *n = &networks[i];
        if (!n->subnet.prefix && subnet_choose(networks, count, i, uplink, used, used_count, e))
            return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct net_network *n = &networks[i];
        struct ipam check; /* it knows which addresses can be a gateway */
        if (overlap_check(networks, i, uplink, e))
            return -1;
        if (ipam_init(&check, n->subnet, n->gateway, e))
            return err_wrap(e, "network %s", n->name);
        n->gateway = check.gateway;
        ipam_done(&check);
    }
    return 0;
}

static void req_bridge(struct nl_channel *c, const struct net_network *n, uint32_t mtu)
{
    const struct ifinfomsg head = {
        .ifi_family = AF_UNSPEC,
        .ifi_flags = IFF_UP,
        .ifi_change = IFF_UP,
    };
    uint8_t mac[ADDR_MAC_LEN];
    addr_mac(n->gateway, mac);
    nl_req(c, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head, "create bridge %s",
           n->bridge);
    nl_put_str(c, IFLA_IFNAME, n->bridge);
    nl_put_u32(c, IFLA_MTU, mtu);
    /* Without one of its own, a bridge takes the least address of its ports: it would change as
     * containers come and go. */
    nl_put(c, IFLA_ADDRESS, mac, sizeof mac);
    nl_nest(c, IFLA_LINKINFO);
    nl_put_str(c, IFLA_INFO_KIND, "bridge");
    nl_nest(c, IFLA_INFO_DATA);
    nl_put_u8(c, IFLA_BR_MCAST_SNOOPING, 0); /* timers and queries that nobody here needs */
    nl_unnest(c);
    nl_unnest(c);
}

static int ensure(struct nl_channel *c, const struct net_network *n, const struct found *found,
                  size_t found_count, uint32_t mtu, struct err *e)
{
    const struct addr_cidr wanted = { n->gateway, n->subnet.prefix };
    const struct found *f = found_find(found, found_count, n->bridge);
    bool is_same = f && f->address.addr == wanted.addr && f->address.prefix == wanted.prefix;
    if (f && !is_same)
        link_req_remove(c, n->bridge);
    if (!is_same)
        req_bridge(c, n, mtu);
    if (!is_same || n->internal)
        link_req_forwarding(c, n->bridge, false);
    if (nl_commit(c, NULL, NULL, e))
        return -1;
    if (is_same)
        return 0;
    struct link_info link;
    if (link_get(c, n->bridge, &link, e))
        return -1;
    link_req_address(c, link.index, wanted);
    return nl_commit(c, NULL, NULL, e);
}

int bridge_apply(struct nl_channel *stack, const struct net_network *networks, size_t count,
                 uint32_t mtu, struct err *e)
{
    auto_free struct found *found = NULL;
    size_t found_count;
    if (found_load(stack, &found, &found_count, e))
        return -1;
    /* Removal first: a network that was renamed may take over the subnet. */
    for (size_t i = 0; i < found_count; i++) {
        size_t j = 0;
        while (j < count && !str_eq(networks[j].bridge, found[i].name))
            j++;
        if (j < count)
            continue;
        link_req_remove(stack, found[i].name);
        if (nl_commit(stack, NULL, NULL, e))
            return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (ensure(stack, &networks[i], found, found_count, mtu, e))
            return err_wrap(e, "network %s", networks[i].name);
    }
    return 0;
}

int bridge_forward(struct nl_channel *stack, const struct net_network *networks, size_t count,
                   struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        if (networks[i].internal)
            continue;
        link_req_forwarding(stack, networks[i].bridge, true);
        if (nl_commit(stack, NULL, NULL, e))
            return err_wrap(e, "network %s", networks[i].name);
    }
    return 0;
}
