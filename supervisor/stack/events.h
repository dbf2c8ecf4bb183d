#pragma once
/* The stack's event stream: what changed, in order, numbered, with its cause. Owns a ring of the
 * latest events and the subscribers (control streams). Each event also becomes one line of svc's
 * log. Sequence numbers go on over a restart of the engine (the journal keeps the last one). */
#include <stddef.h>
#include <stdint.h>

#include "supervisor/ctl/server.h"

enum {
    EVENTS_KEPT = 512
};

struct events;
struct events *events_new(uint64_t last_seq);
/* Ends the streams. */
void events_free(struct events *ev);

/* NAME: "service.healthy". SERVICE may be NULL (about the stack), then REPLICA is 0. CAUSE:
 * "policy", "user", "health", "dependency", "start", "exit", "supervisor". TEXT may be "".
 * EXIT_CODE is sent when not negative. */
struct event {
    const char *name;
    const char *service;
    unsigned replica;
    const char *cause;
    const char *text;
    int exit_code;
};
void events_emit(struct events *ev, const struct event *event);
uint64_t events_last_seq(const struct events *ev);

/* GET /v1/events?since=N&follow=1: kept events after N, then (follow) the new ones. */
void events_on_request(struct events *ev, struct ctl_request *r);
/* Answers R with a stream of the events from now on, for orders such as stop and down. Returns a
 * ticket for events_finish. */
uint64_t events_subscribe(struct events *ev, struct ctl_request *r);
/* Ends that stream: with {"event":"done"}, or with *E when it is not NULL. Does nothing when the
 * client has gone away. */
void events_finish(struct events *ev, uint64_t ticket, const struct err *e);
