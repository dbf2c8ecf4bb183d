/* The keys of a service: the table, and the calls that are short. */
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/str.h"
#include "specs/signal_names.h"
#include "specs/stack_decode.h"
#include "specs/units.h"

enum {
    MEMORY_MIN = 6 * 1024 * 1024 /* a container cannot even start with less; Docker's bound too */
};

static struct stack_service *model(void *base)
{
    return &((struct service_draft *)base)->s;
}

/* "host" · "./dir" · {"path": "./dir", "read_only": true} */
struct rootfs_draft {
    const char *path;
    bool read_only;
};
static const struct field rootfs_fields[] = {
    { "path", FIELD_STRING, offsetof(struct rootfs_draft, path), .flags = FIELD_NEED,
      .doc = "a directory, relative to the stack file" },
    { "read_only", FIELD_BOOL, offsetof(struct rootfs_draft, read_only),
      .doc = "no writable layer on top" },
};
const struct field_table stack_rootfs_table = FIELD_TABLE(rootfs_fields);

static void decode_rootfs(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct stack_service *s = model(base);
    struct rootfs_draft rd = { .path = node->type == JSON_STRING ? node->text : NULL };
    if (node->type == JSON_OBJECT) {
        (void)field_decode(ctx, node, rootfs_fields, ARRAY_LEN(rootfs_fields), &rd);
    } else if (node->type != JSON_STRING) {
        field_type_error(ctx, node, "\"host\" or a directory");
        return;
    }
    if (!rd.path)
        return;
    s->read_only |= rd.read_only;
    if (node->type == JSON_STRING && strcmp(rd.path, "host") == 0) {
        s->rootfs.kind = STACK_ROOTFS_HOST;
        return;
    }
    if (rd.path[0] != '.' && rd.path[0] != '/' && rd.path[0] != '~') {
        field_error(ctx, node->place, "\"%.80s\" is neither \"host\" nor a path", rd.path);
        field_hint(ctx, "begin a directory with ./");
        return;
    }
    struct stat st;
    s->rootfs.kind = STACK_ROOTFS_DIR;
    s->rootfs.path = decode_path(draft_of(ctx), node->place, rd.path);
    if (!decode_checks_host(draft_of(ctx)))
        return;
    if (stat(s->rootfs.path, &st) < 0)
        decode_host_missing(ctx, node->place, s->rootfs.path);
    else if (!S_ISDIR(st.st_mode))
        field_error(ctx, node->place, "%.200s is not a directory", s->rootfs.path);
}

static void decode_working_dir(struct field_ctx *ctx, const struct json *node, void *base)
{
    const char *text;
    if (field_text(ctx, node, &text))
        (void)decode_inner_path(ctx, node, text, &model(base)->working_dir);
}

static void decode_user(struct field_ctx *ctx, const struct json *node, void *base)
{
    const char *text;
    if (!field_text(ctx, node, &text))
        return;
    size_t len = strlen(text);
    if (!len || text[0] == ':' || text[0] == '-' || strpbrk(text, " \t\n/") || len > 255 ||
        strchr(text, ':') != strrchr(text, ':') || text[len - 1] == ':') {
        field_error(ctx, node->place, "\"%.60s\" is not a user", text);
        field_hint(ctx, "such as \"app\", \"1000\", \"1000:1000\" or \"app:staff\"");
        return;
    }
    model(base)->user = text;
}

static void decode_node(struct field_ctx *ctx, const struct json *node, const struct json **to)
{
    (void)ctx;
    *to = node;
}

/* These wait until all of the service is known. */
static void keep_environment(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_node(ctx, node, &((struct service_draft *)base)->environment);
}
static void keep_env_file(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_node(ctx, node, &((struct service_draft *)base)->env_file);
}
static void keep_networks(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_node(ctx, node, &((struct service_draft *)base)->networks);
}

static void cpus_decode(struct field_ctx *ctx, const struct json *node, uint64_t *out)
{
    const char *text;
    uint64_t millis;
    if (!field_text(ctx, node, &text))
        return;
    if (units_cpu_millis(text, &millis) < 0 || millis < 10 || millis > 1024 * 1000) {
        field_error(ctx, node->place, "\"%.40s\" is not a number of CPUs", text);
        field_hint(ctx, "from 0.01, such as 0.5 or 2");
        return;
    }
    *out = millis;
}
static void decode_cpus(struct field_ctx *ctx, const struct json *node, void *base)
{
    cpus_decode(ctx, node, &model(base)->cpu_millis);
}
static void decode_deploy_cpus(struct field_ctx *ctx, const struct json *node, void *base)
{
    cpus_decode(ctx, node, &((struct service_draft *)base)->deploy_cpu_millis);
}

static void decode_labels(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct stack_service *s = model(base);
    if (field_pairs(ctx, node, &s->labels) && s->labels.count && decode_checks_host(draft_of(ctx)))
        field_no_effect(ctx, node->key_place, "", "nothing reads labels");
}

static void decode_stop_signal(struct field_ctx *ctx, const struct json *node, void *base)
{
    const char *text;
    if (!field_text(ctx, node, &text))
        return;
    int number = signal_number(text);
    if (number < 0)
        field_error(ctx, node->place, "\"%.40s\" is not a signal", text);
    else
        model(base)->stop_signal = number;
}

static void decode_hostname(struct field_ctx *ctx, const struct json *node, void *base)
{
    const char *text;
    if (!field_text(ctx, node, &text))
        return;
    if (strlen(text) <= 63 && decode_is_host_name(text) && !strchr(text, '_'))
        model(base)->hostname = text;
    else
        field_error(ctx, node->place, "\"%.80s\" is not a host name (letters, digits, -, .; 63)",
                    text);
}

/* Containers have names of ours; the wanted one stays usable where names are looked up. */
static void decode_container_name(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct service_draft *sd = base;
    if (!field_text(ctx, node, &sd->container_name))
        return;
    field_warn(ctx, node->place,
               "containers are named %s-%s-1, -2, …; other services reach it as "
               "\"%.60s\" all the same",
               draft_of(ctx)->stack->name, sd->s.name, sd->container_name);
}

static void decode_restart(struct field_ctx *ctx, const struct json *node, void *base)
{
    static const char *const names[] = { "no", "always", "on-failure", "unless-stopped" };
    struct stack_service *s = model(base);
    uint64_t max = 0;
    if (node->type == JSON_BOOL && !node->boolean) {
        s->restart = STACK_RESTART_NO; /* what YAML makes of an unquoted no */
        return;
    }
    if (node->type != JSON_STRING) {
        field_type_error(ctx, node, "a string");
        return;
    }
    if (str_starts(node->text, "on-failure:")) {
        if (str_to_u64(node->text + strlen("on-failure:"), 100000, &max) < 0)
            field_error(ctx, node->place, "\"%.40s\" does not end in a number", node->text);
        s->restart = STACK_RESTART_ON_FAILURE;
        s->restart_max = (uint32_t)max;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(node->text, names[i]) == 0) {
            s->restart = (enum stack_restart)i;
            return;
        }
    const char *near = str_nearest(node->text, names, ARRAY_LEN(names));
    field_error(ctx, node->place, "\"%.40s\" is not a restart policy", node->text);
    if (near)
        field_hint(ctx, "did you mean \"%s\"?", near);
    else
        field_hint(ctx, "no, always, on-failure, on-failure:N or unless-stopped");
}

/* deploy */
static void decode_restart_policy(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct policy {
        int condition;
        uint32_t max_attempts;
    } policy = { .condition = 2 };
    static const char *const names[] = { "none", "on-failure", "any", NULL };
    static const enum stack_restart values[] = { STACK_RESTART_NO, STACK_RESTART_ON_FAILURE,
                                                 STACK_RESTART_ALWAYS };
    static const struct field rows[] = {
        { "condition", FIELD_CHOICE, offsetof(struct policy, condition), .names = names,
          .doc = "none, on-failure or any (default)" },
        { "max_attempts", FIELD_U32, offsetof(struct policy, max_attempts), .max = 100000,
          .doc = "0: no limit" },
        { "delay", FIELD_REFUSED,
          .doc = "the delay is svc's back-off: 100 ms, doubled up to 60 s" },
        { "window", FIELD_REFUSED, .doc = "a run of 10 s counts as a success" },
    };
    struct service_draft *sd = base;
    if (field_decode(ctx, node, rows, ARRAY_LEN(rows), &policy) < 0)
        return;
    sd->has_restart_policy = true;
    sd->policy = values[policy.condition];
    sd->policy_max = policy.max_attempts;
}

static const struct field limit_fields[] = {
    { "cpus", FIELD_CALL, .call = decode_deploy_cpus, .doc = "CPUs, such as \"0.5\"" },
    { "memory", FIELD_SIZE, offsetof(struct service_draft, deploy_memory), .min = MEMORY_MIN,
      .doc = "memory, such as \"256m\"" },
    { "pids", FIELD_I64, offsetof(struct service_draft, deploy_pids), .min = 1,
      .doc = "processes and threads" },
};
static const struct field reservation_fields[] = {
    { "memory", FIELD_SIZE, offsetof(struct service_draft, deploy_reservation), .min = 4096,
      .doc = "memory that is left to it when memory gets short" },
    { "cpus", FIELD_REFUSED, .doc = "a reservation of CPUs is not supported" },
    { "devices", FIELD_REFUSED, .doc = "devices are not supported yet" },
    { "generic_resources", FIELD_REFUSED, .doc = "generic resources are not supported" },
};
static const struct field resource_fields[] = {
    { "limits", FIELD_OBJECT, .rows = limit_fields, .row_count = ARRAY_LEN(limit_fields),
      .doc = "at most" },
    { "reservations", FIELD_OBJECT, .rows = reservation_fields,
      .row_count = ARRAY_LEN(reservation_fields), .doc = "at least" },
};

static const struct field deploy_fields[] = {
    { "replicas", FIELD_I64, offsetof(struct service_draft, deploy_replicas),
      .max = STACK_REPLICAS_MAX, .doc = "containers of this service, 1" },
    { "resources", FIELD_OBJECT, .rows = resource_fields, .row_count = ARRAY_LEN(resource_fields),
      .doc = "limits and reservations" },
    { "restart_policy", FIELD_CALL, .call = decode_restart_policy, .doc = "goes before restart" },
    { "labels", FIELD_ACCEPTED, .doc = "nothing reads labels" },
    { "strategy", FIELD_REFUSED, .flags = FIELD_OURS,
      .doc = "deploy strategies come in a later version of svc" },
    { "update_config", FIELD_REFUSED, .doc = "deploy strategies come in a later version of svc" },
    { "rollback_config", FIELD_REFUSED, .doc = "deploy strategies come in a later version of svc" },
    { "mode", FIELD_REFUSED, .doc = "the mode is always replicated on one machine" },
    { "endpoint_mode", FIELD_REFUSED, .doc = "names lead to every replica" },
    { "placement", FIELD_REFUSED, .doc = "there is one machine only" },
};

static void decode_image(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)base;
    field_error(ctx, node->key_place, "images are not supported yet, they come in a later version");
    field_hint(ctx, "until then use \"rootfs\": \"host\" or \"rootfs\": \"./dir\"");
}

#define AT(member) offsetof(struct service_draft, member)

#define NEVER(key, why)                \
    {                                  \
        key, FIELD_REFUSED, .doc = why \
    }

/* Read before: by stack_profiles.c, stack_sources.c. */
static void decode_nothing(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    (void)node;
    (void)base;
}

const struct field service_fields[] = {
    { "rootfs", FIELD_CALL, .call = decode_rootfs, .flags = FIELD_OURS,
      .doc = "\"host\": the machine's own programs, read-only; or a directory" },
    { "command", FIELD_CALL, .call = decode_command, .doc = "a list, or a string that is split" },
    { "entrypoint", FIELD_CALL, .call = decode_entrypoint, .doc = "goes before command" },
    { "environment", FIELD_CALL, .call = keep_environment,
      .doc = "an object, or a list of NAME=VALUE; NAME alone is taken from where svc runs" },
    { "env_file", FIELD_CALL, .call = keep_env_file, .doc = "files of NAME=VALUE lines" },
    { "working_dir", FIELD_CALL, .call = decode_working_dir, .doc = "/" },
    { "user", FIELD_CALL, .call = decode_user, .doc = "name or uid, with :group; root" },
    { "group_add", FIELD_STRINGS, AT(s.group_add), .doc = "further groups" },
    { "volumes", FIELD_CALL, .call = decode_mounts,
      .doc = "\"./dir:/path\", \"name:/path:ro\", \"/path\", or objects" },
    { "tmpfs", FIELD_CALL, .call = decode_tmpfs, .doc = "\"/path:size=64m\"" },
    { "read_only", FIELD_BOOL, AT(s.read_only), .doc = "the root cannot be written" },
    { "init", FIELD_BOOL, AT(s.init), .doc = "a small first process that reaps orphans" },
    { "ports", FIELD_CALL, .call = decode_ports, .doc = "\"8080:80\", \"127.0.0.1:8080:80\"" },
    { "expose", FIELD_CALL, .call = decode_expose, .doc = "ports for other services" },
    { "networks", FIELD_CALL, .call = keep_networks, .doc = "\"default\" when left out" },
    { "depends_on", FIELD_CALL, .call = decode_depends_on,
      .doc = "a list, or an object with conditions" },
    { "healthcheck", FIELD_CALL, .call = decode_healthcheck, .doc = "test, http or tcp" },
    { "on_unhealthy", FIELD_CALL, .call = decode_on_unhealthy, .flags = FIELD_OURS,
      .doc = "restart (default), stop, kill or none" },
    { "restart", FIELD_CALL, .call = decode_restart,
      .doc = "no (default), always, on-failure[:N], unless-stopped" },
    { "deploy", FIELD_OBJECT, .rows = deploy_fields, .row_count = ARRAY_LEN(deploy_fields),
      .doc = "replicas, resources, restart_policy" },
    { "scale", FIELD_I64, AT(scale), .max = STACK_REPLICAS_MAX, .doc = "as deploy.replicas" },
    { "mem_limit", FIELD_SIZE, AT(s.memory_bytes), .min = MEMORY_MIN,
      .doc = "as deploy.resources.limits.memory" },
    { "mem_reservation", FIELD_SIZE, AT(s.memory_reservation_bytes), .min = 4096,
      .doc = "as deploy.resources.reservations.memory" },
    { "cpus", FIELD_CALL, .call = decode_cpus, .doc = "as deploy.resources.limits.cpus" },
    { "pids_limit", FIELD_I64, AT(s.pids_limit), .min = -1,
      .doc = "as deploy.resources.limits.pids; -1: none; 2048" },
    { "cap_add", FIELD_CALL, .call = decode_cap_add, .doc = "capabilities beyond the default" },
    { "cap_drop", FIELD_CALL, .call = decode_cap_drop, .doc = "capabilities taken away, or ALL" },
    { "security_opt", FIELD_CALL, .call = decode_security_opt,
      .doc = "no-new-privileges:false, seccomp=unconfined" },
    { "ulimits", FIELD_CALL, .call = decode_ulimits, .doc = "{\"nofile\": 65536}" },
    { "stop_signal", FIELD_CALL, .call = decode_stop_signal, .doc = "SIGTERM" },
    { "stop_grace_period", FIELD_DURATION, AT(s.stop_grace_ms),
      .doc = "from the stop signal to SIGKILL, 10s" },
    { "hostname", FIELD_CALL, .call = decode_hostname, .doc = "the container's id" },
    { "labels", FIELD_CALL, .call = decode_labels, .doc = "notes for people; nothing reads them" },
    { "container_name", FIELD_CALL, .call = decode_container_name,
      .doc = "an alias on the service's networks" },
    { "userns_mode", FIELD_CALL, .call = decode_userns_mode,
      .doc = "host: no user namespace of its own, root inside is root outside" },
    { "image", FIELD_CALL, .call = decode_image, .flags = FIELD_NULL, .doc = "not supported yet" },
    { "pull_policy", FIELD_ACCEPTED, .doc = "there are no images yet" },
    { "attach", FIELD_ACCEPTED, .doc = "logs are always kept" },
    FIELD_LATER("build"),
    { "secrets", FIELD_CALL, .call = decode_secret_grants,
      .doc = "names, or objects with target, uid, gid, mode: files in /run/secrets" },
    { "configs", FIELD_CALL, .call = decode_config_grants,
      .doc = "names, or objects with target, uid, gid, mode: files in /" },
    { "profiles", FIELD_CALL, .call = decode_nothing,
      .doc = "takes part only when one of these is active: --profile NAME" },
    { "extends", FIELD_CALL, .call = decode_nothing,
      .doc = "begins with another service's settings: its name, or {\"file\": …, \"service\": …}" },
    FIELD_OURS_LATER("schedule"),
    FIELD_OURS_LATER("kind"),
    FIELD_OURS_LATER("idle_timeout"),
    FIELD_OURS_LATER("egress"),
    { "logging", FIELD_CALL, .call = decode_logging,
      .doc = "{\"driver\": \"local\", \"options\": {\"max-size\": \"10m\", \"max-file\": 3}}" },
    { "devices", FIELD_CALL, .call = decode_devices,
      .doc = "\"/dev/x\", \"/dev/x:/dev/y:rwm\", or objects" },
    { "device_cgroup_rules", FIELD_CALL, .call = decode_device_rules, .doc = "\"c 1:3 rwm\"" },
    { "sysctls", FIELD_CALL, .call = decode_sysctls,
      .doc = "{\"net.core.somaxconn\": 1024}: those of the service's own namespaces" },
    { "extra_hosts", FIELD_CALL, .call = decode_extra_hosts,
      .doc = "\"name=address\" or an object; host-gateway is this machine" },
    { "links", FIELD_CALL, .call = decode_links,
      .doc = "\"service:alias\": waits for it, and knows it by another name" },
    FIELD_LATER("external_links"),
    { "network_mode", FIELD_CALL, .call = decode_network_mode,
      .doc = "none, host or service:NAME instead of networks" },
    FIELD_LATER("pid"),
    FIELD_LATER("ipc"),
    FIELD_LATER("uts"),
    FIELD_LATER("cgroup"),
    FIELD_LATER("cgroup_parent"),
    { "shm_size", FIELD_SIZE, AT(s.shm_bytes), .min = 4096, .doc = "size of /dev/shm, 64m" },
    { "dns", FIELD_CALL, .call = decode_dns, .doc = "addresses of name servers" },
    { "dns_opt", FIELD_CALL, .call = decode_dns_opt, .doc = "options of resolv.conf" },
    { "dns_search", FIELD_CALL, .call = decode_dns_search, .doc = "domains to search" },
    { "domainname", FIELD_CALL, .call = decode_domainname, .doc = "behind the host name" },
    FIELD_LATER("mac_address"),
    FIELD_LATER("pre_start"),
    FIELD_LATER("post_start"),
    FIELD_LATER("pre_stop"),
    FIELD_LATER("develop"),
    { "annotations", FIELD_CALL, .call = decode_annotations,
      .doc = "annotations of the container's config.json" },
    { "label_file", FIELD_CALL, .call = decode_label_file, .doc = "files of labels" },
    FIELD_LATER("platform"),
    FIELD_LATER("tty"),
    FIELD_LATER("stdin_open"),
    FIELD_LATER("volumes_from"),
    FIELD_LATER("memswap_limit"),
    FIELD_LATER("mem_swappiness"),
    { "oom_score_adj", FIELD_CALL, .call = decode_oom_score_adj,
      .doc = "-1000 to 1000: whom the kernel ends first when memory is short" },
    FIELD_LATER("oom_kill_disable"),
    FIELD_LATER("cpu_shares"),
    FIELD_LATER("cpu_quota"),
    FIELD_LATER("cpu_period"),
    FIELD_LATER("cpuset"),
    FIELD_LATER("blkio_config"),
    FIELD_LATER("cpu_count"),
    FIELD_LATER("cpu_percent"),
    FIELD_LATER("runtime"),
    NEVER("cpu_rt_period", "real-time scheduling of cgroups is not supported"),
    NEVER("cpu_rt_runtime", "real-time scheduling of cgroups is not supported"),
    NEVER("credential_spec", "is for Windows"),
    NEVER("isolation", "is for Windows"),
    NEVER("gpus", "GPUs are not supported"),
    NEVER("models", "models are not supported"),
    NEVER("provider", "providers are not supported"),
    NEVER("storage_opt", "storage options are not supported"),
    NEVER("volume_driver", "volume drivers are not supported"),
    NEVER("use_api_socket", "there is no Docker API socket"),
    NEVER("privileged", "no service gets all of the machine; use cap_add for what it needs"),
};
const size_t service_field_count = ARRAY_LEN(service_fields);
const struct field_table stack_service_table = FIELD_TABLE(service_fields);
_Static_assert(ARRAY_LEN(service_fields) < 128, "field.c compares with at most so many words");

/* A limit stands in one place, or says the same in both. */
static void merge_limit(struct field_ctx *ctx, const struct service_draft *sd, const char *key,
                        uint64_t *plain, uint64_t deploy)
{
    const struct json *node = json_find(sd->node, key);
    if (deploy && *plain && deploy != *plain && node) {
        size_t mark = field_enter(ctx, key);
        field_error(ctx, node->place, "disagrees with deploy.resources");
        field_leave(ctx, mark);
    }
    if (deploy)
        *plain = deploy;
}

static void merge_deploy(struct field_ctx *ctx, struct service_draft *sd)
{
    struct stack_service *s = &sd->s;
    uint64_t pids = s->pids_limit > 0 ? (uint64_t)s->pids_limit : 0;
    merge_limit(ctx, sd, "mem_limit", &s->memory_bytes, sd->deploy_memory);
    merge_limit(ctx, sd, "mem_reservation", &s->memory_reservation_bytes, sd->deploy_reservation);
    merge_limit(ctx, sd, "cpus", &s->cpu_millis, sd->deploy_cpu_millis);
    merge_limit(ctx, sd, "pids_limit", &pids, (uint64_t)sd->deploy_pids);
    if (pids)
        s->pids_limit = (int64_t)pids;
    if (sd->scale >= 0 && sd->deploy_replicas >= 0 && sd->scale != sd->deploy_replicas) {
        size_t mark = field_enter(ctx, "scale");
        field_error(ctx, json_find(sd->node, "scale")->place, "disagrees with deploy.replicas");
        field_leave(ctx, mark);
    }
    if (sd->has_restart_policy) {
        s->restart = sd->policy;
        s->restart_max = sd->policy_max;
    }
    int64_t replicas = sd->deploy_replicas >= 0 ? sd->deploy_replicas : sd->scale;
    s->replicas = replicas >= 0 ? (uint32_t)replicas : 1;
    if (s->memory_bytes && s->memory_reservation_bytes > s->memory_bytes)
        field_error(ctx, s->place, "reserves more memory than its limit");
}

static int by_depth(const void *a, const void *b)
{
    const struct stack_mount *x = a, *y = b;
    size_t depth_x = 0, depth_y = 0;
    for (const char *p = x->target; *p; p++)
        depth_x += *p == '/';
    for (const char *p = y->target; *p; p++)
        depth_y += *p == '/';
    if (depth_x != depth_y)
        return depth_x < depth_y ? -1 : 1;
    int order = strcmp(x->target, y->target);
    if (order)
        return order;
    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    return x->place.column < y->place.column ? -1 : 1;
}

static void check_root(struct field_ctx *ctx, const struct service_draft *sd)
{
    if (field_find(sd->node, "rootfs") || json_find(sd->node, "image") ||
        json_find(sd->node, "build"))
        return;
    field_error(ctx, sd->s.place, "has no root file system");
    field_hint(ctx, "add \"rootfs\": \"host\" or \"rootfs\": \"./dir\"");
}

static void check_command(struct field_ctx *ctx, const struct service_draft *sd)
{
    const struct stack_service *s = &sd->s;
    bool is_bad = json_find(sd->node, "image") || json_find(sd->node, "build");
    /* What could not be decoded was reported already. */
    if (json_find(sd->node, "command") && !s->has_command)
        is_bad = true;
    if (json_find(sd->node, "entrypoint") && !s->has_entrypoint)
        is_bad = true;
    if (is_bad || s->command.count + s->entrypoint.count)
        return;
    field_error(ctx, s->place, "has no command");
    field_hint(ctx, "add \"command\": [\"program\", \"argument\"]");
}

static void check_on_unhealthy(struct field_ctx *ctx, const struct service_draft *sd)
{
    const struct json *node = field_find(sd->node, "on_unhealthy");
    const struct stack_draft *d = draft_of(ctx);
    if (!node || sd->s.healthcheck.kind != STACK_PROBE_NONE || !decode_checks_host(d) ||
        d->has_bad_health[sd->index])
        return;
    size_t mark = field_enter(ctx, "on_unhealthy");
    field_no_effect(ctx, node->key_place, "", "the service has no healthcheck");
    field_leave(ctx, mark);
}

static void sort_mounts(struct field_ctx *ctx, struct stack_service *s)
{
    if (!s->mount_count)
        return;
    qsort(s->mounts, s->mount_count, sizeof(*s->mounts), by_depth);
    size_t mark = field_enter(ctx, "volumes");
    for (size_t i = 1; i < s->mount_count; i++)
        if (strcmp(s->mounts[i - 1].target, s->mounts[i].target) == 0)
            field_error(ctx, s->mounts[i].place, "%.100s is mounted twice", s->mounts[i].target);
    field_leave(ctx, mark);
}

void decode_service(struct stack_draft *d, size_t index)
{
    struct field_ctx *ctx = &d->ctx;
    const struct json *node = d->service_nodes[index];
    struct service_draft sd = { .index = index, .node = node, .scale = -1, .deploy_replicas = -1 };
    sd.s = d->stack->services[index]; /* name and place */
    sd.s.no_new_privileges = true;
    sd.s.stop_signal = 15; /* SIGTERM */
    sd.s.stop_grace_ms = 10000;
    sd.s.logging = d->logging;
    if (field_decode(ctx, node, service_fields, service_field_count, &sd) < 0)
        return;
    decode_environment(d, &sd);
    decode_service_networks(d, &sd);
    decode_implied_dependencies(d, &sd);
    merge_deploy(ctx, &sd);
    check_root(ctx, &sd);
    check_command(ctx, &sd);
    check_on_unhealthy(ctx, &sd);
    sort_mounts(ctx, &sd.s);
    check_grants(ctx, &sd.s);
    d->stack->services[index] = sd.s;
}
