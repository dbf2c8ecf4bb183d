#pragma once
/* The interfaces of one container: veth pairs made in the stack netns with the far end born in the
 * container's, under its final name. The near end's name is made from the address ("ve0a590002"),
 * which is unique in a stack: no table has to be kept. */
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "netns/net.h"
#include "netns/nl.h"
#include "runtime/base/err.h"

void endpoint_name(uint32_t addr, char name[IFNAMSIZ]);

/* As net_endpoint_attach, on a channel of the stack netns. */
must_check int endpoint_attach(struct nl_channel *stack, uint32_t mtu, int container_netns_fd,
                               const struct net_endpoint *endpoints, size_t count, struct err *e);
/* As net_endpoint_detach. */
must_check int endpoint_detach(struct nl_channel *stack, uint32_t addr, struct err *e);
