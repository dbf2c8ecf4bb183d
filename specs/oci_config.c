#include "specs/oci_config.h"

#include <string.h>

#include "runtime/base/str.h"
#include "specs/oci_read.h"

static int read_capabilities(const struct oci_reader *process, struct oci_capabilities *out)
{
    struct oci_reader r;
    if (oci_enter(process, "capabilities", &r) < 0)
        return -1;
    out->is_set = r.obj != NULL;
    if (oci_read_strings(&r, "bounding", &out->bounding) < 0 ||
        oci_read_strings(&r, "effective", &out->effective) < 0 ||
        oci_read_strings(&r, "inheritable", &out->inheritable) < 0 ||
        oci_read_strings(&r, "permitted", &out->permitted) < 0)
        return -1;
    return oci_read_strings(&r, "ambient", &out->ambient);
}

static int read_user(const struct oci_reader *process, struct oci_user *out)
{
    struct oci_reader r;
    if (oci_enter(process, "user", &r) < 0 || oci_read_u32(&r, "uid", &out->uid) < 0 ||
        oci_read_u32(&r, "gid", &out->gid) < 0)
        return -1;
    /* (uid_t)-1 means "leave as it is" to setresuid(2): it would stay root. */
    if (out->uid == UINT32_MAX || out->gid == UINT32_MAX) {
        const char *key = out->uid == UINT32_MAX ? "uid" : "gid";
        return oci_bad(&r, key, json_find(r.obj, key), "4294967295 is not an id");
    }
    int64_t umask = -1;
    if (oci_read_i64(&r, "umask", 0, 0777, &umask) < 0)
        return -1;
    out->has_umask = umask >= 0;
    out->umask = umask >= 0 ? (uint32_t)umask : 0;
    const struct json *gids = json_find(r.obj, "additionalGids");
    if (!gids || gids->type == JSON_NULL)
        return 0;
    if (gids->type != JSON_ARRAY)
        return oci_bad(&r, "additionalGids", gids, "must be an array of numbers");
    out->additional_gids =
        arena_alloc(r.arena, (gids->item_count + 1) * sizeof(*out->additional_gids));
    out->additional_gid_count = gids->item_count;
    for (size_t i = 0; i < gids->item_count; i++) {
        int64_t gid;
        if (json_to_i64(gids->items[i], &gid) < 0 || gid < 0 || gid >= UINT32_MAX)
            return oci_bad(&r, "additionalGids", gids->items[i], "is not a group id");
        out->additional_gids[i] = (uint32_t)gid;
    }
    return 0;
}

static int read_rlimits(const struct oci_reader *process, struct oci_process *out)
{
    const struct json *array;
    if (oci_read_array(process, "rlimits", &array) < 0)
        return -1;
    size_t count = array ? array->item_count : 0;
    out->rlimits = arena_alloc(process->arena, (count + 1) * sizeof(*out->rlimits));
    out->rlimit_count = count;
    for (size_t i = 0; i < count; i++) {
        struct oci_reader r = oci_item(process, "rlimits", array, i);
        if (oci_read_string(&r, "type", &out->rlimits[i].type) < 0 ||
            oci_read_u64(&r, "soft", &out->rlimits[i].soft) < 0 ||
            oci_read_u64(&r, "hard", &out->rlimits[i].hard) < 0)
            return -1;
        if (!out->rlimits[i].type)
            return oci_bad(&r, "type", NULL, "is missing");
    }
    return 0;
}

static int read_console(const struct oci_reader *process, struct oci_process *out)
{
    struct oci_reader r;
    int64_t height = 0, width = 0;
    if (oci_enter(process, "consoleSize", &r) < 0 ||
        oci_read_i64(&r, "height", 0, UINT16_MAX, &height) < 0 ||
        oci_read_i64(&r, "width", 0, UINT16_MAX, &width) < 0)
        return -1;
    out->console_height = (uint16_t)height;
    out->console_width = (uint16_t)width;
    return oci_read_bool(process, "terminal", &out->terminal);
}

static int read_scheduler(const struct oci_reader *process, struct oci_scheduler *out)
{
    struct oci_reader r;
    if (oci_enter(process, "scheduler", &r) < 0)
        return -1;
    if (!r.obj)
        return 0;
    int64_t nice = 0, priority = 0;
    if (oci_read_string(&r, "policy", &out->policy) < 0 ||
        oci_read_i64(&r, "nice", -20, 19, &nice) < 0 ||
        oci_read_i64(&r, "priority", 0, 99, &priority) < 0 ||
        oci_read_strings(&r, "flags", &out->flags) < 0 ||
        oci_read_u64(&r, "runtime", &out->runtime_ns) < 0 ||
        oci_read_u64(&r, "deadline", &out->deadline_ns) < 0 ||
        oci_read_u64(&r, "period", &out->period_ns) < 0)
        return -1;
    if (!out->policy || !out->policy[0])
        return oci_bad(&r, "policy", NULL, "is missing");
    out->nice = (int)nice;
    out->priority = (int)priority;
    out->has_runtime = json_find(r.obj, "runtime") != NULL;
    out->has_deadline = json_find(r.obj, "deadline") != NULL;
    return 0;
}

static int read_io_priority(const struct oci_reader *process, struct oci_process *out)
{
    struct oci_reader r;
    int64_t priority = -1;
    if (oci_enter(process, "ioPriority", &r) < 0)
        return -1;
    if (!r.obj)
        return 0;
    if (oci_read_string(&r, "class", &out->io_priority.class_name) < 0 ||
        oci_read_i64(&r, "priority", 0, 7, &priority) < 0)
        return -1;
    if (!out->io_priority.class_name)
        return oci_bad(&r, "class", NULL, "is missing");
    out->io_priority.priority = priority < 0 ? 0 : (int)priority;
    return 0;
}

static int read_scheduling(const struct oci_reader *process, struct oci_process *out)
{
    struct oci_reader affinity;
    if (read_scheduler(process, &out->scheduler) < 0 || read_io_priority(process, out) < 0 ||
        oci_enter(process, "execCPUAffinity", &affinity) < 0 ||
        oci_read_string(&affinity, "initial", &out->exec_cpu_affinity.initial) < 0)
        return -1;
    return oci_read_string(&affinity, "final", &out->exec_cpu_affinity.final);
}

static int check_process(const struct oci_reader *r, const struct oci_process *p)
{
    if (p->args.count == 0 || !p->args.items[0][0])
        return oci_bad(r, "args", json_find(r->obj, "args"), "must name a program");
    if (!p->cwd || p->cwd[0] != '/')
        return oci_bad(r, "cwd", json_find(r->obj, "cwd"), "must be an absolute path");
    for (size_t i = 0; i < p->env.count; i++)
        if (!strchr(p->env.items[i], '=') || p->env.items[i][0] == '=')
            return oci_bad(r, "env", json_find(r->obj, "env"), "\"%.60s\" is not NAME=VALUE",
                           p->env.items[i]);
    return 0;
}

static int read_process(const struct oci_reader *r, struct oci_process *out)
{
    int64_t oom = INT64_MIN;
    out->is_set = true;
    if (oci_read_string(r, "cwd", &out->cwd) < 0 || oci_read_strings(r, "args", &out->args) < 0 ||
        oci_read_strings(r, "env", &out->env) < 0 || read_console(r, out) < 0 ||
        read_user(r, &out->user) < 0 || read_capabilities(r, &out->capabilities) < 0 ||
        read_rlimits(r, out) < 0 || read_scheduling(r, out) < 0 ||
        oci_read_bool(r, "noNewPrivileges", &out->no_new_privileges) < 0 ||
        oci_read_i64(r, "oomScoreAdj", -1000, 1000, &oom) < 0 ||
        oci_read_string(r, "apparmorProfile", &out->apparmor_profile) < 0 ||
        oci_read_string(r, "selinuxLabel", &out->selinux_label) < 0)
        return -1;
    out->has_oom_score_adj = oom != INT64_MIN;
    out->oom_score_adj = out->has_oom_score_adj ? (int)oom : 0;
    return check_process(r, out);
}

static int read_mount(const struct oci_reader *r, struct oci_mount *out)
{
    if (oci_read_string(r, "destination", &out->destination) < 0 ||
        oci_read_string(r, "type", &out->type) < 0 ||
        oci_read_string(r, "source", &out->source) < 0 ||
        oci_read_strings(r, "options", &out->options) < 0 ||
        oci_read_idmaps(r, "uidMappings", &out->uid_mappings) < 0 ||
        oci_read_idmaps(r, "gidMappings", &out->gid_mappings) < 0)
        return -1;
    if (!out->destination || !out->destination[0])
        return oci_bad(r, "destination", json_find(r->obj, "destination"), "is missing");
    if (out->destination[0] != '/') /* config.md §Mounts: "MUST be interpreted as relative to /" */
        out->destination = arena_printf(r->arena, "/%s", out->destination);
    return 0;
}

static int read_mounts(const struct oci_reader *top, struct oci_config *out)
{
    const struct json *array;
    if (oci_read_array(top, "mounts", &array) < 0)
        return -1;
    out->mount_count = array ? array->item_count : 0;
    out->mounts = arena_alloc(top->arena, (out->mount_count + 1) * sizeof(*out->mounts));
    for (size_t i = 0; i < out->mount_count; i++) {
        struct oci_reader r = oci_item(top, "mounts", array, i);
        if (read_mount(&r, &out->mounts[i]) < 0)
            return -1;
    }
    return 0;
}

static int read_hook(const struct oci_reader *r, struct oci_hook *out)
{
    int64_t timeout = 0;
    if (oci_read_string(r, "path", &out->path) < 0 || oci_read_strings(r, "args", &out->args) < 0 ||
        oci_read_strings(r, "env", &out->env) < 0 ||
        oci_read_i64(r, "timeout", 1, 86400, &timeout) < 0)
        return -1;
    out->timeout_s = (unsigned)timeout;
    if (!out->path || out->path[0] != '/')
        return oci_bad(r, "path", json_find(r->obj, "path"), "must be an absolute path");
    return 0;
}

static int read_hooks(const struct oci_reader *top, struct oci_config *out)
{
    static const char *const names[OCI_HOOK_COUNT_] = {
        [OCI_HOOK_PRESTART] = "prestart",
        [OCI_HOOK_CREATE_RUNTIME] = "createRuntime",
        [OCI_HOOK_CREATE_CONTAINER] = "createContainer",
        [OCI_HOOK_START_CONTAINER] = "startContainer",
        [OCI_HOOK_POSTSTART] = "poststart",
        [OCI_HOOK_POSTSTOP] = "poststop",
    };
    struct oci_reader hooks;
    if (oci_enter(top, "hooks", &hooks) < 0)
        return -1;
    for (size_t k = 0; k < OCI_HOOK_COUNT_; k++) {
        const struct json *array;
        if (oci_read_array(&hooks, names[k], &array) < 0)
            return -1;
        size_t count = array ? array->item_count : 0;
        out->hooks[k].items = arena_alloc(top->arena, (count + 1) * sizeof(struct oci_hook));
        out->hooks[k].count = count;
        for (size_t i = 0; i < count; i++) {
            struct oci_reader r = oci_item(&hooks, names[k], array, i);
            if (read_hook(&r, &out->hooks[k].items[i]) < 0)
                return -1;
        }
    }
    return 0;
}

static int read_root(const struct oci_reader *top, struct oci_config *out)
{
    struct oci_reader r;
    if (oci_enter(top, "root", &r) < 0 || oci_read_string(&r, "path", &out->root.path) < 0 ||
        oci_read_bool(&r, "readonly", &out->root.readonly) < 0)
        return -1;
    if (!out->root.path || !out->root.path[0])
        return oci_bad(&r, "path", NULL, "is missing");
    return 0;
}

int oci_config_decode(struct arena *a, const struct json *doc, struct oci_config *out,
                      struct err *e)
{
    struct oci_reader top = { a, doc, "", e }, process;
    const char *bundle = out->bundle;
    *out = (struct oci_config){ .bundle = bundle };
    if (doc->type != JSON_OBJECT)
        return oci_bad(&top, "", doc, "the document must be an object");
    if (oci_read_string(&top, "ociVersion", &out->oci_version) < 0)
        return -1;
    if (!out->oci_version || !str_starts(out->oci_version, "1."))
        return oci_bad(&top, "ociVersion", json_find(doc, "ociVersion"),
                       "must be a version 1.x, this runtime knows 1.0 to 1.3");
    if (read_root(&top, out) < 0 || read_mounts(&top, out) < 0 || read_hooks(&top, out) < 0 ||
        oci_enter(&top, "process", &process) < 0 ||
        (process.obj && read_process(&process, &out->process) < 0) ||
        oci_read_string(&top, "hostname", &out->hostname) < 0 ||
        oci_read_string(&top, "domainname", &out->domainname) < 0 ||
        oci_read_pairs(&top, "annotations", &out->annotations) < 0)
        return -1;
    return oci_read_linux(&top, out);
}

int oci_process_decode(struct arena *a, const struct json *doc, struct oci_process *out,
                       struct err *e)
{
    struct oci_reader r = { a, doc, "process", e };
    *out = (struct oci_process){ 0 };
    if (doc->type != JSON_OBJECT)
        return oci_bad(&r, "", doc, "must be an object");
    return read_process(&r, out);
}

int oci_resources_decode(struct arena *a, const struct json *doc, struct oci_resources *out,
                         struct err *e)
{
    struct oci_reader r = { a, doc, "resources", e };
    *out = (struct oci_resources){ 0 };
    if (doc->type != JSON_OBJECT)
        return oci_bad(&r, "", doc, "must be an object");
    return oci_read_resources(&r, out);
}
