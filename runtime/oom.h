#pragma once
/* Whether a container that has ended was killed for want of memory. The kernel counts its kills per
 * cgroup, so the answer holds as long as the cgroup is there: until `delete`. Threads: none. */
#include <stdbool.h>

#include "runtime/container.h"

/* C is stopped. True when the kernel has killed in its cgroup, and the first process, as far as can
 * still be known (while its parent has not waited for it), ended by SIGKILL or as a shell does
 * whose child was killed. */
bool oom_has_ended(const struct container *c);
/* "out of memory (memory.limit 64 MiB)" into TO; returns TO. */
const char *oom_words(const struct container *c, char *to, size_t size);
