#include "supervisor/proxy/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "supervisor/proxy/proxy.h"
#include "supervisor/sandbox/sandbox.h"

enum {
    REPORT_MS = 1000,
    NOFILE_WANTED = 65536,
    CLIENTS_MAX = 30000,
    ACCEPT_RETRY_MS = 100,
};

/* Figures and small services */

const char *worker_date(struct worker *w)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != w->date_second) {
        w->date_second = now.tv_sec;
        (void)http_date_format(w->date, now.tv_sec);
    }
    return w->date;
}

void worker_count_status(struct worker *w, unsigned status)
{
    w->counters.status[status >= 100 && status <= 599 ? status / 100 : 0]++;
}

int worker_directory(const struct worker *w, uint32_t id)
{
    for (size_t i = 0; i < w->directory_count; i++)
        if (w->directories[i].id == id)
            return w->directories[i].fd;
    return -1;
}

static void count_idle(struct worker *w)
{
    w->counters.idle_now = 0;
    for (const struct client *c = w->clients_head; c; c = c->next)
        w->counters.idle_now += c->state == CLIENT_HEAD && c->in_len == 0;
}

static void on_report(void *self)
{
    struct worker *w = self;
    count_idle(w);
    if (memcmp(&w->counters, &w->reported, sizeof(w->counters)) == 0)
        return;
    struct proxy_report r = { .type = PROXY_REPORT_COUNTERS, .counters = w->counters };
    if (proxy_control_report(w->control_fd, &r) == 0)
        w->reported = w->counters;
    else /* nobody reads just now: an engine is being replaced */
        loop_timer_in_ms(w->loop, &w->report_timer, REPORT_MS);
}

void worker_touch(struct worker *w)
{
    if (!w->report_timer.heap_index)
        loop_timer_in_ms(w->loop, &w->report_timer, REPORT_MS);
}

/* Accepting */

static void set_accepting(struct worker *w, bool on)
{
    w->is_accepting = on;
    for (struct listener *l = w->listeners; l; l = l->next)
        loop_set_events(w->loop, &l->io, on ? EPOLLIN : 0u);
}

static bool is_full(const struct worker *w)
{
    return w->counters.connections_now + w->counters.tunnels_now >= w->client_max;
}

static void accept_again(struct worker *w)
{
    if (!w->is_accepting && !w->is_draining && w->view && !is_full(w))
        set_accepting(w, true);
}

static void on_accept_retry(void *self)
{
    accept_again(self);
}

static void stop_if_drained(struct worker *w)
{
    if (w->is_draining && !w->clients_head && !w->tunnels)
        loop_stop(w->loop, 0);
}

void worker_connection_ended(struct worker *w)
{
    accept_again(w);
    stop_if_drained(w);
}

static void format_address(const struct sockaddr_storage *from, char to[ADDRESS_MAX])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
    const char *text = NULL;
    if (from->ss_family == AF_INET)
        text = inet_ntop(AF_INET, &v4->sin_addr, to, ADDRESS_MAX);
    else if (from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        text = inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], to, ADDRESS_MAX);
    else if (from->ss_family == AF_INET6)
        text = inet_ntop(AF_INET6, &v6->sin6_addr, to, ADDRESS_MAX);
    if (!text)
        memcpy(to, "-", 2);
}

static void on_listener(void *self, uint32_t events)
{
    struct listener *l = self;
    struct worker *w = l->w;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TICK; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t size = sizeof(from);
        char address[ADDRESS_MAX];
        int fd = accept4(l->io.fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            /* Out of descriptors or memory: the rest waits in the backlog until a connection ends
             * here, or elsewhere, of which nobody tells. */
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                set_accepting(w, false);
                loop_timer_in_ms(w->loop, &w->accept_timer, ACCEPT_RETRY_MS);
            }
            return;
        }
        format_address(&from, address);
        if (l->l.kind == PROXY_LISTEN_TCP)
            tunnel_accept(w, fd, address, l->upstream);
        else
            client_accept(w, fd, address);
        if (is_full(w) && !client_evict(w)) {
            set_accepting(w, false);
            return;
        }
    }
}

static struct listener **find_listener(struct worker *w, uint32_t id)
{
    struct listener **at = &w->listeners;
    while (*at && (*at)->l.id != id)
        at = &(*at)->next;
    return at;
}

static void remove_listener(struct worker *w, uint32_t id)
{
    struct listener **at = find_listener(w, id), *l = *at;
    if (!l)
        return;
    int fd = l->io.fd;
    *at = l->next;
    loop_remove_fd(w->loop, &l->io);
    fd_close(&fd);
    loop_later(w->loop, free, l);
}

static int add_listener(struct worker *w, const struct proxy_command *c, int *fd, struct err *e)
{
    int one = 1;
    remove_listener(w, c->id);
    struct listener *l = mem_alloc(sizeof(*l));
    l->w = w;
    l->l = (struct proxy_listener){ .id = c->id, .kind = (enum proxy_listener_kind)c->kind };
    memcpy(l->upstream, c->upstream, sizeof(l->upstream));
    /* Inherited by what is accepted. */
    (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (fd_set_nonblock(*fd) < 0 ||
        loop_add_fd(w->loop, &l->io, *fd, w->is_accepting ? EPOLLIN : 0u, on_listener, l,
                    "listener", e) < 0) {
        free(l);
        return err_input(e, "listener %u cannot be watched", c->id);
    }
    (void)take_fd(fd);
    l->next = w->listeners;
    w->listeners = l;
    return 0;
}

/* Commands */

static void set_directory(struct worker *w, uint32_t id, int owned_fd)
{
    for (size_t i = 0; i < w->directory_count; i++) {
        if (w->directories[i].id != id)
            continue;
        fd_close(&w->directories[i].fd);
        w->directories[i].fd = owned_fd;
        return;
    }
    w->directories = mem_grow(w->directories, &w->directory_cap, w->directory_count + 1,
                              sizeof(*w->directories));
    w->directories[w->directory_count++] = (struct directory){ .id = id, .fd = owned_fd };
}

static void report(struct worker *w, uint32_t type, uint64_t generation, const struct err *e)
{
    struct proxy_report r = { .type = type, .generation = generation };
    if (e)
        (void)snprintf(r.text, sizeof(r.text), "%.*s", (int)sizeof(r.text) - 1, e->what);
    (void)proxy_control_report(w->control_fd, &r); /* the engine sends the table again */
}

static void set_table(struct worker *w, const struct proxy_command *c, int fd)
{
    struct proxy_table *table = NULL;
    struct err e = { 0 };
    if (proxy_control_read_table(fd, c->table_bytes, &table, &e) < 0) {
        log_err(LOG_ERROR, NULL, "proxy.table_rejected", &e);
        report(w, PROXY_REPORT_REJECTED, 0, &e);
        return;
    }
    struct view *old = w->view;
    w->view = view_new(w, table);
    view_retire(w, old);
    if (!old && !w->is_draining)
        set_accepting(w, true);
    log_event(LOG_DEBUG, NULL, "proxy.table", "generation=%llu routes=%zu upstreams=%zu",
              (unsigned long long)table->generation, table->route_count, table->upstream_count);
    report(w, PROXY_REPORT_READY, table->generation, NULL);
}

static void on_quit_deadline(void *self)
{
    struct worker *w = self;
    log_event(LOG_WARN, NULL, "proxy.drain_cut", "connections=%u tunnels=%u",
              w->counters.connections_now, w->counters.tunnels_now);
    loop_stop(w->loop, 0);
}

static void begin_drain(struct worker *w, uint32_t deadline_ms)
{
    if (w->is_draining)
        return;
    w->is_draining = true;
    while (w->listeners)
        remove_listener(w, w->listeners->l.id);
    pool_close_idle(w);
    clients_close_idle(w);
    loop_timer_in_ms(w->loop, &w->quit_timer, deadline_ms);
    stop_if_drained(w);
}

static void run_command(struct worker *w, const struct proxy_command *c, int *fd)
{
    struct err e = { 0 };
    switch ((enum proxy_command_type)c->type) {
    case PROXY_COMMAND_LISTEN:
        if (!w->is_draining && add_listener(w, c, fd, &e) < 0)
            log_err(LOG_ERROR, NULL, "proxy.listener_rejected", &e);
        break;
    case PROXY_COMMAND_DIR: set_directory(w, c->id, take_fd(fd)); break;
    case PROXY_COMMAND_TABLE: set_table(w, c, *fd); break;
    case PROXY_COMMAND_QUIT: begin_drain(w, c->deadline_ms); break;
    case PROXY_COMMAND_TYPE_COUNT_: break;
    }
}

static void on_control(void *self, uint32_t events)
{
    struct worker *w = self;
    (void)events;
    for (;;) {
        struct proxy_command c;
        auto_fd int fd = -1;
        struct err e = { 0 };
        int got = proxy_control_next(w->control_fd, &c, &fd, &e);
        if (got < 0 && e.errnum == EAGAIN)
            return;
        if (got < 0 && e.kind == ERR_INPUT) {
            log_err(LOG_ERROR, NULL, "proxy.command_rejected", &e);
            continue;
        }
        if (got <= 0) { /* keeper and engine are gone: so is the stack */
            log_event(LOG_INFO, NULL, "proxy.channel_ended", "pid=%d", (int)getpid());
            loop_stop(w->loop, 0);
            return;
        }
        run_command(w, &c, &fd);
    }
}

/* Start and end */

static int read_limits(struct worker *w, struct err *e)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return err_sys(e, errno, "read the limit of open files");
    /* The sandbox raises the soft limit to what is wanted or possible. */
    size_t files = limit.rlim_max < NOFILE_WANTED ? (size_t)limit.rlim_max : NOFILE_WANTED;
    size_t room = files > FDS_RESERVED + 64 ? files - FDS_RESERVED : 64;
    /* Each client may need a connection to an upstream, or a file. */
    w->client_max = room / 2 < CLIENTS_MAX ? room / 2 : CLIENTS_MAX;
    return 0;
}

static int worker_init(struct worker *w, struct err *e)
{
    static const int kept[] = { PROXY_CONTROL_FD };
    const struct sandbox_plan plan = {
        .role = SANDBOX_PROXY,
        .netns_fd = PROXY_NETNS_FD,
        .keep_fds = kept,
        .keep_count = 1,
        .nofile = NOFILE_WANTED,
    };
    w->control_fd = PROXY_CONTROL_FD;
    (void)signal(SIGPIPE, SIG_IGN); /* the access log's reader may go away */
    if (read_limits(w, e) < 0 || sandbox_enter(&plan, e) < 0)
        return -1;
    if (loop_new(&w->loop, e) < 0 || access_init(w, e) < 0)
        return -1;
    if (getrandom(&w->id_state, sizeof(w->id_state), 0) < 0)
        return err_sys(e, errno, "get random bytes");
    char *scratch = mem_alloc(SCRATCH_HEADROOM + SCRATCH_BYTES + SCRATCH_TAILROOM);
    w->scratch = scratch + SCRATCH_HEADROOM;
    w->head_out = mem_alloc(HEAD_OUT_BYTES);
    loop_timer_init(&w->report_timer, on_report, w, "report");
    loop_timer_init(&w->quit_timer, on_quit_deadline, w, "quit");
    loop_timer_init(&w->accept_timer, on_accept_retry, w, "accept retry");
    if (fd_set_nonblock(w->control_fd) < 0)
        return err_sys(e, errno, "make the control channel non-blocking");
    return loop_add_fd(w->loop, &w->control, w->control_fd, EPOLLIN, on_control, w, "control", e);
}

/* The process ends anyway; that nothing is left over is what leak checks hold against. */
static void worker_done(struct worker *w)
{
    w->is_draining = true;
    while (w->listeners)
        remove_listener(w, w->listeners->l.id);
    while (w->clients_head)
        client_close(w->clients_head);
    tunnels_close(w);
    pool_close_idle(w);
    struct view *view = take_ptr(w->view);
    view_retire(w, view);
    for (size_t i = 0; i < w->directory_count; i++)
        fd_close(&w->directories[i].fd);
    free(w->directories);
    access_done(w);
    loop_free(w->loop);
    free(w->scratch - SCRATCH_HEADROOM);
    free(w->head_out);
    free(w);
}

int proxy_worker_main(int argc, char **argv)
{
    struct err e = { 0 };
    struct worker *w = mem_alloc(sizeof(*w));
    (void)argc;
    (void)argv;
    if (worker_init(w, &e) < 0) {
        log_err(LOG_ERROR, NULL, "proxy.start_failed", &e);
        free(w);
        return err_exit_code(&e);
    }
    log_event(LOG_INFO, NULL, "proxy.started", "clients_max=%zu", w->client_max);
    report(w, PROXY_REPORT_HELLO, 0, NULL);
    int code = loop_run(w->loop);
    worker_done(w);
    return code;
}
