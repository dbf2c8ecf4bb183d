/* Limits that are lists: a line per block device, RDMA device, network interface, a file per page
 * size, files of v2 by name. */
#include <string.h>

#include "runtime/base/str.h"
#include "runtime/cgroup_planner.h"

static int plan_throttles(struct cgroup_planner *p)
{
    const struct {
        const char *key;
        const struct oci_throttles *list;
        const char *v1_file;
        const char *v2_word;
    } rows[] = {
        { CGROUP_RES("blockIO.throttleReadBpsDevice"), &p->res->block_io.read_bps,
          "blkio.throttle.read_bps_device", "rbps" },
        { CGROUP_RES("blockIO.throttleWriteBpsDevice"), &p->res->block_io.write_bps,
          "blkio.throttle.write_bps_device", "wbps" },
        { CGROUP_RES("blockIO.throttleReadIOPSDevice"), &p->res->block_io.read_iops,
          "blkio.throttle.read_iops_device", "riops" },
        { CGROUP_RES("blockIO.throttleWriteIOPSDevice"), &p->res->block_io.write_iops,
          "blkio.throttle.write_iops_device", "wiops" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t j = 0; j < rows[i].list->count; j++) {
            const struct oci_throttle *t = &rows[i].list->items[j];
            int version = cgroup_plan_version(p, CGROUP_BLKIO, rows[i].key);
            if (version < 0)
                return -1;
            const char *word = version == 1 ? "" : rows[i].v2_word;
            cgroup_plan_push(p, rows[i].key, CGROUP_BIT(CGROUP_BLKIO),
                             version == 1 ? rows[i].v1_file : "io.max",
                             version == 2 && t->rate == 0 /* v1: 0 takes the limit away */
                                 ? arena_printf(&p->out->arena, "%lld:%lld %s=max",
                                                (long long)t->major, (long long)t->minor, word)
                                 : arena_printf(&p->out->arena, "%lld:%lld %s%s%llu",
                                                (long long)t->major, (long long)t->minor, word,
                                                *word ? "=" : "", (unsigned long long)t->rate));
        }
    }
    return 0;
}

static const char *device_line(struct arena *a, const struct oci_throttle *t, uint64_t value)
{
    return arena_printf(a, "%lld:%lld %llu", (long long)t->major, (long long)t->minor,
                        (unsigned long long)value);
}

static int push_weight(struct cgroup_planner *p, const char *key, unsigned version,
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
    struct cgroup_write *w =
        cgroup_plan_push(p, key, CGROUP_BIT(CGROUP_BLKIO), file,
                         device ? device_line(a, device, converted)
                                : arena_printf(a, "%llu", (unsigned long long)converted));
    w->other_file = bfq;
    w->other_value = device ? device_line(a, device, weight)
                            : arena_printf(a, "%llu", (unsigned long long)weight);
    return 0;
}

/* BFQ has a file of its own with the same scale, and it comes first; else v1 10..1000 → v2 1..10000
 * (crun and runc convert the same way). */
static int plan_io_weight(struct cgroup_planner *p)
{
    static const char key[] = CGROUP_RES("blockIO.weight"),
                      device_key[] = CGROUP_RES("blockIO.weightDevice");
    static const char leaf_key[] = CGROUP_RES("blockIO.weightDevice.leafWeight");
    const struct oci_i64 *weight = &p->res->block_io.weight;
    const struct oci_throttles *devices = &p->res->block_io.weight_device;
    bool has_weight = weight->is_set && weight->value != 0;
    if (!has_weight && devices->count == 0)
        return 0;
    int version = cgroup_plan_version(p, CGROUP_BLKIO, !has_weight ? device_key : key);
    if (version < 0)
        return -1;
    if (has_weight && push_weight(p, key, (unsigned)version, NULL, (uint64_t)weight->value) < 0)
        return -1;
    for (size_t i = 0; i < devices->count; i++) {
        const struct oci_throttle *t = &devices->items[i];
        if (t->rate && push_weight(p, device_key, (unsigned)version, t, t->rate) < 0)
            return -1;
        if (t->leaf_weight && version == 2)
            return cgroup_plan_refuse(p, leaf_key, 2);
        if (t->leaf_weight)
            cgroup_plan_push(p, leaf_key, CGROUP_BIT(CGROUP_BLKIO), "blkio.leaf_weight_device",
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

static int plan_hugepages(struct cgroup_planner *p)
{
    static const char key[] = CGROUP_RES("hugepageLimits");
    for (size_t i = 0; i < p->res->hugepage_limit_count; i++) {
        const char *size = p->res->hugepage_limits[i].page_size;
        int version = cgroup_plan_version(p, CGROUP_HUGETLB, key);
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
        cgroup_plan_push(p, key, CGROUP_BIT(CGROUP_HUGETLB),
                         arena_printf(a, "hugetlb.%s.%s", size, end), limit);
        cgroup_plan_push(p, key, CGROUP_BIT(CGROUP_HUGETLB),
                         arena_printf(a, "hugetlb.%s.rsvd.%s", size, end), limit)
            ->is_optional = true;
    }
    return 0;
}

static int plan_network(struct cgroup_planner *p)
{
    static const char key[] = CGROUP_RES("network.priorities");
    const struct oci_pairs *pairs = &p->res->network.priorities;
    for (size_t i = 0; i < pairs->count; i++) {
        int version = cgroup_plan_version(p, CGROUP_NET_PRIO, key);
        if (version < 0)
            return -1;
        cgroup_plan_push(
            p, key, CGROUP_BIT(CGROUP_NET_PRIO), "net_prio.ifpriomap",
            arena_printf(&p->out->arena, "%s %s", pairs->items[i].key, pairs->items[i].value));
    }
    return 0;
}

/* A device name becomes part of a line: no spaces, no line ends. */
static int plan_rdma(struct cgroup_planner *p)
{
    for (size_t i = 0; i < p->res->rdma_count; i++) {
        const char *device = p->res->rdma[i].device;
        const struct oci_i64 *handles = &p->res->rdma[i].hca_handles,
                             *objects = &p->res->rdma[i].hca_objects;
        struct arena *a = &p->out->arena;
        const char *key = arena_printf(a, CGROUP_RES("rdma[\"%.64s\"]"), device);
        if (cgroup_plan_version(p, CGROUP_RDMA, key) < 0)
            return -1;
        if (!*device || device[strcspn(device, " \t\n")])
            return err_input(p->e, "%s: is not the name of a device", key);
        if (!handles->is_set && !objects->is_set)
            return err_input(p->e, "%s: needs hcaHandles or hcaObjects", key);
        cgroup_plan_push(
            p, key, CGROUP_BIT(CGROUP_RDMA), "rdma.max",
            arena_printf(a, "%s%s%s%s%s", device, handles->is_set ? " hca_handle=" : "",
                         handles->is_set ? arena_printf(a, "%lld", (long long)handles->value) : "",
                         objects->is_set ? " hca_object=" : "",
                         objects->is_set ? arena_printf(a, "%lld", (long long)objects->value)
                                         : ""));
    }
    return 0;
}

/* The core's other files are no limits: they move processes of the host, kill and freeze, or give
 * parts of the container away. */
static int check_core_file(const char *name, const char *key, struct err *e)
{
    static const char *const limits[] = { "cgroup.max.depth", "cgroup.max.descendants" };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (str_eq(name, limits[i]))
            return 0;
    return err_input(e, "%s: is no limit; of the files cgroup.* only %s and %s are", key, limits[0],
                     limits[1]);
}

/* Which controller KEY, "memory.high", belongs to; no bit for the core's own, "cgroup.max.depth".
 */
static int unified_controller(struct cgroup_planner *p, const char *name, const char *key,
                              uint32_t *out)
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
            return check_core_file(name, key, p->e);
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
static int plan_unified(struct cgroup_planner *p)
{
    for (size_t i = 0; i < p->res->unified.count; i++) {
        const struct oci_pair *pair = &p->res->unified.items[i];
        const char *key = arena_printf(&p->out->arena, CGROUP_RES("unified[\"%.64s\"]"), pair->key);
        uint32_t controllers;
        if (unified_controller(p, pair->key, key, &controllers) < 0)
            return -1;
        if (pair->value[0])
            cgroup_plan_push(p, key, controllers, pair->key, pair->value);
    }
    return 0;
}

int cgroup_plan_lists(struct cgroup_planner *p)
{
    static int (*const plans[])(struct cgroup_planner *) = {
        plan_throttles, plan_io_weight, plan_hugepages, plan_network, plan_rdma, plan_unified,
    };
    for (size_t i = 0; i < ARRAY_LEN(plans); i++)
        if (plans[i](p) < 0)
            return -1;
    return 0;
}
