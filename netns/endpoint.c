#include "netns/endpoint.h"

#include <assert.h>
#include <stdio.h>

#include "netns/link.h"
#include "netns/ns.h"
#include "netns/route.h"
#include "runtime/base/fd.h"

void endpoint_name(uint32_t addr, char name[IFNAMSIZ])
{
    (void)snprintf(name, IFNAMSIZ, "ve%08x", addr);
}

/* The stack's side: everything about the pairs themselves, in one batch. */
static int pairs_create(struct nl_channel *stack, uint32_t mtu, int container_netns_fd,
                        const struct net_endpoint *endpoints, size_t count, struct err *e)
{
    int masters[NET_ENDPOINTS_MAX];
    for (size_t i = 0; i < count; i++) {
        struct link_info bridge;
        if (link_get(stack, endpoints[i].bridge, &bridge, e))
            return -1;
        if (!bridge.index)
            return err_conflict(e, "there is no bridge %s", endpoints[i].bridge);
        masters[i] = bridge.index;
    }
    for (size_t i = 0; i < count; i++) {
        char name[IFNAMSIZ];
        uint8_t mac[ADDR_MAC_LEN];
        endpoint_name(endpoints[i].address.addr, name);
        addr_mac(endpoints[i].address.addr, mac);
        /* One that is still there belongs to a dead container: the kernel removes the interfaces
         * of a namespace some time after its last process. */
        link_req_remove(stack, name);
        const struct link_end near = { .name = name, .netns_fd = -1 };
        const struct link_end peer = {
            .name = endpoints[i].ifname,
            .mac = mac,
            .netns_fd = container_netns_fd,
        };
        link_req_veth(stack, &near, &peer, mtu, masters[i]);
    }
    return nl_commit(stack, NULL, NULL, e);
}

/* The container's side: loopback, addresses, default route. */
static int container_configure(int container_netns_fd, const struct net_endpoint *endpoints,
                               size_t count, struct err *e)
{
    struct nl_channel *c = NULL;
    if (nl_open(container_netns_fd, &c, e))
        return -1;
    int rc = 0;
    int index[NET_ENDPOINTS_MAX];
    for (size_t i = 0; !rc && i < count; i++) {
        struct link_info link = { 0 };
        rc = link_get(c, endpoints[i].ifname, &link, e);
        index[i] = link.index;
    }
    if (!rc) {
        link_req_up(c, "lo");
        for (size_t i = 0; i < count; i++) {
            link_req_up(c, endpoints[i].ifname);
            link_req_address(c, index[i], endpoints[i].address);
        }
        for (size_t i = 0; i < count; i++) {
            if (endpoints[i].gateway)
                route_req_default(c, endpoints[i].gateway, index[i]);
        }
        rc = nl_commit(c, NULL, NULL, e);
    }
    nl_shut(c);
    return rc;
}

/* An endpoint in the caller's own namespace would take over the host's network. */
static int container_check(int container_netns_fd, struct err *e)
{
    auto_fd int self_fd = ns_self(e);
    int is_same = self_fd < 0 ? -1 : ns_same(self_fd, container_netns_fd, e);
    if (is_same > 0)
        return err_internal(e, "the container shares the host's network namespace");
    return is_same;
}

int endpoint_attach(struct nl_channel *stack, uint32_t mtu, int container_netns_fd,
                    const struct net_endpoint *endpoints, size_t count, struct err *e)
{
    assert(count <= NET_ENDPOINTS_MAX);
    if (container_check(container_netns_fd, e))
        return -1;
    if (pairs_create(stack, mtu, container_netns_fd, endpoints, count, e) ||
        container_configure(container_netns_fd, endpoints, count, e)) {
        for (size_t i = 0; i < count; i++) {
            struct err ignored; /* the first failure is the one to report */
            (void)!endpoint_detach(stack, endpoints[i].address.addr, &ignored);
        }
        return -1;
    }
    return 0;
}

int endpoint_detach(struct nl_channel *stack, uint32_t addr, struct err *e)
{
    char name[IFNAMSIZ];
    endpoint_name(addr, name);
    link_req_remove(stack, name);
    return nl_commit(stack, NULL, NULL, e);
}
