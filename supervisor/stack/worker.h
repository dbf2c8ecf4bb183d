#pragma once
/* The proxy and the prober as processes: `svc @NAME` in the stack netns, started by the keeper,
 * started again when they die. Our end of the channel is held by the keeper, so that they outlive
 * the engine. Their output goes to the log like a service's. Engine only. */
#include "supervisor/stack/project.h"

/* NAME and the callbacks are set by the caller. */
void worker_init(struct worker *w, struct project *p);
must_check int worker_start(struct worker *w, struct err *e);
/* A new engine: takes the channel back, when the worker still runs. -1 when it has to be started.
 */
must_check int worker_resume(struct worker *w, bool is_alive);
/* Stops watching; the process ends by itself when the keeper lets go of the channel. */
void worker_done(struct worker *w);
