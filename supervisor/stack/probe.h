#pragma once
/* Health probes of one replica, carried out: when health.h says so, an http or tcp probe goes to
 * the prober process, a CMD probe is an `svc-runtime exec`; the verdict becomes an event of the
 * replica's life. One probe of a replica at a time; at most PROBES_AT_ONCE_MAX exec probes. */
#include "supervisor/stack/project.h"

void probe_init(struct replica *r);
/* The container started. */
void probe_begin(struct replica *r);
/* The container stops or ended: no more probes, an answer that still comes is dropped. */
void probe_end(struct replica *r);
/* A new engine: goes on with a status that fits the state in the journal. */
void probe_resume(struct replica *r);
/* The prober answered, or died (all of its probes are lost and are made again). */
void probe_on_reply(struct project *p);
void probe_on_prober_lost(struct project *p);
