#include "supervisor/stack/etc.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "supervisor/stack/replica.h"

enum {
    FILE_BYTES_MAX = 1024 * 1024
};

static bool on_network(const struct stack_service *s, size_t network,
                       const struct strings **aliases, size_t *index)
{
    for (size_t i = 0; i < s->network_count; i++) {
        if (s->networks[i].network == network) {
            *aliases = &s->networks[i].aliases;
            *index = i;
            return true;
        }
    }
    return false;
}

static void add_host_line(struct buf *to, uint32_t address, const struct replica *r,
                          const struct strings *aliases)
{
    struct in_addr in = { .s_addr = htonl(address) };
    char text[INET_ADDRSTRLEN];
    (void)inet_ntop(AF_INET, &in, text, sizeof(text));
    (void)buf_printf(to, "%s\t%s %s-%u %s", text, r->service->name, r->service->name, r->number,
                     r->id);
    for (size_t i = 0; i < aliases->count; i++)
        (void)buf_printf(to, " %s", aliases->items[i]);
    (void)buf_add_char(to, '\n');
}

/* Other names of the services that R is linked to, on the first network that both are on. */
static void add_links(struct buf *to, const struct replica *r)
{
    struct project *p = r->project;
    for (size_t i = 0; i < r->service->link_count; i++) {
        const struct stack_link *link = &r->service->links[i];
        const struct stack_service *peer = &p->stack->services[link->service];
        const struct strings *aliases;
        size_t n = 0, index = 0;
        while (n < r->service->network_count &&
               !on_network(peer, r->service->networks[n].network, &aliases, &index))
            n++;
        const struct service_state *s = &p->services[link->service];
        for (size_t k = 0; n < r->service->network_count && k < s->count; k++)
            (void)buf_printf(to, "%s\t%s\n",
                             inet_ntoa((struct in_addr){ htonl(s->replicas[k].addresses[index]) }),
                             link->alias);
    }
}

/* "host-gateway" is this machine: for a container in its network, the loopback device. */
static void add_extra_hosts(struct buf *to, const struct replica *r)
{
    uint32_t host = r->service->network_mode == STACK_NETWORK_HOST
                        ? INADDR_LOOPBACK
                        : net_stack_host_addr(r->project->net);
    for (size_t i = 0; i < r->service->extra_hosts.count; i++) {
        const struct stack_pair *h = &r->service->extra_hosts.items[i];
        bool is_gateway = str_eq(h->value, "host-gateway");
        if (is_gateway && !host)
            log_event(LOG_WARN, r->service->name, "extra_hosts.skipped",
                      "name=%s reason=\"the machine has no address on the stack's networks\"",
                      h->key);
        else
            (void)buf_printf(to, "%s\t%s\n",
                             is_gateway ? inet_ntoa((struct in_addr){ htonl(host) }) : h->value,
                             h->key);
    }
}

static void add_own_line(struct buf *to, const struct replica *r, uint32_t address)
{
    const char *name = r->service->hostname ? r->service->hostname : r->id;
    (void)buf_printf(to, "%s\t", inet_ntoa((struct in_addr){ htonl(address) }));
    if (r->service->domainname)
        (void)buf_printf(to, "%s.%s ", name, r->service->domainname);
    (void)buf_printf(to, "%s\n", name);
}

/* Names of everything that shares a network with R. The replicas of a service start at a different
 * one for each reader, since most programs take the first address only. */
static void add_peers(struct buf *to, const struct replica *r)
{
    struct project *p = r->project;
    for (size_t n = 0; n < r->service->network_count; n++) {
        for (size_t s = 0; s < p->stack->service_count; s++) {
            const struct strings *aliases;
            size_t index;
            if (!on_network(&p->stack->services[s], r->service->networks[n].network, &aliases,
                            &index))
                continue;
            size_t count = p->services[s].count;
            for (size_t i = 0; i < count; i++) {
                struct replica *peer = &p->services[s].replicas[(i + r->number - 1) % count];
                add_host_line(to, peer->addresses[index], peer, aliases);
            }
        }
    }
}

/* What a file of the machine says; nothing when it cannot be read: then the container gets nothing
 * either. */
static void read_of_host(const char *path, struct buf *to)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fd_read_all(fd, to) < 0)
        buf_reset(to);
}

static void write_hosts(const struct replica *r, struct buf *to)
{
    const struct replica *net = replica_network(r); /* whose names hold in this network */
    if (r->service->network_mode == STACK_NETWORK_HOST)
        read_of_host("/etc/hosts", to);
    else
        (void)buf_add_str(to, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    bool has_address = net && net->service->network_count;
    add_own_line(to, r, has_address ? net->addresses[0] : INADDR_LOOPBACK);
    if (has_address && net_stack_host_addr(r->project->net))
        (void)buf_printf(
            to, "%s\thost.docker.internal host.svc.internal\n",
            inet_ntoa((struct in_addr){ htonl(net_stack_host_addr(r->project->net)) }));
    if (has_address)
        add_peers(to, net);
    add_links(to, r);
    add_extra_hosts(to, r);
}

static void add_line(struct buf *to, const char *keyword, const struct strings *words)
{
    (void)buf_add_str(to, keyword);
    for (size_t i = 0; i < words->count; i++)
        (void)buf_printf(to, " %s", words->items[i]);
    (void)buf_add_char(to, '\n');
}

static bool is_keyword(const char *line, const char *keyword)
{
    size_t len = strlen(keyword);
    return strncmp(line, keyword, len) == 0 && (line[len] == ' ' || line[len] == '\t');
}

/* The machine's, but for what the service says itself (man 5 resolv.conf). A search list of "."
 * alone is an empty one, as with Docker. */
static void write_resolv(const struct stack_service *s, struct buf *to)
{
    auto_buf struct buf host = { 0 };
    buf_init(&host, FILE_BYTES_MAX);
    read_of_host("/etc/resolv.conf", &host);
    for (const char *line = host.data; line && *line;) {
        size_t len = strcspn(line, "\n");
        bool is_replaced =
            (s->dns.count && is_keyword(line, "nameserver")) ||
            (s->dns_opt.count && is_keyword(line, "options")) ||
            (s->dns_search.count && (is_keyword(line, "search") || is_keyword(line, "domain")));
        if (!is_replaced)
            (void)buf_printf(to, "%.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    for (size_t i = 0; i < s->dns.count; i++)
        (void)buf_printf(to, "nameserver %s\n", s->dns.items[i]);
    bool is_root = s->dns_search.count == 1 && str_eq(s->dns_search.items[0], ".");
    if (s->dns_search.count && !is_root)
        add_line(to, "search", &s->dns_search);
    if (s->dns_opt.count)
        add_line(to, "options", &s->dns_opt);
}

int etc_write(const struct replica *r, int bundle_fd, struct err *e)
{
    auto_buf struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    write_hosts(r, &text);
    if (text.overflow)
        return err_internal(e, "the hosts file is larger than %d bytes", FILE_BYTES_MAX);
    if (fd_write_file(bundle_fd, "hosts", text.data, text.len, 0644, false, e) < 0)
        return -1;
    buf_reset(&text);
    (void)buf_printf(&text, "%s\n", r->service->hostname ? r->service->hostname : r->id);
    if (fd_write_file(bundle_fd, "hostname", text.data, text.len, 0644, false, e) < 0)
        return -1;
    buf_reset(&text);
    write_resolv(r->service, &text);
    return fd_write_file(bundle_fd, "resolv.conf", text.data ? text.data : "", text.len, 0644,
                         false, e);
}
