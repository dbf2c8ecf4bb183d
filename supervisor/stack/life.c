#include "supervisor/stack/life.h"

#include <assert.h>

#define TO(state, act)                \
    {                                 \
        true, LIFE_##state, ACT_##act \
    }

/* Events that a state only swallows: late answers of svc-runtime, repeated orders. */
#define STAY(state) TO(state, NONE)

static const struct life_step matrix[LIFE_STATE_COUNT_][LIFE_EVENT_COUNT_] = {
    [LIFE_WAITING] = {
        [EVENT_DEPS_MET] = TO(CREATING, CREATE),
        [EVENT_DEPS_FAILED] = TO(FAILED, SETTLE),
        [EVENT_START] = TO(WAITING, WAIT),
        [EVENT_STOP] = TO(STOPPED, SETTLE),
        [EVENT_FORCE] = TO(STOPPED, SETTLE),
    },
    [LIFE_CREATING] = {
        [EVENT_CREATED] = TO(STARTING, ATTACH_AND_START),
        [EVENT_CREATE_FAILED] = TO(DELETING, DELETE),
        [EVENT_EXITED] = STAY(CREATING), /* svc-runtime create says so itself */
        [EVENT_START] = STAY(CREATING),
        [EVENT_STOP] = TO(ABORTING, NONE),
        [EVENT_FORCE] = TO(ABORTING, CUT),
    },
    [LIFE_ABORTING] = {
        [EVENT_CREATED] = TO(DELETING, DELETE),
        [EVENT_CREATE_FAILED] = TO(DELETING, DELETE),
        [EVENT_EXITED] = STAY(ABORTING),
        [EVENT_START] = STAY(ABORTING), /* the goal is remembered, DELETING acts on it */
        [EVENT_STOP] = STAY(ABORTING),
        [EVENT_FORCE] = TO(ABORTING, CUT),
    },
    [LIFE_STARTING] = {
        [EVENT_STARTED] = TO(RUNNING, BEGIN_HEALTH),
        [EVENT_START_FAILED] = TO(DELETING, DELETE),
        [EVENT_EXITED] = TO(DELETING, DELETE),
        [EVENT_START] = STAY(STARTING),
        [EVENT_STOP] = TO(STOPPING, SIGNAL),
        [EVENT_FORCE] = TO(KILLING, KILL),
    },
    [LIFE_RUNNING] = {
        [EVENT_HEALTHY] = TO(HEALTHY, ADMIT),
        [EVENT_UNHEALTHY] = TO(UNHEALTHY, ON_UNHEALTHY),
        [EVENT_EXITED] = TO(DELETING, DELETE),
        [EVENT_START] = STAY(RUNNING),
        [EVENT_STOP] = TO(STOPPING, SIGNAL),
        [EVENT_FORCE] = TO(KILLING, KILL),
    },
    [LIFE_HEALTHY] = {
        [EVENT_HEALTHY] = STAY(HEALTHY),
        [EVENT_UNHEALTHY] = TO(UNHEALTHY, ON_UNHEALTHY),
        [EVENT_EXITED] = TO(DELETING, DELETE),
        [EVENT_START] = STAY(HEALTHY),
        [EVENT_STOP] = TO(STOPPING, SIGNAL),
        [EVENT_FORCE] = TO(KILLING, KILL),
    },
    [LIFE_UNHEALTHY] = {
        [EVENT_HEALTHY] = TO(HEALTHY, ADMIT),
        [EVENT_UNHEALTHY] = STAY(UNHEALTHY),
        [EVENT_EXITED] = TO(DELETING, DELETE),
        [EVENT_START] = STAY(UNHEALTHY),
        [EVENT_STOP] = TO(STOPPING, SIGNAL),
        [EVENT_FORCE] = TO(KILLING, KILL),
    },
    [LIFE_STOPPING] = {
        [EVENT_STARTED] = STAY(STOPPING),
        [EVENT_START_FAILED] = TO(DELETING, DELETE),
        [EVENT_EXITED] = TO(DELETING, DELETE),
        [EVENT_GRACE_OVER] = TO(KILLING, KILL),
        [EVENT_START] = STAY(STOPPING),
        [EVENT_STOP] = STAY(STOPPING),
        [EVENT_FORCE] = TO(KILLING, KILL),
    },
    [LIFE_KILLING] = {
        [EVENT_STARTED] = STAY(KILLING),
        [EVENT_START_FAILED] = TO(DELETING, DELETE),
        [EVENT_EXITED] = TO(DELETING, DELETE),
        [EVENT_GRACE_OVER] = TO(DELETING, DELETE), /* not even SIGKILL: let delete try cgroup.kill */
        [EVENT_START] = STAY(KILLING),
        [EVENT_STOP] = STAY(KILLING),
        [EVENT_FORCE] = TO(KILLING, KILL),
    },
    [LIFE_DELETING] = {
        [EVENT_THEN_BACKOFF] = TO(BACKOFF, ARM_BACKOFF),
        [EVENT_THEN_STOPPED] = TO(STOPPED, SETTLE),
        [EVENT_THEN_EXITED] = TO(EXITED, SETTLE),
        [EVENT_THEN_FAILED] = TO(FAILED, SETTLE),
        [EVENT_THEN_START] = TO(WAITING, WAIT),
        [EVENT_STARTED] = STAY(DELETING),
        [EVENT_START_FAILED] = STAY(DELETING),
        [EVENT_EXITED] = STAY(DELETING),
        [EVENT_START] = STAY(DELETING),
        [EVENT_STOP] = STAY(DELETING),
        [EVENT_FORCE] = TO(DELETING, CUT),
    },
    [LIFE_BACKOFF] = {
        [EVENT_BACKOFF_OVER] = TO(CREATING, CREATE),
        [EVENT_START] = TO(CREATING, CREATE),
        [EVENT_STOP] = TO(STOPPED, SETTLE),
        [EVENT_FORCE] = TO(STOPPED, SETTLE),
    },
    [LIFE_STOPPED] = {
        [EVENT_START] = TO(WAITING, WAIT),
        [EVENT_STOP] = STAY(STOPPED),
        [EVENT_FORCE] = STAY(STOPPED),
    },
    [LIFE_EXITED] = {
        [EVENT_START] = TO(WAITING, WAIT),
        [EVENT_STOP] = STAY(EXITED),
        [EVENT_FORCE] = STAY(EXITED),
    },
    [LIFE_FAILED] = {
        [EVENT_START] = TO(WAITING, WAIT),
        [EVENT_STOP] = STAY(FAILED),
        [EVENT_FORCE] = STAY(FAILED),
    },
};

static const char *const state_names[LIFE_STATE_COUNT_] = {
    [LIFE_WAITING] = "waiting",   [LIFE_CREATING] = "creating", [LIFE_STARTING] = "starting",
    [LIFE_RUNNING] = "running",   [LIFE_HEALTHY] = "healthy",   [LIFE_UNHEALTHY] = "unhealthy",
    [LIFE_STOPPING] = "stopping", [LIFE_KILLING] = "killing",   [LIFE_ABORTING] = "aborting",
    [LIFE_DELETING] = "deleting", [LIFE_BACKOFF] = "backoff",   [LIFE_STOPPED] = "stopped",
    [LIFE_EXITED] = "exited",     [LIFE_FAILED] = "failed",
};

static const char *const event_names[LIFE_EVENT_COUNT_] = {
    [EVENT_DEPS_MET] = "deps_met",
    [EVENT_DEPS_FAILED] = "deps_failed",
    [EVENT_CREATED] = "created",
    [EVENT_CREATE_FAILED] = "create_failed",
    [EVENT_STARTED] = "started",
    [EVENT_START_FAILED] = "start_failed",
    [EVENT_HEALTHY] = "healthy",
    [EVENT_UNHEALTHY] = "unhealthy",
    [EVENT_EXITED] = "exited",
    [EVENT_STOP] = "stop",
    [EVENT_FORCE] = "force",
    [EVENT_GRACE_OVER] = "grace_over",
    [EVENT_THEN_BACKOFF] = "then_backoff",
    [EVENT_THEN_STOPPED] = "then_stopped",
    [EVENT_THEN_EXITED] = "then_exited",
    [EVENT_THEN_FAILED] = "then_failed",
    [EVENT_THEN_START] = "then_start",
    [EVENT_BACKOFF_OVER] = "backoff_over",
    [EVENT_START] = "start",
};

struct life_step life_step(enum life_state state, enum life_event event)
{
    assert(state < LIFE_STATE_COUNT_ && event < LIFE_EVENT_COUNT_);
    struct life_step step = matrix[state][event];
    if (!step.is_legal)
        step.next = state;
    return step;
}

const char *life_state_name(enum life_state state)
{
    assert(state < LIFE_STATE_COUNT_);
    return state_names[state];
}

const char *life_event_name(enum life_event event)
{
    assert(event < LIFE_EVENT_COUNT_);
    return event_names[event];
}

bool life_is_alive(enum life_state state)
{
    return state >= LIFE_STARTING && state <= LIFE_KILLING;
}

bool life_is_settled(enum life_state state)
{
    return state >= LIFE_STOPPED;
}
