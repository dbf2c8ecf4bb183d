#pragma once
/* What the two files that turn resources into writes share: cgroup_limits.c has limits that are one
 * number or one text, cgroup_limit_lists.c those that are lists. Pure; threads: none. */
#include "runtime/cgroup_impl.h"

#define CGROUP_RES(name) "linux.resources." name

struct cgroup_planner {
    const struct oci_resources *res;
    const unsigned *versions;
    const struct cgroup_present *present;
    struct cgroup_writes *out;
    struct err *e;
};

/* One write more, of VALUE to FILE. All are borrowed, for as long as the plan. */
struct cgroup_write *cgroup_plan_push(struct cgroup_planner *p, const char *key,
                                      uint32_t controllers, const char *file, const char *value);
/* 1, 2, or -1 with an error that says what is missing. */
must_check int cgroup_plan_version(struct cgroup_planner *p, enum cgroup_controller controller,
                                   const char *key);
/* -1: VERSION has nothing like KEY. */
int cgroup_plan_refuse(struct cgroup_planner *p, const char *key, unsigned version);
/* All limits that are lists. */
must_check int cgroup_plan_lists(struct cgroup_planner *p);
