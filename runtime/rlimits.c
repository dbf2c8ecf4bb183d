#include "runtime/rlimits.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/str.h"
#include "runtime/caps.h"
#include "runtime/rootless.h"

static const char *const names[RLIMIT_NLIMITS] = {
    [RLIMIT_AS] = "RLIMIT_AS",
    [RLIMIT_CORE] = "RLIMIT_CORE",
    [RLIMIT_CPU] = "RLIMIT_CPU",
    [RLIMIT_DATA] = "RLIMIT_DATA",
    [RLIMIT_FSIZE] = "RLIMIT_FSIZE",
    [RLIMIT_LOCKS] = "RLIMIT_LOCKS",
    [RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",
    [RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE",
    [RLIMIT_NICE] = "RLIMIT_NICE",
    [RLIMIT_NOFILE] = "RLIMIT_NOFILE",
    [RLIMIT_NPROC] = "RLIMIT_NPROC",
    [RLIMIT_RSS] = "RLIMIT_RSS",
    [RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",
    [RLIMIT_RTTIME] = "RLIMIT_RTTIME",
    [RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING",
    [RLIMIT_STACK] = "RLIMIT_STACK",
};

const char *rlimits_name(int resource)
{
    return resource >= 0 && resource < (int)RLIMIT_NLIMITS ? names[resource] : NULL;
}

int rlimits_resource(const char *name)
{
    for (int i = 0; i < (int)RLIMIT_NLIMITS; i++)
        if (str_eq(names[i], name))
            return i;
    return -1;
}

static int unknown_type(const char *type, size_t index, struct err *e)
{
    (void)err_input(e, "process.rlimits[%zu].type: unknown limit \"%s\"", index, type);
    const char *near = str_nearest(type, names, RLIMIT_NLIMITS);
    if (near)
        err_hint(e, "did you mean \"%s\"?", near);
    return -1;
}

/* prlimit(2) itself: the C libraries disagree about the type of a resource. PID 0: this process. */
static int limit(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old)
{
    return (int)syscall(SYS_prlimit64, pid, resource, new, old);
}

/* Fits the wanted limit to what the kernel will let us set (setrlimit(2) ERRORS, EPERM). */
static int fit(struct rlimits_item *item, bool can_raise, struct err *e)
{
    struct rlimit now;
    if (limit(0, item->resource, NULL, &now) < 0)
        return err_sys(e, errno, "read %s", names[item->resource]);
    if (item->wanted_hard <= now.rlim_max)
        return 0;
    /* The kernel asks for the right in the initial user namespace (kernel/sys.c do_prlimit). */
    if (can_raise && rootless_is_initial_userns()) {
        item->is_raise = true;
        return 0;
    }
    item->is_clamped = true;
    item->value.rlim_max = now.rlim_max;
    if (item->value.rlim_cur > now.rlim_max)
        item->value.rlim_cur = now.rlim_max;
    return 0;
}

int rlimits_plan_init(const struct oci_rlimit *limits, size_t count, struct rlimits_plan *out,
                      struct err *e)
{
    struct rlimits_plan p = { 0 };
    bool can_raise = count > 0 && caps_has(CAP_SYS_RESOURCE);
    for (size_t i = 0; i < count; i++) {
        int resource = rlimits_resource(limits[i].type);
        if (resource < 0)
            return unknown_type(limits[i].type, i, e);
        /* runtime-spec config.md §POSIX process: "type … MUST NOT be duplicated" */
        for (size_t j = 0; j < p.count; j++)
            if (p.items[j].resource == resource)
                return err_input(e, "process.rlimits[%zu]: %s for the second time", i,
                                 limits[i].type);
        if (limits[i].soft > limits[i].hard)
            return err_input(e, "process.rlimits[%zu]: %s soft %llu is above hard %llu", i,
                             limits[i].type, (unsigned long long)limits[i].soft,
                             (unsigned long long)limits[i].hard);
        struct rlimits_item *item = &p.items[p.count++];
        *item = (struct rlimits_item){ .resource = resource,
                                       .value = { limits[i].soft, limits[i].hard },
                                       .wanted_hard = limits[i].hard };
        if (fit(item, can_raise, e) < 0)
            return -1;
    }
    *out = p;
    return 0;
}

int rlimits_raise(const struct rlimits_plan *p, pid_t pid, struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct rlimits_item *item = &p->items[i];
        if (!item->is_raise)
            continue;
        struct rlimit now;
        if (limit(pid, item->resource, NULL, &now) < 0)
            return err_sys(e, errno, "read %s of process %d", names[item->resource], pid);
        now.rlim_max = item->value.rlim_max;
        if (limit(pid, item->resource, &now, NULL) < 0)
            return err_sys(e, errno, "raise %s to %llu", names[item->resource],
                           (unsigned long long)now.rlim_max);
    }
    return 0;
}

int rlimits_apply(const struct rlimits_plan *p, struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct rlimits_item *item = &p->items[i];
        if (limit(0, item->resource, &item->value, NULL) < 0)
            return err_sys(e, errno, "set %s to %llu:%llu", names[item->resource],
                           (unsigned long long)item->value.rlim_cur,
                           (unsigned long long)item->value.rlim_max);
    }
    return 0;
}
