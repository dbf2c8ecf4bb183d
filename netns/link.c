#include "netns/link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"

enum {
    LINKS_MAX = 65536 /* of one namespace, read into memory */
};

uint32_t link_hash(const char *text)
{
    uint32_t hash = 2166136261U;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619U;
    return hash;
}

static void text_attr(const struct nlmsghdr *m, uint16_t attr, char *to, size_t size)
{
    size_t len;
    const char *text = nl_attr(m, sizeof(struct ifinfomsg), attr, 1, &len);
    if (text && len <= size)
        memcpy(to, text, len);
    to[size - 1] = '\0';
}

static struct link_info info_parse(const struct nlmsghdr *m)
{
    struct link_info info = { 0 };
    struct ifinfomsg head;
    if (m->nlmsg_type != RTM_NEWLINK || m->nlmsg_len < NLMSG_LENGTH(sizeof head))
        return info;
    memcpy(&head, NLMSG_DATA(m), sizeof head);
    info.index = head.ifi_index;
    text_attr(m, IFLA_IFNAME, info.name, sizeof info.name);
    text_attr(m, IFLA_IFALIAS, info.alias, sizeof info.alias);
    const void *mtu = nl_attr(m, sizeof head, IFLA_MTU, sizeof info.mtu, NULL);
    if (mtu)
        memcpy(&info.mtu, mtu, sizeof info.mtu);
    size_t len;
    const void *kind = nl_attr_nested(m, sizeof head, IFLA_LINKINFO, IFLA_INFO_KIND, 1, &len);
    if (kind && len < sizeof info.kind)
        memcpy(info.kind, kind, len);
    return info;
}

static void on_link(void *self, const struct nlmsghdr *m)
{
    struct link_info *out = self;
    *out = info_parse(m);
}

int link_get(struct nl_channel *c, const char *name, struct link_info *out, struct err *e)
{
    const struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
    struct link_info info = { 0 };
    nl_req(c, RTM_GETLINK, 0, &head, sizeof head, "look up interface %s", name);
    nl_put_str(c, IFLA_IFNAME, name);
    nl_allow(c, ENODEV);
    if (nl_commit(c, on_link, &info, e))
        return -1;
    *out = info;
    return 0;
}

int link_get_index(struct nl_channel *c, int index, struct link_info *out, struct err *e)
{
    const struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = index };
    struct link_info info = { 0 };
    nl_req(c, RTM_GETLINK, 0, &head, sizeof head, "look up interface %d", index);
    nl_allow(c, ENODEV);
    if (nl_commit(c, on_link, &info, e))
        return -1;
    *out = info;
    return 0;
}

struct link_array {
    struct link_info *links;
    size_t count;
    size_t cap;
};

static void on_list_restart(void *self)
{
    struct link_array *a = self;
    a->count = 0;
}

static void on_list_link(void *self, const struct nlmsghdr *m)
{
    struct link_array *a = self;
    struct link_info info = info_parse(m);
    if (!info.index || a->count == LINKS_MAX)
        return;
    a->links = mem_grow(a->links, &a->cap, a->count + 1, sizeof *a->links);
    a->links[a->count++] = info;
}

int link_list(struct nl_channel *c, struct link_info **out, size_t *count, struct err *e)
{
    const struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
    struct link_array a = { 0 };
    if (nl_list(c, RTM_GETLINK, &head, sizeof head, on_list_restart, on_list_link, &a, e)) {
        free(a.links);
        return -1;
    }
    *out = a.links;
    *count = a.count;
    return 0;
}

static void put_end(struct nl_channel *c, const struct link_end *end, uint32_t mtu)
{
    nl_put_str(c, IFLA_IFNAME, end->name);
    nl_put_u32(c, IFLA_MTU, mtu);
    if (end->mac)
        nl_put(c, IFLA_ADDRESS, end->mac, ADDR_MAC_LEN);
    if (end->netns_fd >= 0)
        nl_put_u32(c, IFLA_NET_NS_FD, (uint32_t)end->netns_fd);
}

void link_req_veth(struct nl_channel *c, const struct link_end *near, const struct link_end *peer,
                   uint32_t mtu, int master)
{
    const struct ifinfomsg head = {
        .ifi_family = AF_UNSPEC,
        .ifi_flags = IFF_UP,
        .ifi_change = IFF_UP,
    };
    const struct ifinfomsg peer_head = { .ifi_family = AF_UNSPEC };
    nl_req(c, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head,
           "create veth pair %s and %s", near->name, peer->name);
    put_end(c, near, mtu);
    if (master)
        nl_put_u32(c, IFLA_MASTER, (uint32_t)master);
    nl_nest(c, IFLA_LINKINFO);
    nl_put_str(c, IFLA_INFO_KIND, "veth");
    nl_nest(c, IFLA_INFO_DATA);
    nl_nest(c, VETH_INFO_PEER);
    /* Down: veth_newlink ties the ends together after it made both, and opening an end without
     * peer is ENOTCONN. */
    nl_put_raw(c, &peer_head, sizeof peer_head);
    put_end(c, peer, mtu);
    nl_unnest(c);
    nl_unnest(c);
    nl_unnest(c);
}

/* A change to the existing link NAME; its attributes follow. */
static void req_change(struct nl_channel *c, const char *name, unsigned flags, const char *verb)
{
    const struct ifinfomsg head = {
        .ifi_family = AF_UNSPEC,
        .ifi_flags = flags,
        .ifi_change = flags,
    };
    nl_req(c, RTM_NEWLINK, 0, &head, sizeof head, "%s interface %s", verb, name);
    nl_put_str(c, IFLA_IFNAME, name);
}

void link_req_up(struct nl_channel *c, const char *name)
{
    req_change(c, name, IFF_UP, "bring up");
}

void link_req_alias(struct nl_channel *c, const char *name, const char *alias)
{
    req_change(c, name, 0, "set the alias of");
    nl_put(c, IFLA_IFALIAS, alias, strlen(alias)); /* without NUL, as ip-link(8) does */
}

void link_req_forwarding(struct nl_channel *c, const char *name, bool is_on)
{
    req_change(c, name, 0, "set forwarding of");
    nl_nest(c, IFLA_AF_SPEC);
    nl_nest(c, AF_INET);
    nl_nest(c, IFLA_INET_CONF);
    nl_put_u32(c, IPV4_DEVCONF_FORWARDING, is_on);
    nl_unnest(c);
    nl_unnest(c);
    nl_unnest(c);
}

void link_req_address(struct nl_channel *c, int index, struct addr_cidr address)
{
    const struct ifaddrmsg head = {
        .ifa_family = AF_INET,
        .ifa_prefixlen = address.prefix,
        .ifa_scope = RT_SCOPE_UNIVERSE,
        .ifa_index = (uint32_t)index,
    };
    char text[ADDR_CIDR_TEXT_MAX];
    nl_req(c, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head, "add address %s",
           addr_cidr_format(address, text));
    nl_allow(c, EEXIST);
    nl_put_addr(c, IFA_LOCAL, address.addr);
    nl_put_addr(c, IFA_ADDRESS, address.addr);
    nl_put_addr(c, IFA_BROADCAST, addr_broadcast(address));
}

void link_req_remove(struct nl_channel *c, const char *name)
{
    const struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
    nl_req(c, RTM_DELLINK, 0, &head, sizeof head, "remove interface %s", name);
    nl_put_str(c, IFLA_IFNAME, name);
    nl_allow(c, ENODEV);
}
