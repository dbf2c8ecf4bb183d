#pragma once
/* The bridges of a stack netns: one per network, the gateway's address on it. */
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "netns/addr.h"
#include "netns/net.h"
#include "netns/nl.h"
#include "runtime/base/err.h"

/* The bridge of network NAME: "br-NAME", or with a hash in place of a name that is too long or has
 * characters that an interface name should not have. */
void bridge_name(const char *name, char bridge[IFNAMSIZ]);

/* Fills in what NETWORKS leave open: bridge names, subnets (of the bridge that exists, or a free
 * one that overlaps none of USED), gateways. Refuses overlaps among them and with UPLINK. */
must_check int bridge_plan(struct nl_channel *stack, struct net_network *networks, size_t count,
                           const struct addr_cidr *used, size_t used_count, struct addr_cidr uplink,
                           struct err *e);
/* Makes the bridges of the namespace exactly those planned, none of them forwarding yet unless it
 * was there before. */
must_check int bridge_apply(struct nl_channel *stack, const struct net_network *networks,
                            size_t count, uint32_t mtu, struct err *e);
/* Lets the networks that are not internal forward. */
must_check int bridge_forward(struct nl_channel *stack, const struct net_network *networks,
                              size_t count, struct err *e);
