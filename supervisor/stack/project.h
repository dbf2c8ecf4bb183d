#pragma once
/* A running stack: the engine's whole state in one struct. Data, with few rules: `state` of a
 * replica is written by replica_event only, `dirty` flags are set by whoever changes and cleared by
 * whoever acts at the end of the tick (engine.c). Engine process only; threads: none. */
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "netns/net.h"
#include "runtime/base/limits.h"
#include "specs/stack.h"
#include "supervisor/health/health.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/logs/logs.h"
#include "supervisor/loop/loop.h"
#include "supervisor/stack/accounts.h"
#include "supervisor/stack/children.h"
#include "supervisor/stack/events.h"
#include "supervisor/stack/life.h"

enum {
    WHY_MAX = 256,
    PROBES_AT_ONCE_MAX = 16, /* exec probes: each is a process */
};

struct project;

/* What the user wants of a replica. */
enum replica_goal {
    GOAL_RUN,
    GOAL_STOP,
    GOAL_RESTART, /* stop, then run */
};

struct replica {
    struct project *project;
    const struct stack_service *service;
    size_t service_index;
    unsigned number; /* from 1 */
    char id[ID_MAX]; /* "PROJECT-SERVICE-NUMBER" */

    enum life_state state;
    enum replica_goal goal;
    uint64_t since_ns;       /* in this state */
    pid_t pid;               /* first process of the container; 0: none */
    uint64_t call_tag;       /* svc-runtime call in flight; 0: none */
    struct loop_timer timer; /* grace period or back-off */

    uint32_t id_base; /* first host id; 0: not taken */
    struct account account;
    uint32_t *addresses; /* one per service->networks */

    uint32_t generation;       /* how often it was created */
    uint32_t restarts;         /* by policy or health, not by the user */
    uint32_t failures;         /* since the user started it: for on-failure:N */
    uint32_t unhealthy_streak; /* replacements without being healthy in between */
    uint32_t backoff_ms;       /* the last delay */
    uint64_t started_ns;       /* CLOCK_BOOTTIME; 0: never */
    int64_t started_unix_ms;
    bool has_exit;
    int exit_status; /* as of waitpid(2) */
    bool was_oom;
    bool start_failed;      /* the last start: see why */
    bool wants_replacement; /* it was unhealthy: start it again whatever its policy */
    char why[WHY_MAX];      /* for people: why it is in this state; may be empty */

    struct health health;
    struct loop_timer probe_timer;
    uint64_t probe_id;  /* in flight; 0: none */
    uint64_t probe_tag; /* exec probe: its process */
    uint64_t probe_since_ns;
    struct loop_fd probe_output;          /* exec probe: read end of its output; fd -1: none */
    char probe_text[HEALTH_TEXT_MAX / 2]; /* the beginning of it */
    size_t probe_text_len;
};

struct service_state {
    struct replica *replicas;
    size_t count;
};

/* The proxy and the prober: processes of ours, started again when they die. */
struct worker {
    struct project *project;
    const char *name; /* "proxy": its verb is "@proxy", its log that of a service of this name */
    void (*on_resumed)(struct project *p); /* taken over from an earlier engine */
    void (*on_message)(struct project *p); /* its channel can be read */
    void (*on_lost)(struct project *p);    /* it died; may be NULL */
    uint64_t tag;                          /* 0: not running */
    int channel;                           /* -1: none */
    struct loop_fd source;
    struct loop_timer restart;
    uint64_t started_ns;
    uint32_t backoff_ms;
};

/* What the keeper held for the engine before: taken by those who know the name. */
struct held_fd {
    char name[KEEPER_NAME_MAX];
    int fd; /* -1: taken */
};

struct project {
    struct loop *loop;
    int keeper; /* channel */
    struct stack *stack;
    const char *run_dir; /* owned by engine.c */
    char *state_dir;
    int run_fd, state_fd, log_fd;
    int id_fd; /* directory of the id ranges */
    uid_t owner_uid;
    char *svc_path, *runtime_path;
    int null_fd;

    struct service_state *services; /* one per stack->services */
    struct children *children;
    struct events *events;
    struct logs *logs;
    struct ctl_server *ctl;
    int ctl_fd;

    struct held_fd *held;
    size_t held_count, held_cap;

    struct net_stack *net;
    struct net_network *networks; /* one per stack->networks */
    char **volume_paths;          /* one per stack->volumes */

    struct worker proxy, prober;
    int *listen_fds; /* one per listener of the front; -1 */
    size_t listen_count;
    int *dir_fds; /* one per stack->proxy.routes; -1 */
    uint64_t front_generation;
    char **addresses; /* "http://127.0.0.1:8080", for people */

    bool journal_dirty, front_dirty, order_dirty; /* acted on before the loop sleeps */
    bool was_finished;
    bool was_started, was_ready, has_failed; /* the stack events that were told */
    bool is_going_down;
    bool removes_volumes;
    uint64_t next_probe_id;
    unsigned probes_running;
    struct log_view *log_views;
    struct waiter *waiters; /* api.c: orders whose end somebody waits for */
};

/* Calls FN for every replica in file order. */
#define EACH_REPLICA(p, r)                                             \
    for (size_t s_##r = 0; s_##r < (p)->stack->service_count; s_##r++) \
        for (struct replica *r = (p)->services[s_##r].replicas;        \
             r < (p)->services[s_##r].replicas + (p)->services[s_##r].count; r++)

/* Borrowed; NULL when unknown. */
struct replica *project_find_replica(struct project *p, const char *id);
struct replica *project_find_pid(struct project *p, pid_t pid);
/* The fd, the caller's; -1 when the keeper did not hold one of this name. */
int project_take_held(struct project *p, const char *name);
