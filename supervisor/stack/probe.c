#include "supervisor/stack/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "supervisor/health/prober.h"
#include "supervisor/stack/replica.h"
#include "supervisor/stack/runtime_call.h"

enum {
    RETRY_MS = 100 /* when all places for exec probes are taken, or the prober is not there */
};

static void arm(struct replica *r)
{
    uint64_t next = health_next_probe_ns(&r->health);
    if (next == UINT64_MAX)
        loop_timer_cancel(r->project->loop, &r->probe_timer);
    else
        loop_timer_set(r->project->loop, &r->probe_timer, next);
}

static void close_output(struct replica *r)
{
    int fd = r->probe_output.fd;
    loop_remove_fd(r->project->loop, &r->probe_output);
    fd_close(&fd);
}

/* Takes the probe out of flight. */
static void clear(struct replica *r)
{
    if (r->probe_tag) {
        children_forget(r->project->children, r->probe_tag);
        r->project->probes_running--;
    }
    r->probe_id = r->probe_tag = 0;
    close_output(r);
}

static void judge(struct replica *r, bool is_ok, const char *text)
{
    uint64_t now = loop_now_ns(r->project->loop);
    uint32_t elapsed_ms = (uint32_t)((now - r->probe_since_ns) / 1000000);
    enum health_change change = health_on_result(
        &r->health, &r->service->healthcheck, r->health.generation, is_ok, elapsed_ms, text, now);
    arm(r);
    if (change == HEALTH_BECAME_HEALTHY)
        replica_event(r, EVENT_HEALTHY, "health");
    else if (change == HEALTH_BECAME_UNHEALTHY)
        replica_event(r, EVENT_UNHEALTHY, "health");
}

/* ---- by the prober ---- */

static int send_probe(struct replica *r, struct err *e)
{
    struct project *p = r->project;
    struct probe_request request;
    if (p->prober.channel < 0)
        return err_conflict(e, "the prober is not running");
    r->probe_id = ++p->next_probe_id;
    if (probe_request_make(&request, &r->service->healthcheck, replica_address(r), r->probe_id, e) <
        0)
        return -1;
    return prober_send(p->prober.channel, &request, e);
}

static struct replica *find_probe(struct project *p, uint64_t id)
{
    EACH_REPLICA(p, r)
    {
        if (r->probe_id == id)
            return r;
    }
    return NULL;
}

void probe_on_reply(struct project *p)
{
    struct probe_reply reply;
    struct err e;
    while (p->prober.channel >= 0 && prober_receive(p->prober.channel, &reply, &e) == 1) {
        struct replica *r = reply.id ? find_probe(p, reply.id) : NULL;
        if (!r)
            continue;
        clear(r);
        judge(r, reply.is_ok, reply.text);
    }
}

void probe_on_prober_lost(struct project *p)
{
    EACH_REPLICA(p, r)
    {
        if (!r->probe_id)
            continue;
        clear(r);
        loop_timer_in_ms(p->loop, &r->probe_timer, RETRY_MS);
    }
}

/* ---- by exec ---- */

/* Keeps the beginning and reads the rest away: a check that writes much must not block. */
static void read_output(void *self, uint32_t events)
{
    struct replica *r = self;
    char rest[4096];
    (void)events;
    while (r->probe_output.fd >= 0) {
        size_t room = sizeof(r->probe_text) - 1 - r->probe_text_len;
        ssize_t n = room ? read(r->probe_output.fd, r->probe_text + r->probe_text_len, room)
                         : read(r->probe_output.fd, rest, sizeof(rest));
        if (n <= 0) {
            if (n == 0)
                close_output(r);
            return;
        }
        if (room)
            r->probe_text_len += (size_t)n;
    }
}

static const char *output_text(struct replica *r)
{
    read_output(r, 0);
    size_t n = r->probe_text_len;
    while (n > 0 && (r->probe_text[n - 1] == '\n' || r->probe_text[n - 1] == ' '))
        n--;
    r->probe_text[n] = '\0';
    return r->probe_text;
}

static void on_exec_end(void *self, const struct child_end *end)
{
    struct replica *r = self;
    char text[HEALTH_TEXT_MAX];
    const char *output = output_text(r);
    r->probe_tag = 0;
    r->project->probes_running--;
    clear(r);
    bool is_ok = end->status == 0;
    const char *separator = output[0] ? ": " : "";
    if (end->status == CHILD_NOT_STARTED || WIFSIGNALED(end->status))
        (void)snprintf(text, sizeof(text), "healthcheck was killed%s%s", separator, output);
    else if (is_ok)
        (void)snprintf(text, sizeof(text), "%s", output);
    else
        (void)snprintf(text, sizeof(text), "healthcheck exited %d%s%s", WEXITSTATUS(end->status),
                       separator, output);
    judge(r, is_ok, text);
}

static int exec_probe(struct replica *r, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, errno, "make a pipe for the healthcheck");
    auto_fd int theirs = ends[1];
    r->probe_text_len = 0;
    /* Only our end: the check's own writes may block, as it expects of a pipe. */
    if (fd_set_nonblock(ends[0]) < 0 || loop_add_fd(r->project->loop, &r->probe_output, ends[0],
                                                    EPOLLIN, read_output, r, "probe", e) < 0) {
        fd_close(&ends[0]);
        return err_wrap(e, "healthcheck");
    }
    if (runtime_exec(r, &r->service->healthcheck.test, theirs, on_exec_end, e) < 0) {
        r->probe_tag = 0;
        clear(r);
        return -1;
    }
    r->project->probes_running++;
    return 0;
}

static void on_timeout(struct replica *r)
{
    char text[HEALTH_TEXT_MAX];
    pid_t pid = children_pid(r->project->children, r->probe_tag);
    if (pid > 0)
        (void)kill(pid, SIGKILL); /* its child in the container dies with it */
    clear(r);
    (void)snprintf(text, sizeof(text), "healthcheck took longer than %u ms",
                   r->service->healthcheck.timeout_ms);
    judge(r, false, text);
}

/* ---- time ---- */

static void on_timer(void *self)
{
    struct replica *r = self;
    struct project *p = r->project;
    struct err e;
    if (r->probe_tag) {
        on_timeout(r);
        return;
    }
    if (r->probe_id)
        return; /* the prober keeps its time */
    bool is_exec = r->service->healthcheck.kind == STACK_PROBE_CMD;
    if (is_exec && p->probes_running >= PROBES_AT_ONCE_MAX) {
        loop_timer_in_ms(p->loop, &r->probe_timer, RETRY_MS);
        return;
    }
    r->probe_since_ns = loop_now_ns(p->loop);
    if ((is_exec ? exec_probe(r, &e) : send_probe(r, &e)) < 0) {
        r->probe_id = 0;
        log_err(LOG_WARN, r->service->name, "probe.not_made", &e);
        loop_timer_in_ms(p->loop, &r->probe_timer, RETRY_MS);
        return;
    }
    if (is_exec)
        loop_timer_in_ms(p->loop, &r->probe_timer, r->service->healthcheck.timeout_ms);
}

void probe_init(struct replica *r)
{
    r->probe_output.fd = -1;
    loop_timer_init(&r->probe_timer, on_timer, r, "probe");
}

void probe_begin(struct replica *r)
{
    health_start(&r->health, &r->service->healthcheck, r->generation,
                 loop_now_ns(r->project->loop));
    arm(r);
}

void probe_end(struct replica *r)
{
    loop_timer_cancel(r->project->loop, &r->probe_timer);
    clear(r);
    health_stop(&r->health);
}

void probe_resume(struct replica *r)
{
    r->probe_tag = r->probe_id = 0;
    health_start(&r->health, &r->service->healthcheck, r->generation,
                 loop_now_ns(r->project->loop));
    if (r->state == LIFE_HEALTHY)
        r->health.status = HEALTH_HEALTHY;
    else if (r->state == LIFE_UNHEALTHY)
        r->health.status = HEALTH_UNHEALTHY;
    arm(r);
}
