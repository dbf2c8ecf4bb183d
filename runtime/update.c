/* `update`: other limits for a container that is there, from a resources object (containerd sends
 * it on stdin, podman in a file) or from flags. Device rules in it are not applied, as in runc:
 * engines send all of the container's resources along. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/options.h"
#include "runtime/verbs.h"
#include "specs/units.h"

enum {
    RESOURCES_BYTES_MAX = 1024 * 1024
};

struct update_options {
    const char *resources;
    const char *memory, *memory_swap, *memory_reservation, *kernel_memory, *kernel_memory_tcp;
    const char *cpu_quota, *cpu_period, *cpu_burst, *cpu_share, *cpu_idle;
    const char *cpu_rt_period, *cpu_rt_runtime, *cpuset_cpus, *cpuset_mems;
    const char *pids_limit, *blkio_weight;
    const char *l3_cache_schema, *mem_bw_schema;
};

#define ROW(name, member, help)                                                \
    {                                                                          \
        0, name, OPTIONS_STRING, offsetof(struct update_options, member), help \
    }
static const struct options_row rows[] = {
    ROW("blkio-weight", blkio_weight, "weight of block I/O, 10 to 1000"),
    ROW("cpu-burst", cpu_burst, "µs that may be saved for a later period"),
    ROW("cpu-idle", cpu_idle, "1: only what nobody else wants"),
    ROW("cpu-period", cpu_period, "µs of a period"),
    ROW("cpu-quota", cpu_quota, "µs of CPU time in a period, -1: no limit"),
    ROW("cpu-rt-period", cpu_rt_period, "µs of a real-time period"),
    ROW("cpu-rt-runtime", cpu_rt_runtime, "µs of real-time CPU time in it"),
    ROW("cpu-share", cpu_share, "weight of CPU time, 1024 is usual"),
    ROW("cpuset-cpus", cpuset_cpus, "which CPUs, as 0-3,7"),
    ROW("cpuset-mems", cpuset_mems, "which memory nodes"),
    ROW("kernel-memory", kernel_memory, NULL),
    ROW("kernel-memory-tcp", kernel_memory_tcp, NULL),
    ROW("l3-cache-schema", l3_cache_schema, NULL),
    ROW("mem-bw-schema", mem_bw_schema, NULL),
    ROW("memory", memory, "bytes of memory, 512m; -1: no limit"),
    ROW("memory-reservation", memory_reservation, "bytes that are kept when memory gets scarce"),
    ROW("memory-swap", memory_swap, "bytes of memory and swap together"),
    ROW("pids-limit", pids_limit, "processes and threads, -1: no limit"),
    { 'r', "resources", OPTIONS_STRING, offsetof(struct update_options, resources),
      "file with a resources object, - for stdin; other flags are ignored then" },
};

#define FROM(member) offsetof(struct update_options, member)
#define TO(member)   offsetof(struct oci_resources, member)

static const struct number {
    const char *name;
    size_t from; /* const char * in struct update_options */
    size_t to;   /* struct oci_i64 in struct oci_resources */
    bool is_size;
} numbers[] = {
    { "blkio-weight", FROM(blkio_weight), TO(block_io.weight), false },
    { "cpu-burst", FROM(cpu_burst), TO(cpu.burst), false },
    { "cpu-idle", FROM(cpu_idle), TO(cpu.idle), false },
    { "cpu-period", FROM(cpu_period), TO(cpu.period), false },
    { "cpu-quota", FROM(cpu_quota), TO(cpu.quota), false },
    { "cpu-rt-period", FROM(cpu_rt_period), TO(cpu.realtime_period), false },
    { "cpu-rt-runtime", FROM(cpu_rt_runtime), TO(cpu.realtime_runtime), false },
    { "cpu-share", FROM(cpu_share), TO(cpu.shares), false },
    { "kernel-memory", FROM(kernel_memory), TO(memory.kernel), true },
    { "kernel-memory-tcp", FROM(kernel_memory_tcp), TO(memory.kernel_tcp), true },
    { "memory", FROM(memory), TO(memory.limit), true },
    { "memory-reservation", FROM(memory_reservation), TO(memory.reservation), true },
    { "memory-swap", FROM(memory_swap), TO(memory.swap), true },
    { "pids-limit", FROM(pids_limit), TO(pids_limit), false },
};

static int parse_number(const struct number *n, const char *text, int64_t *out, struct err *e)
{
    uint64_t size;
    if (n->is_size && !str_eq(text, "-1")) {
        if (units_size(text, &size) < 0 || size > INT64_MAX)
            return err_input(e, "update: --%s: \"%s\" is not a size", n->name, text);
        *out = (int64_t)size;
        return 0;
    }
    if (str_to_i64(text, -1, INT64_MAX, out) < 0)
        return err_input(e, "update: --%s: \"%s\" is not a number", n->name, text);
    return 0;
}

/* An empty value is none, as in runc. */
static int from_flags(const struct update_options *o, struct oci_resources *out, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const char *text = *(const char *const *)(const void *)((const char *)o + numbers[i].from);
        struct oci_i64 *n = (struct oci_i64 *)(void *)((char *)out + numbers[i].to);
        if (!text || !*text)
            continue;
        if (parse_number(&numbers[i], text, &n->value, e) < 0)
            return -1;
        n->is_set = true;
    }
    out->cpu.cpus = o->cpuset_cpus;
    out->cpu.mems = o->cpuset_mems;
    return 0;
}

static int from_file(const char *path, struct arena *a, struct oci_resources *out, struct err *e)
{
    auto_buf struct buf text;
    struct json *doc;
    const char *name = str_eq(path, "-") ? "stdin" : path;
    buf_init(&text, RESOURCES_BYTES_MAX);
    if (str_eq(path, "-")) {
        if (fd_read_all(STDIN_FILENO, &text) < 0)
            return err_sys(e, errno, "read the resources from stdin");
    } else if (fd_read_file(AT_FDCWD, path, &text, e) < 0) {
        return err_wrap(e, "--resources");
    }
    if (json_parse(a, name, text.data ? text.data : "", text.len, &doc, e) < 0)
        return -1;
    return oci_resources_decode(a, doc, out, e);
}

static int update(struct container *c, const struct oci_resources *res, struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = NULL;
    auto_buf struct buf text;
    bool has_new_dirs;
    buf_init(&text, RESOURCES_BYTES_MAX);
    if (container_status(c) == CONTAINER_STOPPED)
        return err_conflict(e, "container \"%s\" is not running", c->id);
    if (container_open_cgroup(c, &cg, e) < 0 || cgroup_update(cg, res, &has_new_dirs, e) < 0)
        return err_wrap(e, "update container \"%s\"", c->id);
    if (!has_new_dirs)
        return 0;
    cgroup_to_string(cg, &text);
    c->state.cgroup = arena_strdup(&c->arena, text.data ? text.data : "");
    return oci_state_replace(c->dir_fd, &c->state, e);
}

int verb_update(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct update_options o = { 0 };
    struct container c = { .dir_fd = -1 };
    struct oci_resources res = { 0 };
    int words = options_parse(rows, ARRAY_LEN(rows), OPTIONS_MIXED, argc - 1, argv + 1, &o, e);
    if (words < 0 || verb_check_words("update", words, 1, 1, "ID", e) < 0)
        return -1;
    if ((o.l3_cache_schema && *o.l3_cache_schema) || (o.mem_bw_schema && *o.mem_bw_schema))
        return err_host(e, "update: Intel RDT is not supported");
    int result = container_open(rt, argv[1], &c, e);
    if (result == 0)
        result = o.resources && *o.resources ? from_file(o.resources, &c.arena, &res, e)
                                             : from_flags(&o, &res, e);
    if (result == 0)
        result = update(&c, &res, e);
    container_done(&c);
    return result;
}
