#include "netns/uplink.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/forward.h"
#include "netns/ipam.h"
#include "netns/link.h"
#include "netns/route.h"
#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    UPLINK_PREFIX = 30, /* two hosts */
    MTU_DEFAULT = 1500, /* a host without default route */
    NAME_SALTS = 16
};

static const char link_prefix[] = "svc-";
static const char alias_prefix[] = "svc ";

/* Space that hosts and companies seldom use: the end of the carrier-grade NAT range (RFC 6598), of
 * the benchmark range (RFC 2544), and a piece of 10/8. */
static const struct addr_cidr pools[] = {
    { 0x647fc000, 18 }, /* 100.127.192.0 */
    { 0xc613c000, 18 }, /* 198.19.192.0 */
    { 0x0ae7c000, 18 }, /* 10.231.192.0 */
};

/* The uplinks of the host, one is ours or none. */
struct survey {
    struct link_info *links;
    size_t count;
    struct link_info *own;
    const struct link_info *other;    /* of another stack */
    const struct link_info *namesake; /* of a stack of this name with another pin */
    const char *mark;                 /* of any of them */
};

static void survey_done(struct survey *v)
{
    free(v->links);
}

/* "svc PROJECT at PIN" */
static void alias_make(const char *project, const char *pin, char alias[LINK_ALIAS_MAX])
{
    (void)snprintf(alias, LINK_ALIAS_MAX, "%s%s at %s", alias_prefix, project, pin);
}

static bool alias_is(const char *alias, const char *wanted)
{
    size_t len = strlen(wanted);
    if (strncmp(alias, wanted, len) != 0)
        return false;
    return alias[len] == '\0' || str_eq(forward_mark_in(alias + len), alias + len);
}

static int survey_take(struct nl_channel *host, const char *project, const char *pin,
                       struct survey *v, struct err *e)
{
    char own[LINK_ALIAS_MAX];
    char same_project[LINK_ALIAS_MAX];
    alias_make(project, pin, own);
    alias_make(project, "", same_project);
    if (link_list(host, &v->links, &v->count, e))
        return -1;
    for (size_t i = 0; i < v->count; i++) {
        struct link_info *l = &v->links[i];
        if (!str_starts(l->name, link_prefix) || !str_starts(l->alias, alias_prefix))
            continue;
        const char *mark = forward_mark_in(l->alias);
        v->mark = mark ? mark : v->mark;
        if (alias_is(l->alias, own)) {
            v->own = l;
            continue;
        }
        v->other = l;
        if (str_starts(l->alias, same_project))
            v->namesake = l;
    }
    return 0;
}

/* A name that no link has: "svc-" and a hash of the project. */
static int name_choose(const struct survey *v, const char *project, char name[IFNAMSIZ],
                       struct err *e)
{
    for (int salt = 0; salt < NAME_SALTS; salt++) {
        char text[LINK_ALIAS_MAX];
        (void)snprintf(text, sizeof text, salt ? "%s#%d" : "%s", project, salt);
        (void)snprintf(name, IFNAMSIZ, "%s%08x", link_prefix, link_hash(text));
        size_t i = 0;
        while (i < v->count && !str_eq(v->links[i].name, name))
            i++;
        if (i == v->count)
            return 0;
    }
    return err_conflict(e, "no free interface name for project %s, the last tried is %s", project,
                        name);
}

/* The address of interface INDEX: 1 found, 0 none, -1. */
static int address_of(struct nl_channel *c, int index, struct addr_cidr *out, struct err *e)
{
    auto_free struct route_addr *addrs = NULL;
    size_t count;
    if (route_addr_list(c, &addrs, &count, e))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (addrs[i].index != index)
            continue;
        *out = addrs[i].address;
        return 1;
    }
    return 0;
}

static struct addr_cidr stack_end(struct addr_cidr host)
{
    return (struct addr_cidr){ .addr = host.addr + 1, .prefix = host.prefix };
}

/* Whether the pair OWN is whole, as uplink_create leaves it: 1 with *out, 0, -1. */
static int own_check(struct nl_channel *host, struct nl_channel *stack, const struct link_info *own,
                     struct uplink *out, struct err *e)
{
    struct uplink u = { .mtu = own->mtu };
    memcpy(u.host_ifname, own->name, sizeof u.host_ifname);
    int has_address = address_of(host, own->index, &u.host, e);
    struct link_info end;
    if (has_address <= 0)
        return has_address;
    if (link_get(stack, UPLINK_STACK_IFNAME, &end, e))
        return -1;
    u.stack = stack_end(u.host);
    struct route_used used = { 0 };
    int rc = route_used_load(stack, &used, e);
    int default_index = used.default_index;
    route_used_done(&used);
    if (rc)
        return -1;
    if (!end.index || default_index != end.index)
        return 0; /* the default route is the last that is made */
    *out = u;
    return 1;
}

static int subnet_choose(struct nl_channel *host, const char *project,
                         const struct addr_cidr *avoid, size_t avoid_count, struct uplink *u,
                         struct err *e)
{
    struct route_used used = { 0 };
    struct link_info out_link = { 0 };
    struct addr_cidr subnet;
    int rc = route_used_load(host, &used, e);
    for (size_t i = 0; !rc && i < avoid_count; i++)
        route_used_add(&used, avoid[i]);
    if (!rc)
        rc = ipam_pick_subnet(pools, ARRAY_LEN(pools), UPLINK_PREFIX, link_hash(project),
                              used.subnets, used.count, &subnet, e);
    if (!rc && used.default_index)
        rc = link_get_index(host, used.default_index, &out_link, e);
    route_used_done(&used);
    if (rc)
        return -1;
    u->host = (struct addr_cidr){ subnet.addr + 1, UPLINK_PREFIX };
    u->stack = stack_end(u->host);
    u->mtu = out_link.mtu ? out_link.mtu : MTU_DEFAULT;
    return 0;
}

/* Makes the pair of U, whose name, addresses and MTU are chosen. */
static int pair_create(struct nl_channel *host, struct nl_channel *stack, int stack_fd,
                       const char *alias, const struct uplink *u, struct err *e)
{
    const struct link_end near = { .name = u->host_ifname, .netns_fd = -1 };
    const struct link_end peer = { .name = UPLINK_STACK_IFNAME, .netns_fd = stack_fd };
    struct link_info end;
    link_req_veth(host, &near, &peer, u->mtu, 0);
    link_req_alias(host, u->host_ifname, alias);
    if (nl_commit(host, NULL, NULL, e) || link_get(host, u->host_ifname, &end, e))
        return -1;
    link_req_address(host, end.index, u->host);
    if (nl_commit(host, NULL, NULL, e) || link_get(stack, UPLINK_STACK_IFNAME, &end, e))
        return -1;
    link_req_up(stack, UPLINK_STACK_IFNAME);
    link_req_address(stack, end.index, u->stack);
    link_req_forwarding(stack, UPLINK_STACK_IFNAME, true);
    route_req_default(stack, u->host.addr, end.index);
    return nl_commit(stack, NULL, NULL, e);
}

static int pair_remove(struct nl_channel *host, const char *name, struct err *e)
{
    link_req_remove(host, name);
    return nl_commit(host, NULL, NULL, e);
}

/* The mark goes into the alias before ip_forward changes: a crash in between loses nothing. */
static int forward_ensure(struct nl_channel *host, const char *name, const char *base_alias,
                          const struct survey *v, struct err *e)
{
    int is_on = forward_get(e);
    if (is_on < 0)
        return -1;
    const char *mark = v->mark;
    if (!is_on && !mark && forward_mark(&mark, e))
        return -1;
    if (mark) {
        char alias[LINK_ALIAS_MAX];
        (void)snprintf(alias, sizeof alias, "%.*s%s", LINK_ALIAS_MAX - 64, base_alias, mark);
        link_req_alias(host, name, alias);
        if (nl_commit(host, NULL, NULL, e))
            return -1;
    }
    return is_on ? 0 : forward_on(e);
}

static int create(struct nl_channel *host, struct nl_channel *stack, int stack_fd,
                  const char *project, const char *alias, const struct addr_cidr *avoid,
                  size_t avoid_count, const struct survey *v, struct uplink *out, struct err *e)
{
    struct uplink u = { 0 };
    if (name_choose(v, project, u.host_ifname, e) ||
        subnet_choose(host, project, avoid, avoid_count, &u, e))
        return -1;
    if (pair_create(host, stack, stack_fd, alias, &u, e)) {
        struct err ignored; /* the first failure is the one to report */
        (void)!pair_remove(host, u.host_ifname, &ignored);
        return -1;
    }
    *out = u;
    return 0;
}

int uplink_open(struct nl_channel *host, struct nl_channel *stack, int stack_fd,
                const char *project, const char *pin, const struct addr_cidr *avoid,
                size_t avoid_count, struct uplink *out, struct err *e)
{
    char alias[LINK_ALIAS_MAX];
    alias_make(project, pin, alias);
    auto_fd int lock_fd = forward_lock(e);
    struct survey v = { 0 };
    struct uplink u = { 0 };
    int rc = lock_fd < 0 ? -1 : survey_take(host, project, pin, &v, e);
    if (!rc && v.namesake) {
        rc =
            err_conflict(e, "project %s has a network already: %.200s", project, v.namesake->alias);
        err_hint(e, "stop that stack, or give this one another name");
    }
    int is_whole = rc || !v.own ? 0 : own_check(host, stack, v.own, &u, e);
    if (is_whole < 0)
        rc = -1;
    if (!rc && v.own && !is_whole) {
        rc = pair_remove(host, v.own->name, e);
        v.own->name[0] = '\0'; /* the name is free again */
    }
    if (!rc && !is_whole)
        rc = create(host, stack, stack_fd, project, alias, avoid, avoid_count, &v, &u, e);
    if (!rc)
        rc = forward_ensure(host, u.host_ifname, alias, &v, e);
    survey_done(&v);
    if (!rc)
        *out = u;
    return rc;
}

int uplink_owner(struct nl_channel *host, const char *project, const char *pin,
                 enum uplink_owner *out, struct err *e)
{
    struct survey v = { 0 };
    int rc = survey_take(host, project, pin, &v, e);
    if (!rc)
        *out = v.own ? UPLINK_OWN : v.namesake ? UPLINK_NAMESAKE : UPLINK_NONE;
    survey_done(&v);
    return rc;
}

int uplink_remove(struct nl_channel *host, const char *project, const char *pin, struct err *e)
{
    auto_fd int lock_fd = forward_lock(e);
    struct survey v = { 0 };
    int rc = lock_fd < 0 ? -1 : survey_take(host, project, pin, &v, e);
    if (!rc && v.own) {
        /* In this order: a crash in between leaves the mark to the next attempt. */
        if (!v.other && v.mark)
            rc = forward_restore(v.mark, e);
        struct err second;
        if (pair_remove(host, v.own->name, rc ? &second : e))
            rc = -1;
    }
    survey_done(&v);
    return rc;
}
