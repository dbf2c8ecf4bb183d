#pragma once
/* process.rlimits: names and values checked in the parent, applied by the child.
 *
 *   rlimits_plan_init   parent: checks; clamps what this process may not raise, and says so
 *   rlimits_raise       parent, after clone, before the child execs: lifts the child's hard limits
 *                       where needed (the kernel asks for CAP_SYS_RESOURCE of the *initial* user
 *                       namespace, which a child in its own no longer has: kernel/sys.c do_prlimit)
 *   rlimits_apply       child, late (a low NOFILE would break its own set-up): exact values
 *
 * rlimits_apply is free of malloc and stdio. Threads: none. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

struct rlimits_item {
    int resource;        /* RLIMIT_* */
    struct rlimit value; /* what will be set */
    rlim_t wanted_hard;  /* what was asked for; above value.rlim_max when clamped */
    bool is_clamped;     /* to the present hard limit, since we lack CAP_SYS_RESOURCE: warn */
    bool is_raise;       /* above the present hard limit, and we may */
};
/* Zero: nothing to do. */
struct rlimits_plan {
    struct rlimits_item items[RLIMIT_NLIMITS];
    size_t count;
};

/* ERR_INPUT: unknown or repeated type, soft above hard. UINT64_MAX is RLIM_INFINITY. */
must_check int rlimits_plan_init(const struct oci_rlimit *limits, size_t count,
                                 struct rlimits_plan *out, struct err *e);
/* Nothing happens (no system call) when no item is a raise. */
must_check int rlimits_raise(const struct rlimits_plan *p, pid_t pid, struct err *e);
must_check int rlimits_apply(const struct rlimits_plan *p, struct err *e);

/* "RLIMIT_NOFILE" for RLIMIT_NOFILE, NULL when unknown; and back, -1 when unknown. */
const char *rlimits_name(int resource);
int rlimits_resource(const char *name);
