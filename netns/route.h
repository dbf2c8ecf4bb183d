#pragma once
/* Routes and addresses of one namespace: what is in use, and the default route. */
#include <stddef.h>
#include <stdint.h>

#include "netns/addr.h"
#include "netns/nl.h"
#include "runtime/base/err.h"

enum {
    ROUTE_USED_MAX = 65536 /* a host with more is no host for this */
};

/* What the addresses and routes of a namespace occupy, default routes not counted. */
struct route_used {
    struct addr_cidr *subnets;
    size_t count;
    size_t cap;
    int default_index; /* interface of the default route, 0 when there is none */
    uint32_t default_metric;
};
void route_used_done(struct route_used *u);
/* Adds to *u, which is initialised (zeroed, or filled before). */
must_check int route_used_load(struct nl_channel *c, struct route_used *u, struct err *e);
void route_used_add(struct route_used *u, struct addr_cidr subnet);

/* An address that an interface has. */
struct route_addr {
    int index;
    struct addr_cidr address;
};
/* All IPv4 addresses of the namespace: *out is an array of *count, the caller's (free). */
must_check int route_addr_list(struct nl_channel *c, struct route_addr **out, size_t *count,
                               struct err *e);

/* Adds a request for the default route by GATEWAY on interface INDEX to the batch of C. */
void route_req_default(struct nl_channel *c, uint32_t gateway, int index);
