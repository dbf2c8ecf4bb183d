#pragma once
/* The life of one replica as a state matrix. Pure: life_step looks an event up and says what the
 * next state is and which one act belongs to it; the owner (replica.c) does the act. The state of a
 * replica has one writer, replica_event. `svc dev states` prints the graph from the same table. */
#include <stdbool.h>

#include "runtime/base/auto.h"

enum life_state {
    LIFE_WAITING,   /* for its dependencies */
    LIFE_CREATING,  /* svc-runtime create runs */
    LIFE_STARTING,  /* network attached, svc-runtime start runs */
    LIFE_RUNNING,   /* no health verdict yet, or no healthcheck */
    LIFE_HEALTHY,   /* its healthcheck succeeds */
    LIFE_UNHEALTHY, /* its healthcheck failed `retries` times in a row */
    LIFE_STOPPING,  /* stop signal sent, grace period runs */
    LIFE_KILLING,   /* SIGKILL sent */
    LIFE_ABORTING,  /* stop wanted while svc-runtime create runs */
    LIFE_DELETING,  /* svc-runtime delete runs */
    LIFE_BACKOFF,   /* will be started again when the delay is over */
    LIFE_STOPPED,   /* by the user */
    LIFE_EXITED,    /* ended, and its restart policy leaves it so */
    LIFE_FAILED,    /* could not be started, or a dependency never came */
    LIFE_STATE_COUNT_
};

enum life_event {
    EVENT_DEPS_MET,
    EVENT_DEPS_FAILED,
    EVENT_CREATED,
    EVENT_CREATE_FAILED,
    EVENT_STARTED,
    EVENT_START_FAILED,
    EVENT_HEALTHY,
    EVENT_UNHEALTHY,
    EVENT_EXITED, /* the container's first process ended */
    EVENT_STOP,   /* stop it, by the user or for a restart */
    EVENT_FORCE,  /* kill it now */
    EVENT_GRACE_OVER,
    EVENT_THEN_BACKOFF, /* deleted; what comes then, by policy and goal: */
    EVENT_THEN_STOPPED,
    EVENT_THEN_EXITED,
    EVENT_THEN_FAILED,
    EVENT_THEN_START,
    EVENT_BACKOFF_OVER,
    EVENT_START,
    LIFE_EVENT_COUNT_
};

enum life_act {
    ACT_NONE,
    ACT_CREATE,
    ACT_ATTACH_AND_START,
    ACT_BEGIN_HEALTH,
    ACT_ADMIT,        /* routes may use it, dependants may start */
    ACT_ON_UNHEALTHY, /* withdraw it, then what on_unhealthy says */
    ACT_SIGNAL,       /* withdraw it, send the stop signal, start the grace period */
    ACT_KILL,
    ACT_CUT,    /* kill the svc-runtime call that hangs */
    ACT_DELETE, /* withdraw it, svc-runtime delete --force */
    ACT_ARM_BACKOFF,
    ACT_SETTLE, /* it came to rest: tell whoever waits */
    ACT_WAIT,   /* look at the dependencies */
    LIFE_ACT_COUNT_
};

struct life_step {
    bool is_legal;
    enum life_state next;
    enum life_act act;
};

/* A cell that is not legal is a bug of the caller: is_legal is false, next is the same state. */
struct life_step life_step(enum life_state state, enum life_event event);

const char *life_state_name(enum life_state state); /* "running" */
const char *life_event_name(enum life_event event); /* "exited" */

/* A process of the container may exist. */
bool life_is_alive(enum life_state state);
/* Nothing will happen any more without an order of the user. */
bool life_is_settled(enum life_state state);
