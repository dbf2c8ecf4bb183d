#pragma once
/* Orders for services of a running stack: posted, and followed until they are carried out. */
#include "supervisor/cli/cli.h"
#include "supervisor/cli/project.h"

/* TARGET: "/v1/start" and so on; no NAMES: all services. 0 when it is done, or goes on
 * after TIMEOUT_MS (-1: no limit). */
must_check int cli_order(const struct cli *cli, const struct cli_project *project,
                         const char *target, const char *const *names, size_t count, int timeout_ms,
                         struct err *e);
