#pragma once
/* One replica living its life: takes events, looks them up in the matrix of life.h, does the act
 * that belongs to them. The only writer of replica.state. Engine only; nothing here blocks longer
 * than preparing a bundle on disk and a few netlink messages. */
#include "supervisor/stack/project.h"

/* In state waiting; addresses are the caller's to fill. */
void replica_init(struct replica *r, struct project *p, size_t service_index, unsigned number);
void replica_done(struct replica *r);

/* CAUSE is what the event stream says: "user", "health", "policy", "exit", "dependency", "start".
 * An event that is not legal in the present state is logged as a bug and changes nothing. */
void replica_event(struct replica *r, enum life_event event, const char *cause);

/* The user's orders: set the goal; the events follow when the order of dependencies allows
 * (replica_settle_order). */
void replica_want_run(struct replica *r);
void replica_want_stop(struct replica *r);
void replica_want_restart(struct replica *r);

/* Gives every replica that waits for others the event that is due now; to be called at the end of
 * a tick in which something changed. */
void replica_settle_order(struct project *p);

/* The container's first process ended. */
void replica_on_exit(struct replica *r, int status);
/* A new engine found R in the journal: goes on where the old one was. IS_CALL_KNOWN: the keeper
 * knows the svc-runtime call in flight (it runs, or its end is about to be replayed). */
void replica_resume(struct replica *r, bool is_call_known);
/* May be given traffic. */
bool replica_is_serving(const struct replica *r);
/* Whose network R is in: R itself, or the replica of the service that network_mode names. NULL when
 * that service has none. */
const struct replica *replica_network(const struct replica *r);
/* Where the proxy and the prober reach R, in host order; 0: nowhere. */
uint32_t replica_address(const struct replica *r);
