#pragma once
/* GET /v1/logs?service=a&service=b&tail=N&follow=1: what was logged, merged by time over services
 * and replicas, then (follow) what is logged from now on. Frees itself when it is done or the
 * client is gone; reads on only as fast as the client does. Engine only. */
#include "supervisor/ctl/server.h"
#include "supervisor/stack/project.h"

void log_view_begin(struct project *p, struct ctl_request *r);
/* A view has lines that its client has not been sent yet. */
bool log_view_is_behind(const struct project *p);
