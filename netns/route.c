#include "netns/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"

static uint32_t u32_attr(const struct nlmsghdr *m, size_t head_len, uint16_t attr, uint32_t missing)
{
    uint32_t value = missing;
    const void *data = nl_attr(m, head_len, attr, sizeof value, NULL);
    if (data)
        memcpy(&value, data, sizeof value);
    return value;
}

void route_used_done(struct route_used *u)
{
    free(u->subnets);
    *u = (struct route_used){ 0 };
}

void route_used_add(struct route_used *u, struct addr_cidr subnet)
{
    if (u->count == ROUTE_USED_MAX)
        return;
    u->subnets = mem_grow(u->subnets, &u->cap, u->count + 1, sizeof *u->subnets);
    u->subnets[u->count++] = subnet;
}

/* A torn dump starts again. What was read of it stays: one subnet too many does no harm. */
static void on_used_restart(void *self)
{
    struct route_used *u = self;
    u->default_index = 0;
}

static void on_route(void *self, const struct nlmsghdr *m)
{
    struct route_used *u = self;
    struct rtmsg head;
    if (m->nlmsg_type != RTM_NEWROUTE || m->nlmsg_len < NLMSG_LENGTH(sizeof head))
        return;
    memcpy(&head, NLMSG_DATA(m), sizeof head);
    if (head.rtm_family != AF_INET || head.rtm_dst_len > 32)
        return;
    if (head.rtm_dst_len) {
        struct addr_cidr dst = { ntohl(u32_attr(m, sizeof head, RTA_DST, 0)), head.rtm_dst_len };
        route_used_add(u, addr_subnet(dst));
        return;
    }
    int index = (int)u32_attr(m, sizeof head, RTA_OIF, 0);
    uint32_t metric = u32_attr(m, sizeof head, RTA_PRIORITY, 0);
    if (head.rtm_type == RTN_UNICAST && index &&
        (!u->default_index || metric < u->default_metric)) {
        u->default_index = index;
        u->default_metric = metric;
    }
}

int route_used_load(struct nl_channel *c, struct route_used *u, struct err *e)
{
    /* The kernel's local table has each address, so that routes alone show all that is in use,
     * unless the interface is down. */
    const struct rtmsg head = { .rtm_family = AF_INET };
    if (nl_list(c, RTM_GETROUTE, &head, sizeof head, on_used_restart, on_route, u, e))
        return -1;
    struct route_addr *addrs = NULL;
    size_t count;
    if (route_addr_list(c, &addrs, &count, e))
        return -1;
    for (size_t i = 0; i < count; i++)
        route_used_add(u, addr_subnet(addrs[i].address));
    free(addrs);
    return 0;
}

struct addr_array {
    struct route_addr *addrs;
    size_t count;
    size_t cap;
};

static void on_addr_restart(void *self)
{
    struct addr_array *a = self;
    a->count = 0;
}

static void on_addr(void *self, const struct nlmsghdr *m)
{
    struct addr_array *a = self;
    struct ifaddrmsg head;
    if (m->nlmsg_type != RTM_NEWADDR || m->nlmsg_len < NLMSG_LENGTH(sizeof head))
        return;
    memcpy(&head, NLMSG_DATA(m), sizeof head);
    if (head.ifa_family != AF_INET || head.ifa_prefixlen > 32 || a->count == ROUTE_USED_MAX)
        return;
    a->addrs = mem_grow(a->addrs, &a->cap, a->count + 1, sizeof *a->addrs);
    a->addrs[a->count++] = (struct route_addr){
        .index = (int)head.ifa_index,
        .address = { ntohl(u32_attr(m, sizeof head, IFA_LOCAL, 0)), head.ifa_prefixlen },
    };
}

int route_addr_list(struct nl_channel *c, struct route_addr **out, size_t *count, struct err *e)
{
    const struct ifaddrmsg head = { .ifa_family = AF_INET };
    struct addr_array a = { 0 };
    if (nl_list(c, RTM_GETADDR, &head, sizeof head, on_addr_restart, on_addr, &a, e)) {
        free(a.addrs);
        return -1;
    }
    *out = a.addrs;
    *count = a.count;
    return 0;
}

void route_req_default(struct nl_channel *c, uint32_t gateway, int index)
{
    const struct rtmsg head = {
        .rtm_family = AF_INET,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    char text[ADDR_TEXT_MAX];
    nl_req(c, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head,
           "add default route by %s", addr_format(gateway, text));
    nl_allow(c, EEXIST);
    nl_put_addr(c, RTA_GATEWAY, gateway);
    nl_put_u32(c, RTA_OIF, (uint32_t)index);
}
