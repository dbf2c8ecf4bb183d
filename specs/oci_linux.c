/* The `linux` part of config.json (runtime-spec config-linux.md). */
#include <string.h>

#include "runtime/base/str.h"
#include "specs/oci_read.h"
#include "specs/seccomp_names.h"

/* Index of NAME in NAMES, -1 when it is not there. */
static int find_name(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; name && i < count; i++)
        if (names[i] && str_eq(name, names[i]))
            return (int)i;
    return -1;
}

int oci_read_idmaps(const struct oci_reader *parent, const char *key, struct oci_idmaps *out)
{
    const struct json *array;
    if (oci_read_array(parent, key, &array) < 0)
        return -1;
    out->count = array ? array->item_count : 0;
    out->items = arena_alloc(parent->arena, (out->count + 1) * sizeof(*out->items));
    for (size_t i = 0; i < out->count; i++) {
        struct oci_reader r = oci_item(parent, key, array, i);
        struct oci_idmap *m = &out->items[i];
        if (oci_read_u32(&r, "containerID", &m->container_id) < 0 ||
            oci_read_u32(&r, "hostID", &m->host_id) < 0 || oci_read_u32(&r, "size", &m->size) < 0)
            return -1;
        if (m->size == 0 || m->container_id > UINT32_MAX - m->size ||
            m->host_id > UINT32_MAX - m->size)
            return oci_bad(&r, "size", json_find(r.obj, "size"), "is not a range of ids");
    }
    return 0;
}

static int read_namespaces(const struct oci_reader *linux_, struct oci_config *out)
{
    static const char *const names[OCI_NS_COUNT_] = {
        [OCI_NS_PID] = "pid",       [OCI_NS_NETWORK] = "network", [OCI_NS_MOUNT] = "mount",
        [OCI_NS_IPC] = "ipc",       [OCI_NS_UTS] = "uts",         [OCI_NS_USER] = "user",
        [OCI_NS_CGROUP] = "cgroup", [OCI_NS_TIME] = "time",
    };
    const struct json *array;
    if (oci_read_array(linux_, "namespaces", &array) < 0)
        return -1;
    for (size_t i = 0; array && i < array->item_count; i++) {
        struct oci_reader r = oci_item(linux_, "namespaces", array, i);
        const char *type = NULL;
        const char *path = NULL;
        if (oci_read_string(&r, "type", &type) < 0 || oci_read_string(&r, "path", &path) < 0)
            return -1;
        int ns = find_name(type, names, OCI_NS_COUNT_);
        if (ns < 0)
            return oci_bad(&r, "type", json_find(r.obj, "type"), "unknown namespace \"%s\"",
                           type ? type : "");
        if (out->namespaces[ns].is_wanted)
            return oci_bad(&r, "type", json_find(r.obj, "type"), "\"%s\" is listed twice", type);
        if (path && path[0] && path[0] != '/')
            return oci_bad(&r, "path", json_find(r.obj, "path"), "must be an absolute path");
        out->namespaces[ns] = (struct oci_namespace){ true, path && path[0] ? path : NULL };
    }
    return 0;
}

/* Without its numbers it would be 0:0, which overlayfs takes for a deleted file. */
static int check_device(const struct oci_reader *r, const struct oci_device *d)
{
    static const char *const numbers[] = { "major", "minor" };
    for (size_t i = 0; d->type != 'p' && i < ARRAY_LEN(numbers); i++)
        if (!json_find(r->obj, numbers[i]))
            return oci_bad(r, numbers[i], NULL, "is missing");
    if (!d->path || d->path[0] != '/')
        return oci_bad(r, "path", json_find(r->obj, "path"), "must be an absolute path");
    return 0;
}

static int read_devices(const struct oci_reader *linux_, struct oci_config *out)
{
    const struct json *array;
    if (oci_read_array(linux_, "devices", &array) < 0)
        return -1;
    out->device_count = array ? array->item_count : 0;
    out->devices = arena_alloc(linux_->arena, (out->device_count + 1) * sizeof(*out->devices));
    for (size_t i = 0; i < out->device_count; i++) {
        struct oci_reader r = oci_item(linux_, "devices", array, i);
        struct oci_device *d = &out->devices[i];
        const char *type = "";
        d->mode = 0666;
        if (oci_read_string(&r, "type", &type) < 0 || oci_read_string(&r, "path", &d->path) < 0 ||
            oci_read_i64(&r, "major", 0, UINT32_MAX, &d->major) < 0 ||
            oci_read_i64(&r, "minor", 0, UINT32_MAX, &d->minor) < 0 ||
            oci_read_u32(&r, "fileMode", &d->mode) < 0 || oci_read_u32(&r, "uid", &d->uid) < 0 ||
            oci_read_u32(&r, "gid", &d->gid) < 0)
            return -1;
        d->mode &= 07777; /* some clients send the file type too */
        if (strlen(type) != 1 || !strchr("cubp", type[0]))
            return oci_bad(&r, "type", json_find(r.obj, "type"), "must be c, u, b or p");
        d->type = type[0];
        if (check_device(&r, d) < 0)
            return -1;
    }
    return 0;
}

static int read_device_rules(const struct oci_reader *resources, struct oci_resources *out)
{
    const struct json *array;
    if (oci_read_array(resources, "devices", &array) < 0)
        return -1;
    out->device_count = array ? array->item_count : 0;
    out->devices = arena_alloc(resources->arena, (out->device_count + 1) * sizeof(*out->devices));
    for (size_t i = 0; i < out->device_count; i++) {
        struct oci_reader r = oci_item(resources, "devices", array, i);
        struct oci_device_rule *d = &out->devices[i];
        const char *type = "a";
        const char *access = "rwm";
        d->major = d->minor = -1;
        if (oci_read_bool(&r, "allow", &d->allow) < 0 || oci_read_string(&r, "type", &type) < 0 ||
            oci_read_i64(&r, "major", -1, UINT32_MAX, &d->major) < 0 ||
            oci_read_i64(&r, "minor", -1, UINT32_MAX, &d->minor) < 0 ||
            oci_read_string(&r, "access", &access) < 0)
            return -1;
        if (!type[0])
            type = "a";
        if (strlen(type) != 1 || !strchr("acb", type[0]))
            return oci_bad(&r, "type", json_find(r.obj, "type"), "must be a, c or b");
        d->type = type[0];
        if (access[strspn(access, "rwm")])
            return oci_bad(&r, "access", json_find(r.obj, "access"), "must be of r, w and m");
        d->read = strchr(access, 'r');
        d->write = strchr(access, 'w');
        d->mknod = strchr(access, 'm');
    }
    return 0;
}

static int read_memory(const struct oci_reader *resources, struct oci_resources *out)
{
    struct oci_reader r;
    if (oci_enter(resources, "memory", &r) < 0 ||
        oci_read_optional(&r, "limit", &out->memory.limit) < 0 ||
        oci_read_optional(&r, "reservation", &out->memory.reservation) < 0 ||
        oci_read_optional(&r, "swap", &out->memory.swap) < 0 ||
        oci_read_optional(&r, "kernel", &out->memory.kernel) < 0 ||
        oci_read_optional(&r, "kernelTCP", &out->memory.kernel_tcp) < 0 ||
        oci_read_optional(&r, "swappiness", &out->memory.swappiness) < 0 ||
        oci_read_bool(&r, "disableOOMKiller", &out->memory.disable_oom_killer) < 0 ||
        oci_read_bool(&r, "useHierarchy", &out->memory.use_hierarchy) < 0)
        return -1;
    return oci_read_bool(&r, "checkBeforeUpdate", &out->memory.check_before_update);
}

static int read_cpu(const struct oci_reader *resources, struct oci_resources *out)
{
    struct oci_reader r;
    if (oci_enter(resources, "cpu", &r) < 0 ||
        oci_read_optional(&r, "shares", &out->cpu.shares) < 0 ||
        oci_read_optional(&r, "quota", &out->cpu.quota) < 0 ||
        oci_read_optional(&r, "burst", &out->cpu.burst) < 0 ||
        oci_read_optional(&r, "period", &out->cpu.period) < 0 ||
        oci_read_optional(&r, "realtimeRuntime", &out->cpu.realtime_runtime) < 0 ||
        oci_read_optional(&r, "realtimePeriod", &out->cpu.realtime_period) < 0 ||
        oci_read_optional(&r, "idle", &out->cpu.idle) < 0 ||
        oci_read_string(&r, "cpus", &out->cpu.cpus) < 0)
        return -1;
    return oci_read_string(&r, "mems", &out->cpu.mems);
}

static int read_throttles(const struct oci_reader *io, const char *key, const char *rate,
                          struct oci_throttles *out)
{
    static const char *const numbers[] = { "major", "minor" };
    const struct json *array;
    if (oci_read_array(io, key, &array) < 0)
        return -1;
    out->count = array ? array->item_count : 0;
    out->items = arena_alloc(io->arena, (out->count + 1) * sizeof(*out->items));
    for (size_t i = 0; i < out->count; i++) {
        struct oci_reader r = oci_item(io, key, array, i);
        struct oci_throttle *t = &out->items[i];
        if (oci_read_i64(&r, "major", 0, UINT32_MAX, &t->major) < 0 ||
            oci_read_i64(&r, "minor", 0, UINT32_MAX, &t->minor) < 0 ||
            oci_read_u64(&r, rate, &t->rate) < 0)
            return -1;
        if (str_eq(rate, "weight") && oci_read_u64(&r, "leafWeight", &t->leaf_weight) < 0)
            return -1;
        for (size_t n = 0; n < ARRAY_LEN(numbers); n++)
            if (!json_find(r.obj, numbers[n]))
                return oci_bad(&r, numbers[n], NULL, "is missing");
    }
    return 0;
}

static int read_block_io(const struct oci_reader *resources, struct oci_resources *out)
{
    struct oci_reader r;
    if (oci_enter(resources, "blockIO", &r) < 0 ||
        oci_read_optional(&r, "weight", &out->block_io.weight) < 0 ||
        oci_read_optional(&r, "leafWeight", &out->block_io.leaf_weight) < 0 ||
        read_throttles(&r, "weightDevice", "weight", &out->block_io.weight_device) < 0 ||
        read_throttles(&r, "throttleReadBpsDevice", "rate", &out->block_io.read_bps) < 0 ||
        read_throttles(&r, "throttleWriteBpsDevice", "rate", &out->block_io.write_bps) < 0 ||
        read_throttles(&r, "throttleReadIOPSDevice", "rate", &out->block_io.read_iops) < 0)
        return -1;
    return read_throttles(&r, "throttleWriteIOPSDevice", "rate", &out->block_io.write_iops);
}

static int read_hugepages(const struct oci_reader *resources, struct oci_resources *out)
{
    const struct json *array;
    if (oci_read_array(resources, "hugepageLimits", &array) < 0)
        return -1;
    size_t count = array ? array->item_count : 0;
    out->hugepage_limits =
        arena_alloc(resources->arena, (count + 1) * sizeof(*out->hugepage_limits));
    out->hugepage_limit_count = count;
    for (size_t i = 0; i < count; i++) {
        struct oci_reader r = oci_item(resources, "hugepageLimits", array, i);
        if (oci_read_string(&r, "pageSize", &out->hugepage_limits[i].page_size) < 0 ||
            oci_read_u64(&r, "limit", &out->hugepage_limits[i].limit) < 0)
            return -1;
        if (!out->hugepage_limits[i].page_size)
            return oci_bad(&r, "pageSize", NULL, "is missing");
    }
    return 0;
}

static int read_network(const struct oci_reader *resources, struct oci_resources *out)
{
    struct oci_reader r;
    const struct json *array;
    if (oci_enter(resources, "network", &r) < 0 ||
        oci_read_optional(&r, "classID", &out->network.class_id) < 0 ||
        oci_read_array(&r, "priorities", &array) < 0)
        return -1;
    size_t count = array ? array->item_count : 0;
    struct oci_pairs *p = &out->network.priorities;
    p->items = arena_alloc(r.arena, (count + 1) * sizeof(*p->items));
    p->count = count;
    for (size_t i = 0; i < count; i++) {
        struct oci_reader item = oci_item(&r, "priorities", array, i);
        uint32_t priority = 0;
        if (oci_read_string(&item, "name", &p->items[i].key) < 0 ||
            oci_read_u32(&item, "priority", &priority) < 0)
            return -1;
        if (!p->items[i].key)
            return oci_bad(&item, "name", NULL, "is missing");
        p->items[i].value = arena_printf(r.arena, "%u", priority);
    }
    return 0;
}

static int read_rdma(const struct oci_reader *resources, struct oci_resources *out)
{
    struct oci_reader r;
    if (oci_enter(resources, "rdma", &r) < 0)
        return -1;
    size_t count = r.obj ? r.obj->item_count : 0;
    out->rdma = arena_alloc(r.arena, (count + 1) * sizeof(*out->rdma));
    out->rdma_count = count;
    for (size_t i = 0; i < count; i++) {
        struct oci_reader device;
        out->rdma[i].device = r.obj->items[i]->key;
        if (oci_enter(&r, out->rdma[i].device, &device) < 0 ||
            oci_read_optional(&device, "hcaHandles", &out->rdma[i].hca_handles) < 0 ||
            oci_read_optional(&device, "hcaObjects", &out->rdma[i].hca_objects) < 0)
            return -1;
    }
    return 0;
}

int oci_read_resources(const struct oci_reader *r, struct oci_resources *out)
{
    struct oci_reader pids;
    if (read_device_rules(r, out) < 0 || read_rdma(r, out) < 0 || read_memory(r, out) < 0 ||
        read_cpu(r, out) < 0 || oci_enter(r, "pids", &pids) < 0 ||
        oci_read_optional(&pids, "limit", &out->pids_limit) < 0 || read_block_io(r, out) < 0 ||
        read_hugepages(r, out) < 0 || read_network(r, out) < 0)
        return -1;
    return oci_read_pairs(r, "unified", &out->unified);
}

/* ---- seccomp ---- */

static int read_action(const struct oci_reader *r, const char *key, enum oci_seccomp_action *out)
{
    const char *name = NULL;
    if (oci_read_string(r, key, &name) < 0)
        return -1;
    int action = find_name(name, seccomp_action_names, OCI_SECCOMP_ACTION_COUNT_);
    if (str_eq(name, "SCMP_ACT_KILL"))
        action = OCI_SECCOMP_KILL_THREAD;
    if (action < 0)
        return oci_bad(r, key, json_find(r->obj, key), "unknown action \"%s\"", name ? name : "");
    *out = (enum oci_seccomp_action)action;
    return 0;
}

static int read_errno(const struct oci_reader *r, const char *key, bool *has, uint32_t *out)
{
    const struct json *node = json_find(r->obj, key);
    *has = node && node->type != JSON_NULL;
    return oci_read_u32(r, key, out);
}

static int read_args(const struct oci_reader *rule, struct oci_seccomp_rule *out)
{
    const struct json *array;
    if (oci_read_array(rule, "args", &array) < 0)
        return -1;
    out->arg_count = array ? array->item_count : 0;
    out->args = arena_alloc(rule->arena, (out->arg_count + 1) * sizeof(*out->args));
    for (size_t i = 0; i < out->arg_count; i++) {
        struct oci_reader r = oci_item(rule, "args", array, i);
        const char *op = NULL;
        if (oci_read_u32(&r, "index", &out->args[i].index) < 0 ||
            oci_read_u64(&r, "value", &out->args[i].value) < 0 ||
            oci_read_u64(&r, "valueTwo", &out->args[i].value_two) < 0 ||
            oci_read_string(&r, "op", &op) < 0)
            return -1;
        int found = find_name(op, seccomp_op_names, OCI_SECCOMP_OP_COUNT_);
        if (found < 0)
            return oci_bad(&r, "op", json_find(r.obj, "op"), "unknown operator \"%s\"",
                           op ? op : "");
        if (out->args[i].index > 5)
            return oci_bad(&r, "index", json_find(r.obj, "index"), "must be 0 to 5");
        out->args[i].op = (enum oci_seccomp_op)found;
    }
    return 0;
}

static int read_rules(const struct oci_reader *seccomp, struct oci_seccomp *out)
{
    const struct json *array;
    if (oci_read_array(seccomp, "syscalls", &array) < 0)
        return -1;
    out->rule_count = array ? array->item_count : 0;
    out->rules = arena_alloc(seccomp->arena, (out->rule_count + 1) * sizeof(*out->rules));
    for (size_t i = 0; i < out->rule_count; i++) {
        struct oci_reader r = oci_item(seccomp, "syscalls", array, i);
        struct oci_seccomp_rule *rule = &out->rules[i];
        if (oci_read_strings(&r, "names", &rule->names) < 0 ||
            read_action(&r, "action", &rule->action) < 0 ||
            read_errno(&r, "errnoRet", &rule->has_errno, &rule->errno_ret) < 0 ||
            read_args(&r, rule) < 0)
            return -1;
        if (rule->names.count == 0)
            return oci_bad(&r, "names", NULL, "must name a system call");
    }
    return 0;
}

static int read_seccomp(const struct oci_reader *linux_, struct oci_seccomp *out)
{
    struct oci_reader r;
    if (oci_enter(linux_, "seccomp", &r) < 0)
        return -1;
    if (!r.obj)
        return 0;
    out->is_set = true;
    if (read_action(&r, "defaultAction", &out->default_action) < 0 ||
        read_errno(&r, "defaultErrnoRet", &out->has_default_errno, &out->default_errno_ret) < 0 ||
        oci_read_strings(&r, "architectures", &out->architectures) < 0 ||
        oci_read_strings(&r, "flags", &out->flags) < 0 ||
        oci_read_string(&r, "listenerPath", &out->listener_path) < 0 ||
        oci_read_string(&r, "listenerMetadata", &out->listener_metadata) < 0)
        return -1;
    return read_rules(&r, out);
}

/* ---- the rest ---- */

static int read_offset(const struct oci_reader *offsets, const char *key, bool *has, int64_t *secs,
                       uint32_t *nanos)
{
    struct oci_reader r;
    if (oci_enter(offsets, key, &r) < 0)
        return -1;
    *has = r.obj != NULL;
    if (oci_read_i64(&r, "secs", INT64_MIN, INT64_MAX, secs) < 0)
        return -1;
    int64_t n = 0;
    if (oci_read_i64(&r, "nanosecs", 0, 999999999, &n) < 0)
        return -1;
    *nanos = (uint32_t)n;
    return 0;
}

/* The clocks that a time namespace has (time_namespaces(7)); another could only stay as it is. */
static int check_clocks(const struct oci_reader *offsets)
{
    static const char *const clocks[] = { "boottime", "monotonic" };
    for (size_t i = 0; offsets->obj && i < offsets->obj->item_count; i++) {
        const char *name = offsets->obj->items[i]->key;
        if (find_name(name, clocks, ARRAY_LEN(clocks)) < 0)
            return oci_bad(offsets, name, offsets->obj->items[i],
                           "is not a clock that can be offset: boottime and monotonic are");
    }
    return 0;
}

static int read_time_offsets(const struct oci_reader *linux_, struct oci_config *out)
{
    struct oci_reader r;
    if (oci_enter(linux_, "timeOffsets", &r) < 0 || check_clocks(&r) < 0 ||
        read_offset(&r, "monotonic", &out->time_offsets.has_monotonic,
                    &out->time_offsets.monotonic_s, &out->time_offsets.monotonic_ns) < 0)
        return -1;
    return read_offset(&r, "boottime", &out->time_offsets.has_boottime,
                       &out->time_offsets.boottime_s, &out->time_offsets.boottime_ns);
}

static int read_memory_policy(const struct oci_reader *linux_, struct oci_config *out)
{
    struct oci_reader r;
    if (oci_enter(linux_, "memoryPolicy", &r) < 0 ||
        oci_read_string(&r, "mode", &out->memory_policy.mode) < 0 ||
        oci_read_string(&r, "nodes", &out->memory_policy.nodes) < 0 ||
        oci_read_strings(&r, "flags", &out->memory_policy.flags) < 0)
        return -1;
    if (r.obj && (!out->memory_policy.mode || !out->memory_policy.mode[0]))
        return oci_bad(&r, "mode", NULL, "is missing");
    return 0;
}

/* An object of objects: the keys are the names on the host. */
static int read_net_devices(const struct oci_reader *linux_, struct oci_config *out)
{
    struct oci_reader r;
    if (oci_enter(linux_, "netDevices", &r) < 0)
        return -1;
    size_t count = r.obj ? r.obj->item_count : 0;
    out->net_devices.items = arena_alloc(r.arena, (count + 1) * sizeof(*out->net_devices.items));
    out->net_devices.count = count;
    for (size_t i = 0; i < count; i++) {
        struct oci_net_device *d = &out->net_devices.items[i];
        struct oci_reader item;
        d->name = d->new_name = r.obj->items[i]->key;
        if (oci_enter(&r, d->name, &item) < 0 || oci_read_string(&item, "name", &d->new_name) < 0)
            return -1;
        if (!d->new_name[0])
            d->new_name = d->name;
    }
    return 0;
}

/* Specified, but without a value that it could have (config-linux.md §Personality). */
static int read_personality(const struct oci_reader *linux_, struct oci_config *out)
{
    struct oci_reader r;
    struct oci_strings flags = { 0 };
    if (oci_enter(linux_, "personality", &r) < 0 ||
        oci_read_string(&r, "domain", &out->personality_domain) < 0 ||
        oci_read_strings(&r, "flags", &flags) < 0)
        return -1;
    if (r.obj && !out->personality_domain)
        return oci_bad(&r, "domain", NULL, "is missing");
    if (flags.count)
        return oci_bad(&r, "flags", json_find(r.obj, "flags"),
                       "unknown flag \"%s\": the specification has none yet", flags.items[0]);
    return 0;
}

static int check_linux(const struct oci_reader *r, const struct oci_config *c)
{
    static const char *const propagations[] = {
        "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"
    };
    if (c->rootfs_propagation && c->rootfs_propagation[0] &&
        find_name(c->rootfs_propagation, propagations, ARRAY_LEN(propagations)) < 0)
        return oci_bad(r, "rootfsPropagation", json_find(r->obj, "rootfsPropagation"),
                       "unknown propagation \"%s\"", c->rootfs_propagation);
    for (const char *p = c->cgroups_path; p && (p = strstr(p, "..")) != NULL; p += 2)
        if ((p == c->cgroups_path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
            return oci_bad(r, "cgroupsPath", json_find(r->obj, "cgroupsPath"),
                           "must not contain \"..\"");
    static const char *const refused[] = { "intelRdt" };
    return oci_refuse(r, refused, ARRAY_LEN(refused));
}

/* Since 1.3.0 a pids.limit of 0 is a limit (config-linux.md §PIDs). Before, the field was a plain
 * number whose zero meant that nothing was asked for, and podman 4 writes it for "unlimited". */
static void forget_old_zero(struct oci_config *c)
{
    bool is_old = c->oci_version[0] == '1' && c->oci_version[1] == '.' &&
                  c->oci_version[2] >= '0' && c->oci_version[2] < '3' && c->oci_version[3] == '.';
    if (is_old && c->resources.pids_limit.value == 0)
        c->resources.pids_limit.is_set = false;
}

int oci_read_linux(const struct oci_reader *top, struct oci_config *out)
{
    struct oci_reader r, resources;
    if (oci_enter(top, "linux", &r) < 0 || oci_enter(&r, "resources", &resources) < 0 ||
        read_personality(&r, out) < 0 || read_namespaces(&r, out) < 0 ||
        oci_read_idmaps(&r, "uidMappings", &out->uid_mappings) < 0 ||
        oci_read_idmaps(&r, "gidMappings", &out->gid_mappings) < 0 ||
        read_time_offsets(&r, out) < 0 || read_devices(&r, out) < 0 ||
        oci_read_string(&r, "cgroupsPath", &out->cgroups_path) < 0 ||
        oci_read_resources(&resources, &out->resources) < 0 ||
        oci_read_string(&r, "rootfsPropagation", &out->rootfs_propagation) < 0 ||
        read_seccomp(&r, &out->seccomp) < 0 || oci_read_pairs(&r, "sysctl", &out->sysctl) < 0 ||
        oci_read_strings(&r, "maskedPaths", &out->masked_paths) < 0 ||
        oci_read_strings(&r, "readonlyPaths", &out->readonly_paths) < 0 ||
        oci_read_string(&r, "mountLabel", &out->mount_label) < 0 ||
        read_memory_policy(&r, out) < 0 || read_net_devices(&r, out) < 0)
        return -1;
    forget_old_zero(out);
    return check_linux(&r, out);
}
