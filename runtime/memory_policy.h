#pragma once
/* linux.memoryPolicy: the NUMA policy of a container's processes (runtime-spec config-linux.md
 * §Memory policy, set_mempolicy(2)). Threads: none. */
#include "runtime/number_list.h"
#include "specs/oci_config.h"

struct memory_policy_plan {
    bool is_set;
    int mode; /* with its flags */
    struct number_list nodes;
};

/* What features lists; NULL after the last. */
const char *memory_policy_mode(size_t index);
const char *memory_policy_flag(size_t index);
must_check int memory_policy_plan_init(const struct oci_config *c, struct memory_policy_plan *out,
                                       struct err *e);
/* Of the calling process, kept over execve. In the child. */
must_check int memory_policy_apply(const struct memory_policy_plan *p, struct err *e);
