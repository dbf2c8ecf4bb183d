#include "supervisor/stack/front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns/listen.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/proxy/control.h"
#include "supervisor/stack/replica.h"

enum {
    BACKLOG = 4096,
    TUNNEL_TIMEOUT_MS = 3600 * 1000,
    QUIT_MS = 2000 /* for files that are being downloaded */
};

/* ---- listeners: the proxy's first, then every published port in file order ---- */

struct listener {
    const char *address;
    uint16_t port;
    bool is_http;
    size_t service;
    uint16_t target;
};

static size_t count_listeners(const struct project *p)
{
    size_t n = p->stack->proxy.listen_count;
    for (size_t s = 0; s < p->stack->service_count; s++)
        n += p->stack->services[s].port_count;
    return n;
}

static struct listener listener_at(const struct project *p, size_t index)
{
    const struct stack_proxy *proxy = &p->stack->proxy;
    if (index < proxy->listen_count) {
        const struct stack_listen *l = &proxy->listens[index];
        return (struct listener){ l->address, l->port, true, 0, 0 };
    }
    index -= proxy->listen_count;
    size_t s = 0;
    while (index >= p->stack->services[s].port_count)
        index -= p->stack->services[s++].port_count;
    const struct stack_port *port = &p->stack->services[s].ports[index];
    return (struct listener){ port->host_ip, port->published, false, s, port->target };
}

bool front_is_needed(const struct project *p)
{
    return count_listeners(p) > 0;
}

static uint16_t bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr = { 0 };
    socklen_t len = sizeof(addr);
    if (getsockname(fd, &addr.any, &len) < 0)
        return 0;
    return ntohs(addr.any.sa_family == AF_INET6 ? addr.v6.sin6_port : addr.v4.sin_port);
}

static const char *shown_address(const char *address)
{
    return address[0] ? address : "0.0.0.0";
}

void front_port_text(const struct project *p, size_t service, size_t index, char *text, size_t size)
{
    size_t at = p->stack->proxy.listen_count;
    for (size_t s = 0; s < service; s++)
        at += p->stack->services[s].port_count;
    at += index;
    struct listener l = listener_at(p, at);
    (void)snprintf(text, size, "%s:%u->%u/tcp", shown_address(l.address),
                   (unsigned)(p->listen_fds ? bound_port(p->listen_fds[at]) : l.port), l.target);
}

static int open_listener(struct project *p, size_t index, struct err *e)
{
    char name[KEEPER_NAME_MAX];
    (void)snprintf(name, sizeof(name), "listen/%zu", index);
    int fd = project_take_held(p, name);
    if (fd >= 0) {
        p->listen_fds[index] = fd;
        return 0;
    }
    struct listener l = listener_at(p, index);
    fd = net_listen_tcp(l.address, l.port, BACKLOG, e);
    if (fd < 0)
        return l.is_http ? err_wrap(e, "proxy.listen")
                         : err_wrap(e, "services.%s.ports", p->stack->services[l.service].name);
    p->listen_fds[index] = fd;
    return keeper_hold(p->keeper, name, fd, e);
}

static void note_address(struct project *p, size_t index)
{
    const char *address = p->stack->proxy.listens[index].address;
    bool is_any = !address[0] || str_eq(address, "0.0.0.0") || str_eq(address, "::");
    bool is_v6 = !is_any && strchr(address, ':');
    p->addresses[index] =
        str_printf("http://%s%s%s:%u", is_v6 ? "[" : "", is_any ? "127.0.0.1" : address,
                   is_v6 ? "]" : "", bound_port(p->listen_fds[index]));
}

static int open_dir(struct project *p, size_t index, struct err *e)
{
    const struct stack_route *r = &p->stack->proxy.routes[index];
    const char *path = r->dir;
    for (size_t v = 0; !path && v < p->stack->volume_count; v++)
        if (str_eq(p->stack->volumes[v].key, r->volume))
            path = p->volume_paths[v];
    if (!path)
        return err_internal(e, "route %s has no directory", r->path);
    p->dir_fds[index] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->dir_fds[index] < 0) {
        return err_sys(e, errno, "proxy.routes.%s: open directory %s", r->path, path);
    }
    return 0;
}

int front_open(struct project *p, struct err *e)
{
    p->listen_count = count_listeners(p);
    p->listen_fds = mem_alloc((p->listen_count + 1) * sizeof(*p->listen_fds));
    p->dir_fds = mem_alloc((p->stack->proxy.route_count + 1) * sizeof(*p->dir_fds));
    p->addresses = mem_alloc((p->stack->proxy.listen_count + 1) * sizeof(*p->addresses));
    for (size_t i = 0; i < p->listen_count; i++)
        p->listen_fds[i] = -1;
    for (size_t i = 0; i < p->stack->proxy.route_count; i++)
        p->dir_fds[i] = -1;
    for (size_t i = 0; i < p->listen_count; i++)
        if (open_listener(p, i, e) < 0)
            return -1;
    for (size_t i = 0; i < p->stack->proxy.listen_count; i++)
        note_address(p, i);
    for (size_t i = 0; i < p->stack->proxy.route_count; i++)
        if (p->stack->proxy.routes[i].kind == STACK_ROUTE_FILES && open_dir(p, i, e) < 0)
            return -1;
    return 0;
}

void front_close(struct project *p)
{
    for (size_t i = 0; p->listen_fds && i < p->listen_count; i++)
        fd_close(&p->listen_fds[i]);
    for (size_t i = 0; p->dir_fds && i < p->stack->proxy.route_count; i++)
        fd_close(&p->dir_fds[i]);
    for (size_t i = 0; p->addresses && i < p->stack->proxy.listen_count; i++)
        free(p->addresses[i]);
    free(p->addresses);
    free(p->listen_fds);
    free(p->dir_fds);
    p->addresses = NULL;
    p->listen_fds = p->dir_fds = NULL;
}

/* ---- the table ---- */

struct draft {
    struct project *project;
    struct arena arena;
    struct proxy_table table;
    size_t upstream_cap;
};

/* One line for people who get a 503. */
static const char *why_empty(struct draft *d, size_t service)
{
    const struct service_state *s = &d->project->services[service];
    if (s->count == 0)
        return "it has no replicas";
    const struct replica *r = &s->replicas[0];
    for (size_t i = 1; i < s->count; i++)
        if (life_is_alive(s->replicas[i].state))
            r = &s->replicas[i];
    const struct health_result *last = health_find_result(&r->health, 0);
    const char *detail = r->why;
    if (!detail[0] && r->state == LIFE_RUNNING && last && !last->is_ok)
        detail = last->text;
    bool is_starting = r->state == LIFE_RUNNING || r->state == LIFE_CREATING;
    return arena_printf(&d->arena, "%s%s%s", is_starting ? "starting" : life_state_name(r->state),
                        detail[0] ? ": " : "", detail);
}

static uint32_t upstream_of(struct draft *d, size_t service, uint16_t port)
{
    struct project *p = d->project;
    const char *service_name = p->stack->services[service].name;
    char *name = arena_printf(&d->arena, "%s:%u", service_name, port);
    for (size_t i = 0; i < d->table.upstream_count; i++)
        if (str_eq(d->table.upstreams[i].name, name))
            return (uint32_t)i;
    size_t at = d->table.upstream_count++;
    d->table.upstreams =
        mem_grow(d->table.upstreams, &d->upstream_cap, at + 1, sizeof(*d->table.upstreams));
    struct proxy_upstream *u = &d->table.upstreams[at];
    const struct service_state *s = &p->services[service];
    u->name = name;
    u->service = service_name;
    u->endpoints = arena_alloc(&d->arena, (s->count + 1) * sizeof(*u->endpoints));
    for (size_t i = 0; i < s->count; i++) {
        const struct replica *r = &s->replicas[i];
        if (replica_is_serving(r) && replica_address(r))
            u->endpoints[u->endpoint_count++] =
                (struct proxy_endpoint){ replica_address(r), port, (uint16_t)r->number,
                                         r->generation };
    }
    u->why = u->endpoint_count ? "" : why_empty(d, service);
    return (uint32_t)at;
}

static void add_route(struct draft *d, size_t index)
{
    const struct stack_route *r = &d->project->stack->proxy.routes[index];
    uint64_t max_age = 0;
    if (r->expires && str_to_u64(r->expires, UINT32_MAX, &max_age) < 0)
        max_age = 0; /* specs checked it: digits */
    bool is_files = r->kind == STACK_ROUTE_FILES;
    d->table.routes[index] = (struct proxy_route){
        .kind = is_files ? PROXY_ROUTE_FILES : PROXY_ROUTE_UPSTREAM,
        .host = r->host,
        .path = r->path,
        .is_exact = r->is_exact,
        .strip_prefix = is_files || r->strip_prefix,
        .upstream = is_files ? 0 : upstream_of(d, r->service, r->port),
        .dir_id = (uint32_t)index,
        .index = r->index ? r->index : "",
        .max_age_s = (uint32_t)max_age,
        .connect_timeout_ms = r->connect_timeout_ms,
        .response_timeout_ms = r->response_timeout_ms,
        .idle_timeout_ms = r->idle_timeout_ms,
        .tunnel_timeout_ms = TUNNEL_TIMEOUT_MS,
        .body_max_bytes = d->project->stack->proxy.body_max_bytes,
    };
}

void front_push(struct project *p)
{
    p->front_dirty = false;
    if (p->proxy.channel < 0)
        return;
    struct draft d = { .project = p };
    size_t route_count = p->stack->proxy.route_count;
    d.table.generation = ++p->front_generation;
    d.table.routes = arena_alloc(&d.arena, (route_count + 1) * sizeof(*d.table.routes));
    d.table.route_count = route_count;
    for (size_t i = 0; i < route_count; i++)
        add_route(&d, i);
    for (size_t i = p->stack->proxy.listen_count; i < p->listen_count; i++) {
        struct listener l = listener_at(p, i);
        (void)upstream_of(&d, l.service, l.target);
    }
    struct err e;
    if (proxy_control_table(p->proxy.channel, &d.table, &e) < 0) {
        log_err(LOG_WARN, "proxy", "table.not_sent", &e);
        p->front_dirty = e.errnum == EAGAIN; /* with the next change or report */
    }
    free(d.table.upstreams);
    arena_done(&d.arena);
}

static int send_listener(struct project *p, uint32_t index, struct err *e)
{
    struct listener l = listener_at(p, index);
    char upstream[NAME_LIMIT + 8];
    (void)snprintf(upstream, sizeof(upstream), "%s:%u", p->stack->services[l.service].name,
                   l.target);
    struct proxy_listener listener = {
        .id = index,
        .kind = l.is_http ? PROXY_LISTEN_HTTP : PROXY_LISTEN_TCP,
        .upstream = l.is_http ? NULL : upstream,
    };
    return proxy_control_listen(p->proxy.channel, &listener, p->listen_fds[index], e);
}

void front_greet(struct project *p)
{
    struct err e;
    proxy_control_prepare(p->proxy.channel);
    for (uint32_t i = 0; i < p->listen_count; i++)
        if (send_listener(p, i, &e) < 0)
            log_err(LOG_ERROR, "proxy", "listener.not_sent", &e);
    for (uint32_t i = 0; i < p->stack->proxy.route_count; i++)
        if (p->dir_fds[i] >= 0 && proxy_control_dir(p->proxy.channel, i, p->dir_fds[i], &e) < 0)
            log_err(LOG_ERROR, "proxy", "directory.not_sent", &e);
    front_push(p);
}

void front_quit(struct project *p)
{
    struct err e;
    if (p->proxy.channel >= 0 && proxy_control_quit(p->proxy.channel, QUIT_MS, &e) < 0)
        log_err(LOG_WARN, "proxy", "quit.not_sent", &e);
}

static void on_report(struct project *p, const struct proxy_report *report)
{
    if (report->type == PROXY_REPORT_HELLO)
        front_greet(p);
    else if (report->type == PROXY_REPORT_REJECTED)
        log_event(LOG_ERROR, "proxy", "table.rejected", "generation=%llu text=%s",
                  (unsigned long long)report->generation, report->text);
    else if (report->type == PROXY_REPORT_ENDPOINT)
        log_event(LOG_DEBUG, "proxy", "endpoint.refused", "upstream=%s replica=%u errno=%d",
                  report->name, report->endpoint.replica, report->errnum);
}

void front_on_message(struct project *p)
{
    struct proxy_report report;
    struct err e;
    while (p->proxy.channel >= 0 && proxy_control_receive(p->proxy.channel, &report, &e) == 1)
        on_report(p, &report);
}
