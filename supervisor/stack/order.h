#pragma once
/* Order by dependencies: when a replica may start, when it may stop. Pure over the project's
 * state, event-driven: asked again whenever a state changed, never polled. Conditions as in
 * Compose: started, healthy, completed successfully; a dependency that is not required counts as
 * met once it cannot come any more. */
#include "supervisor/stack/project.h"

enum order_verdict {
    ORDER_WAIT,
    ORDER_GO,
    ORDER_NEVER, /* a required dependency ended, failed or was stopped */
};

enum {
    /* A dependency that was replaced so often for being unhealthy, without ever being healthy in
     * between, is not waited for any longer. */
    ORDER_UNHEALTHY_MAX = 3
};

/* WHY (WHY_MAX bytes) says what it waits for or what failed. */
enum order_verdict order_may_start(const struct project *p, const struct replica *r, char *why);
/* Nothing that has to stop earlier is still there: all replicas of services that depend on this
 * one, and shall stop too, have come to rest. */
bool order_may_stop(const struct project *p, const struct replica *r);
