#pragma once
/* process.scheduler, process.ioPriority and process.execCPUAffinity (runtime-spec config.md §Linux
 * Process). Names and values become numbers in the parent, which also applies the first two: the
 * child in its user namespace would lack CAP_SYS_NICE. Threads: none. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/number_list.h"
#include "specs/oci_config.h"

/* struct sched_attr of sched_setattr(2), whose header does not go with <sched.h>. */
struct scheduling_attr {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period; /* ns */
    uint32_t util_min, util_max;
};

struct scheduling_plan {
    bool has_attr, has_io;
    struct scheduling_attr attr;
    int io; /* as ioprio_set(2) takes it */
    /* of an exec; an empty list: as it is */
    struct number_list initial_cpus, final_cpus;
};

must_check int scheduling_plan_init(const struct oci_process *process, struct scheduling_plan *out,
                                    struct err *e);
/* The parent, to a child that waits. */
must_check int scheduling_apply(const struct scheduling_plan *p, pid_t pid, struct err *e);
/* The calling process may run on these CPUs; nothing when the list is empty. FIELD is for messages.
 * Also in the child. */
must_check int scheduling_set_cpus(const struct number_list *cpus, const char *field,
                                   struct err *e);
