#include "runtime/net_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    REQUEST_BYTES = 512,
    REPLY_BYTES = 32 * 1024,
    ADDRESSES_MAX = 64,
    ADDRESS_BYTES = 16, /* of IPv6 */
};

struct address {
    uint8_t family, prefix_len, len;
    bool has_local, has_broadcast;
    unsigned char address[ADDRESS_BYTES], local[ADDRESS_BYTES], broadcast[ADDRESS_BYTES];
};
struct addresses {
    struct address items[ADDRESSES_MAX];
    size_t count;
};

/* A message under construction; every part of it has a known, small size. */
struct request {
    _Alignas(NLMSG_ALIGNTO) unsigned char bytes[REQUEST_BYTES];
    size_t len;
};

static struct nlmsghdr *head_of(struct request *r)
{
    return (struct nlmsghdr *)(void *)r->bytes;
}

static void *begin(struct request *r, uint16_t type, uint16_t flags, size_t body)
{
    *r = (struct request){ .len = NLMSG_SPACE(body) };
    struct nlmsghdr *h = head_of(r);
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    h->nlmsg_len = (uint32_t)r->len;
    return NLMSG_DATA(h);
}

/* CVE-2021-43784 was a length that overflowed here. */
static int add(struct request *r, uint16_t type, const void *data, size_t len, struct err *e)
{
    if (len > REQUEST_BYTES || RTA_SPACE(len) > REQUEST_BYTES - r->len)
        return err_internal(e, "linux.netDevices: a message of more than %d bytes", REQUEST_BYTES);
    struct rtattr *a = (struct rtattr *)(void *)(r->bytes + r->len);
    a->rta_type = type;
    a->rta_len = (uint16_t)RTA_LENGTH(len);
    memcpy(RTA_DATA(a), data, len);
    r->len += RTA_SPACE(len);
    head_of(r)->nlmsg_len = (uint32_t)r->len;
    return 0;
}

static int open_netlink(struct err *e)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return fd < 0 ? err_sys(e, errno, "linux.netDevices: open rtnetlink") : fd;
}

/* Sends R and waits for its acknowledgement: 0, or -1 with errno. */
static int ask(int fd, struct request *r)
{
    _Alignas(NLMSG_ALIGNTO) unsigned char reply[1024];
    head_of(r)->nlmsg_flags |= NLM_F_ACK;
    if (send(fd, r->bytes, r->len, 0) < 0)
        return -1;
    ssize_t n = recv(fd, reply, sizeof(reply), 0);
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)reply;
    if (n < 0)
        return -1;
    if ((size_t)n < NLMSG_LENGTH(sizeof(struct nlmsgerr)) || h->nlmsg_type != NLMSG_ERROR) {
        errno = EPROTO;
        return -1;
    }
    int error = ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
    errno = -error;
    return error ? -1 : 0;
}

/* ---- addresses ---- */

static void copy_bytes(const struct rtattr *a, struct address *to, unsigned char *bytes, bool *has)
{
    size_t len = RTA_PAYLOAD(a);
    if (len != 4 && len != ADDRESS_BYTES)
        return;
    memcpy(bytes, RTA_DATA(a), len);
    to->len = (uint8_t)len;
    *has = true;
}

/* RTA_OK and RTA_NEXT of the kernel's header, without their mixed signs. */
static bool is_whole(const struct rtattr *a, size_t left)
{
    return left >= sizeof(*a) && a->rta_len >= sizeof(*a) && a->rta_len <= left;
}

static const struct rtattr *next_of(const struct rtattr *a, size_t *left)
{
    size_t step = RTA_ALIGN((size_t)a->rta_len);
    step = step < *left ? step : *left;
    *left -= step;
    return (const struct rtattr *)(const void *)((const unsigned char *)a + step);
}

/* One RTM_NEWADDR of the dump; kept when it is INDEX's, permanent and of global scope. */
static void take_address(const struct nlmsghdr *h, unsigned index, struct addresses *out)
{
    const struct ifaddrmsg *m = NLMSG_DATA(h);
    struct address found = { .family = m->ifa_family, .prefix_len = m->ifa_prefixlen };
    uint32_t flags = m->ifa_flags;
    bool has_address = false;
    size_t left = IFA_PAYLOAD(h);
    for (const struct rtattr *a = IFA_RTA(m); is_whole(a, left); a = next_of(a, &left)) {
        switch (a->rta_type) {
        case IFA_ADDRESS: copy_bytes(a, &found, found.address, &has_address); break;
        case IFA_LOCAL: copy_bytes(a, &found, found.local, &found.has_local); break;
        case IFA_BROADCAST: copy_bytes(a, &found, found.broadcast, &found.has_broadcast); break;
        case IFA_FLAGS:
            if (RTA_PAYLOAD(a) >= sizeof(flags))
                memcpy(&flags, RTA_DATA(a), sizeof(flags));
            break;
        default: break;
        }
    }
    if (m->ifa_index == index && m->ifa_scope == RT_SCOPE_UNIVERSE && flags & IFA_F_PERMANENT &&
        has_address && out->count < ADDRESSES_MAX)
        out->items[out->count++] = found;
}

static int read_addresses(int fd, unsigned index, struct addresses *out, struct err *e)
{
    _Alignas(NLMSG_ALIGNTO) unsigned char reply[REPLY_BYTES];
    struct request r;
    struct ifaddrmsg *m = begin(&r, RTM_GETADDR, NLM_F_DUMP, sizeof(*m));
    m->ifa_family = AF_UNSPEC;
    out->count = 0;
    if (send(fd, r.bytes, r.len, 0) < 0)
        return err_sys(e, errno, "linux.netDevices: read addresses");
    for (;;) {
        ssize_t n = recv(fd, reply, sizeof(reply), 0);
        if (n < 0)
            return err_sys(e, errno, "linux.netDevices: read addresses");
        unsigned left = (unsigned)n;
        for (const struct nlmsghdr *h = (const void *)reply; NLMSG_OK(h, left);
             h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR)
                return err_set(e, ERR_SYSTEM, "linux.netDevices: read addresses");
            if (h->nlmsg_type == RTM_NEWADDR)
                take_address(h, index, out);
        }
        if (n == 0)
            return err_set(e, ERR_SYSTEM, "linux.netDevices: read addresses");
    }
}

static int put_address(int fd, unsigned index, const struct address *a, const char *name,
                       struct err *e)
{
    struct request r;
    struct ifaddrmsg *m = begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*m));
    m->ifa_family = a->family;
    m->ifa_prefixlen = a->prefix_len;
    m->ifa_scope = RT_SCOPE_UNIVERSE;
    m->ifa_index = index;
    if (add(&r, IFA_ADDRESS, a->address, a->len, e) < 0 ||
        (a->has_local && add(&r, IFA_LOCAL, a->local, a->len, e) < 0) ||
        (a->has_broadcast && add(&r, IFA_BROADCAST, a->broadcast, a->len, e) < 0))
        return -1;
    return ask(fd, &r) < 0 ? err_sys(e, errno, "linux.netDevices: give %s its address", name) : 0;
}

/* ---- devices ---- */

static int check_name(const char *name, struct err *e)
{
    /* dev_valid_name of the kernel; "%d" stands for a free number (dev_alloc_name) */
    const char *percent = strchr(name, '%');
    if (!name[0] || strlen(name) >= IFNAMSIZ || str_eq(name, ".") || str_eq(name, "..") ||
        strpbrk(name, "/: \t\n") || (percent && (percent[1] != 'd' || strchr(percent + 1, '%'))))
        return err_input(e, "linux.netDevices: \"%.40s\" is not a name of a device", name);
    return 0;
}

int net_devices_check(const struct oci_config *c, struct err *e)
{
    if (c->net_devices.count && !c->namespaces[OCI_NS_NETWORK].is_wanted)
        return err_input(e, "linux.netDevices: needs a network namespace");
    for (size_t i = 0; i < c->net_devices.count; i++) {
        const struct oci_net_device *d = &c->net_devices.items[i];
        if (check_name(d->name, e) < 0 || check_name(d->new_name, e) < 0)
            return -1;
    }
    return 0;
}

/* Before the move: the kernel renames after it, and a device that then fails to get its name would
 * end with the container. */
static int check_free(const struct oci_net_device *d, const struct if_nameindex *there,
                      struct err *e)
{
    for (; there->if_index; there++)
        if (str_eq(there->if_name, d->new_name))
            return err_conflict(e,
                                "linux.netDevices: move %s as %s: the container has a device of "
                                "that name",
                                d->name, d->new_name);
    return 0;
}

static int move_link(int fd, const struct oci_net_device *d, unsigned index, int netns_fd,
                     struct err *e)
{
    struct request r;
    struct ifinfomsg *m = begin(&r, RTM_SETLINK, 0, sizeof(*m));
    m->ifi_index = (int)index;
    if (add(&r, IFLA_NET_NS_FD, &netns_fd, sizeof(netns_fd), e) < 0 ||
        add(&r, IFLA_IFNAME, d->new_name, strlen(d->new_name) + 1, e) < 0)
        return -1;
    if (ask(fd, &r) < 0)
        return err_sys(e, errno, "linux.netDevices: move %s as %s into the container", d->name,
                       d->new_name);
    return 0;
}

/* The kernel may have given another number, and by "%d" another name: it is the one that was not
 * there. 0 when there is none. */
static unsigned find_new(const struct if_nameindex *before, const struct if_nameindex *after)
{
    for (; after->if_index; after++) {
        const struct if_nameindex *b = before;
        while (b->if_index && b->if_index != after->if_index)
            b++;
        if (!b->if_index)
            return after->if_index;
    }
    return 0;
}

static int bring_up(unsigned index, const char *name, struct err *e)
{
    struct ifreq request = { 0 };
    auto_fd int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0 || !if_indextoname(index, request.ifr_name) || ioctl(s, SIOCGIFFLAGS, &request) < 0)
        return err_sys(e, errno, "linux.netDevices: find %s in the container", name);
    request.ifr_flags |= IFF_UP;
    if (ioctl(s, SIOCSIFFLAGS, &request) < 0)
        return err_sys(e, errno, "linux.netDevices: bring %s up", name);
    return 0;
}

/* In the container's network namespace. */
static int settle(const struct oci_net_device *d, const struct addresses *addresses,
                  const struct if_nameindex *before, struct err *e)
{
    struct if_nameindex *after = if_nameindex();
    if (!after)
        return err_sys(e, errno, "linux.netDevices: list the container's devices");
    unsigned index = find_new(before, after);
    if_freenameindex(after);
    if (!index)
        return err_set(e, ERR_SYSTEM, "linux.netDevices: %s did not arrive", d->name);
    auto_fd int netlink = open_netlink(e);
    if (netlink < 0)
        return -1;
    for (size_t i = 0; i < addresses->count; i++)
        if (put_address(netlink, index, &addresses->items[i], d->new_name, e) < 0)
            return -1;
    return bring_up(index, d->new_name, e);
}

static int enter(int netns_fd, struct err *e)
{
    return setns(netns_fd, CLONE_NEWNET) < 0
               ? err_sys(e, errno, "linux.netDevices: enter a network namespace")
               : 0;
}

static int move_one(const struct oci_net_device *d, int netns_fd, int own_fd, struct err *e)
{
    struct addresses addresses;
    unsigned index = if_nametoindex(d->name);
    if (!index)
        return err_host(e, "linux.netDevices: there is no device %s", d->name);
    auto_fd int netlink = open_netlink(e);
    if (netlink < 0 || read_addresses(netlink, index, &addresses, e) < 0 || enter(netns_fd, e) < 0)
        return -1;
    struct if_nameindex *before = if_nameindex();
    int errnum = errno;
    /* The socket is the host's wherever we are. */
    int result = before ? check_free(d, before, e)
                        : err_sys(e, errnum, "linux.netDevices: list the container's devices");
    if (result == 0)
        result = move_link(netlink, d, index, netns_fd, e);
    if (result == 0)
        result = settle(d, &addresses, before, e);
    if (before)
        if_freenameindex(before);
    struct err back;
    if (enter(own_fd, result < 0 ? &back : e) < 0)
        result = -1;
    return result;
}

int net_devices_move(const struct oci_net_devices *devices, int netns_fd, struct err *e)
{
    if (!devices->count)
        return 0;
    auto_fd int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0)
        return err_sys(e, errno, "open /proc/self/ns/net");
    for (size_t i = 0; i < devices->count; i++)
        if (move_one(&devices->items[i], netns_fd, own, e) < 0)
            return -1;
    return 0;
}
