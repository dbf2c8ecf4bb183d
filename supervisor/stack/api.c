#include "supervisor/stack/api.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/version.h"
#include "supervisor/ctl/server.h"
#include "supervisor/stack/front.h"
#include "supervisor/stack/log_view.h"
#include "supervisor/stack/replica.h"

/* An order for some services, until all of them are where it wants them. */
struct waiter {
    struct waiter *next;
    uint64_t ticket;
    bool wants_running;
    bool *is_chosen; /* one per service */
};

/* ---- GET /v1/ps ---- */

static void put_exit(struct json_writer *w, const struct replica *r)
{
    if (!r->has_exit) {
        json_put_null(w, "exit");
        return;
    }
    bool by_signal = WIFSIGNALED(r->exit_status);
    json_begin_object(w, "exit");
    json_put_i64(w, "code",
                 by_signal ? 128 + WTERMSIG(r->exit_status) : WEXITSTATUS(r->exit_status));
    json_put_i64(w, "signal", by_signal ? WTERMSIG(r->exit_status) : 0);
    json_put_bool(w, "oom", r->was_oom);
    json_end_object(w);
}

static const char *shown_state(enum life_state state)
{
    return state == LIFE_HEALTHY || state == LIFE_UNHEALTHY ? "running" : life_state_name(state);
}

static const char *shown_health(const struct replica *r)
{
    if (r->service->healthcheck.kind == STACK_PROBE_NONE || !life_is_alive(r->state))
        return "none";
    return r->state == LIFE_RUNNING ? "starting" : health_status_name(r->health.status);
}

static void put_replica(struct json_writer *w, const struct replica *r)
{
    char ip[INET_ADDRSTRLEN] = "";
    if (replica_address(r)) {
        struct in_addr in = { .s_addr = htonl(replica_address(r)) };
        (void)inet_ntop(AF_INET, &in, ip, sizeof(ip));
    }
    json_begin_object(w, NULL);
    json_put_string(w, "id", r->id);
    json_put_u64(w, "replica", r->number);
    json_put_string(w, "state", shown_state(r->state));
    json_put_string(w, "health", shown_health(r));
    json_put_i64(w, "pid", r->pid);
    json_put_u64(w, "host_uid", (uint64_t)r->id_base + r->account.uid);
    json_put_string(w, "ip", ip);
    json_put_i64(w, "started_ms", r->started_unix_ms);
    json_put_u64(w, "restarts", r->restarts);
    put_exit(w, r);
    if (r->state == LIFE_BACKOFF) {
        uint64_t now = loop_now_ns(r->project->loop);
        uint64_t left = r->timer.deadline_ns > now ? (r->timer.deadline_ns - now) / 1000000 : 0;
        json_put_u64(w, "next_restart_ms", left);
    } else {
        json_put_null(w, "next_restart_ms");
    }
    json_put_string(w, "why", r->why);
    json_end_object(w);
}

static void put_service(struct json_writer *w, const struct project *p, size_t index)
{
    const struct stack_service *s = &p->stack->services[index];
    json_begin_object(w, NULL);
    json_put_string(w, "name", s->name);
    json_begin_array(w, "replicas");
    for (size_t i = 0; i < p->services[index].count; i++)
        put_replica(w, &p->services[index].replicas[i]);
    json_end_array(w);
    json_begin_array(w, "ports");
    for (size_t i = 0; i < s->port_count; i++) {
        char text[96];
        front_port_text(p, index, i, text, sizeof(text));
        json_put_string(w, NULL, text);
    }
    json_end_array(w);
    json_end_object(w);
}

static const char *stack_state(const struct project *p)
{
    return p->is_going_down ? "stopping" : p->was_started ? "running" : "starting";
}

static void on_ps(void *self, struct ctl_request *r)
{
    struct project *p = self;
    auto_buf struct buf text;
    buf_init(&text, CTL_REPLY_BYTES_MAX);
    struct json_writer w;
    json_writer_init(&w, &text, 0);
    json_begin_object(&w, NULL);
    json_put_string(&w, "project", p->stack->name);
    json_put_string(&w, "file", p->stack->file);
    json_put_string(&w, "state", stack_state(p));
    json_begin_array(&w, "address");
    for (size_t i = 0; i < p->stack->proxy.listen_count; i++)
        json_put_string(&w, NULL, p->addresses[i]);
    json_end_array(&w);
    json_begin_array(&w, "services");
    for (size_t i = 0; i < p->stack->service_count; i++)
        put_service(&w, p, i);
    json_end_array(&w);
    json_end_object(&w);
    ctl_reply(r, text.data, text.len);
}

/* ---- orders: POST /v1/stop, start, restart {"services": […]} ---- */

static int choose(const struct project *p, const struct ctl_request *r, bool *is_chosen,
                  struct err *e)
{
    const struct json *list = json_find(ctl_request_body(r), "services");
    bool is_all = !list || list->item_count == 0;
    for (size_t s = 0; is_all && s < p->stack->service_count; s++)
        is_chosen[s] = true;
    for (size_t i = 0; !is_all && i < list->item_count; i++) {
        const char *name = list->items[i]->type == JSON_STRING ? list->items[i]->text : "";
        const struct stack_service *s = stack_find_service(p->stack, name);
        if (!s) {
            (void)err_input(e, "no service \"%s\" in stack %s", name, p->stack->name);
            return -1;
        }
        is_chosen[s - p->stack->services] = true;
    }
    return 0;
}

typedef void order_fn(struct replica *r);

static void on_order(struct project *p, struct ctl_request *r, order_fn *order, bool wants_running)
{
    struct err e;
    bool *is_chosen = mem_alloc(p->stack->service_count + 1);
    if (p->is_going_down)
        (void)err_conflict(&e, "stack %s is going down", p->stack->name);
    if (p->is_going_down || choose(p, r, is_chosen, &e) < 0) {
        free(is_chosen);
        ctl_reply_err(r, &e);
        return;
    }
    struct waiter *w = mem_alloc(sizeof(*w));
    *w = (struct waiter){ p->waiters, events_subscribe(p->events, r), wants_running, is_chosen };
    p->waiters = w;
    EACH_REPLICA(p, replica)
    {
        if (is_chosen[replica->service_index])
            order(replica);
    }
}

static void on_stop(void *self, struct ctl_request *r)
{
    on_order(self, r, replica_want_stop, false);
}

static void on_start(void *self, struct ctl_request *r)
{
    on_order(self, r, replica_want_run, true);
}

static void on_restart(void *self, struct ctl_request *r)
{
    on_order(self, r, replica_want_restart, true);
}

/* Where it shall be, or at a rest from which it will not get there: FAILED fills E. */
static bool has_arrived(const struct replica *r, bool wants_running, struct err *e)
{
    if (!wants_running)
        return life_is_settled(r->state);
    if (r->state == LIFE_FAILED) {
        (void)err_conflict(e, "service \"%s\" could not be started: %s", r->service->name, r->why);
        return true;
    }
    bool has_check = r->service->healthcheck.kind != STACK_PROBE_NONE;
    return r->goal == GOAL_RUN &&
           (r->state == LIFE_HEALTHY || r->state == LIFE_EXITED || r->state == LIFE_UNHEALTHY ||
            r->state == LIFE_BACKOFF || (r->state == LIFE_RUNNING && !has_check));
}

static bool is_over(const struct project *p, const struct waiter *w, struct err *e)
{
    EACH_REPLICA(p, r)
    {
        if (w->is_chosen[r->service_index] && !has_arrived(r, w->wants_running, e))
            return false;
    }
    return true;
}

static void free_waiter(struct waiter *w)
{
    free(w->is_chosen);
    free(w);
}

void api_settle(struct project *p)
{
    for (struct waiter **at = &p->waiters; *at;) {
        struct waiter *w = *at;
        struct err e = { 0 };
        if (!is_over(p, w, &e)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        events_finish(p->events, w->ticket, e.kind ? &e : NULL);
        free_waiter(w);
    }
}

/* ---- POST /v1/down {"volumes": bool, "force": bool} ---- */

void api_begin_down(struct project *p, bool force)
{
    bool is_first = !p->is_going_down;
    p->is_going_down = true;
    p->journal_dirty = true;
    if (is_first) {
        struct event event = { .name = "stack.stopping", .cause = "user", .exit_code = -1 };
        events_emit(p->events, &event);
    }
    EACH_REPLICA(p, r)
    {
        replica_want_stop(r);
        if (force)
            replica_event(r, EVENT_FORCE, "user");
    }
}

static bool body_flag(const struct ctl_request *r, const char *key)
{
    const struct json *node = json_find(ctl_request_body(r), key);
    return node && node->type == JSON_BOOL && node->boolean;
}

static void on_down(void *self, struct ctl_request *r)
{
    struct project *p = self;
    p->removes_volumes = p->removes_volumes || body_flag(r, "volumes");
    bool force = body_flag(r, "force");
    /* The stream ends when the engine closes all of them, with "stack.down" as its last event. */
    (void)events_subscribe(p->events, r);
    api_begin_down(p, force);
}

/* ---- the rest ---- */

static void on_events(void *self, struct ctl_request *r)
{
    struct project *p = self;
    events_on_request(p->events, r);
}

static void on_logs(void *self, struct ctl_request *r)
{
    log_view_begin(self, r);
}

static void on_version(void *self, struct ctl_request *r)
{
    struct project *p = self;
    auto_buf struct buf text;
    buf_init(&text, 1024);
    struct json_writer w;
    json_writer_init(&w, &text, 0);
    json_begin_object(&w, NULL);
    json_put_string(&w, "version", SVC_VERSION);
    json_put_i64(&w, "pid", getpid());
    json_put_i64(&w, "keeper_pid", getppid());
    json_put_string(&w, "project", p->stack->name);
    json_end_object(&w);
    ctl_reply(r, text.data, text.len);
}

static const struct ctl_route routes[] = {
    { "GET", "/v1/events", on_events }, { "GET", "/v1/logs", on_logs },
    { "GET", "/v1/ps", on_ps },         { "GET", "/v1/version", on_version },
    { "POST", "/v1/down", on_down },    { "POST", "/v1/restart", on_restart },
    { "POST", "/v1/start", on_start },  { "POST", "/v1/stop", on_stop },
};

int api_open(struct project *p, struct err *e)
{
    return ctl_server_new(p->loop, p->ctl_fd, p->owner_uid, routes, ARRAY_LEN(routes), p, &p->ctl,
                          e);
}

void api_close(struct project *p)
{
    while (p->waiters) {
        struct waiter *next = p->waiters->next;
        free_waiter(p->waiters);
        p->waiters = next;
    }
    ctl_server_free(p->ctl);
    p->ctl = NULL;
}
