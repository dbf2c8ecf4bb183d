#include <stdlib.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"

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

#define R(name)    "linux.resources." name
#define AT(member) offsetof(struct oci_resources, member)

/* Limits that are one number. As code follow: swap, pids, cpu.max, cpusets, block I/O, huge pages,
 * RDMA, networks, unified; memory.kernel and kernelTCP are ignored (config-linux.md: NOT
 * RECOMMENDED; runc ignores them, Linux 5.16 took the first one out). */
static const struct limit limits[] = {
    { R("memory.limit"), AT(memory.limit), CGROUP_MEMORY, "memory.limit_in_bytes", PLAIN,
      "memory.max", MINUS_ONE_IS_MAX, ZERO },
    { R("memory.reservation"), AT(memory.reservation), CGROUP_MEMORY, "memory.soft_limit_in_bytes",
      PLAIN, "memory.low", MINUS_ONE_IS_MAX, ZERO },
    { R("memory.swappiness"), AT(memory.swappiness), CGROUP_MEMORY, "memory.swappiness", PLAIN,
      NULL, PLAIN, MINUS_ONE },
    { R("cpu.shares"), AT(cpu.shares), CGROUP_CPU, "cpu.shares", PLAIN, "cpu.weight",
      SHARES_TO_WEIGHT, ZERO },
    { R("cpu.burst"), AT(cpu.burst), CGROUP_CPU, "cpu.cfs_burst_us", PLAIN, "cpu.max.burst", PLAIN,
      NONE },
    { R("cpu.realtimePeriod"), AT(cpu.realtime_period), CGROUP_CPU, "cpu.rt_period_us", PLAIN, NULL,
      PLAIN, ZERO },
    { R("cpu.realtimeRuntime"), AT(cpu.realtime_runtime), CGROUP_CPU, "cpu.rt_runtime_us", PLAIN,
      NULL, PLAIN, ZERO },
    { R("cpu.idle"), AT(cpu.idle), CGROUP_CPU, "cpu.idle", PLAIN, "cpu.idle", PLAIN, NONE },
    { R("blockIO.leafWeight"), AT(block_io.leaf_weight), CGROUP_BLKIO, "blkio.leaf_weight", PLAIN,
      NULL, PLAIN, ZERO },
    { R("network.classID"), AT(network.class_id), CGROUP_NET_CLS, "net_cls.classid", PLAIN, NULL,
      PLAIN, ZERO },
};

struct planner {
    const struct oci_resources *res;
    const unsigned *versions;
    const struct cgroup_present *present;
    struct cgroup_writes *out;
    struct err *e;
};

static struct cgroup_write *push(struct planner *p, const char *key, uint32_t controllers,
                                 const char *file, const char *value)
{
    struct cgroup_writes *w = p->out;
    w->items = mem_grow(w->items, &w->cap, w->count + 1, sizeof(*w->items));
    struct cgroup_write *item = &w->items[w->count++];
    *item = (struct cgroup_write){
        .key = key, .controllers = controllers, .file = file, .value = value
    };
    return item;
}

/* 1, 2, or -1 with an error that says what is missing. */
static int version_of(struct planner *p, enum cgroup_controller controller, const char *key)
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

static int no_such_limit(struct planner *p, const char *key, unsigned version)
{
    (void)err_host(p->e, "%s: cgroup v%u has no such limit", key, version);
    err_hint(p->e, "leave it out");
    return -1;
}

static bool is_unset(const struct oci_i64 *n, enum unset unset)
{
    return !n->is_set || (unset == ZERO && n->value == 0) || (unset == MINUS_ONE && n->value == -1);
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

static int plan_numbers(struct planner *p)
{
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        const struct limit *l = &limits[i];
        const struct oci_i64 *n =
            (const struct oci_i64 *)(const void *)((const char *)p->res + l->offset);
        if (is_unset(n, l->unset))
            continue;
        int version = version_of(p, l->controller, l->key);
        if (version < 0)
            return -1;
        const char *file = version == 1 ? l->v1_file : l->v2_file;
        if (!file)
            return no_such_limit(p, l->key, (unsigned)version);
        push(p, l->key, CGROUP_BIT(l->controller), file,
             convert(&p->out->arena, version == 1 ? l->v1_conversion : l->v2_conversion, n->value));
    }
    return 0;
}

/* OCI's swap is memory and swap together, as v1's memsw; v2 limits swap alone. Unlimited memory
 * with no word about swap is unlimited swap too (runc; v1 would refuse memory above memsw). 0 is
 * "none" on v2 (crun) and not set on v1. A kernel that does not count swap is passed over in
 * silence: podman sends a swap limit with every memory limit, and crun and runc take it. */
static int plan_swap(struct planner *p)
{
    static const char key[] = R("memory.swap");
    struct oci_i64 swap = p->res->memory.swap;
    const struct oci_i64 limit = p->res->memory.limit;
    if (!swap.is_set && limit.is_set && limit.value < 0)
        swap = (struct oci_i64){ true, -1 };
    if (!swap.is_set || (swap.value == 0 && p->versions[CGROUP_MEMORY] != 2))
        return 0;
    int version = version_of(p, CGROUP_MEMORY, key);
    if (version < 0)
        return -1;
    struct arena *a = &p->out->arena;
    uint32_t memory = CGROUP_BIT(CGROUP_MEMORY);
    if (swap.value > 0 && limit.is_set && swap.value < limit.value)
        return err_input(p->e, "%s: %lld is memory and swap together, less than memory.limit %lld",
                         key, (long long)swap.value, (long long)limit.value);
    if (version == 1) {
        push(p, key, memory, "memory.memsw.limit_in_bytes", convert(a, PLAIN, swap.value))
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
    push(p, key, memory, "memory.swap.max",
         swap.value < 0    ? "max"
         : swap.value == 0 ? "0"
                           : convert(a, PLAIN, swap.value - (int64_t)memory_max))
        ->is_optional = true;
    return 0;
}

static int plan_memory_flags(struct planner *p)
{
    static const char oom_key[] = R("memory.disableOOMKiller");
    static const char tree_key[] = R("memory.useHierarchy");
    if (p->res->memory.disable_oom_killer) {
        int version = version_of(p, CGROUP_MEMORY, oom_key);
        if (version != 1)
            return version < 0 ? -1 : no_such_limit(p, oom_key, 2);
        push(p, oom_key, CGROUP_BIT(CGROUP_MEMORY), "memory.oom_control", "1");
    }
    if (p->res->memory.kernel.value > 0 || p->res->memory.kernel_tcp.value > 0)
        p->out->note = R("memory.kernel and kernelTCP have no effect: kernel memory counts within "
                         "memory.limit");
    if (p->res->memory.swappiness.value > 100 || p->res->memory.swappiness.value < -1)
        return err_input(p->e, R("memory.swappiness: %lld is not between 0 and 100"),
                         (long long)p->res->memory.swappiness.value);
    if (p->res->memory.use_hierarchy && p->versions[CGROUP_MEMORY] == 1)
        push(p, tree_key, CGROUP_BIT(CGROUP_MEMORY), "memory.use_hierarchy", "1");
    return 0;
}

/* Below 0 is no limit. 0 is one (config-linux.md §PIDs); what it leaves is what 1 leaves, the first
 * process, which could not be cloned into a cgroup of 0 (runc writes 1 too). */
static int plan_pids(struct planner *p)
{
    static const char key[] = R("pids.limit");
    const struct oci_i64 *n = &p->res->pids_limit;
    if (!n->is_set)
        return 0;
    if (n->value < 0 && !p->versions[CGROUP_PIDS])
        return 0; /* unlimited is what it is */
    if (version_of(p, CGROUP_PIDS, key) < 0)
        return -1;
    push(p, key, CGROUP_BIT(CGROUP_PIDS), "pids.max",
         convert(&p->out->arena, MINUS_ONE_IS_MAX, n->value == 0 ? 1 : n->value));
    return 0;
}

static int plan_cpu_time(struct planner *p)
{
    static const char quota_key[] = R("cpu.quota"), period_key[] = R("cpu.period");
    struct oci_i64 quota = p->res->cpu.quota, period = p->res->cpu.period;
    quota.is_set = !is_unset(&quota, ZERO);
    period.is_set = !is_unset(&period, ZERO);
    struct arena *a = &p->out->arena;
    if (!quota.is_set && !period.is_set)
        return 0;
    int version = version_of(p, CGROUP_CPU, quota.is_set ? quota_key : period_key);
    if (version < 0)
        return -1;
    uint32_t cpu = CGROUP_BIT(CGROUP_CPU);
    if (version == 1) {
        if (period.is_set)
            push(p, period_key, cpu, "cpu.cfs_period_us", convert(a, PLAIN, period.value));
        if (quota.is_set)
            push(p, quota_key, cpu, "cpu.cfs_quota_us",
                 convert(a, PLAIN, quota.value < 0 ? -1 : quota.value));
        return 0;
    }
    /* cgroup-v2.rst, cpu.max: "$MAX $PERIOD", or $MAX alone; a period alone cannot be written */
    const char *max = quota.value < 0 ? "max" : convert(a, PLAIN, quota.value);
    if (!quota.is_set)
        push(p, period_key, cpu, "cpu.max", convert(a, PLAIN, period.value))->keeps_quota = true;
    else if (period.is_set)
        push(p, quota_key, cpu, "cpu.max",
             arena_printf(a, "%s %lld", max, (long long)period.value));
    else
        push(p, quota_key, cpu, "cpu.max", max);
    return 0;
}

static int plan_cpuset(struct planner *p)
{
    static const char cpus_key[] = R("cpu.cpus"), mems_key[] = R("cpu.mems");
    const char *cpus = p->res->cpu.cpus, *mems = p->res->cpu.mems;
    uint32_t cpuset = CGROUP_BIT(CGROUP_CPUSET);
    if (cpus && *cpus) {
        if (version_of(p, CGROUP_CPUSET, cpus_key) < 0)
            return -1;
        push(p, cpus_key, cpuset, "cpuset.cpus", cpus);
    }
    if (mems && *mems) {
        if (version_of(p, CGROUP_CPUSET, mems_key) < 0)
            return -1;
        push(p, mems_key, cpuset, "cpuset.mems", mems);
    }
    return 0;
}

static int plan_throttles(struct planner *p)
{
    const struct {
        const char *key;
        const struct oci_throttles *list;
        const char *v1_file;
        const char *v2_word;
    } rows[] = {
        { R("blockIO.throttleReadBpsDevice"), &p->res->block_io.read_bps,
          "blkio.throttle.read_bps_device", "rbps" },
        { R("blockIO.throttleWriteBpsDevice"), &p->res->block_io.write_bps,
          "blkio.throttle.write_bps_device", "wbps" },
        { R("blockIO.throttleReadIOPSDevice"), &p->res->block_io.read_iops,
          "blkio.throttle.read_iops_device", "riops" },
        { R("blockIO.throttleWriteIOPSDevice"), &p->res->block_io.write_iops,
          "blkio.throttle.write_iops_device", "wiops" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t j = 0; j < rows[i].list->count; j++) {
            const struct oci_throttle *t = &rows[i].list->items[j];
            int version = version_of(p, CGROUP_BLKIO, rows[i].key);
            if (version < 0)
                return -1;
            const char *word = version == 1 ? "" : rows[i].v2_word;
            push(p, rows[i].key, CGROUP_BIT(CGROUP_BLKIO),
                 version == 1 ? rows[i].v1_file : "io.max",
                 version == 2 && t->rate == 0 /* v1: 0 takes the limit away */
                     ? arena_printf(&p->out->arena, "%lld:%lld %s=max", (long long)t->major,
                                    (long long)t->minor, word)
                     : arena_printf(&p->out->arena, "%lld:%lld %s%s%llu", (long long)t->major,
                                    (long long)t->minor, word, *word ? "=" : "",
                                    (unsigned long long)t->rate));
        }
    }
    return 0;
}

static const char *device_line(struct arena *a, const struct oci_throttle *t, uint64_t value)
{
    return arena_printf(a, "%lld:%lld %llu", (long long)t->major, (long long)t->minor,
                        (unsigned long long)value);
}

static int push_weight(struct planner *p, const char *key, unsigned version,
                       const struct oci_throttle *device, uint64_t weight)
{
    struct arena *a = &p->out->arena;
    if (weight < 10 || weight > 1000)
        return err_input(p->e, "%s: %llu is not between 10 and 1000", key,
                         (unsigned long long)weight);
    uint64_t converted = version == 1 ? weight : 1 + (weight - 10) * 9999 / 990;
    const char *file = version == 2 ? "io.weight" : device ? "blkio.weight_device" : "blkio.weight";
    const char *bfq = version == 2 ? "io.bfq.weight"
                      : device     ? "blkio.bfq.weight_device"
                                   : "blkio.bfq.weight";
    struct cgroup_write *w = push(p, key, CGROUP_BIT(CGROUP_BLKIO), file,
                                  device ? device_line(a, device, converted)
                                         : arena_printf(a, "%llu", (unsigned long long)converted));
    w->other_file = bfq;
    w->other_value = device ? device_line(a, device, weight)
                            : arena_printf(a, "%llu", (unsigned long long)weight);
    return 0;
}

/* BFQ has a file of its own with the same scale, and it comes first; else v1 10..1000 → v2 1..10000
 * (crun and runc convert the same way). */
static int plan_io_weight(struct planner *p)
{
    static const char key[] = R("blockIO.weight"), device_key[] = R("blockIO.weightDevice");
    static const char leaf_key[] = R("blockIO.weightDevice.leafWeight");
    const struct oci_i64 *weight = &p->res->block_io.weight;
    const struct oci_throttles *devices = &p->res->block_io.weight_device;
    if (is_unset(weight, ZERO) && devices->count == 0)
        return 0;
    int version = version_of(p, CGROUP_BLKIO, is_unset(weight, ZERO) ? device_key : key);
    if (version < 0)
        return -1;
    if (!is_unset(weight, ZERO) &&
        push_weight(p, key, (unsigned)version, NULL, (uint64_t)weight->value) < 0)
        return -1;
    for (size_t i = 0; i < devices->count; i++) {
        const struct oci_throttle *t = &devices->items[i];
        if (t->rate && push_weight(p, device_key, (unsigned)version, t, t->rate) < 0)
            return -1;
        if (t->leaf_weight && version == 2)
            return no_such_limit(p, leaf_key, 2);
        if (t->leaf_weight)
            push(p, leaf_key, CGROUP_BIT(CGROUP_BLKIO), "blkio.leaf_weight_device",
                 device_line(&p->out->arena, t, t->leaf_weight));
    }
    return 0;
}

/* "64KB", "2MB", "1GB": it becomes part of a file name. */
static bool is_page_size(const char *s)
{
    size_t digits = s ? strspn(s, "0123456789") : 0;
    return digits > 0 && digits < 8 &&
           (str_eq(s + digits, "KB") || str_eq(s + digits, "MB") || str_eq(s + digits, "GB"));
}

static int plan_hugepages(struct planner *p)
{
    static const char key[] = R("hugepageLimits");
    for (size_t i = 0; i < p->res->hugepage_limit_count; i++) {
        const char *size = p->res->hugepage_limits[i].page_size;
        int version = version_of(p, CGROUP_HUGETLB, key);
        if (version < 0)
            return -1;
        if (!is_page_size(size))
            return err_input(p->e, "%s[%zu].pageSize: \"%s\" is not like \"2MB\"", key, i,
                             size ? size : "");
        /* Usage always, reservations where the kernel counts them (as runc does): a program may
         * use what it did not reserve. */
        struct arena *a = &p->out->arena;
        const char *end = version == 1 ? "limit_in_bytes" : "max";
        const char *limit =
            arena_printf(a, "%llu", (unsigned long long)p->res->hugepage_limits[i].limit);
        push(p, key, CGROUP_BIT(CGROUP_HUGETLB), arena_printf(a, "hugetlb.%s.%s", size, end),
             limit);
        push(p, key, CGROUP_BIT(CGROUP_HUGETLB), arena_printf(a, "hugetlb.%s.rsvd.%s", size, end),
             limit)
            ->is_optional = true;
    }
    return 0;
}

static int plan_network(struct planner *p)
{
    static const char key[] = R("network.priorities");
    const struct oci_pairs *pairs = &p->res->network.priorities;
    for (size_t i = 0; i < pairs->count; i++) {
        int version = version_of(p, CGROUP_NET_PRIO, key);
        if (version < 0)
            return -1;
        push(p, key, CGROUP_BIT(CGROUP_NET_PRIO), "net_prio.ifpriomap",
             arena_printf(&p->out->arena, "%s %s", pairs->items[i].key, pairs->items[i].value));
    }
    return 0;
}

/* A device name becomes part of a line: no spaces, no line ends. */
static int plan_rdma(struct planner *p)
{
    for (size_t i = 0; i < p->res->rdma_count; i++) {
        const char *device = p->res->rdma[i].device;
        const struct oci_i64 *handles = &p->res->rdma[i].hca_handles,
                             *objects = &p->res->rdma[i].hca_objects;
        struct arena *a = &p->out->arena;
        const char *key = arena_printf(a, R("rdma[\"%.64s\"]"), device);
        if (version_of(p, CGROUP_RDMA, key) < 0)
            return -1;
        if (!*device || device[strcspn(device, " \t\n")])
            return err_input(p->e, "%s: is not the name of a device", key);
        if (!handles->is_set && !objects->is_set)
            return err_input(p->e, "%s: needs hcaHandles or hcaObjects", key);
        push(p, key, CGROUP_BIT(CGROUP_RDMA), "rdma.max",
             arena_printf(a, "%s%s%s%s%s", device, handles->is_set ? " hca_handle=" : "",
                          handles->is_set ? arena_printf(a, "%lld", (long long)handles->value) : "",
                          objects->is_set ? " hca_object=" : "",
                          objects->is_set ? arena_printf(a, "%lld", (long long)objects->value)
                                          : ""));
    }
    return 0;
}

/* Which controller KEY, "memory.high", belongs to; no bit for the core's own, "cgroup.max.depth".
 */
static int unified_controller(struct planner *p, const char *name, const char *key, uint32_t *out)
{
    char word[32];
    size_t len = strcspn(name, ".");
    *out = 0;
    if (!name[len] || len == 0)
        return err_input(p->e, "%s: the specified key has not the form CONTROLLER.VALUE `%s`", key,
                         name);
    if (strchr(name, '/'))
        return err_input(p->e, "%s: must be a file name without any slash", key);
    if (len < sizeof(word)) {
        memcpy(word, name, len);
        word[len] = '\0';
        *out = cgroup_controllers_parse(word, 2);
        if (str_eq(word, "cgroup"))
            return 0;
    }
    if (!*out)
        return err_host(p->e, "%s: the requested cgroup controller `%.*s` is not available", key,
                        (int)len, name);
    for (unsigned c = 0; c < CGROUP_CONTROLLER_COUNT_; c++)
        if ((*out & CGROUP_BIT(c)) && p->versions[c] != 2)
            return err_host(
                p->e,
                "%s: the requested cgroup controller `%s` is not available on cgroup v2 "
                "here",
                key, word);
    return 0;
}

/* config-linux.md §Unified: file names of the v2 directory, written as they are, after all others.
 * On hybrid, where the v2 hierarchy has the controller. */
static int plan_unified(struct planner *p)
{
    for (size_t i = 0; i < p->res->unified.count; i++) {
        const struct oci_pair *pair = &p->res->unified.items[i];
        const char *key = arena_printf(&p->out->arena, R("unified[\"%.64s\"]"), pair->key);
        uint32_t controllers;
        if (unified_controller(p, pair->key, key, &controllers) < 0)
            return -1;
        if (pair->value[0])
            push(p, key, controllers, pair->key, pair->value);
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
    static int (*const plans[])(struct planner *) = {
        plan_memory_flags, plan_numbers, plan_swap,      plan_pids,
        plan_cpu_time,     plan_cpuset,  plan_throttles, plan_io_weight,
        plan_hugepages,    plan_network, plan_rdma,      plan_unified,
    };
    struct cgroup_writes writes = { 0 };
    struct planner p = { res, versions, present, &writes, e };
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        if (plans[i](&p) < 0) {
            cgroup_writes_done(&writes);
            return -1;
        }
    }
    *out = writes;
    return 0;
}

void cgroup_writes_log_note(const struct cgroup_writes *w)
{
    char note[256];
    if (w->note)
        log_event(LOG_WARN, NULL, "cgroup.ignored", "note=%s",
                  log_quote(note, sizeof(note), w->note));
}

void cgroup_writes_done(struct cgroup_writes *w)
{
    arena_done(&w->arena);
    free(w->items);
    *w = (struct cgroup_writes){ 0 };
}
