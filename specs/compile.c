#include "specs/compile.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/compile_parts.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
    CPU_PERIOD_US = 100 * 1000,
    HOSTNAME_MAX = 63 /* HOST_NAME_MAX is 64, but a DNS label ends here */
};

/* The kernel's information that no container needs: Docker's list of masked paths. */
static const char *const masked_paths[] = {
    "/proc/acpi",       "/proc/asound",        "/proc/interrupts",  "/proc/kcore",
    "/proc/keys",       "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/timer_list", "/proc/timer_stats",   "/sys/firmware",     "/sys/devices/virtual/powercap",
};
static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* null, zero, full, random, urandom, tty, console, ptmx, and the terminals of /dev/pts. */
static const struct {
    int major, minor; /* -1: all */
} allowed_devices[] = {
    { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 1 }, { 5, 2 }, { 136, -1 },
};

static void put_paths(struct json_writer *w, const char *key, const char *const *paths,
                      size_t count)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < count; i++)
        json_put_string(w, NULL, paths[i]);
    json_end_array(w);
}

static bool has_pair(const struct stack_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->items[i].key, name) == 0)
            return true;
    return false;
}

static bool has_variable(const struct stack_service *s, const char *name)
{
    return has_pair(&s->environment, name);
}

static void put_variable(struct json_writer *w, const char *name, const char *value)
{
    auto_free char *text = str_printf("%s=%s", name, value);
    json_put_string(w, NULL, text);
}

static void hostname_of(const struct stack_service *s, const struct compile_facts *facts, char *to,
                        size_t size)
{
    (void)snprintf(to, size, "%.*s", HOSTNAME_MAX, s->hostname ? s->hostname : facts->container_id);
}

static void put_env(struct json_writer *w, const struct stack_service *s,
                    const struct compile_facts *facts)
{
    char hostname[HOSTNAME_MAX + 1];
    hostname_of(s, facts, hostname, sizeof(hostname));
    json_begin_array(w, "env");
    if (!has_variable(s, "PATH"))
        put_variable(w, "PATH", PATH_DEFAULT);
    if (!has_variable(s, "HOME"))
        put_variable(w, "HOME", facts->home ? facts->home : "/");
    if (!has_variable(s, "HOSTNAME"))
        put_variable(w, "HOSTNAME", hostname);
    for (size_t i = 0; i < s->environment.count; i++)
        put_variable(w, s->environment.items[i].key, s->environment.items[i].value);
    json_end_array(w);
}

static void put_user(struct json_writer *w, const struct compile_facts *facts)
{
    json_begin_object(w, "user");
    json_put_u64(w, "uid", facts->uid);
    json_put_u64(w, "gid", facts->gid);
    if (facts->group_count) {
        json_begin_array(w, "additionalGids");
        for (size_t i = 0; i < facts->group_count; i++)
            json_put_u64(w, NULL, facts->groups[i]);
        json_end_array(w);
    }
    json_end_object(w);
}

static void put_rlimits(struct json_writer *w, const struct stack_service *s)
{
    char type[32];
    if (!s->ulimit_count)
        return;
    json_begin_array(w, "rlimits");
    for (size_t i = 0; i < s->ulimit_count; i++) {
        int n = snprintf(type, sizeof(type), "RLIMIT_%s", s->ulimits[i].name);
        for (char *p = type; p < type + n; p++)
            *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
        json_begin_object(w, NULL);
        json_put_string(w, "type", type);
        json_put_u64(w, "soft", s->ulimits[i].soft);
        json_put_u64(w, "hard", s->ulimits[i].hard);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_process(struct json_writer *w, const struct stack_service *s,
                        const struct compile_facts *facts, const struct compile_caps *caps)
{
    json_begin_object(w, "process");
    json_put_bool(w, "terminal", false);
    put_user(w, facts);
    json_begin_array(w, "args");
    for (size_t i = 0; i < s->entrypoint.count; i++)
        json_put_string(w, NULL, s->entrypoint.items[i]);
    for (size_t i = 0; i < s->command.count; i++)
        json_put_string(w, NULL, s->command.items[i]);
    json_end_array(w);
    put_env(w, s, facts);
    json_put_string(w, "cwd", s->working_dir ? s->working_dir : "/");
    compile_put_caps(w, caps, facts->uid);
    put_rlimits(w, s);
    json_put_bool(w, "noNewPrivileges", s->no_new_privileges);
    if (s->has_oom_score_adj)
        json_put_i64(w, "oomScoreAdj", s->oom_score_adj);
    json_end_object(w);
}

static void put_mapping(struct json_writer *w, const char *key, const struct compile_facts *facts)
{
    json_begin_array(w, key);
    json_begin_object(w, NULL);
    json_put_u64(w, "containerID", 0);
    json_put_u64(w, "hostID", facts->id_base);
    json_put_u64(w, "size", facts->id_count);
    json_end_object(w);
    json_end_array(w);
}

static void put_namespaces(struct json_writer *w, const struct stack_service *s,
                           const struct compile_facts *facts)
{
    static const char *const types[] = { "pid", "network", "mount", "ipc", "uts", "cgroup" };
    json_begin_array(w, "namespaces");
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        bool is_network = strcmp(types[i], "network") == 0;
        if (is_network && s->network_mode == STACK_NETWORK_HOST)
            continue;
        json_begin_object(w, NULL);
        json_put_string(w, "type", types[i]);
        if (is_network && s->network_mode == STACK_NETWORK_SERVICE)
            json_put_string(w, "path", facts->netns_path);
        json_end_object(w);
    }
    if (!s->userns_host) {
        json_begin_object(w, NULL);
        json_put_string(w, "type", "user");
        json_end_object(w);
    }
    json_end_array(w);
    if (!s->userns_host) {
        put_mapping(w, "uidMappings", facts);
        put_mapping(w, "gidMappings", facts);
    }
}

static void put_device_rule(struct json_writer *w, bool allow, int major, int minor)
{
    json_begin_object(w, NULL);
    json_put_bool(w, "allow", allow);
    if (allow) {
        json_put_string(w, "type", "c");
        json_put_i64(w, "major", major);
        if (minor >= 0)
            json_put_i64(w, "minor", minor);
    }
    json_put_string(w, "access", "rwm");
    json_end_object(w);
}

static void put_rule_of(struct json_writer *w, const struct stack_device_rule *r)
{
    char type[2] = { r->type, '\0' }, access[4];
    (void)snprintf(access, sizeof(access), "%s%s%s", r->read ? "r" : "", r->write ? "w" : "",
                   r->mknod ? "m" : "");
    json_begin_object(w, NULL);
    json_put_bool(w, "allow", true);
    json_put_string(w, "type", type);
    if (r->major >= 0)
        json_put_i64(w, "major", r->major);
    if (r->minor >= 0)
        json_put_i64(w, "minor", r->minor);
    json_put_string(w, "access", access);
    json_end_object(w);
}

static void put_device_rules(struct json_writer *w, const struct stack_service *s,
                             const struct compile_facts *facts)
{
    for (size_t i = 0; i < s->device_count; i++) {
        const struct stack_device *d = &s->devices[i];
        const struct compile_device *f = &facts->devices[i];
        put_rule_of(w, &(struct stack_device_rule){ f->type, f->major, f->minor, d->read, d->write,
                                                    d->mknod });
    }
    for (size_t i = 0; i < s->device_rule_count; i++)
        put_rule_of(w, &s->device_rules[i]);
}

static void put_devices(struct json_writer *w, const struct stack_service *s,
                        const struct compile_facts *facts)
{
    if (!s->device_count)
        return;
    json_begin_array(w, "devices");
    for (size_t i = 0; i < s->device_count; i++) {
        const struct compile_device *f = &facts->devices[i];
        char type[2] = { f->type, '\0' };
        json_begin_object(w, NULL);
        json_put_string(w, "type", type);
        json_put_string(w, "path", s->devices[i].target);
        json_put_u64(w, "major", f->major);
        json_put_u64(w, "minor", f->minor);
        json_put_u64(w, "fileMode", f->mode);
        json_put_u64(w, "uid", f->uid);
        json_put_u64(w, "gid", f->gid);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_resources(struct json_writer *w, const struct stack_service *s,
                          const struct compile_facts *facts)
{
    json_begin_object(w, "resources");
    json_begin_array(w, "devices");
    put_device_rule(w, false, -1, -1);
    for (size_t i = 0; i < ARRAY_LEN(allowed_devices); i++)
        put_device_rule(w, true, allowed_devices[i].major, allowed_devices[i].minor);
    put_device_rules(w, s, facts);
    json_end_array(w);
    if (s->memory_bytes || s->memory_reservation_bytes) {
        json_begin_object(w, "memory");
        if (s->memory_bytes)
            json_put_u64(w, "limit", s->memory_bytes);
        /* Compose: memory and swap together are twice the memory when nothing is said. */
        if (s->memory_bytes && facts->can_limit_swap)
            json_put_u64(w, "swap", s->memory_bytes * 2);
        if (s->memory_reservation_bytes)
            json_put_u64(w, "reservation", s->memory_reservation_bytes);
        json_end_object(w);
    }
    if (s->cpu_millis) {
        json_begin_object(w, "cpu");
        json_put_u64(w, "quota", s->cpu_millis * CPU_PERIOD_US / 1000);
        json_put_u64(w, "period", CPU_PERIOD_US);
        json_end_object(w);
    }
    json_begin_object(w, "pids");
    json_put_i64(w, "limit", s->pids_limit ? s->pids_limit : COMPILE_PIDS_DEFAULT);
    json_end_object(w);
    json_end_object(w);
}

/* A network namespace of its own makes the first two harmless: any group may ping, any user may
 * listen on port 80 (Docker's defaults). The third is what Docker's seccomp profile does by its
 * rules for clone and unshare, and containers-common's does not: without CAP_SYS_ADMIN there are no
 * further user namespaces in which one would have all capabilities. It is a limit of the
 * container's own user namespace; with the host's it would be the host's. */
static void put_sysctl(struct json_writer *w, const struct stack_service *s,
                       const struct compile_facts *facts, uint64_t bounding)
{
    static const char ports[] = "net.ipv4.ip_unprivileged_port_start";
    static const char ping[] = "net.ipv4.ping_group_range";
    char range[32];
    uint32_t last = s->userns_host ? 2147483647 : facts->id_count - 1;
    bool is_net_ours =
        s->network_mode == STACK_NETWORK_OWN || s->network_mode == STACK_NETWORK_NONE;
    (void)snprintf(range, sizeof(range), "0 %" PRIu32, last);
    json_begin_object(w, "sysctl");
    if (is_net_ours && !has_pair(&s->sysctls, ports))
        json_put_string(w, ports, "0");
    if (is_net_ours && !has_pair(&s->sysctls, ping))
        json_put_string(w, ping, range);
    for (size_t i = 0; i < s->sysctls.count; i++)
        json_put_string(w, s->sysctls.items[i].key, s->sysctls.items[i].value);
    if (!s->userns_host && !(bounding & (UINT64_C(1) << CAP_SYS_ADMIN)))
        json_put_string(w, "user.max_user_namespaces", "0");
    json_end_object(w);
}

static void put_linux(struct json_writer *w, const struct stack_service *s,
                      const struct compile_facts *facts, const struct compile_caps *caps)
{
    json_begin_object(w, "linux");
    put_namespaces(w, s, facts);
    json_put_string(w, "cgroupsPath", facts->cgroups_path);
    put_resources(w, s, facts);
    put_devices(w, s, facts);
    put_sysctl(w, s, facts, caps->bounding);
    compile_put_seccomp(w, s, caps->bounding);
    put_paths(w, "maskedPaths", masked_paths, ARRAY_LEN(masked_paths));
    put_paths(w, "readonlyPaths", readonly_paths, ARRAY_LEN(readonly_paths));
    json_end_object(w);
}

static void put_annotations(struct json_writer *w, const struct stack *stack,
                            const struct stack_service *s, const struct compile_facts *facts)
{
    char number[16];
    (void)snprintf(number, sizeof(number), "%u", facts->replica);
    json_begin_object(w, "annotations");
    json_put_string(w, "run.svc.project", stack->name);
    json_put_string(w, "run.svc.service", s->name);
    json_put_string(w, "run.svc.replica", number);
    if (s->init)
        json_put_string(w, "run.svc.init", "1");
    for (size_t i = 0; i < s->annotations.count; i++)
        json_put_string(w, s->annotations.items[i].key, s->annotations.items[i].value);
    json_end_object(w);
}

int compile_config(const struct stack *stack, const struct stack_service *service,
                   const struct compile_facts *facts, struct buf *to, struct err *e)
{
    struct json_writer w;
    struct compile_caps caps;
    char hostname[HOSTNAME_MAX + 1];
    if (service->entrypoint.count + service->command.count == 0)
        return err_input(e, "service \"%s\" has no command", service->name);
    if (compile_caps_of(service, &caps, e) < 0)
        return err_wrap(e, "service \"%s\"", service->name);
    hostname_of(service, facts, hostname, sizeof(hostname));
    json_writer_init(&w, to, 2);
    json_begin_object(&w, NULL);
    json_put_string(&w, "ociVersion", "1.2.0");
    json_put_string(&w, "hostname", hostname);
    if (service->domainname)
        json_put_string(&w, "domainname", service->domainname);
    put_process(&w, service, facts, &caps);
    compile_put_mounts(&w, stack, service, facts);
    put_linux(&w, service, facts, &caps);
    put_annotations(&w, stack, service, facts);
    json_end_object(&w);
    if (to->overflow)
        return err_input(e, "the configuration of service \"%s\" is larger than %zu bytes",
                         service->name, to->limit_bytes);
    return 0;
}
