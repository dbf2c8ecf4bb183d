#pragma once
/* The stack's front: listening sockets (the proxy's and the services' published ports), the
 * directories of static files, and the table of who may be given traffic, pushed to the proxy
 * whenever a replica comes or goes. Endpoints are pushed, never resolved. Engine only. */
#include "supervisor/stack/project.h"

/* Opens the listeners (or takes them back from the keeper) and the directories. A port in use is
 * ERR_CONFLICT with its owner's name. */
must_check int front_open(struct project *p, struct err *e);
void front_close(struct project *p);
/* Whether this stack needs a proxy at all. */
bool front_is_needed(const struct project *p);
/* Everything, to a proxy that says hello, or that an earlier engine started. */
void front_greet(struct project *p);
/* The present table. */
void front_push(struct project *p);
/* The stack is down: the proxy finishes what it still serves (files) and ends. */
void front_quit(struct project *p);
/* Reports of the proxy. */
void front_on_message(struct project *p);
/* "127.0.0.1:8080->80/tcp" of published port INDEX of a service, into TEXT. */
void front_port_text(const struct project *p, size_t service, size_t index, char *text,
                     size_t size);
