/* What the engine is to a proxy worker, driven by lines on stdin; for tests and benchmarks only.
 *
 *   proxy_driver                 runs the commands below, one per line, answers "ok …" or "error …"
 *   proxy_driver @proxy          is the worker itself (also as `svc @proxy`)
 *
 * spawn [PROGRAM]              starts a worker (this program, or PROGRAM @proxy); "ok PID"
 * kill                         SIGKILL to the worker
 * listen ID http|tcp [UPSTREAM]  a port of 127.0.0.1, kept open here; "ok PORT"
 * dir ID PATH
 * upstream NAME SERVICE WHY [IPV4:PORT:INSTANCE…]   (WHY: "-" for none, '_' for spaces)
 * route KEY=VALUE…             kind=files|upstream host= path= exact=1 strip=1 upstream=NAME dir=ID
 *                              index= max_age= connect= response= idle= tunnel= body=
 * table                        sends what was gathered, and begins anew; "ok GENERATION"
 * counters                     waits for the next report; "ok requests=… …"
 * failures                     "ok N": failed connects reported so far
 * quit MS                      drains; "ok STATUS" when the worker has ended */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/proxy/control.h"
#include "supervisor/proxy/proxy.h"

enum {
    LISTENERS = 16,
    DIRS = 16,
    UPSTREAMS = 64,
    ROUTES = 4096,
    ENDPOINTS = 64,
    WORDS = 80,
    WAIT_MS = 10000,
};

struct driver {
    const char *self;
    pid_t pid;
    int channel;
    int log_fd;
    struct {
        struct proxy_listener l;
        int fd;
    } listeners[LISTENERS];
    size_t listener_count;
    struct {
        uint32_t id;
        int fd;
    } dirs[DIRS];
    size_t dir_count;
    struct arena arena;
    struct proxy_upstream upstreams[UPSTREAMS];
    struct proxy_route routes[ROUTES];
    struct proxy_table table, last;
    uint64_t generation;
    uint64_t failures;
};

static int receive(struct driver *d, uint32_t type, struct proxy_report *r, struct err *e)
{
    for (;;) {
        struct pollfd p = { .fd = d->channel, .events = POLLIN };
        if (poll(&p, 1, WAIT_MS) <= 0)
            return err_host(e, "no report came");
        int got = proxy_control_receive(d->channel, r, e);
        if (got <= 0)
            return got == 0 ? err_host(e, "the worker is gone") : -1;
        if (r->type == PROXY_REPORT_ENDPOINT)
            d->failures++;
        if (r->type == PROXY_REPORT_REJECTED && type == PROXY_REPORT_READY)
            return err_input(e, "rejected: %s", r->text);
        if (r->type == type)
            return 0;
    }
}

/* Everything, once the worker says that it listens. */
static int greet(struct driver *d, struct err *e)
{
    struct proxy_report r;
    if (receive(d, PROXY_REPORT_HELLO, &r, e) < 0)
        return -1;
    for (size_t i = 0; i < d->listener_count; i++)
        if (proxy_control_listen(d->channel, &d->listeners[i].l, d->listeners[i].fd, e) < 0)
            return -1;
    for (size_t i = 0; i < d->dir_count; i++)
        if (proxy_control_dir(d->channel, d->dirs[i].id, d->dirs[i].fd, e) < 0)
            return -1;
    if (d->last.generation && proxy_control_table(d->channel, &d->last, e) < 0)
        return -1;
    return 0;
}

static int spawn(struct driver *d, const char *program, struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, errno, "socketpair");
    int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    d->pid = fork();
    if (d->pid == 0) {
        int high = fcntl(pair[1], F_DUPFD, 10), net = fcntl(netns, F_DUPFD, 10);
        dup2(d->log_fd, STDOUT_FILENO);
        dup2(high, PROXY_CONTROL_FD);
        dup2(net, PROXY_NETNS_FD);
        execl(program, program, "@proxy", (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    close(netns);
    if (d->channel >= 0)
        close(d->channel);
    d->channel = pair[0];
    proxy_control_prepare(d->channel);
    return greet(d, e);
}

static int do_listen(struct driver *d, char **w, size_t n, struct err *e)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(a);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) < 0)
        return err_sys(e, errno, "listen");
    struct proxy_listener l = { .id = (uint32_t)strtoul(w[1], NULL, 10),
                                .kind = str_eq(w[2], "tcp") ? PROXY_LISTEN_TCP : PROXY_LISTEN_HTTP,
                                .upstream = n > 3 ? str_dup(w[3]) : NULL };
    d->listeners[d->listener_count].l = l;
    d->listeners[d->listener_count++].fd = fd;
    if (d->channel >= 0 && proxy_control_listen(d->channel, &l, fd, e) < 0)
        return -1;
    printf("ok %u\n", ntohs(a.sin_port));
    return 0;
}

static void do_upstream(struct driver *d, char **w, size_t n)
{
    struct proxy_upstream *u = &d->upstreams[d->table.upstream_count++];
    char *why = arena_strdup(&d->arena, str_eq(w[3], "-") ? "" : w[3]);
    for (char *p = why; *p; p++)
        *p = *p == '_' ? ' ' : *p;
    *u = (struct proxy_upstream){ .name = arena_strdup(&d->arena, w[1]),
                                  .service = arena_strdup(&d->arena, w[2]),
                                  .why = why,
                                  .endpoints = arena_alloc(
                                      &d->arena, sizeof(struct proxy_endpoint) * ENDPOINTS) };
    for (size_t i = 4; i < n; i++) {
        struct proxy_endpoint *ep = &u->endpoints[u->endpoint_count++];
        char *port = strchr(w[i], ':'), *instance = port ? strchr(port + 1, ':') : NULL;
        *port++ = '\0';
        ep->ipv4 = ntohl(inet_addr(w[i]));
        ep->port = (uint16_t)strtoul(port, NULL, 10);
        ep->instance = instance ? strtoull(instance + 1, NULL, 10) : 1;
        ep->replica = (uint16_t)u->endpoint_count;
    }
}

static void set_route(struct driver *d, struct proxy_route *r, const char *key, const char *value)
{
    uint32_t number = (uint32_t)strtoul(value, NULL, 10);
    if (str_eq(key, "kind"))
        r->kind = str_eq(value, "files") ? PROXY_ROUTE_FILES : PROXY_ROUTE_UPSTREAM;
    else if (str_eq(key, "host"))
        r->host = arena_strdup(&d->arena, value);
    else if (str_eq(key, "path"))
        r->path = arena_strdup(&d->arena, value);
    else if (str_eq(key, "index"))
        r->index = arena_strdup(&d->arena, value);
    else if (str_eq(key, "exact"))
        r->is_exact = number != 0;
    else if (str_eq(key, "strip"))
        r->strip_prefix = number != 0;
    else if (str_eq(key, "dir"))
        r->dir_id = number;
    else if (str_eq(key, "max_age"))
        r->max_age_s = number;
    else if (str_eq(key, "connect"))
        r->connect_timeout_ms = number;
    else if (str_eq(key, "response"))
        r->response_timeout_ms = number;
    else if (str_eq(key, "idle"))
        r->idle_timeout_ms = number;
    else if (str_eq(key, "tunnel"))
        r->tunnel_timeout_ms = number;
    else if (str_eq(key, "body"))
        r->body_max_bytes = number;
    else if (str_eq(key, "upstream"))
        for (size_t i = 0; i < d->table.upstream_count; i++)
            if (str_eq(d->upstreams[i].name, value))
                r->upstream = (uint32_t)i;
}

static void do_route(struct driver *d, char **w, size_t n)
{
    struct proxy_route *r = &d->routes[d->table.route_count++];
    *r = (struct proxy_route){ .path = "/",
                               .index = "index.html",
                               .connect_timeout_ms = 2000,
                               .response_timeout_ms = 5000,
                               .idle_timeout_ms = 60000,
                               .tunnel_timeout_ms = 3600000,
                               .body_max_bytes = 50 * 1024 * 1024 };
    for (size_t i = 1; i < n; i++) {
        char *value = strchr(w[i], '=');
        *value++ = '\0';
        set_route(d, r, w[i], value);
    }
}

static int do_table(struct driver *d, struct err *e)
{
    struct proxy_report r;
    d->table.generation = ++d->generation;
    d->table.upstreams = d->upstreams;
    d->table.routes = d->routes;
    if (d->channel >= 0 && (proxy_control_table(d->channel, &d->table, e) < 0 ||
                            receive(d, PROXY_REPORT_READY, &r, e) < 0))
        return -1;
    d->last = d->table;
    d->table.upstream_count = d->table.route_count = 0;
    printf("ok %llu\n", (unsigned long long)d->generation);
    return 0;
}

static int do_counters(struct driver *d, struct err *e)
{
    struct proxy_report r;
    if (receive(d, PROXY_REPORT_COUNTERS, &r, e) < 0)
        return -1;
    const struct proxy_counters *c = &r.counters;
    printf("ok requests=%llu connects=%llu reuses=%llu retries=%llu failures=%llu drops=%llu "
           "upgrades=%llu underscore=%llu connections_now=%u upstream_idle=%u tunnels_now=%u\n",
           (unsigned long long)c->requests, (unsigned long long)c->upstream_connects,
           (unsigned long long)c->upstream_reuses, (unsigned long long)c->retries,
           (unsigned long long)c->upstream_failures, (unsigned long long)c->log_drops,
           (unsigned long long)c->upgrades, (unsigned long long)c->fields_dropped,
           c->connections_now, c->upstream_idle_now, c->tunnels_now);
    return 0;
}

static int wait_worker(struct driver *d)
{
    int status = 0;
    if (d->pid > 0)
        (void)waitpid(d->pid, &status, 0);
    d->pid = 0;
    return status;
}

static int run(struct driver *d, char **w, size_t n, struct err *e)
{
    int status;
    if (str_eq(w[0], "listen") && n >= 3)
        return do_listen(d, w, n, e);
    if (str_eq(w[0], "table"))
        return do_table(d, e);
    if (str_eq(w[0], "counters"))
        return do_counters(d, e);
    if (str_eq(w[0], "quit") && n == 2) {
        if (proxy_control_quit(d->channel, (uint32_t)strtoul(w[1], NULL, 10), e) < 0)
            return -1;
        status = wait_worker(d);
        printf("ok %d\n", status);
        return 0;
    }
    if (str_eq(w[0], "spawn")) {
        if (spawn(d, n > 1 ? w[1] : d->self, e) < 0)
            return -1;
        printf("ok %d\n", (int)d->pid);
        return 0;
    }
    if (str_eq(w[0], "kill")) {
        (void)kill(d->pid, SIGKILL);
        (void)wait_worker(d);
    } else if (str_eq(w[0], "dir") && n == 3) {
        int fd = open(w[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return err_sys(e, errno, "open %s", w[2]);
        d->dirs[d->dir_count].id = (uint32_t)strtoul(w[1], NULL, 10);
        d->dirs[d->dir_count++].fd = fd;
        if (d->channel >= 0 &&
            proxy_control_dir(d->channel, d->dirs[d->dir_count - 1].id, fd, e) < 0)
            return -1;
    } else if (str_eq(w[0], "upstream") && n >= 4) {
        do_upstream(d, w, n);
    } else if (str_eq(w[0], "route")) {
        do_route(d, w, n);
    } else if (!str_eq(w[0], "failures")) {
        return err_input(e, "unknown command %s", w[0]);
    }
    printf("ok %llu\n", (unsigned long long)d->failures);
    return 0;
}

int main(int argc, char **argv)
{
    static struct driver d = { .channel = -1 };
    char line[8192];
    if (argc > 1 && str_eq(argv[1], "@proxy"))
        return proxy_worker_main(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    d.self = argv[0];
    d.log_fd = argc > 1 ? open(argv[1], O_WRONLY) : open("/dev/null", O_WRONLY);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin)) {
        char *words[WORDS], *save = NULL;
        size_t n = 0;
        for (char *p = strtok_r(line, " \n", &save); p && n < WORDS;
             p = strtok_r(NULL, " \n", &save))
            words[n++] = p;
        struct err e = { 0 };
        char text[ERR_LINE_MAX];
        if (n && run(&d, words, n, &e) < 0)
            printf("error %s\n", err_line(&e, text, sizeof(text)));
    }
    if (d.pid > 0)
        (void)kill(d.pid, SIGKILL);
    (void)wait_worker(&d);
    return 0;
}
