#include "runtime/scheduling.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/str.h"

#define SCHEDULING_POLICY_ISO \
    4 /* reserved by the kernel (linux/sched.h), known to the specification */

enum {
    RUNTIME_MIN_NS = 1024 /* 1 << DL_SCALE of kernel/sched/deadline.c */
};

static const struct {
    const char *name;
    uint32_t value;
} policies[] = {
    { "SCHED_BATCH", SCHED_BATCH },
    { "SCHED_DEADLINE", SCHED_DEADLINE },
    { "SCHED_FIFO", SCHED_FIFO },
    { "SCHED_IDLE", SCHED_IDLE },
    { "SCHED_ISO", SCHEDULING_POLICY_ISO },
    { "SCHED_OTHER", SCHED_NORMAL },
    { "SCHED_RR", SCHED_RR },
};
static const struct {
    const char *name;
    uint64_t value;
} flags[] = {
    { "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
    { "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
    { "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
    { "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
    { "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
    { "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
    { "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
};
static const struct {
    const char *name;
    int value;
} io_classes[] = {
    { "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
    { "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
    { "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
};

/* The kernel says EINVAL to all of these (sched(7) §SCHED_DEADLINE). */
static int check_deadline(const struct oci_scheduler *s, struct err *e)
{
    static const char what[] = "process.scheduler: sched_setattr: `SCHED_DEADLINE`";
    unsigned long long runtime = s->runtime_ns, deadline = s->deadline_ns, period = s->period_ns;
    if (!s->has_runtime)
        return err_input(e, "%s requires `runtime`", what);
    if (!s->has_deadline)
        return err_input(e, "%s requires `deadline`", what);
    if (runtime == 0)
        return err_input(e, "%s runtime must be greater than 0", what);
    if (runtime < RUNTIME_MIN_NS || runtime > INT64_MAX)
        return err_input(e, "%s runtime %llu must be between %d and %lld ns", what, runtime,
                         RUNTIME_MIN_NS, (long long)INT64_MAX);
    if (runtime > deadline)
        return err_input(e, "%s runtime %llu must be <= deadline %llu", what, runtime, deadline);
    if (period && deadline > period)
        return err_input(e, "%s deadline %llu must be <= period %llu", what, deadline, period);
    return 0;
}

static int find_policy(const char *name, uint32_t *out, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(policies); i++)
        if (str_eq(policies[i].name, name)) {
            *out = policies[i].value;
            return 0;
        }
    return err_input(e, "process.scheduler.policy: unknown policy \"%.40s\"", name);
}

static int add_flag(const char *name, uint64_t *out, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (str_eq(flags[i].name, name)) {
            *out |= flags[i].value;
            return 0;
        }
    return err_input(e, "process.scheduler.flags: unknown flag \"%.40s\"", name);
}

static int plan_scheduler(const struct oci_scheduler *s, struct scheduling_plan *out, struct err *e)
{
    if (!s->policy)
        return 0;
    out->has_attr = true;
    out->attr = (struct scheduling_attr){
        .size = sizeof(out->attr),
        .nice = s->nice,
        .priority = (uint32_t)s->priority,
        .runtime = s->runtime_ns,
        .deadline = s->deadline_ns,
        .period = s->period_ns,
    };
    if (find_policy(s->policy, &out->attr.policy, e) < 0)
        return -1;
    for (size_t i = 0; i < s->flags.count; i++)
        if (add_flag(s->flags.items[i], &out->attr.flags, e) < 0)
            return -1;
    return out->attr.policy == SCHED_DEADLINE ? check_deadline(s, e) : 0;
}

static int plan_io(const struct oci_process *process, struct scheduling_plan *out, struct err *e)
{
    const char *name = process->io_priority.class_name;
    if (!name)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(io_classes); i++)
        if (str_eq(io_classes[i].name, name)) {
            out->has_io = true;
            out->io = IOPRIO_PRIO_VALUE(io_classes[i].value, process->io_priority.priority);
            return 0;
        }
    return err_input(e, "process.ioPriority.class: unknown class \"%.40s\"", name);
}

int scheduling_plan_init(const struct oci_process *process, struct scheduling_plan *out,
                         struct err *e)
{
    const char *initial = process->exec_cpu_affinity.initial;
    const char *final = process->exec_cpu_affinity.final;
    *out = (struct scheduling_plan){ 0 };
    if (plan_scheduler(&process->scheduler, out, e) < 0 || plan_io(process, out, e) < 0 ||
        (initial &&
         number_list_parse(initial, "process.execCPUAffinity.initial", &out->initial_cpus, e) < 0))
        return -1;
    return final ? number_list_parse(final, "process.execCPUAffinity.final", &out->final_cpus, e)
                 : 0;
}

int scheduling_apply(const struct scheduling_plan *p, pid_t pid, struct err *e)
{
    if (p->has_attr && syscall(SYS_sched_setattr, pid, &p->attr, 0U) < 0) {
        int errnum = errno;
        (void)err_sys(e, errnum, "process.scheduler: set");
        /* sched(7): a new group of the v1 cpu controller has no real-time budget */
        if (errnum == EPERM && (p->attr.policy == SCHED_FIFO || p->attr.policy == SCHED_RR))
            err_hint(e, "on cgroup v1 it needs linux.resources.cpu.realtimeRuntime too");
        return -1;
    }
    /* One process, and what it forks: its process group is still the caller's. */
    if (p->has_io && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, p->io) < 0)
        return err_sys(e, errno, "process.ioPriority: set");
    return 0;
}

int scheduling_set_cpus(const struct number_list *cpus, const char *field, struct err *e)
{
    if (cpus->count && syscall(SYS_sched_setaffinity, 0, sizeof(cpus->words), cpus->words) < 0)
        return err_sys(e, errno, "%s: set", field);
    return 0;
}
