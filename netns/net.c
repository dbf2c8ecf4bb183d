#include "netns/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/bridge.h"
#include "netns/endpoint.h"
#include "netns/link.h"
#include "netns/nat.h"
#include "netns/nl.h"
#include "netns/ns.h"
#include "netns/route.h"
#include "netns/uplink.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

enum {
    MTU_WITHOUT_UPLINK = 1500
};

struct net_stack {
    int fd;                   /* the stack netns */
    struct nl_channel *stack; /* rtnetlink there */
    struct nl_channel *host;  /* and in the caller's own namespace */
    bool egress;
    struct uplink uplink; /* zeroed without egress */
    uint32_t mtu;
};

/* The project's name becomes part of an nft table's name and the pin part of an alias. */
static int names_check(const char *project, const char *pin, struct err *e)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t len = strlen(project);
    if (!len || len >= NAME_LIMIT || strspn(project, plain) != len)
        return err_input(e, "project \"%.80s\": a name has 1 to %d letters, digits, _ - or .",
                         project, NAME_LIMIT - 1);
    if (pin[0] != '/' || strlen(pin) >= NET_PIN_MAX)
        return err_input(e, "%.160s: the pin is an absolute path of less than %d bytes", pin,
                         NET_PIN_MAX);
    return 0;
}

static int host_rules_apply(const char *project, const struct uplink *u, struct err *e)
{
    char table[NAT_TABLE_MAX];
    auto_buf struct buf text = { 0 };
    buf_init(&text, NAT_TEXT_MAX);
    nat_host_table(project, table);
    nat_host_text(table, u->host_ifname, u->stack, &text);
    return nat_apply(-1, &text, e);
}

static int stack_rules_apply(const struct net_stack *s, const struct net_network *networks,
                             size_t count, struct err *e)
{
    struct nat_bridge bridges[NET_NETWORKS_MAX];
    for (size_t i = 0; i < count; i++)
        bridges[i] = (struct nat_bridge){ networks[i].bridge, networks[i].internal };
    auto_buf struct buf text = { 0 };
    buf_init(&text, NAT_TEXT_MAX);
    nat_stack_text(UPLINK_STACK_IFNAME, bridges, count, &text);
    return nat_apply(s->fd, &text, e);
}

static int networks_check(const struct net_network *networks, size_t count, struct err *e)
{
    if (count > NET_NETWORKS_MAX)
        return err_input(e, "%zu networks: a stack has %d at most", count, NET_NETWORKS_MAX);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (str_eq(networks[i].name, networks[j].name))
                return err_input(e, "network %s is listed twice", networks[i].name);
        }
    }
    return 0;
}

int net_stack_set_networks(struct net_stack *s, struct net_network *networks, size_t count,
                           struct err *e)
{
    if (networks_check(networks, count, e))
        return -1;
    struct net_network planned[NET_NETWORKS_MAX];
    memcpy(planned, networks, count * sizeof *planned);
    /* A subnet of the host's would hide hosts that the containers may want to reach. */
    struct route_used used = { 0 };
    int rc = route_used_load(s->host, &used, e);
    if (!rc)
        rc = bridge_plan(s->stack, planned, count, used.subnets, used.count,
                         addr_subnet(s->uplink.stack), e);
    route_used_done(&used);
    if (rc || bridge_apply(s->stack, planned, count, s->mtu, e))
        return -1;
    /* Rules first, then forwarding: no packet gets through an interface without rules. Without
     * egress nothing forwards, and no rules are needed. */
    if (s->egress &&
        (stack_rules_apply(s, planned, count, e) || bridge_forward(s->stack, planned, count, e)))
        return -1;
    memcpy(networks, planned, count * sizeof *planned);
    return 0;
}

static int egress_open(struct net_stack *s, const struct net_config *config,
                       const struct net_network *networks, size_t count, struct err *e)
{
    struct addr_cidr avoid[NET_NETWORKS_MAX];
    size_t avoid_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (networks[i].subnet.prefix)
            avoid[avoid_count++] = networks[i].subnet;
    }
    if (uplink_open(s->host, s->stack, s->fd, config->project, config->pin, avoid, avoid_count,
                    &s->uplink, e))
        return -1;
    s->mtu = s->uplink.mtu;
    return host_rules_apply(config->project, &s->uplink, e);
}

/* Opens the pinned namespace, or makes one; *is_new says which. */
static int namespace_open(const char *pin, int *out_fd, bool *is_new, struct err *e)
{
    auto_fd int fd = -1;
    if (ns_open_pin(pin, &fd, e))
        return -1;
    *is_new = fd < 0;
    if (fd < 0) {
        fd = ns_create(e);
        if (fd < 0 || ns_pin(fd, pin, e))
            return -1;
    }
    *out_fd = take_fd(&fd);
    return 0;
}

/* The host's rules and uplink. The rules go first: as long as the uplink is there, it says whose
 * the table is. */
static int host_remove(struct nl_channel *host, const char *project, const char *pin, struct err *e)
{
    enum uplink_owner owner = UPLINK_NONE;
    int rc = uplink_owner(host, project, pin, &owner, e);
    if (owner == UPLINK_OWN) {
        char table[NAT_TABLE_MAX];
        auto_buf struct buf text = { 0 };
        buf_init(&text, NAT_TEXT_MAX);
        nat_host_table(project, table);
        nat_remove_text(table, &text);
        rc = nat_apply(-1, &text, e);
        struct err second;
        if (uplink_remove(host, project, pin, rc ? &second : e))
            rc = -1;
    }
    return rc;
}

static int stack_build(struct net_stack *s, const struct net_config *config,
                       struct net_network *networks, size_t count, struct err *e)
{
    if (nl_open(-1, &s->host, e) || nl_open(s->fd, &s->stack, e))
        return -1;
    link_req_up(s->stack, "lo");
    if (nl_commit(s->stack, NULL, NULL, e))
        return -1;
    /* Without egress: an earlier run of the stack may have had it. */
    if (s->egress ? egress_open(s, config, networks, count, e)
                  : host_remove(s->host, config->project, config->pin, e))
        return -1;
    return net_stack_set_networks(s, networks, count, e);
}

int net_stack_open(const struct net_config *config, struct net_network *networks, size_t count,
                   struct net_stack **out, struct err *e)
{
    if (names_check(config->project, config->pin, e) || networks_check(networks, count, e))
        return -1;
    struct net_stack *s = mem_alloc(sizeof *s);
    *s = (struct net_stack){ .fd = -1, .egress = config->egress, .mtu = MTU_WITHOUT_UPLINK };
    bool is_new = false;
    int rc = namespace_open(config->pin, &s->fd, &is_new, e);
    if (!rc && stack_build(s, config, networks, count, e)) {
        struct err ignored; /* the first failure is the one to report */
        if (is_new)
            (void)!net_stack_remove(config->project, config->pin, &ignored);
        rc = -1;
    }
    if (rc) {
        net_stack_close(s);
        return err_wrap(e, "network of %s", config->project);
    }
    *out = s;
    return 0;
}

void net_stack_close(struct net_stack *s)
{
    if (!s)
        return;
    nl_shut(s->stack);
    nl_shut(s->host);
    fd_close(&s->fd);
    free(s);
}

int net_stack_remove(const char *project, const char *pin, struct err *e)
{
    if (names_check(project, pin, e))
        return -1;
    struct err second;
    struct nl_channel *host = NULL;
    int rc = nl_open(-1, &host, e);
    if (!rc)
        rc = host_remove(host, project, pin, e);
    nl_shut(host);
    if (ns_unpin(pin, rc ? &second : e))
        rc = -1;
    return rc ? err_wrap(e, "remove the network of %s", project) : 0;
}

int net_stack_fd(const struct net_stack *s)
{
    return s->fd;
}

uint32_t net_stack_host_addr(const struct net_stack *s)
{
    return s->uplink.host.addr;
}

uint32_t net_stack_mtu(const struct net_stack *s)
{
    return s->mtu;
}

int net_endpoint_attach(struct net_stack *s, int container_netns_fd,
                        const struct net_endpoint *endpoints, size_t count, struct err *e)
{
    return endpoint_attach(s->stack, s->mtu, container_netns_fd, endpoints, count, e);
}

int net_endpoint_detach(struct net_stack *s, uint32_t addr, struct err *e)
{
    return endpoint_detach(s->stack, addr, e);
}
