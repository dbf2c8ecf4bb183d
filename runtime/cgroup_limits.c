#include <stdlib.h>
#include <string.h>

#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"

/* How a number is said to the kernel. */
enum conversion {
    PLAIN,
    MINUS_ONE_IS_MAX, /* v2: "max" */
    SHARES_TO_WEIGHT,
};

struct limit {
    const char *key;
    size_t offset; /* of a struct oci_i64 in struct oci_resources */
    enum cgroup_controller controller;
    const char *v1_file; /* NULL: v1 has no such limit */
    enum conversion v1_conversion;
    const char *v2_file; /* NULL: v2 has no such limit */
    enum conversion v2_conversion;
    bool is_void_on_v2; /* v2 counts it within another limit: nothing to write */
};

#define R(name)    "linux.resources." name
#define AT(member) offsetof(struct oci_resources, member)

/* Limits that are one number. Swap, cpu.max, block I/O, huge pages and networks follow as code. */
static const struct limit limits[] = {
    { R("memory.limit"), AT(memory.limit), CGROUP_MEMORY, "memory.limit_in_bytes", PLAIN,
      "memory.max", MINUS_ONE_IS_MAX, false },
    { R("memory.reservation"), AT(memory.reservation), CGROUP_MEMORY, "memory.soft_limit_in_bytes",
      PLAIN, "memory.low", MINUS_ONE_IS_MAX, false },
    { R("memory.kernel"), AT(memory.kernel), CGROUP_MEMORY, "memory.kmem.limit_in_bytes", PLAIN,
      NULL, PLAIN, true },
    { R("memory.kernelTCP"), AT(memory.kernel_tcp), CGROUP_MEMORY, "memory.kmem.tcp.limit_in_bytes",
      PLAIN, NULL, PLAIN, true },
    { R("memory.swappiness"), AT(memory.swappiness), CGROUP_MEMORY, "memory.swappiness", PLAIN,
      NULL, PLAIN, false },
    { R("cpu.shares"), AT(cpu.shares), CGROUP_CPU, "cpu.shares", PLAIN, "cpu.weight",
      SHARES_TO_WEIGHT, false },
    { R("cpu.burst"), AT(cpu.burst), CGROUP_CPU, "cpu.cfs_burst_us", PLAIN, "cpu.max.burst", PLAIN,
      false },
    { R("cpu.realtimePeriod"), AT(cpu.realtime_period), CGROUP_CPU, "cpu.rt_period_us", PLAIN, NULL,
      PLAIN, false },
    { R("cpu.realtimeRuntime"), AT(cpu.realtime_runtime), CGROUP_CPU, "cpu.rt_runtime_us", PLAIN,
      NULL, PLAIN, false },
    { R("cpu.idle"), AT(cpu.idle), CGROUP_CPU, "cpu.idle", PLAIN, "cpu.idle", PLAIN, false },
    { R("blockIO.leafWeight"), AT(block_io.leaf_weight), CGROUP_BLKIO, "blkio.leaf_weight", PLAIN,
      NULL, PLAIN, false },
    { R("network.classID"), AT(network.class_id), CGROUP_NET_CLS, "net_cls.classid", PLAIN, NULL,
      PLAIN, false },
};

struct planner {
    const struct oci_resources *res;
    const unsigned *versions;
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
    return err_host(p->e, "%s: this machine has no %s controller", key,
                    cgroup_controller_name(controller, 1));
}

static int no_such_limit(struct planner *p, const char *key, unsigned version)
{
    return err_host(p->e, "%s: cgroup v%u has no such limit", key, version);
}

/* shares 2..262144 → weight 1..10000 with 1024 → 100: 10^((l² + 125 l) / 612 - 7/34), l = log2, as
 * crun, runc and Kubernetes convert since 2025. By hand: libm is not linked for one number. */
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
        if (!n->is_set)
            continue;
        int version = version_of(p, l->controller, l->key);
        if (version < 0)
            return -1;
        if (version == 2 && l->is_void_on_v2)
            continue;
        const char *file = version == 1 ? l->v1_file : l->v2_file;
        if (!file)
            return no_such_limit(p, l->key, (unsigned)version);
        push(p, l->key, CGROUP_BIT(l->controller), file,
             convert(&p->out->arena, version == 1 ? l->v1_conversion : l->v2_conversion, n->value));
    }
    return 0;
}

/* OCI's swap is memory and swap together, as v1's memsw; v2 limits swap alone. */
static int plan_swap(struct planner *p)
{
    static const char key[] = R("memory.swap");
    const struct oci_i64 swap = p->res->memory.swap, limit = p->res->memory.limit;
    if (!swap.is_set || swap.value == 0)
        return 0;
    int version = version_of(p, CGROUP_MEMORY, key);
    if (version < 0)
        return -1;
    struct arena *a = &p->out->arena;
    if (swap.value > 0 && limit.is_set && swap.value < limit.value)
        return err_input(p->e, "%s: %lld is memory and swap together, less than memory.limit %lld",
                         key, (long long)swap.value, (long long)limit.value);
    if (version == 1) {
        push(p, key, CGROUP_BIT(CGROUP_MEMORY), "memory.memsw.limit_in_bytes",
             convert(a, PLAIN, swap.value));
        return 0;
    }
    if (swap.value > 0 && (!limit.is_set || limit.value <= 0))
        return err_input(p->e, "%s: without memory.limit it cannot be told how much of it is swap",
                         key);
    push(p, key, CGROUP_BIT(CGROUP_MEMORY), "memory.swap.max",
         swap.value < 0 ? "max" : convert(a, PLAIN, swap.value - limit.value));
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
    if (p->res->memory.use_hierarchy && p->versions[CGROUP_MEMORY] == 1)
        push(p, tree_key, CGROUP_BIT(CGROUP_MEMORY), "memory.use_hierarchy", "1");
    return 0;
}

/* 0 and below are no limit, as Docker and podman write it. */
static int plan_pids(struct planner *p)
{
    static const char key[] = R("pids.limit");
    const struct oci_i64 *n = &p->res->pids_limit;
    if (!n->is_set)
        return 0;
    if (n->value <= 0 && !p->versions[CGROUP_PIDS])
        return 0; /* unlimited is what it is */
    if (version_of(p, CGROUP_PIDS, key) < 0)
        return -1;
    push(p, key, CGROUP_BIT(CGROUP_PIDS), "pids.max",
         convert(&p->out->arena, MINUS_ONE_IS_MAX, n->value <= 0 ? -1 : n->value));
    return 0;
}

static int plan_cpu_time(struct planner *p)
{
    static const char quota_key[] = R("cpu.quota"), period_key[] = R("cpu.period");
    const struct oci_i64 quota = p->res->cpu.quota, period = p->res->cpu.period;
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
                 convert(a, PLAIN, quota.value <= 0 ? -1 : quota.value));
        return 0;
    }
    /* cgroup-v2.rst, cpu.max: "$MAX $PERIOD", or $MAX alone; a period alone cannot be written */
    const char *max = quota.value <= 0 ? "max" : convert(a, PLAIN, quota.value);
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
                 arena_printf(&p->out->arena, "%lld:%lld %s%s%llu", (long long)t->major,
                              (long long)t->minor, word, *word ? "=" : "",
                              (unsigned long long)t->rate));
        }
    }
    return 0;
}

/* BFQ has a file of its own with the same scale; else v1 10..1000 → v2 1..10000. */
static int plan_io_weight(struct planner *p)
{
    static const char key[] = R("blockIO.weight"), device_key[] = R("blockIO.weightDevice");
    const struct oci_i64 *weight = &p->res->block_io.weight;
    const struct oci_throttles *devices = &p->res->block_io.weight_device;
    struct arena *a = &p->out->arena;
    if (!(weight->is_set && weight->value != 0) && devices->count == 0)
        return 0;
    int version = version_of(p, CGROUP_BLKIO, weight->is_set ? key : device_key);
    if (version < 0)
        return -1;
    if (weight->is_set && weight->value != 0) {
        if (weight->value < 10 || weight->value > 1000)
            return err_input(p->e, "%s: %lld is not between 10 and 1000", key,
                             (long long)weight->value);
        const char *plain = convert(a, PLAIN, weight->value);
        struct cgroup_write *w =
            push(p, key, CGROUP_BIT(CGROUP_BLKIO), version == 1 ? "blkio.weight" : "io.weight",
                 version == 1 ? plain : convert(a, PLAIN, 1 + (weight->value - 10) * 9999 / 990));
        w->other_file = version == 1 ? "blkio.bfq.weight" : "io.bfq.weight";
        w->other_value = plain;
    }
    for (size_t i = 0; i < devices->count; i++)
        push(p, device_key, CGROUP_BIT(CGROUP_BLKIO),
             version == 1 ? "blkio.bfq.weight_device" : "io.bfq.weight",
             arena_printf(a, "%lld:%lld %llu", (long long)devices->items[i].major,
                          (long long)devices->items[i].minor,
                          (unsigned long long)devices->items[i].rate));
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
        struct arena *a = &p->out->arena;
        push(p, key, CGROUP_BIT(CGROUP_HUGETLB),
             arena_printf(a, version == 1 ? "hugetlb.%s.limit_in_bytes" : "hugetlb.%s.max", size),
             arena_printf(a, "%llu", (unsigned long long)p->res->hugepage_limits[i].limit));
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

/* runtime-spec config-linux.md §Unified: file names of the v2 directory, written as they are. The
 * controller is the word before the first dot; "cgroup.*" belongs to the core. */
static int plan_unified(struct planner *p)
{
    for (size_t i = 0; i < p->res->unified.count; i++) {
        const struct oci_pair *pair = &p->res->unified.items[i];
        if (!*pair->key || strchr(pair->key, '/') || pair->key[0] == '.')
            return err_input(p->e, R("unified") ": \"%s\" is not a file name", pair->key);
        const char *key = arena_printf(&p->out->arena, R("unified[\"%s\"]"), pair->key);
        char word[32];
        size_t len = strcspn(pair->key, ".");
        if (len >= sizeof(word))
            return err_input(p->e, "%s: there is no such file", key);
        memcpy(word, pair->key, len);
        word[len] = '\0';
        uint32_t controllers = cgroup_controllers_parse(word, 2);
        for (unsigned c = 0; c < CGROUP_CONTROLLER_COUNT_; c++)
            if ((controllers & CGROUP_BIT(c)) && p->versions[c] != 2)
                return err_host(p->e, "%s: the %s controller is not on cgroup v2 here", key, word);
        push(p, key, controllers, pair->key, pair->value);
    }
    return 0;
}

int cgroup_limits_plan(const struct oci_resources *res,
                       const unsigned versions[CGROUP_CONTROLLER_COUNT_], struct cgroup_writes *out,
                       struct err *e)
{
    static int (*const plans[])(struct planner *) = {
        plan_numbers,   plan_swap,      plan_memory_flags, plan_pids,    plan_cpu_time, plan_cpuset,
        plan_throttles, plan_io_weight, plan_hugepages,    plan_network, plan_unified,
    };
    struct cgroup_writes writes = { 0 };
    struct planner p = { res, versions, &writes, e };
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        if (plans[i](&p) < 0) {
            cgroup_writes_done(&writes);
            return -1;
        }
    }
    *out = writes;
    return 0;
}

void cgroup_writes_done(struct cgroup_writes *w)
{
    arena_done(&w->arena);
    free(w->items);
    *w = (struct cgroup_writes){ 0 };
}
