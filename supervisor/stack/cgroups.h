#pragma once
/* The cgroups of a stack as the supervisor sees them: "svc/PROJECT" in every hierarchy that the
 * machine has mounted (v1 controllers, v2, or both). The runtime makes and removes the containers'
 * own ones; what is above them, and what a killed run left, is removed here. */
#include <stdbool.h>

#include "runtime/base/err.h"

/* The kernel killed a process of this container for its memory limit. */
bool cgroups_oom_killed(const char *project, const char *id);
/* Kills whatever still runs below svc/PROJECT and removes its directories, and "svc" when it is
 * empty then. Success when there is nothing. Blocks until the processes are gone, 5 s at most. */
must_check int cgroups_remove_project(const char *project, struct err *e);
/* Whether a container's swap can be limited: cgroup v2, or v1 with swap accounting. */
bool cgroups_limit_swap(void);
