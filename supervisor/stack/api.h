#pragma once
/* The engine's side of the control API: what `svc ps`, `stop`, `logs` and the others ask. The
 * shapes are described at each handler. Engine only. */
#include "supervisor/stack/project.h"

/* Serves on p->ctl_fd. */
must_check int api_open(struct project *p, struct err *e);
/* Answers the orders whose replicas have come to where they shall be; at the end of a tick. */
void api_settle(struct project *p);
/* Begins to take the whole stack down (the caller is the API itself, or a signal). */
void api_begin_down(struct project *p, bool force);
void api_close(struct project *p);
