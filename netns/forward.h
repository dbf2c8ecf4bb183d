#pragma once
/* net.ipv4.ip_forward of the host, and the lock that orders the changes which stacks starting and
 * stopping at the same moment make to the host's namespace.
 *
 * ip-sysctl.rst on ip_forward: "its change resets all configuration parameters to their default
 * state". The one that matters, net.ipv4.conf.all.accept_redirects, goes with ip_forward into a
 * mark that is kept in the alias of the uplink, and both come back from it. */
#include <stdbool.h>

#include "runtime/base/err.h"

/* Waits for the lock of the caller's network namespace; closing the fd releases it. */
must_check int forward_lock(struct err *e);

/* Whether the host forwards: 1, 0, -1. */
must_check int forward_get(struct err *e);
/* The mark of the present state, for the alias: a constant string. To be called before forward_on.
 */
must_check int forward_mark(const char **out, struct err *e);
/* The mark that ALIAS ends with, NULL when it has none. */
const char *forward_mark_in(const char *alias);
must_check int forward_on(struct err *e);
/* Puts back what MARK says. */
must_check int forward_restore(const char *mark, struct err *e);
