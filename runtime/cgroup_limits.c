#include <stdlib.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_planner.h"

/* How a number is said to the kernel. */
enum conversion {
    PLAIN,
    MINUS_ONE_IS_MAX, /* v2: "max" */
    SHARES_TO_WEIGHT,
};

/* Numbers that say "not set" besides being absent: Go clients send what they have no pointer for.
 */
enum unset {
    NONE,
    ZERO,
    MINUS_ONE,
};

struct limit {
    const char *key;
    size_t offset; /* of a struct oci_i64 in struct oci_resources */
    enum cgroup_controller controller;
    const char *v1_file; /* NULL: v1 has no such limit */
    enum conversion v1_conversion;
    const char *v2_file; /* NULL: v2 has no such limit */
    enum conversion v2_conversion;
    enum unset unset;
};

#define AT(member) offsetof(struct oci_resources, member)

/* Limits that are one number. As code follow: swap, pids, cpu.max, cpusets; memory.kernel is
 * ignored (config-linux.md: NOT RECOMMENDED; runc ignores it, Linux 5.16 took it out), kernelTCP
 * where there is no file for it. */
static const struct limit limits[] = {
    { CGROUP_RES("memory.limit"), AT(memory.limit), CGROUP_MEMORY, "memory.limit_in_bytes", PLAIN,
      "memory.max", MINUS_ONE_IS_MAX, ZERO },
    { CGROUP_RES("memory.reservation"), AT(memory.reservation), CGROUP_MEMORY,
      "memory.soft_limit_in_bytes", PLAIN, "memory.low", MINUS_ONE_IS_MAX, ZERO },
    { CGROUP_RES("memory.swappiness"), AT(memory.swappiness), CGROUP_MEMORY, "memory.swappiness",
      PLAIN, NULL, PLAIN, MINUS_ONE },
    { CGROUP_RES("cpu.shares"), AT(cpu.shares), CGROUP_CPU, "cpu.shares", PLAIN, "cpu.weight",
      SHARES_TO_WEIGHT, ZERO },
    { CGROUP_RES("cpu.burst"), AT(cpu.burst), CGROUP_CPU, "cpu.cfs_burst_us", PLAIN,
      "cpu.max.burst", PLAIN, NONE },
    { CGROUP_RES("cpu.realtimePeriod"), AT(cpu.realtime_period), CGROUP_CPU, "cpu.rt_period_us",
      PLAIN, NULL, PLAIN, ZERO },
    { CGROUP_RES("cpu.realtimeRuntime"), AT(cpu.realtime_runtime), CGROUP_CPU, "cpu.rt_runtime_us",
      PLAIN, NULL, PLAIN, ZERO },
    { CGROUP_RES("cpu.idle"), AT(cpu.idle), CGROUP_CPU, "cpu.idle", PLAIN, "cpu.idle", PLAIN,
      NONE },
    { CGROUP_RES("blockIO.leafWeight"), AT(block_io.leaf_weight), CGROUP_BLKIO, "blkio.leaf_weight",
      PLAIN, NULL, PLAIN, ZERO },
    { CGROUP_RES("network.classID"), AT(network.class_id), CGROUP_NET_CLS, "net_cls.classid", PLAIN,
      NULL, PLAIN, ZERO },
};

struct cgroup_write *cgroup_plan_push(struct cgroup_planner *p, const char *key,
                                      uint32_t controllers, const char *file, const char *value)
{
    struct cgroup_writes *w = p->out;
    w->items = mem_grow(w->items, &w->cap, w->count + 1, sizeof(*w->items));
    struct cgroup_write *item = &w->items[w->count++];
    *item = (struct cgroup_write){
        .key = key, .controllers = controllers, .file = file, .value = value
    };
    return item;
}

int cgroup_plan_version(struct cgroup_planner *p, enum cgroup_controller controller,
                        const char *key)
{
    unsigned version = p->versions[controller];
    if (version)
        return (int)version;
    (void)err_host(p->e, "%s: this machine has no %s controller", key,
                   cgroup_controller_name(controller, 1));
    err_hint(p->e, "leave the limit out, or give the controller to a cgroup hierarchy "
                   "(/proc/cgroups says whether the kernel has it)");
    return -1;
}

int cgroup_plan_refuse(struct cgroup_planner *p, const char *key, unsigned version)
{
    (void)err_host(p->e, "%s: cgroup v%u has no such limit", key, version);
    err_hint(p->e, "leave it out");
    return -1;
}

static bool is_unset(const struct oci_i64 *n, enum unset unset)
{
    return !n->is_set || (unset == ZERO && n->value == 0) || (unset == MINUS_ONE && n->value == -1);
}

static const struct oci_i64 *number_of(const struct oci_resources *res, const struct limit *l)
{
    return (const struct oci_i64 *)(const void *)((const char *)res + l->offset);
}

bool cgroup_asks_for_limits(const struct oci_resources *res)
{
    const struct oci_i64 *const others[] = { &res->memory.swap, &res->cpu.quota, &res->cpu.period,
                                             &res->block_io.weight, &res->memory.kernel_tcp };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (!is_unset(number_of(res, &limits[i]), limits[i].unset))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (!is_unset(others[i], ZERO))
            return true;
    return (res->pids_limit.is_set && res->pids_limit.value > 0) || res->cpu.cpus ||
           res->cpu.mems || res->block_io.read_bps.count || res->block_io.write_bps.count ||
           res->block_io.read_iops.count || res->block_io.write_iops.count ||
           res->block_io.weight_device.count || res->hugepage_limit_count ||
           res->network.priorities.count || res->rdma_count || res->unified.count;
}

/* shares 2..262144 → weight 1..10000 with 1024 → 100: 10^((l² + 125 l) / 612 - 7/34), l = log2, as
 * crun (cgroup-utils.c convert_shares_to_weight) and runc (opencontainers/cgroups utils.go
 * ConvertCPUSharesToCgroupV2Value) convert since 2025. By hand: libm is not linked for one number.
 */
uint64_t cgroup_weight_of_shares(uint64_t shares)
{
    if (shares <= 2)
        return 1;
    if (shares >= 262144)
        return 10000;
    double log2 = 0, mantissa = (double)shares;
    while (mantissa >= 2) {
        mantissa /= 2;
        log2 += 1;
    }
    double bit = 1;
    for (int digit = 0; digit < 50; digit++) {
        bit /= 2;
        mantissa *= mantissa;
        if (mantissa >= 2) {
            mantissa /= 2;
            log2 += bit;
        }
    }
    double x = ((log2 * log2 + 125 * log2) / 612 - 7.0 / 34) * 2.302585092994046; /* ln 10 */
    double term = 1, power = 1;
    for (int n = 1; n < 60; n++) {
        term *= x / n;
        power += term;
    }
    uint64_t weight = (uint64_t)power;
    return power - (double)weight > 1e-6 ? weight + 1 : weight; /* rounded up */
}

static const char *convert(struct arena *a, enum conversion how, int64_t value)
{
    switch (how) {
    case MINUS_ONE_IS_MAX: return value < 0 ? "max" : arena_printf(a, "%lld", (long long)value);
    case SHARES_TO_WEIGHT:
        return arena_printf(
            a, "%llu",
            (unsigned long long)cgroup_weight_of_shares(value < 0 ? 0 : (uint64_t)value));
    case PLAIN: break;
    }
    return arena_printf(a, "%lld", (long long)value);
}

static int plan_numbers(struct cgroup_planner *p)
{
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        const struct limit *l = &limits[i];
        const struct oci_i64 *n = number_of(p->res, l);
        if (is_unset(n, l->unset))
            continue;
        int version = cgroup_plan_version(p, l->controller, l->key);
        if (version < 0)
            return -1;
        const char *file = version == 1 ? l->v1_file : l->v2_file;
        if (!file)
            return cgroup_plan_refuse(p, l->key, (unsigned)version);
        cgroup_plan_push(
            p, l->key, CGROUP_BIT(l->controller), file,
            convert(&p->out->arena, version == 1 ? l->v1_conversion : l->v2_conversion, n->value));
    }
    return 0;
}

/* OCI's swap is memory and swap together, as v1's memsw; v2 limits swap alone. Unlimited memory
 * with no word about swap is unlimited swap too (runc; v1 would refuse memory above memsw). 0 is
 * "none" on v2 (crun) and not set on v1. A kernel that does not count swap is passed over in
 * silence: podman sends a swap limit with every memory limit, and crun and runc take it. */
static int plan_swap(struct cgroup_planner *p)
{
    static const char key[] = CGROUP_RES("memory.swap");
    struct oci_i64 swap = p->res->memory.swap;
    const struct oci_i64 limit = p->res->memory.limit;
    if (!swap.is_set && limit.is_set && limit.value < 0)
        swap = (struct oci_i64){ true, -1 };
    if (!swap.is_set || (swap.value == 0 && p->versions[CGROUP_MEMORY] != 2))
        return 0;
    int version = cgroup_plan_version(p, CGROUP_MEMORY, key);
    if (version < 0)
        return -1;
    struct arena *a = &p->out->arena;
    uint32_t memory = CGROUP_BIT(CGROUP_MEMORY);
    if (swap.value > 0 && limit.is_set && swap.value < limit.value)
        return err_input(p->e, "%s: %lld is memory and swap together, less than memory.limit %lld",
                         key, (long long)swap.value, (long long)limit.value);
    if (version == 1) {
        cgroup_plan_push(p, key, memory, "memory.memsw.limit_in_bytes",
                         convert(a, PLAIN, swap.value))
            ->is_optional = true;
        return 0;
    }
    bool has_limit = limit.is_set && limit.value > 0;
    if (swap.value > 0 && !has_limit && (limit.is_set || p->present->memory_max == UINT64_MAX))
        return err_input(p->e, "%s: without memory.limit it cannot be told how much of it is swap",
                         key);
    uint64_t memory_max = has_limit ? (uint64_t)limit.value : p->present->memory_max;
    if (swap.value > 0 && (uint64_t)swap.value < memory_max)
        return err_input(p->e,
                         "%s: %lld is memory and swap together, less than the limit of memory in "
                         "force, %llu",
                         key, (long long)swap.value, (unsigned long long)memory_max);
    cgroup_plan_push(p, key, memory, "memory.swap.max",
                     swap.value < 0    ? "max"
                     : swap.value == 0 ? "0"
                                       : convert(a, PLAIN, swap.value - (int64_t)memory_max))
        ->is_optional = true;
    return 0;
}

static int plan_memory_flags(struct cgroup_planner *p)
{
    static const char oom_key[] = CGROUP_RES("memory.disableOOMKiller");
    static const char tree_key[] = CGROUP_RES("memory.useHierarchy");
    static const char tcp_key[] = CGROUP_RES("memory.kernelTCP");
    static const char kernel_note[] =
        CGROUP_RES("memory.kernel and kernelTCP have no effect: kernel memory counts within "
                   "memory.limit");
    if (p->res->memory.disable_oom_killer) {
        int version = cgroup_plan_version(p, CGROUP_MEMORY, oom_key);
        if (version != 1)
            return version < 0 ? -1 : cgroup_plan_refuse(p, oom_key, 2);
        cgroup_plan_push(p, oom_key, CGROUP_BIT(CGROUP_MEMORY), "memory.oom_control", "1");
    }
    if (p->res->memory.kernel.value > 0)
        p->out->note = kernel_note;
    if (!is_unset(&p->res->memory.kernel_tcp, ZERO) && p->versions[CGROUP_MEMORY] == 1) {
        struct cgroup_write *w = cgroup_plan_push(
            p, tcp_key, CGROUP_BIT(CGROUP_MEMORY), "memory.kmem.tcp.limit_in_bytes",
            convert(&p->out->arena, PLAIN, p->res->memory.kernel_tcp.value));
        w->is_optional = true;
        w->note = kernel_note;
    } else if (p->res->memory.kernel_tcp.value > 0) {
        p->out->note = kernel_note;
    }
    if (p->res->memory.swappiness.value > 100 || p->res->memory.swappiness.value < -1)
        return err_input(p->e, CGROUP_RES("memory.swappiness: %lld is not between 0 and 100"),
                         (long long)p->res->memory.swappiness.value);
    if (p->res->memory.use_hierarchy && p->versions[CGROUP_MEMORY] == 1)
        cgroup_plan_push(p, tree_key, CGROUP_BIT(CGROUP_MEMORY), "memory.use_hierarchy", "1");
    return 0;
}

/* Below 0 is no limit. 0 is one (config-linux.md §PIDs); what it leaves is what 1 leaves, the first
 * process, which could not be cloned into a cgroup of 0 (runc writes 1 too). */
static int plan_pids(struct cgroup_planner *p)
{
    static const char key[] = CGROUP_RES("pids.limit");
    const struct oci_i64 *n = &p->res->pids_limit;
    if (!n->is_set)
        return 0;
    if (n->value < 0 && !p->versions[CGROUP_PIDS])
        return 0; /* unlimited is what it is */
    if (cgroup_plan_version(p, CGROUP_PIDS, key) < 0)
        return -1;
    cgroup_plan_push(p, key, CGROUP_BIT(CGROUP_PIDS), "pids.max",
                     convert(&p->out->arena, MINUS_ONE_IS_MAX, n->value == 0 ? 1 : n->value));
    return 0;
}

static int plan_cpu_time(struct cgroup_planner *p)
{
    static const char quota_key[] = CGROUP_RES("cpu.quota"),
                      period_key[] = CGROUP_RES("cpu.period");
    struct oci_i64 quota = p->res->cpu.quota, period = p->res->cpu.period;
    quota.is_set = !is_unset(&quota, ZERO);
    period.is_set = !is_unset(&period, ZERO);
    struct arena *a = &p->out->arena;
    if (!quota.is_set && !period.is_set)
        return 0;
    int version = cgroup_plan_version(p, CGROUP_CPU, quota.is_set ? quota_key : period_key);
    if (version < 0)
        return -1;
    uint32_t cpu = CGROUP_BIT(CGROUP_CPU);
    if (version == 1) {
        if (period.is_set)
            cgroup_plan_push(p, period_key, cpu, "cpu.cfs_period_us",
                             convert(a, PLAIN, period.value));
        if (quota.is_set)
            cgroup_plan_push(p, quota_key, cpu, "cpu.cfs_quota_us",
                             convert(a, PLAIN, quota.value < 0 ? -1 : quota.value));
        return 0;
    }
    /* cgroup-v2.rst, cpu.max: "$MAX $PERIOD", or $MAX alone; a period alone cannot be written */
    const char *max = quota.value < 0 ? "max" : convert(a, PLAIN, quota.value);
    if (!quota.is_set)
        cgroup_plan_push(p, period_key, cpu, "cpu.max", convert(a, PLAIN, period.value))
            ->keeps_quota = true;
    else if (period.is_set)
        cgroup_plan_push(p, quota_key, cpu, "cpu.max",
                         arena_printf(a, "%s %lld", max, (long long)period.value));
    else
        cgroup_plan_push(p, quota_key, cpu, "cpu.max", max);
    return 0;
}

static int plan_cpuset(struct cgroup_planner *p)
{
    static const char cpus_key[] = CGROUP_RES("cpu.cpus"), mems_key[] = CGROUP_RES("cpu.mems");
    const char *cpus = p->res->cpu.cpus, *mems = p->res->cpu.mems;
    uint32_t cpuset = CGROUP_BIT(CGROUP_CPUSET);
    if (cpus && *cpus) {
        if (cgroup_plan_version(p, CGROUP_CPUSET, cpus_key) < 0)
            return -1;
        cgroup_plan_push(p, cpus_key, cpuset, "cpuset.cpus", cpus);
    }
    if (mems && *mems) {
        if (cgroup_plan_version(p, CGROUP_CPUSET, mems_key) < 0)
            return -1;
        cgroup_plan_push(p, mems_key, cpuset, "cpuset.mems", mems);
    }
    return 0;
}

uint32_t cgroup_writes_controllers(const struct cgroup_writes *w)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < w->count; i++)
        bits |= w->items[i].controllers;
    return bits;
}

int cgroup_limits_plan(const struct oci_resources *res,
                       const unsigned versions[CGROUP_CONTROLLER_COUNT_],
                       const struct cgroup_present *present, struct cgroup_writes *out,
                       struct err *e)
{
    static int (*const plans[])(struct cgroup_planner *) = {
        plan_memory_flags, plan_numbers, plan_swap,         plan_pids,
        plan_cpu_time,     plan_cpuset,  cgroup_plan_lists,
    };
    struct cgroup_writes writes = { 0 };
    struct cgroup_planner p = { res, versions, present, &writes, e };
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        if (plans[i](&p) < 0) {
            cgroup_writes_done(&writes);
            return -1;
        }
    }
    *out = writes;
    return 0;
}

void cgroup_log_note(const char *note)
{
    char quoted[256];
    if (note)
        log_event(LOG_WARN, NULL, "cgroup.ignored", "note=%s",
                  log_quote(quoted, sizeof(quoted), note));
}

void cgroup_writes_done(struct cgroup_writes *w)
{
    arena_done(&w->arena);
    free(w->items);
    *w = (struct cgroup_writes){ 0 };
}
