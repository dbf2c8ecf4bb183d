/* A small engine for tests/net: runs the functions of netns/net.h and netns/listen.h as lines on
 * stdin ask for. Each is answered by a line, "ok WORDS" or "err EXIT_CODE TEXT".
 *
 *   up PROJECT PIN yes|no [NAME[:internal][=SUBNET]]…   ok HOST_ADDR MTU
 * [NAME,BRIDGE,SUBNET,GATEWAY]… set [NAME[:internal][=SUBNET]]…                     ok as above
 *   attach NETNS BRIDGE/IFNAME/ADDRESS/PREFIX[/GATEWAY]…  ok MICROSECONDS
 *   detach ADDRESS
 *   down PROJECT PIN
 *   listen ADDRESS|* PORT                               ok PORT; the socket stays open
 *   same                                                ok 1 when still in the first namespace */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "netns/listen.h"
#include "netns/net.h"
#include "netns/ns.h"
#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    WORDS_MAX = NET_NETWORKS_MAX + 8
};

struct driver {
    struct net_stack *stack;
    int first_fd; /* the namespace that the driver was started in */
};

typedef int verb_fn(struct driver *d, int argc, char **argv, struct err *e);

static int network_parse(char *text, struct net_network *out, struct err *e)
{
    char *subnet = strchr(text, '=');
    if (subnet)
        *subnet++ = '\0';
    char *flag = strchr(text, ':');
    if (flag)
        *flag++ = '\0';
    out->internal = flag != NULL;
    if (str_copy(out->name, sizeof out->name, text))
        return err_input(e, "the name is too long");
    return subnet ? addr_subnet_parse(subnet, &out->subnet, e) : 0;
}

static int networks_parse(int argc, char **argv, struct net_network *networks, struct err *e)
{
    for (int i = 0; i < argc; i++) {
        if (network_parse(argv[i], &networks[i], e))
            return -1;
    }
    return 0;
}

static void networks_print(const struct driver *d, const struct net_network *networks, int count)
{
    char text[ADDR_CIDR_TEXT_MAX];
    char gateway[ADDR_TEXT_MAX];
    printf("ok %s %u", addr_format(net_stack_host_addr(d->stack), text), net_stack_mtu(d->stack));
    for (int i = 0; i < count; i++)
        printf(" %s,%s,%s,%s", networks[i].name, networks[i].bridge,
               addr_cidr_format(networks[i].subnet, text),
               addr_format(networks[i].gateway, gateway));
    printf("\n");
}

static int verb_up(struct driver *d, int argc, char **argv, struct err *e)
{
    struct net_network networks[WORDS_MAX] = { 0 };
    const struct net_config config = {
        .project = argv[1],
        .pin = argv[2],
        .egress = str_eq(argv[3], "yes"),
    };
    net_stack_close(take_ptr(d->stack));
    if (networks_parse(argc - 4, argv + 4, networks, e) ||
        net_stack_open(&config, networks, (size_t)argc - 4, &d->stack, e))
        return -1;
    networks_print(d, networks, argc - 4);
    return 0;
}

static int verb_set(struct driver *d, int argc, char **argv, struct err *e)
{
    struct net_network networks[WORDS_MAX] = { 0 };
    if (networks_parse(argc - 1, argv + 1, networks, e) ||
        net_stack_set_networks(d->stack, networks, (size_t)argc - 1, e))
        return -1;
    networks_print(d, networks, argc - 1);
    return 0;
}

static int endpoint_parse(char *text, struct net_endpoint *out, struct err *e)
{
    const char *bridge = strsep(&text, "/");
    const char *ifname = strsep(&text, "/");
    const char *addr = strsep(&text, "/");
    const char *prefix = strsep(&text, "/");
    uint64_t bits;
    if (!prefix || str_copy(out->bridge, sizeof out->bridge, bridge) ||
        str_copy(out->ifname, sizeof out->ifname, ifname) || str_to_u64(prefix, 32, &bits))
        return err_input(e, "not an endpoint");
    out->address.prefix = (uint8_t)bits;
    if (addr_parse(addr, &out->address.addr, e))
        return -1;
    return text ? addr_parse(text, &out->gateway, e) : 0;
}

static int verb_attach(struct driver *d, int argc, char **argv, struct err *e)
{
    struct net_endpoint endpoints[WORDS_MAX] = { 0 };
    for (int i = 2; i < argc; i++) {
        if (endpoint_parse(argv[i], &endpoints[i - 2], e))
            return -1;
    }
    auto_fd int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    struct timespec from;
    struct timespec to;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    if (net_endpoint_attach(d->stack, fd, endpoints, (size_t)argc - 2, e))
        return -1;
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    printf("ok %ld\n", (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
    return 0;
}

static int verb_detach(struct driver *d, int argc, char **argv, struct err *e)
{
    uint32_t addr;
    (void)argc;
    if (addr_parse(argv[1], &addr, e) || net_endpoint_detach(d->stack, addr, e))
        return -1;
    printf("ok\n");
    return 0;
}

static int verb_down(struct driver *d, int argc, char **argv, struct err *e)
{
    (void)argc;
    net_stack_close(take_ptr(d->stack));
    if (net_stack_remove(argv[1], argv[2], e))
        return -1;
    printf("ok\n");
    return 0;
}

static int verb_listen(struct driver *d, int argc, char **argv, struct err *e)
{
    uint64_t port;
    (void)d;
    (void)argc;
    if (str_to_u64(argv[2], UINT16_MAX, &port))
        return err_input(e, "not a port");
    int fd = net_listen_tcp(str_eq(argv[1], "*") ? "" : argv[1], (uint16_t)port, 16, e);
    if (fd < 0)
        return -1;
    struct sockaddr_in6 sa = { 0 }; /* the port is at the same place in sockaddr_in */
    socklen_t len = sizeof sa;
    (void)getsockname(fd, (struct sockaddr *)&sa, &len);
    printf("ok %u\n", ntohs(sa.sin6_port));
    return 0; /* the fd stays open on purpose */
}

static int verb_same(struct driver *d, int argc, char **argv, struct err *e)
{
    (void)argc;
    (void)argv;
    auto_fd int fd = ns_self(e);
    int same = fd < 0 ? -1 : ns_same(fd, d->first_fd, e);
    if (same < 0)
        return -1;
    printf("ok %d\n", same);
    return 0;
}

static const struct {
    const char *name;
    int argc_min;
    verb_fn *run;
} verbs[] = {
    { "attach", 3, verb_attach }, { "detach", 2, verb_detach }, { "down", 3, verb_down },
    { "listen", 3, verb_listen }, { "same", 1, verb_same },     { "set", 1, verb_set },
    { "up", 4, verb_up },
};

static int line_run(struct driver *d, char *line, struct err *e)
{
    char *argv[WORDS_MAX];
    int argc = 0;
    line[strcspn(line, "\n")] = '\0';
    for (char *word; argc < WORDS_MAX && (word = strsep(&line, " "));)
        argv[argc++] = word;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (str_eq(verbs[i].name, argv[0]) && argc >= verbs[i].argc_min)
            return verbs[i].run(d, argc, argv, e);
    }
    return err_input(e, "no such verb: %s", argv[0]);
}

int main(void)
{
    struct err e = { 0 };
    struct driver d = { .first_fd = ns_self(&e) };
    char line[8192];
    char text[ERR_LINE_MAX];
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        e = (struct err){ 0 };
        if (line_run(&d, line, &e))
            printf("err %d %s\n", err_exit_code(&e), err_line(&e, text, sizeof text));
    }
    net_stack_close(d.stack);
    return 0;
}
