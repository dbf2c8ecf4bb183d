#pragma once
/* An ordinary user's container: this process enters a user namespace, in which every id that the
 * container maps is what it is outside, and a mount namespace of it. There it has all rights that
 * opening and mounting need, and the rest of a create does not know. Ids beyond the caller's own
 * come by newuidmap(1) and newgidmap(1). Threads: none. */
#include <stdbool.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

/* Whether this process lacks the rights of root, in its own user namespace. */
bool rootless_is_needed(void);
/* The ids of this process are those of the machine, not of a user namespace. */
bool rootless_is_initial_userns(void);
/* Its state has a place of its own: an ordinary user, or one who is root of a user namespace only
 * (which is how podman runs us for one). */
bool rootless_has_own_root(void);
/* Nothing for root. ERR_INPUT when C has no new user namespace. */
must_check int rootless_check(const struct oci_config *c, struct err *e);
/* After that. */
must_check int rootless_enter(const struct oci_config *c, struct err *e);
