#pragma once
/* The way out of a stack: a veth pair between the host's namespace and the stack netns with a /30
 * of its own, and the host's ip_forward. The alias of the host's end says whose it is. */
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "netns/addr.h"
#include "netns/nl.h"
#include "runtime/base/err.h"

#define UPLINK_STACK_IFNAME "uplink"

struct uplink {
    char host_ifname[IFNAMSIZ];
    struct addr_cidr host; /* of the host's end */
    struct addr_cidr stack;
    uint32_t mtu;
};

/* Makes the uplink of PROJECT, or finds it and completes it; a pair of which parts are missing is
 * replaced. AVOID are subnets that the /30 must not overlap, besides all that the host uses. HOST
 * is a channel in the caller's own namespace. ERR_CONFLICT when the project has an uplink of
 * another pin. */
must_check int uplink_open(struct nl_channel *host, struct nl_channel *stack, int stack_fd,
                           const char *project, const char *pin, const struct addr_cidr *avoid,
                           size_t avoid_count, struct uplink *out, struct err *e);
enum uplink_owner {
    UPLINK_NONE,
    UPLINK_OWN,
    UPLINK_NAMESAKE /* a stack of this name with another pin */
};
must_check int uplink_owner(struct nl_channel *host, const char *project, const char *pin,
                            enum uplink_owner *out, struct err *e);
/* Removes it and, when it was the last uplink of the host, puts ip_forward back. Success when there
 * is none. */
must_check int uplink_remove(struct nl_channel *host, const char *project, const char *pin,
                             struct err *e);
