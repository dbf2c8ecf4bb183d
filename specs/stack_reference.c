#include "specs/stack_reference.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_tables.h"

enum {
    PATH_MAX_BYTES = 160
};

/* Keys whose decoder is a function: what it takes, and the table of the objects in it. */
static const struct shape {
    const char *path;
    unsigned takes;
    const struct field_table *table;
} shapes[] = {
    { "configs", TAKES_MAP, &stack_config_table },
    { "configs.*.content", TAKES_TEXT, NULL },
    { "configs.*.external", TAKES_TEXT | TAKES_BOOL, NULL },
    { "include", TAKES_LIST | TAKES_OBJECTS, &stack_inclusion_table },
    { "logging", TAKES_OBJECT, &stack_logging_table },
    { "logging.options", TAKES_OBJECT, &stack_logging_option_table },
    { "name", TAKES_TEXT, NULL },
    { "networks", TAKES_MAP, &stack_network_table },
    { "networks.*.driver", TAKES_TEXT, NULL },
    { "networks.*.enable_ipv4", TAKES_BOOL, NULL },
    { "networks.*.external", TAKES_BOOL, NULL },
    { "networks.*.ipam.config", TAKES_OBJECTS, &stack_subnet_table },
    { "networks.*.ipam.driver", TAKES_TEXT, NULL },
    { "proxy", TAKES_OBJECT, &stack_proxy_table },
    { "proxy.listen", TAKES_TEXT | TAKES_NUMBER | TAKES_LIST | TAKES_OBJECTS, &stack_listen_table },
    { "proxy.routes", TAKES_PAIRS | TAKES_MAP | TAKES_OBJECTS, &stack_route_table },
    { "proxy.routes.*.files", TAKES_TEXT | TAKES_OBJECT, &stack_files_table },
    { "proxy.routes.*.to", TAKES_TEXT, NULL },
    { "proxy.timeouts", TAKES_OBJECT, &stack_timeout_table },
    { "secrets", TAKES_MAP, &stack_secret_table },
    { "secrets.*.content", TAKES_TEXT, NULL },
    { "secrets.*.external", TAKES_TEXT | TAKES_BOOL, NULL },
    { "services", TAKES_MAP, &stack_service_table },
    { "services.*.annotations", TAKES_PAIRS | TAKES_LIST, NULL },
    { "services.*.cap_add", TAKES_LIST, NULL },
    { "services.*.cap_drop", TAKES_LIST, NULL },
    { "services.*.command", TAKES_TEXT | TAKES_LIST, NULL },
    { "services.*.configs", TAKES_LIST | TAKES_OBJECTS, &stack_grant_table },
    { "services.*.configs[].mode", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.container_name", TAKES_TEXT, NULL },
    { "services.*.cpus", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.depends_on", TAKES_LIST | TAKES_MAP, &stack_dependency_table },
    { "services.*.deploy.resources.limits.cpus", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.deploy.restart_policy", TAKES_OBJECT, NULL },
    { "services.*.device_cgroup_rules", TAKES_LIST, NULL },
    { "services.*.devices", TAKES_LIST | TAKES_OBJECTS, &stack_device_table },
    { "services.*.dns", TAKES_TEXT | TAKES_LIST, NULL },
    { "services.*.dns_opt", TAKES_TEXT | TAKES_LIST, NULL },
    { "services.*.dns_search", TAKES_TEXT | TAKES_LIST, NULL },
    { "services.*.domainname", TAKES_TEXT, NULL },
    { "services.*.entrypoint", TAKES_TEXT | TAKES_LIST, NULL },
    { "services.*.env_file", TAKES_TEXT | TAKES_LIST | TAKES_OBJECTS, &stack_env_file_table },
    { "services.*.environment", TAKES_PAIRS | TAKES_LIST, NULL },
    { "services.*.expose", TAKES_LIST, NULL },
    { "services.*.extends", TAKES_TEXT | TAKES_OBJECT, &stack_extension_table },
    { "services.*.extends.service", TAKES_TEXT, NULL },
    { "services.*.extra_hosts", TAKES_PAIRS | TAKES_LIST, NULL },
    { "services.*.healthcheck", TAKES_OBJECT, &stack_health_table },
    { "services.*.healthcheck.http", TAKES_TEXT | TAKES_NUMBER | TAKES_OBJECT,
      &stack_health_http_table },
    { "services.*.healthcheck.http.status", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.healthcheck.tcp", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.healthcheck.test", TAKES_TEXT | TAKES_LIST, NULL },
    { "services.*.hostname", TAKES_TEXT, NULL },
    { "services.*.image", TAKES_TEXT, NULL },
    { "services.*.label_file", TAKES_TEXT | TAKES_LIST, NULL },
    { "services.*.labels", TAKES_PAIRS | TAKES_LIST, NULL },
    { "services.*.links", TAKES_LIST, NULL },
    { "services.*.logging", TAKES_OBJECT, &stack_logging_table },
    { "services.*.logging.options", TAKES_OBJECT, &stack_logging_option_table },
    { "services.*.network_mode", TAKES_TEXT, NULL },
    { "services.*.networks", TAKES_LIST | TAKES_MAP, &stack_attachment_table },
    { "services.*.on_unhealthy", TAKES_TEXT, NULL },
    { "services.*.oom_score_adj", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.ports", TAKES_LIST | TAKES_OBJECTS, &stack_port_table },
    { "services.*.profiles", TAKES_LIST, NULL },
    { "services.*.restart", TAKES_TEXT | TAKES_BOOL, NULL },
    { "services.*.rootfs", TAKES_TEXT | TAKES_OBJECT, &stack_rootfs_table },
    { "services.*.secrets", TAKES_LIST | TAKES_OBJECTS, &stack_grant_table },
    { "services.*.secrets[].mode", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.security_opt", TAKES_LIST, NULL },
    { "services.*.stop_signal", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.sysctls", TAKES_PAIRS | TAKES_LIST, NULL },
    { "services.*.tmpfs", TAKES_TEXT | TAKES_LIST, NULL },
    { "services.*.ulimits", TAKES_PAIRS | TAKES_MAP, &stack_ulimit_table },
    { "services.*.user", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.userns_mode", TAKES_TEXT, NULL },
    { "services.*.volumes", TAKES_LIST | TAKES_OBJECTS, &stack_mount_table },
    { "services.*.volumes[].tmpfs.mode", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "services.*.volumes[].volume.nocopy", TAKES_TEXT | TAKES_BOOL, NULL },
    { "services.*.working_dir", TAKES_TEXT, NULL },
    { "version", TAKES_TEXT | TAKES_NUMBER, NULL },
    { "volumes", TAKES_MAP, &stack_volume_table },
    { "volumes.*.driver", TAKES_TEXT, NULL },
};

/* FIELD_CALL takes what its shape says; numbers and booleans may be texts (field.h). */
static unsigned takes_of_kind(const struct field *f)
{
    static const unsigned takes[FIELD_KIND_COUNT_] = {
        [FIELD_STRING] = TAKES_TEXT,
        [FIELD_TEXT] = TAKES_TEXT | TAKES_NUMBER,
        [FIELD_BOOL] = TAKES_TEXT | TAKES_BOOL,
        [FIELD_U16] = TAKES_TEXT | TAKES_NUMBER,
        [FIELD_U32] = TAKES_TEXT | TAKES_NUMBER,
        [FIELD_I64] = TAKES_TEXT | TAKES_NUMBER,
        [FIELD_DURATION] = TAKES_TEXT | TAKES_NUMBER,
        [FIELD_SIZE] = TAKES_TEXT | TAKES_NUMBER,
        [FIELD_STRINGS] = TAKES_LIST,
        [FIELD_PAIRS] = TAKES_PAIRS | TAKES_LIST,
        [FIELD_CHOICE] = TAKES_TEXT,
        [FIELD_OBJECT] = TAKES_OBJECT,
    };
    return takes[f->kind] | (f->flags & FIELD_ONE ? TAKES_TEXT : 0U);
}

struct stack_key stack_reference_key(const char *path, const struct field *field)
{
    struct stack_key key = { path, field, takes_of_kind(field), field->rows, field->row_count };
    for (size_t i = 0; field->kind == FIELD_CALL && i < ARRAY_LEN(shapes); i++) {
        if (!str_eq(shapes[i].path, path))
            continue;
        key.takes = shapes[i].takes;
        key.rows = shapes[i].table ? shapes[i].table->rows : NULL;
        key.row_count = shapes[i].table ? shapes[i].table->count : 0;
    }
    return key;
}

const char *stack_reference_step(const struct stack_key *key)
{
    return key->takes & TAKES_MAP ? ".*" : key->takes & TAKES_OBJECTS ? "[]" : "";
}

/* The tables are no deeper than a path is long. */
static void walk(const char *above, const struct field *rows, size_t count,
                 void (*visit)(void *self, const struct stack_key *key), void *self)
{
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX_BYTES], below[PATH_MAX_BYTES + 2];
        (void)snprintf(path, sizeof(path), "%s%s%s", above, *above ? "." : "", rows[i].key);
        struct stack_key key = stack_reference_key(path, &rows[i]);
        visit(self, &key);
        (void)snprintf(below, sizeof(below), "%s%s", path, stack_reference_step(&key));
        walk(below, key.rows, key.row_count, visit, self);
    }
}

const struct field stack_include_field = { .key = "include",
                                           .kind = FIELD_CALL,
                                           .doc = "stack files that belong to this one" };

void stack_reference_walk(void (*visit)(void *self, const struct stack_key *key), void *self)
{
    walk("", stack_top_table.rows, stack_top_table.count, visit, self);
    walk("", &stack_include_field, 1, visit, self);
}

void stack_reference_type(const struct stack_key *key, char *text, size_t size)
{
    static const char *const exact[FIELD_KIND_COUNT_] = {
        [FIELD_BOOL] = "true or false",
        [FIELD_U16] = "number",
        [FIELD_U32] = "number",
        [FIELD_I64] = "number",
        [FIELD_DURATION] = "duration",
        [FIELD_SIZE] = "size",
        [FIELD_REFUSED] = "not supported",
        [FIELD_ACCEPTED] = "no effect",
    };
    static const struct {
        unsigned takes;
        const char *name;
    } words[] = {
        { TAKES_TEXT, "text" },           { TAKES_NUMBER, "number" },
        { TAKES_BOOL, "boolean" },        { TAKES_LIST, "list" },
        { TAKES_OBJECT, "object" },       { TAKES_OBJECTS, "list of objects" },
        { TAKES_MAP, "objects by name" }, { TAKES_PAIRS, "values by name" },
    };
    size_t len = 0;
    *text = '\0';
    const struct field *f = key->field;
    for (size_t i = 0; f->kind == FIELD_CHOICE && f->names[i] && len < size; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%s", i ? " | " : "", f->names[i]);
    if (exact[f->kind])
        len = (size_t)snprintf(text, size, "%s", exact[f->kind]);
    bool is_told = len > 0;
    for (size_t i = 0; !is_told && i < ARRAY_LEN(words); i++)
        if ((key->takes & words[i].takes) && len < size)
            len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "", words[i].name);
    if (!len)
        (void)snprintf(text, size, "any");
}
