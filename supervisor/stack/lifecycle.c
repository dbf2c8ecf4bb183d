#include "supervisor/stack/lifecycle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns/ipam.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "specs/stack_load.h"
#include "supervisor/ctl/paths.h"
#include "supervisor/ctl/server.h"
#include "supervisor/stack/api.h"
#include "supervisor/stack/cgroups.h"
#include "supervisor/stack/front.h"
#include "supervisor/stack/host_view.h"
#include "supervisor/stack/idrange.h"
#include "supervisor/stack/journal.h"
#include "supervisor/stack/prepare.h"
#include "supervisor/stack/probe.h"
#include "supervisor/stack/replica.h"
#include "supervisor/stack/worker.h"

#define ID_DIR     ".ids" /* in the run root: no project can have this name */
#define NETNS_DIR  "netns"
#define NETNS_FILE NETNS_DIR "/stack"
#define CTL_HELD   "ctl"

enum {
    CTL_BACKLOG = 64,
};

/* ---- loading ---- */

static int load_stack(struct project *p, struct err *e)
{
    auto_buf struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    if (fd_read_file(p->run_fd, CTL_STACK_FILE, &text, e) < 0)
        return -1;
    const char *name = strrchr(p->run_dir, '/');
    char *no_environment[] = { NULL };
    struct stack_load_options options = {
        .project = name ? name + 1 : p->run_dir,
        .environ = no_environment,
        .is_saved_copy = true,
    };
    struct stack_problems problems = { 0 };
    int result = stack_load_text(CTL_STACK_FILE, p->run_dir, text.data, text.len, &options,
                                 &p->stack, &problems);
    if (result < 0 && problems.error_count) {
        char line[1024];
        stack_problem_line(&problems.items[0], line, sizeof(line));
        (void)err_internal(e, "the resolved stack is not valid: %.400s", line);
    }
    stack_problems_done(&problems);
    return result;
}

static int load_options(struct project *p, struct err *e)
{
    struct arena a = { 0 };
    struct json *doc;
    int64_t uid = 0;
    if (json_load(&a, p->run_fd, CTL_OPTIONS_FILE, &doc, e) < 0) {
        arena_done(&a);
        return -1;
    }
    const struct json *owner = json_find(doc, "owner_uid");
    if (owner && json_to_i64(owner, &uid) == 0)
        p->owner_uid = (uid_t)uid;
    const char *file = json_find_string(doc, "file", NULL);
    if (file)
        p->stack->file = arena_strdup(&p->stack->arena, file);
    arena_done(&a);
    return 0;
}

static int open_dir(const char *path, mode_t mode, int *fd, struct err *e)
{
    if (fd_mkdir_all(AT_FDCWD, path, mode) < 0)
        return err_sys(e, errno, "create %s", path);
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd < 0 ? err_sys(e, errno, "open %s", path) : 0;
}

static int open_dirs(struct project *p, struct err *e)
{
    auto_free char *ids = str_printf("%s/" ID_DIR, ctl_run_root());
    auto_free char *logs = str_printf("%s/logs", p->state_dir);
    p->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (p->null_fd < 0)
        return err_sys(e, errno, "open /dev/null");
    if (open_dir(p->state_dir, 0711, &p->state_fd, e) < 0 ||
        open_dir(logs, 0700, &p->log_fd, e) < 0)
        return -1;
    return open_dir(ids, 0755, &p->id_fd, e);
}

static int find_programs(struct project *p, struct err *e)
{
    char self[PATH_LIMIT];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return err_sys(e, errno, "read /proc/self/exe");
    self[n] = '\0';
    p->svc_path = str_dup(self);
    const char *named = getenv("SVC_RUNTIME");
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    p->runtime_path = named && named[0] ? str_dup(named) : str_printf("%s/svc-runtime", self);
    if (access(p->runtime_path, X_OK) < 0) {
        (void)err_sys(e, errno, "run %s", p->runtime_path);
        err_hint(e, "svc-runtime belongs beside svc; or set SVC_RUNTIME");
        return -1;
    }
    return 0;
}

static void make_replicas(struct project *p)
{
    p->services = mem_alloc((p->stack->service_count + 1) * sizeof(*p->services));
    for (size_t s = 0; s < p->stack->service_count; s++) {
        struct service_state *state = &p->services[s];
        state->count = p->stack->services[s].replicas;
        state->replicas = mem_alloc((state->count + 1) * sizeof(*state->replicas));
        for (size_t i = 0; i < state->count; i++)
            replica_init(&state->replicas[i], p, s, (unsigned)i + 1);
    }
}

int project_load(struct project *p, const char *run_dir, struct err *e)
{
    p->run_dir = run_dir;
    p->run_fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p->state_fd = p->log_fd = p->id_fd = p->null_fd = p->ctl_fd = -1;
    if (p->run_fd < 0)
        return err_sys(e, errno, "open %s", run_dir);
    if (load_stack(p, e) < 0 || load_options(p, e) < 0 || find_programs(p, e) < 0)
        return -1;
    p->state_dir = ctl_state_dir(p->stack->name);
    if (open_dirs(p, e) < 0)
        return -1;
    p->children = children_new(p->keeper);
    worker_init(&p->proxy, p);
    worker_init(&p->prober, p);
    make_replicas(p);
    return 0;
}

/* ---- opening ---- */

static int give_addresses(struct project *p, size_t network, struct err *e)
{
    struct ipam ipam;
    if (ipam_init(&ipam, p->networks[network].subnet, p->networks[network].gateway, e) < 0)
        return -1;
    int result = 0;
    /* Fixed addresses first, so that no automatic one takes them. */
    for (int pass = 0; pass < 2; pass++) {
        EACH_REPLICA(p, r)
        {
            for (size_t i = 0; result == 0 && i < r->service->network_count; i++) {
                const struct stack_attachment *a = &r->service->networks[i];
                bool is_fixed = a->ipv4 && r->number == 1;
                if (a->network == network && is_fixed == (pass == 0))
                    result = ipam_take(&ipam, is_fixed ? a->ipv4 : 0, &r->addresses[i], e);
            }
        }
    }
    ipam_done(&ipam);
    return result;
}

static int open_network(struct project *p, struct err *e)
{
    size_t count = p->stack->network_count;
    p->networks = mem_alloc((count + 1) * sizeof(*p->networks));
    for (size_t i = 0; i < count; i++) {
        const struct stack_network *n = &p->stack->networks[i];
        (void)snprintf(p->networks[i].name, sizeof(p->networks[i].name), "%s", n->key);
        p->networks[i].internal = n->is_internal;
        if (n->has_subnet)
            p->networks[i].subnet = (struct addr_cidr){ n->subnet, n->prefix };
        p->networks[i].gateway = n->gateway;
    }
    if (fd_mkdir_all(p->run_fd, NETNS_DIR, 0700) < 0)
        return err_sys(e, errno, "create %s/" NETNS_DIR, p->run_dir);
    auto_free char *pin = str_printf("%s/" NETNS_FILE, p->run_dir);
    struct net_config config = { .project = p->stack->name, .pin = pin, .egress = true };
    if (net_stack_open(&config, p->networks, count, &p->net, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (give_addresses(p, i, e) < 0)
            return err_wrap(e, "network %s", p->stack->networks[i].key);
    return 0;
}

static int open_socket(struct project *p, struct err *e)
{
    p->ctl_fd = project_take_held(p, CTL_HELD);
    if (p->ctl_fd >= 0)
        return 0;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    /* By the directory's fd: the path of a run directory may be longer than sun_path. */
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" CTL_SOCKET_FILE,
                   p->run_fd);
    (void)unlinkat(p->run_fd, CTL_SOCKET_FILE, 0);
    p->ctl_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->ctl_fd < 0 || bind(p->ctl_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(p->ctl_fd, CTL_BACKLOG) < 0)
        return err_sys(e, errno, "listen on %s/" CTL_SOCKET_FILE, p->run_dir);
    return keeper_hold(p->keeper, CTL_HELD, p->ctl_fd, e);
}

static bool is_alive(const struct replay *replay, uint64_t tag)
{
    for (size_t i = 0; tag && i < replay->alive_count; i++)
        if (replay->alive_tags[i] == tag)
            return true;
    return false;
}

static bool is_known(const struct replay *replay, uint64_t tag)
{
    for (size_t i = 0; tag && i < replay->exit_count; i++)
        if (replay->exits[i].tag == tag)
            return true;
    return is_alive(replay, tag);
}

static int open_worker(struct worker *w, const struct replay *replay, struct err *e)
{
    if (worker_resume(w, is_alive(replay, w->tag)) == 0)
        return 0;
    return worker_start(w, e);
}

static bool needs_prober(const struct project *p)
{
    for (size_t s = 0; s < p->stack->service_count; s++)
        if (p->stack->services[s].healthcheck.kind == STACK_PROBE_HTTP ||
            p->stack->services[s].healthcheck.kind == STACK_PROBE_TCP)
            return true;
    return false;
}

static int open_workers(struct project *p, const struct replay *replay, struct err *e)
{
    p->proxy.name = "proxy";
    p->proxy.on_resumed = front_greet; /* a new one says hello */
    p->proxy.on_message = front_on_message;
    p->prober.name = "prober";
    p->prober.on_resumed = probe_on_prober_lost; /* what was in flight is asked again */
    p->prober.on_message = probe_on_reply;
    p->prober.on_lost = probe_on_prober_lost;
    if (front_is_needed(p) && open_worker(&p->proxy, replay, e) < 0)
        return -1;
    return needs_prober(p) ? open_worker(&p->prober, replay, e) : 0;
}

/* "log/REPLICA/STREAM/SERVICE", as replica.c and worker.c name them. */
static void attach_held_logs(struct project *p)
{
    for (size_t i = 0; i < p->held_count; i++) {
        unsigned number, stream;
        int at = 0;
        struct err e;
        if (p->held[i].fd < 0 ||
            sscanf(p->held[i].name, "log/%u/%u/%n", &number, &stream, &at) != 2 || !at ||
            stream >= LOGS_STREAM_COUNT_)
            continue;
        int fd = take_fd(&p->held[i].fd);
        const char *name = p->held[i].name + at;
        const struct stack_service *s = stack_find_service(p->stack, name);
        if (logs_attach(p->logs, name, number, (enum logs_stream)stream, fd, &e) < 0)
            log_err(LOG_WARN, NULL, "log.lost", &e);
        else if (s)
            logs_limit(p->logs, name, number, s->logging.max_bytes, s->logging.max_files);
    }
}

static int open_logs(struct project *p, struct err *e)
{
    if (logs_new(&p->logs, p->loop, p->log_fd, NULL, NULL, e) < 0)
        return -1;
    attach_held_logs(p);
    return 0;
}

static void resume_replicas(struct project *p, const struct replay *replay)
{
    EACH_REPLICA(p, r)
    {
        replica_resume(r, is_known(replay, r->call_tag));
    }
    for (size_t i = 0; i < replay->exit_count; i++)
        project_on_exit(p, &replay->exits[i], replay->exit_pids[i]);
}

int project_open(struct project *p, const struct replay *replay, bool is_resumed, struct err *e)
{
    uint64_t last_seq = 0;
    if (!is_resumed)
        project_remove(p); /* what a killed run left */
    else if (journal_load(p, &last_seq, e) < 0)
        return -1;
    p->events = events_new(last_seq);
    if (open_logs(p, e) < 0 || open_socket(p, e) < 0 || api_open(p, e) < 0 ||
        prepare_stack(p, is_resumed, e) < 0 || open_network(p, e) < 0 || front_open(p, e) < 0 ||
        open_workers(p, replay, e) < 0)
        return -1;
    if (is_resumed)
        resume_replicas(p, replay);
    p->order_dirty = p->journal_dirty = p->front_dirty = true;
    return 0;
}

/* ---- going on ---- */

void project_on_exit(struct project *p, const struct child_end *end, pid_t pid)
{
    if (end->tag) {
        children_on_exit(p->children, end);
        return;
    }
    struct replica *r = project_find_pid(p, pid);
    if (r)
        replica_on_exit(r, end->status);
}

static void tell(struct project *p, const char *name, const char *text, int exit_code)
{
    struct event event = { name, NULL, 0, "start", text, exit_code };
    events_emit(p->events, &event);
    p->journal_dirty = true;
}

/* The stack's own events: started, ready, failed, finished. */
static void tell_progress(struct project *p)
{
    bool is_started = true, is_ready = true, is_finished = true;
    int code = 0;
    const struct replica *failed = NULL;
    EACH_REPLICA(p, r)
    {
        bool is_done = r->state == LIFE_EXITED;
        is_started =
            is_started && (is_done || (r->state >= LIFE_RUNNING && r->state <= LIFE_UNHEALTHY));
        is_ready = is_ready && (is_done || replica_is_serving(r));
        is_finished = is_finished && life_is_settled(r->state) && r->state != LIFE_STOPPED;
        if (is_done && !code && r->exit_status)
            code = WIFSIGNALED(r->exit_status) ? 128 + WTERMSIG(r->exit_status)
                                               : WEXITSTATUS(r->exit_status);
        if (r->state == LIFE_FAILED && !failed)
            failed = r;
    }
    if (failed && !p->has_failed && !p->was_started) {
        char text[WHY_MAX + NAME_LIMIT + 32];
        (void)snprintf(text, sizeof(text), "service \"%s\" cannot start: %s", failed->service->name,
                       failed->why);
        p->has_failed = true;
        tell(p, "stack.failed", text, 1);
    }
    if (is_started && !p->was_started) {
        p->was_started = true;
        tell(p, "stack.started", "", -1);
    }
    if (is_ready && !p->was_ready) {
        p->was_ready = true;
        tell(p, "stack.ready", "", -1);
    }
    if (is_finished && p->was_started && !p->was_finished)
        tell(p, "stack.finished", "", code);
    p->was_finished = is_finished;
}

static bool all_settled(const struct project *p)
{
    EACH_REPLICA(p, r)
    {
        if (!life_is_settled(r->state))
            return false;
    }
    return true;
}

bool project_settle(struct project *p)
{
    struct err e;
    bool has_changed = p->order_dirty;
    if (p->order_dirty)
        replica_settle_order(p);
    if (has_changed && !p->is_going_down)
        tell_progress(p);
    api_settle(p);
    if (p->front_dirty)
        front_push(p);
    if (p->journal_dirty && journal_save(p, &e) < 0)
        log_err(LOG_ERROR, NULL, "journal.failed", &e);
    return p->is_going_down && all_settled(p);
}

/* ---- the end ---- */

static void warn(const char *event, const struct err *e)
{
    log_err(LOG_WARN, NULL, event, e);
}

static void remove_volumes(struct project *p)
{
    auto_fd int root = openat(p->state_fd, "../.volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct err e;
    for (size_t i = 0; root >= 0 && i < p->stack->volume_count; i++) {
        const struct stack_volume *v = &p->stack->volumes[i];
        if (!v->is_external && fd_remove_tree(root, v->name) < 0) {
            (void)err_sys(&e, errno, "remove volume %s", v->name);
            warn("volume.left", &e);
        }
    }
}

static void remove_entry(int dir_fd, const char *name)
{
    struct err e;
    if (fd_remove_tree(dir_fd, name) < 0) {
        (void)err_sys(&e, errno, "remove %s", name);
        warn("file.left", &e);
    }
}

void project_remove(struct project *p)
{
    struct err e;
    auto_free char *pin = str_printf("%s/" NETNS_FILE, p->run_dir);
    if (cgroups_remove_project(p->stack->name, &e) < 0)
        warn("cgroup.left", &e);
    if (net_stack_remove(p->stack->name, pin, &e) < 0)
        warn("network.left", &e);
    idrange_release_project(p->id_fd, p->stack->name);
    static const char *const in_run_dir[] = { "c", NETNS_DIR, CTL_RUNTIME_DIR };
    for (size_t i = 0; i < ARRAY_LEN(in_run_dir); i++)
        remove_entry(p->run_fd, in_run_dir[i]);
    remove_entry(p->state_fd, "layers");
    remove_entry(p->state_fd, HOST_VIEW_DIR);
    if (!p->removes_volumes)
        return;
    remove_volumes(p);
    remove_entry(p->state_fd, "logs");
}

void project_done(struct project *p)
{
    if (p->children) {
        EACH_REPLICA(p, r) replica_done(r);
        worker_done(&p->proxy);
        worker_done(&p->prober);
    }
    for (size_t s = 0; p->services && s < p->stack->service_count; s++)
        free(p->services[s].replicas);
    free(p->services);
    front_close(p);
    api_close(p);
    logs_free(p->logs);
    events_free(p->events);
    net_stack_close(p->net);
    children_free(p->children);
    for (size_t i = 0; p->volume_paths && i < p->stack->volume_count; i++)
        free(p->volume_paths[i]);
    free(p->volume_paths);
    free(p->networks);
    free(p->svc_path);
    free(p->runtime_path);
    free(p->state_dir);
    int *fds[] = { &p->run_fd, &p->state_fd, &p->log_fd, &p->id_fd, &p->null_fd, &p->ctl_fd };
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fd_close(fds[i]);
    stack_free(p->stack);
}
