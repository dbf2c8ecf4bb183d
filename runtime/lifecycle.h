#pragma once
/* A container after its create: its program begins, its end is cleaned up (runtime-spec runtime.md
 * §Lifecycle, from step 6 on). Blocking: for as long as hooks take, and up to ten seconds until
 * killed processes have left their cgroups. Threads: none. */
#include "runtime/container.h"

/* Lets a created container execute its program, and waits until it does. A poststart hook that
 * fails destroys it. */
must_check int lifecycle_start(const struct runtime *rt, struct container *c, struct err *e);
/* The same for one that starts at once: STARTED_FD is what launch_create gave, and is borrowed.
 * When it fails, to delete the container is the caller's. */
must_check int lifecycle_wait_started(struct container *c, int started_fd, struct err *e);
/* Kills what is left of it, removes its cgroups, runs poststop hooks, removes its directory. */
must_check int lifecycle_delete(const struct runtime *rt, struct container *c, struct err *e);
/* Removes one without a readable state.json: a create that was killed. Kills who is in its cgroup;
 * a cgroup that it had not made sure to be its own stays when somebody is in it. */
must_check int lifecycle_clean(const struct runtime *rt, struct container *c, struct err *e);
/* Removes CG; only if there is somebody in it, kills them first. */
must_check int lifecycle_remove_cgroup(const struct cgroup *cg, struct err *e);
