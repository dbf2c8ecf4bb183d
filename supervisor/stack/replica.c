#include "supervisor/stack/replica.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/stack/cgroups.h"
#include "supervisor/stack/front.h"
#include "supervisor/stack/order.h"
#include "supervisor/stack/prepare.h"
#include "supervisor/stack/probe.h"
#include "supervisor/stack/runtime_call.h"

enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 60 * 1000,
    STEADY_MS = 10 * 1000,       /* a run of this length resets the back-off */
    KILL_TIMEOUT_MS = 10 * 1000, /* for SIGKILL to work, then delete tries cgroup.kill */
};

static void say_why(struct replica *r, const char *fmt, ...) printf_like(2, 3);
static void say_why(struct replica *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(r->why, sizeof(r->why), fmt, ap);
    va_end(ap);
}

static void emit(struct replica *r, const char *name, const char *cause, int exit_code)
{
    struct event event = {
        .name = name,
        .service = r->service->name,
        .replica = r->number,
        .cause = cause,
        .text = r->why,
        .exit_code = exit_code,
    };
    events_emit(r->project->events, &event);
}

static int exit_code_of(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- calls of the runtime and what follows them ---- */

static void on_created(void *self, const struct child_end *end);
static void on_started(void *self, const struct child_end *end);
static void on_deleted(void *self, const struct child_end *end);

/* An older call may end after a newer one began (a signal, then a delete). */
static void call_ended(struct replica *r, const struct child_end *end)
{
    if (r->call_tag == end->tag)
        r->call_tag = 0;
}

/* A call that could not even be made is the same as one that failed. */
static void start_failure(struct replica *r, enum life_event event, const struct err *e)
{
    char line[ERR_LINE_MAX];
    r->call_tag = 0;
    r->start_failed = true;
    say_why(r, "%s", err_line(e, line, sizeof(line)));
    replica_event(r, event, "start");
}

static void pipe_name(const struct replica *r, enum logs_stream stream, char name[KEEPER_NAME_MAX])
{
    (void)snprintf(name, KEEPER_NAME_MAX, "log/%u/%d", r->number, (int)stream);
    size_t n = strlen(name);
    (void)snprintf(name + n, KEEPER_NAME_MAX - n, "/%s", r->service->name);
}

/* The write end for the container; the read end goes to the log and to the keeper, so that a
 * killed engine loses nothing. */
static int open_log_pipe(struct replica *r, enum logs_stream stream, int *write_fd, struct err *e)
{
    struct project *p = r->project;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, errno, "make a log pipe");
    *write_fd = ends[1];
    /* The container's user may open /dev/stdout anew, which checks the pipe's owner. */
    if (fchown(ends[1], r->id_base + r->account.uid, r->id_base + r->account.gid) < 0) {
        fd_close(&ends[0]);
        return err_sys(e, errno, "give the log pipe to user %u", r->account.uid);
    }
    char name[KEEPER_NAME_MAX];
    pipe_name(r, stream, name);
    if (keeper_hold(p->keeper, name, ends[0], e) < 0) {
        fd_close(&ends[0]);
        return -1;
    }
    if (logs_attach(p->logs, r->service->name, r->number, stream, ends[0], e) < 0)
        return -1;
    logs_limit(p->logs, r->service->name, r->number, r->service->logging.max_bytes,
               r->service->logging.max_files);
    return 0;
}

static int begin_create(struct replica *r, struct err *e)
{
    auto_fd int out = -1;
    auto_fd int err_fd = -1;
    if (prepare_replica(r, e) < 0)
        return -1;
    if (r->service->logging.is_off)
        return runtime_call(r, RUNTIME_CREATE, -1, -1, on_created, e);
    if (open_log_pipe(r, LOGS_STDOUT, &out, e) < 0 || open_log_pipe(r, LOGS_STDERR, &err_fd, e) < 0)
        return -1;
    return runtime_call(r, RUNTIME_CREATE, out, err_fd, on_created, e);
}

static void act_create(struct replica *r, const char *cause)
{
    (void)cause;
    struct err e;
    r->generation++;
    r->pid = 0;
    r->has_exit = r->was_oom = r->start_failed = false;
    r->why[0] = '\0';
    if (begin_create(r, &e) < 0)
        start_failure(r, EVENT_CREATE_FAILED, &e);
}

static void on_created(void *self, const struct child_end *end)
{
    struct replica *r = self;
    struct err e;
    call_ended(r, end);
    if (end->status != 0) {
        (void)runtime_call_error(r, end, &e);
        start_failure(r, EVENT_CREATE_FAILED, &e);
    } else if (runtime_read_pid(r, &r->pid, &e) < 0) {
        start_failure(r, EVENT_CREATE_FAILED, &e);
    } else {
        replica_event(r, EVENT_CREATED, "start");
    }
}

static int attach_network(struct replica *r, struct err *e)
{
    struct project *p = r->project;
    /* The network is there already. */
    if (r->service->network_mode == STACK_NETWORK_HOST ||
        r->service->network_mode == STACK_NETWORK_SERVICE)
        return 0;
    struct net_endpoint endpoints[NET_ENDPOINTS_MAX] = { 0 };
    size_t count = r->service->network_count;
    bool has_gateway = false;
    for (size_t i = 0; i < count; i++) {
        const struct net_network *n = &p->networks[r->service->networks[i].network];
        memcpy(endpoints[i].bridge, n->bridge, sizeof(n->bridge));
        (void)snprintf(endpoints[i].ifname, sizeof(endpoints[i].ifname), "eth%zu", i);
        endpoints[i].address = (struct addr_cidr){ r->addresses[i], n->subnet.prefix };
        if (!n->internal && !has_gateway) {
            endpoints[i].gateway = n->gateway;
            has_gateway = true;
        }
    }
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)r->pid);
    auto_fd int netns = open(path, O_RDONLY | O_CLOEXEC);
    if (netns < 0)
        return err_sys(e, errno, "open the network namespace of %s", r->id);
    return net_endpoint_attach(p->net, netns, endpoints, count, e);
}

static void act_attach_and_start(struct replica *r, const char *cause)
{
    (void)cause;
    struct err e;
    if (attach_network(r, &e) < 0 || runtime_call(r, RUNTIME_START, -1, -1, on_started, &e) < 0)
        start_failure(r, EVENT_START_FAILED, &e);
}

static void on_started(void *self, const struct child_end *end)
{
    struct replica *r = self;
    call_ended(r, end);
    if (end->status == 0) {
        replica_event(r, EVENT_STARTED, "start");
        return;
    }
    struct err e;
    (void)runtime_call_error(r, end, &e);
    start_failure(r, EVENT_START_FAILED, &e);
}

/* Those in R's network are still in that of its container before, which leads nowhere. */
static void restart_sharers(struct replica *r)
{
    EACH_REPLICA(r->project, other)
    {
        if (other != r && life_is_alive(other->state) && other->goal == GOAL_RUN &&
            replica_network(other) == r)
            replica_want_restart(other);
    }
}

static void act_begin_health(struct replica *r, const char *cause)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    r->started_ns = loop_now_ns(r->project->loop);
    r->started_unix_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    emit(r, "service.started", cause, -1);
    probe_begin(r);
    restart_sharers(r);
}

static void act_admit(struct replica *r, const char *cause)
{
    r->unhealthy_streak = 0;
    r->why[0] = '\0';
    emit(r, "service.healthy", cause, -1);
}

/* ---- stopping ---- */

/* Routes forget it before it learns that it shall stop. */
static void withdraw(struct replica *r)
{
    front_push(r->project);
    probe_end(r);
}

static void on_signalled(void *self, const struct child_end *end)
{
    struct replica *r = self;
    struct err e;
    call_ended(r, end);
    if (end->status == 0 || !life_is_alive(r->state) || r->pid == 0)
        return;
    (void)runtime_call_error(r, end, &e);
    log_err(LOG_DEBUG, r->service->name, "signal.refused", &e); /* it ended meanwhile */
}

static void call_signal(struct replica *r, enum runtime_verb verb, uint32_t timeout_ms)
{
    struct err e;
    if (runtime_call(r, verb, -1, -1, on_signalled, &e) < 0)
        log_err(LOG_ERROR, r->service->name, "signal.failed", &e);
    loop_timer_in_ms(r->project->loop, &r->timer, timeout_ms);
}

static void act_signal(struct replica *r, const char *cause)
{
    withdraw(r);
    emit(r, "service.stopping", cause, -1);
    call_signal(r, RUNTIME_SIGNAL, r->service->stop_grace_ms);
}

static void act_kill(struct replica *r, const char *cause)
{
    withdraw(r);
    emit(r, "service.killing", cause, -1);
    call_signal(r, RUNTIME_KILL, KILL_TIMEOUT_MS);
}

static void act_cut(struct replica *r, const char *cause)
{
    pid_t pid = children_pid(r->project->children, r->call_tag);
    (void)cause;
    if (pid > 0)
        (void)kill(pid, SIGKILL); /* a child of the keeper, which tells us before its pid is free */
}

static void act_on_unhealthy(struct replica *r, const char *cause)
{
    const struct health_result *last = health_find_result(&r->health, 0);
    say_why(r, "%.200s", last ? last->text : "healthcheck failed");
    front_push(r->project);
    emit(r, "service.unhealthy", cause, -1);
    r->unhealthy_streak++;
    switch (r->service->on_unhealthy) {
    case STACK_UNHEALTHY_RESTART:
        r->wants_replacement = true;
        replica_event(r, EVENT_STOP, "health");
        break;
    case STACK_UNHEALTHY_STOP:
        r->goal = GOAL_STOP;
        replica_event(r, EVENT_STOP, "health");
        break;
    case STACK_UNHEALTHY_KILL: replica_event(r, EVENT_FORCE, "health"); break;
    case STACK_UNHEALTHY_NONE: break;
    }
}

static void act_delete(struct replica *r, const char *cause)
{
    struct err e;
    loop_timer_cancel(r->project->loop, &r->timer);
    withdraw(r);
    /* The counter of the cgroup may tell of another process of the container. */
    r->was_oom = r->has_exit && WIFSIGNALED(r->exit_status) &&
                 WTERMSIG(r->exit_status) == SIGKILL && r->state != LIFE_KILLING &&
                 cgroups_oom_killed(r->project->stack->name, r->id);
    if (r->was_oom)
        say_why(r, "killed: out of memory (limit %llu MiB)",
                (unsigned long long)(r->service->memory_bytes >> 20));
    if (r->has_exit)
        emit(r, "service.exited", cause, exit_code_of(r->exit_status));
    if (runtime_call(r, RUNTIME_DELETE, -1, -1, on_deleted, &e) < 0) {
        struct child_end end = { r->call_tag, CHILD_NOT_STARTED, e.errnum, 0 };
        on_deleted(r, &end);
    }
}

static bool policy_says_again(const struct replica *r)
{
    if (r->wants_replacement)
        return true;
    bool failed = r->start_failed || !r->has_exit || r->exit_status != 0;
    switch (r->service->restart) {
    case STACK_RESTART_NO: return false;
    case STACK_RESTART_ALWAYS:
    case STACK_RESTART_UNLESS_STOPPED: return true;
    case STACK_RESTART_ON_FAILURE:
        return failed && (!r->service->restart_max || r->failures <= r->service->restart_max);
    }
    return false;
}

static enum life_event after_delete(struct replica *r)
{
    if (r->goal == GOAL_STOP)
        return EVENT_THEN_STOPPED;
    if (r->goal == GOAL_RESTART) {
        r->goal = GOAL_RUN;
        return EVENT_THEN_START;
    }
    /* What could never be started is a mistake to be told, not a fault to be retried. */
    if (r->start_failed && !r->started_ns)
        return EVENT_THEN_FAILED;
    if (!r->wants_replacement && (r->start_failed || r->exit_status != 0))
        r->failures++;
    if (policy_says_again(r))
        return EVENT_THEN_BACKOFF;
    return r->start_failed ? EVENT_THEN_FAILED : EVENT_THEN_EXITED;
}

static void drop_log_pipes(struct replica *r)
{
    char name[KEEPER_NAME_MAX];
    struct err e;
    logs_detach(r->project->logs, r->service->name, r->number);
    for (enum logs_stream stream = 0; stream < LOGS_STREAM_COUNT_; stream++) {
        pipe_name(r, stream, name);
        if (keeper_drop(r->project->keeper, name, &e) < 0)
            log_err(LOG_WARN, r->service->name, "log.drop", &e);
    }
}

static void on_deleted(void *self, const struct child_end *end)
{
    struct replica *r = self;
    call_ended(r, end);
    r->pid = 0;
    if (end->status != 0) {
        struct err e;
        (void)runtime_call_error(r, end, &e);
        log_err(LOG_WARN, r->service->name, "delete.failed", &e);
    }
    drop_log_pipes(r);
    replica_event(r, after_delete(r), r->wants_replacement ? "health" : "policy");
}

static void act_arm_backoff(struct replica *r, const char *cause)
{
    uint64_t now = loop_now_ns(r->project->loop);
    bool was_steady = r->started_ns && now - r->started_ns >= (uint64_t)STEADY_MS * 1000000;
    if (was_steady || !r->backoff_ms)
        r->backoff_ms = BACKOFF_FIRST_MS;
    else
        r->backoff_ms = r->backoff_ms >= BACKOFF_MAX_MS / 2 ? BACKOFF_MAX_MS : r->backoff_ms * 2;
    r->wants_replacement = false;
    r->restarts++;
    loop_timer_in_ms(r->project->loop, &r->timer, r->backoff_ms);
    emit(r, "service.restarting", cause, -1);
}

static void act_settle(struct replica *r, const char *cause)
{
    static const char *const names[LIFE_STATE_COUNT_] = {
        [LIFE_STOPPED] = "service.stopped",
        [LIFE_EXITED] = "service.finished",
        [LIFE_FAILED] = "service.failed",
    };
    loop_timer_cancel(r->project->loop, &r->timer);
    r->wants_replacement = false;
    emit(r, names[r->state], cause, r->has_exit ? exit_code_of(r->exit_status) : -1);
}

static void act_wait(struct replica *r, const char *cause)
{
    (void)cause;
    r->failures = r->unhealthy_streak = 0;
    r->backoff_ms = 0;
    r->started_ns = 0; /* a new life: see after_delete */
}

static void act_none(struct replica *r, const char *cause)
{
    (void)r;
    (void)cause;
}

static void (*const acts[LIFE_ACT_COUNT_])(struct replica *, const char *cause) = {
    [ACT_NONE] = act_none,
    [ACT_CREATE] = act_create,
    [ACT_ATTACH_AND_START] = act_attach_and_start,
    [ACT_BEGIN_HEALTH] = act_begin_health,
    [ACT_ADMIT] = act_admit,
    [ACT_ON_UNHEALTHY] = act_on_unhealthy,
    [ACT_SIGNAL] = act_signal,
    [ACT_KILL] = act_kill,
    [ACT_CUT] = act_cut,
    [ACT_DELETE] = act_delete,
    [ACT_ARM_BACKOFF] = act_arm_backoff,
    [ACT_SETTLE] = act_settle,
    [ACT_WAIT] = act_wait,
};

void replica_event(struct replica *r, enum life_event event, const char *cause)
{
    struct life_step step = life_step(r->state, event);
    if (!step.is_legal) {
        log_event(LOG_ERROR, r->service->name, "life.illegal", "replica=%u state=%s event=%s",
                  r->number, life_state_name(r->state), life_event_name(event));
        return;
    }
    log_event(LOG_DEBUG, r->service->name, "life.step", "replica=%u from=%s event=%s to=%s",
              r->number, life_state_name(r->state), life_event_name(event),
              life_state_name(step.next));
    struct project *p = r->project;
    if (step.next != r->state)
        r->since_ns = loop_now_ns(p->loop);
    r->state = step.next;
    p->journal_dirty = p->front_dirty = p->order_dirty = true;
    acts[step.act](r, cause);
}

/* ---- orders, exits, time ---- */

static void on_timer(void *self)
{
    struct replica *r = self;
    switch (r->state) {
    case LIFE_BACKOFF: replica_event(r, EVENT_BACKOFF_OVER, "policy"); break;
    case LIFE_STOPPING:
        say_why(r, "did not stop within %u s of SIG%s", r->service->stop_grace_ms / 1000,
                sigabbrev_np(r->service->stop_signal) ?: "?");
        replica_event(r, EVENT_GRACE_OVER, "policy");
        break;
    case LIFE_KILLING: replica_event(r, EVENT_GRACE_OVER, "policy"); break;
    default: break; /* the state changed in the same tick */
    }
}

void replica_init(struct replica *r, struct project *p, size_t service_index, unsigned number)
{
    r->project = p;
    r->service_index = service_index;
    r->service = &p->stack->services[service_index];
    r->number = number;
    (void)snprintf(r->id, sizeof(r->id), "%s-%s-%u", p->stack->name, r->service->name, number);
    r->addresses = mem_alloc((r->service->network_count + 1) * sizeof(*r->addresses));
    loop_timer_init(&r->timer, on_timer, r, "replica");
    probe_init(r);
}

void replica_done(struct replica *r)
{
    loop_timer_cancel(r->project->loop, &r->timer);
    probe_end(r);
    free(r->addresses);
}

void replica_want_run(struct replica *r)
{
    if (r->goal != GOAL_RUN && !life_is_settled(r->state)) {
        r->goal = GOAL_RESTART; /* it is on its way down: let it come again */
        return;
    }
    r->goal = GOAL_RUN;
    replica_event(r, EVENT_START, "user");
}

void replica_want_stop(struct replica *r)
{
    r->goal = GOAL_STOP;
    r->project->order_dirty = r->project->journal_dirty = true;
}

void replica_want_restart(struct replica *r)
{
    if (life_is_settled(r->state)) {
        replica_want_run(r);
        return;
    }
    r->goal = GOAL_RESTART;
    if (r->state == LIFE_BACKOFF || r->state == LIFE_WAITING) {
        r->goal = GOAL_RUN;
        replica_event(r, EVENT_START, "user");
    } else {
        replica_event(r, EVENT_STOP, "user");
    }
}

static void settle_one(struct replica *r)
{
    struct project *p = r->project;
    if (r->goal == GOAL_STOP) {
        if (life_is_settled(r->state) || r->state == LIFE_STOPPING || r->state == LIFE_KILLING ||
            r->state == LIFE_DELETING || r->state == LIFE_ABORTING || !order_may_stop(p, r))
            return;
        replica_event(r, EVENT_STOP, "user");
        return;
    }
    if (r->state != LIFE_WAITING)
        return;
    char why[WHY_MAX] = "";
    enum order_verdict verdict = order_may_start(p, r, why);
    say_why(r, "%s", why);
    if (verdict == ORDER_GO) {
        replica_event(r, EVENT_DEPS_MET, "dependency");
    } else if (verdict == ORDER_NEVER) {
        char text[WHY_MAX];
        (void)snprintf(text, sizeof(text), "%s", why);
        say_why(r, "dependency: %.200s", text);
        replica_event(r, EVENT_DEPS_FAILED, "dependency");
    }
}

void replica_settle_order(struct project *p)
{
    while (p->order_dirty) {
        p->order_dirty = false;
        EACH_REPLICA(p, r) settle_one(r);
    }
}

void replica_on_exit(struct replica *r, int status)
{
    if (life_step(r->state, EVENT_EXITED).next == r->state)
        return; /* its end is already being dealt with */
    r->has_exit = true;
    r->exit_status = status;
    r->pid = 0;
    if (WIFSIGNALED(status))
        say_why(r, "killed by SIG%s", sigabbrev_np(WTERMSIG(status)) ?: "?");
    else if (WEXITSTATUS(status) != 0)
        say_why(r, "exited with code %d", WEXITSTATUS(status));
    else
        r->why[0] = '\0';
    replica_event(r, EVENT_EXITED, "exit");
}

const struct replica *replica_network(const struct replica *r)
{
    if (r->service->network_mode != STACK_NETWORK_SERVICE)
        return r;
    const struct service_state *s = &r->project->services[r->service->network_service];
    return s->count ? &s->replicas[(r->number - 1) % s->count] : NULL;
}

uint32_t replica_address(const struct replica *r)
{
    const struct replica *net = replica_network(r);
    if (net && net->service->network_mode == STACK_NETWORK_HOST)
        return net_stack_host_addr(r->project->net);
    return net && net->service->network_count ? net->addresses[0] : 0;
}

bool replica_is_serving(const struct replica *r)
{
    bool has_check = r->service->healthcheck.kind != STACK_PROBE_NONE;
    return r->state == LIFE_HEALTHY || (r->state == LIFE_RUNNING && !has_check);
}

static uint32_t left_ms(const struct replica *r, uint32_t whole_ms)
{
    uint64_t passed = (loop_now_ns(r->project->loop) - r->since_ns) / 1000000;
    return passed >= whole_ms ? 0 : whole_ms - (uint32_t)passed;
}

/* The engine before was killed between writing down a call and making it: what there is of the
 * container is deleted and made again, which is no failure of the service. */
static void start_over(struct replica *r, enum life_event event)
{
    if (r->goal == GOAL_RUN)
        r->goal = GOAL_RESTART;
    replica_event(r, event, "supervisor");
}

void replica_resume(struct replica *r, bool is_call_known)
{
    struct loop *loop = r->project->loop;
    static child_fn *const callbacks[LIFE_STATE_COUNT_] = {
        [LIFE_CREATING] = on_created, [LIFE_ABORTING] = on_created,   [LIFE_STARTING] = on_started,
        [LIFE_DELETING] = on_deleted, [LIFE_STOPPING] = on_signalled, [LIFE_KILLING] = on_signalled,
    };
    if (is_call_known && callbacks[r->state])
        children_adopt(r->project->children, r->call_tag, callbacks[r->state], r);
    else
        r->call_tag = 0;
    switch (r->state) {
    case LIFE_CREATING:
    case LIFE_ABORTING:
        if (!is_call_known)
            start_over(r, EVENT_CREATE_FAILED);
        break;
    case LIFE_STARTING:
        if (!is_call_known)
            start_over(r, EVENT_START_FAILED);
        break;
    case LIFE_RUNNING:
    case LIFE_HEALTHY:
    case LIFE_UNHEALTHY: probe_resume(r); break;
    case LIFE_STOPPING:
        loop_timer_in_ms(loop, &r->timer, left_ms(r, r->service->stop_grace_ms));
        break;
    case LIFE_KILLING: loop_timer_in_ms(loop, &r->timer, left_ms(r, KILL_TIMEOUT_MS)); break;
    case LIFE_BACKOFF: loop_timer_in_ms(loop, &r->timer, left_ms(r, r->backoff_ms)); break;
    case LIFE_DELETING:
        if (!is_call_known)
            act_delete(r, "supervisor");
        break;
    case LIFE_WAITING:
    case LIFE_STOPPED:
    case LIFE_EXITED:
    case LIFE_FAILED:
    case LIFE_STATE_COUNT_: break;
    }
}
