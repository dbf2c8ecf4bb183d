#pragma once
/* The network of one stack: a network namespace (the stack netns) that holds a bridge per network,
 * one veth per container and network, its own firewall rules, and one uplink to the host.
 *
 * Called by the engine (root, single-threaded). Every call leaves the caller in its own network
 * namespace, is blocking (milliseconds; some tens where nft runs), and undoes what it did when it
 * fails. The kernel is the state: the namespace is pinned at PIN, the host's end of the uplink is
 * named by a hash of the project and carries PIN in its alias, so an engine that starts again opens
 * the same stack, and net_stack_remove needs no more than the two names. */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netns/addr.h"
#include "runtime/base/err.h"
#include "runtime/base/limits.h"

enum {
    NET_NETWORKS_MAX = 64,  /* networks of one stack */
    NET_ENDPOINTS_MAX = 16, /* networks of one container */
    NET_PIN_MAX = 140       /* bytes of the pin path with NUL; it must fit a link alias */
};

/* A network of the stack file. In: name, internal, and subnet and gateway when the file gives them
 * (zero: chosen; a bridge that exists keeps what it has). Out: all of it. */
struct net_network {
    char name[NAME_LIMIT];
    struct addr_cidr subnet;
    uint32_t gateway; /* the bridge's own address; zero: the first of the subnet */
    bool internal;    /* no way out, no default route */
    char bridge[IFNAMSIZ];
};

struct net_config {
    const char *project;
    const char *pin; /* absolute, e.g. /run/svc/PROJECT/netns/stack; its directory exists */
    bool egress;     /* false: no uplink, and nothing of the host is touched; needs no nft */
};

struct net_stack;

/* Creates the stack netns, the uplink and the rules, or finds them and completes what an
 * interrupted run left, then makes its bridges exactly NETWORKS (filled in; bridges that are no
 * longer listed are removed). ERR_HOST with a hint when nft or nf_tables is missing. ERR_CONFLICT
 * when subnets overlap, or when the project is up under another pin. *out is the caller's. */
must_check int net_stack_open(const struct net_config *config, struct net_network *networks,
                              size_t count, struct net_stack **out, struct err *e);
/* The last part of net_stack_open, for a stack file that changed. */
must_check int net_stack_set_networks(struct net_stack *s, struct net_network *networks,
                                      size_t count, struct err *e);
/* Lets go of the handles; the network stays up. Takes NULL. */
void net_stack_close(struct net_stack *s);
/* Removes everything of the stack: rules, uplink, netns, pin (not the pin's directory), and puts
 * ip_forward back when this was the last stack and svc had switched it on. Works without a
 * net_stack_open, on the leftovers of a killed run and on nothing at all (success). Goes on after
 * a failure and reports the first. */
must_check int net_stack_remove(const char *project, const char *pin, struct err *e);

/* The stack netns, for setns(2) by the proxy and the prober. Borrowed. */
int net_stack_fd(const struct net_stack *s);
/* The uplink's host address (what `host-gateway` means), 0 without egress. */
uint32_t net_stack_host_addr(const struct net_stack *s);
/* MTU of the bridges, the same as of the host's default route. */
uint32_t net_stack_mtu(const struct net_stack *s);

/* One interface of a container. */
struct net_endpoint {
    char bridge[IFNAMSIZ];    /* net_network.bridge */
    char ifname[IFNAMSIZ];    /* in the container: "eth0" */
    struct addr_cidr address; /* the container's, with the prefix of the subnet */
    uint32_t gateway;         /* default route; zero: none. At most one endpoint of a container */
};

/* Makes all interfaces of one container, up and with their addresses, and brings its loopback up.
 * CONTAINER_NETNS_FD is borrowed; it may belong to another user namespace. An endpoint that still
 * exists for the same address (its container is dead) is replaced. */
must_check int net_endpoint_attach(struct net_stack *s, int container_netns_fd,
                                   const struct net_endpoint *endpoints, size_t count,
                                   struct err *e);
/* Removes the endpoint with this address; success when there is none. Not needed for a container
 * that ends: its interfaces go with its netns. */
must_check int net_endpoint_detach(struct net_stack *s, uint32_t addr, struct err *e);
