#pragma once
/* Inside specs only: what the decoders of a stack file share while it is read. ctx.user of every
 * FIELD_CALL is the struct stack_draft; `base` is the struct that its table is for. */
#include "specs/dotenv.h"
#include "specs/field.h"
#include "specs/interpolate.h"
#include "specs/stack_load.h"
#include "specs/stack_sources.h"
#include "specs/stack_tables.h"

enum {
    STACK_SERVICES_MAX = 500,
    STACK_NETWORKS_MAX = 64, /* declared ones; "default" may come on top */
    STACK_REPLICAS_MAX = 1000,
    STACK_VOLUMES_MAX = 1000,   /* anonymous ones included */
    STACK_MOUNTS_MAX = 1000,    /* of one service */
    STACK_VARIABLES_MAX = 2000, /* of one service */
    STACK_CONTENTS_MAX = 1000,  /* secrets; configs; of one service both together */
    STACK_LINES_MAX = 1000,     /* extra hosts, links, devices, rules: of one service each */
    STACK_PORTS_MAX = 4096      /* of all services, ranges expanded */
};

struct stack_draft {
    struct field_ctx ctx;
    struct stack *stack;
    const struct stack_load_options *options;
    const char *home;         /* of the user, for ~ in paths; may be NULL */
    const char *cwd;          /* absolute */
    struct stack_scope scope; /* the environment, then .env */
    struct interpolate vars;  /* over the scope */
    struct stack_noted noted; /* of the scope, and of those inside */
    bool is_raw;              /* variables stay as they are written */
    struct stack_sources sources;
    size_t port_count;                 /* of all services so far */
    struct stack_logging logging;      /* of services that have none */
    const struct json *all_services;   /* also those whose profile is not active */
    const struct json **service_nodes; /* beside stack.services */
    bool *has_bad_health;              /* beside stack.services: it was there, with errors */
    bool *network_in_use;              /* beside stack.networks */
};

/* A service while it is decoded: what the model does not keep, or keeps in one place only. */
struct service_draft {
    struct stack_service s;
    size_t index;
    const struct json *node;
    const struct json *environment, *env_file, *networks, *healthcheck;
    const char *container_name;
    size_t *implied; /* services that links and network_mode wait for */
    size_t implied_count;
    int64_t scale; /* -1: not given */
    int64_t deploy_replicas;
    uint64_t deploy_memory, deploy_reservation, deploy_cpu_millis;
    int64_t deploy_pids;
    bool has_restart_policy; /* deploy.restart_policy goes before restart */
    enum stack_restart policy;
    uint32_t policy_max;
};

static inline struct stack_draft *draft_of(struct field_ctx *ctx)
{
    return ctx->user;
}

/* ITEMS (COUNT in use, grown only here) with room for one more. */
void *decode_room(struct arena *a, void *items, size_t count, size_t elem);
/* TEXT, which stands at AT, as an absolute, normalised path: relative to the directory of its file,
 * "~/" to the user's home. */
const char *decode_path(struct stack_draft *d, struct json_place at, const char *text);
/* Lexical: "." and ".." go, as do doubled slashes. TEXT is absolute. */
const char *decode_normalise(struct arena *a, const char *text);
/* Absolute and without "." and ".." already; false after an error. */
bool decode_inner_path(struct field_ctx *ctx, const struct json *node, const char *text,
                       const char **out);
/* The index of NAME, SIZE_MAX after an error at PLACE that names the nearest. */
size_t decode_service_ref(struct field_ctx *ctx, struct json_place place, const char *name);
bool decode_volume_ref(struct field_ctx *ctx, struct json_place place, const char *name);
/* 1..65535 in TEXT. */
bool decode_port_text(const char *text, uint16_t *out);
/* "ADDRESS:PORT", "[V6]:PORT" or "PORT"; false when it is none. */
bool decode_address_port(struct arena *a, const char *text, const char **address, uint16_t *port);
bool decode_is_ip(const char *text);
void decode_host_missing(struct field_ctx *ctx, struct json_place at, const char *path);
/* Whether the files of this machine are looked at (not for a saved copy). */
bool decode_checks_host(const struct stack_draft *d);

/* FIELD_CALLs of the service table, by file. */
void decode_command(struct field_ctx *ctx, const struct json *node, void *base);
void decode_entrypoint(struct field_ctx *ctx, const struct json *node, void *base);
void decode_mounts(struct field_ctx *ctx, const struct json *node, void *base);
void decode_tmpfs(struct field_ctx *ctx, const struct json *node, void *base);
void decode_ports(struct field_ctx *ctx, const struct json *node, void *base);
void decode_expose(struct field_ctx *ctx, const struct json *node, void *base);
void decode_depends_on(struct field_ctx *ctx, const struct json *node, void *base);
void decode_healthcheck(struct field_ctx *ctx, const struct json *node, void *base);
void decode_on_unhealthy(struct field_ctx *ctx, const struct json *node, void *base);
void decode_cap_add(struct field_ctx *ctx, const struct json *node, void *base);
void decode_cap_drop(struct field_ctx *ctx, const struct json *node, void *base);
void decode_security_opt(struct field_ctx *ctx, const struct json *node, void *base);
void decode_ulimits(struct field_ctx *ctx, const struct json *node, void *base);
void decode_userns_mode(struct field_ctx *ctx, const struct json *node, void *base);
void decode_secret_grants(struct field_ctx *ctx, const struct json *node, void *base);
void decode_config_grants(struct field_ctx *ctx, const struct json *node, void *base);
void decode_extra_hosts(struct field_ctx *ctx, const struct json *node, void *base);
void decode_dns(struct field_ctx *ctx, const struct json *node, void *base);
void decode_dns_search(struct field_ctx *ctx, const struct json *node, void *base);
void decode_dns_opt(struct field_ctx *ctx, const struct json *node, void *base);
void decode_domainname(struct field_ctx *ctx, const struct json *node, void *base);
void decode_links(struct field_ctx *ctx, const struct json *node, void *base);
void decode_network_mode(struct field_ctx *ctx, const struct json *node, void *base);
void decode_sysctls(struct field_ctx *ctx, const struct json *node, void *base);
void decode_oom_score_adj(struct field_ctx *ctx, const struct json *node, void *base);
void decode_devices(struct field_ctx *ctx, const struct json *node, void *base);
void decode_device_rules(struct field_ctx *ctx, const struct json *node, void *base);
void decode_annotations(struct field_ctx *ctx, const struct json *node, void *base);
void decode_label_file(struct field_ctx *ctx, const struct json *node, void *base);
void decode_logging_of(struct field_ctx *ctx, const struct json *node, struct stack_logging *out);
void decode_logging(struct field_ctx *ctx, const struct json *node, void *base);

/* Whole parts. */
void decode_service(struct stack_draft *d, size_t index);
void decode_service_networks(struct stack_draft *d, struct service_draft *sd);
void decode_environment(struct stack_draft *d, struct service_draft *sd);
/* False after an error: there are too many. */
bool decode_volume_add(struct field_ctx *ctx, struct json_place at, const struct stack_volume *v);
/* A name of an object in MEMBER's key; false after an error that calls it a WHAT. */
bool decode_name_check(struct field_ctx *ctx, const struct json *member, const char *what);
/* A file mode: octal digits in a string, or a number (what YAML makes of 0440). False after an
 * error. */
bool decode_file_mode(struct field_ctx *ctx, const struct json *node, uint32_t *out);
/* The sections `secrets` and `configs`. */
void decode_contents(struct stack_draft *d, const struct json *node, bool is_config);
/* What is known only when all of the service is: targets that clash. */
void check_grants(struct field_ctx *ctx, const struct stack_service *s);
/* Dependencies that links and network_mode imply; what depends_on says stays. */
void decode_implied_dependencies(struct stack_draft *d, struct service_draft *sd);
bool decode_is_host_name(const char *text);
void decode_driver(struct field_ctx *ctx, const struct json *node, void *base);
void decode_networks(struct stack_draft *d, const struct json *node);
void decode_volumes(struct stack_draft *d, const struct json *node);
void decode_proxy(struct field_ctx *ctx, const struct json *node, void *base);
extern const struct field service_fields[];
extern const size_t service_field_count;

/* Whether SERVICE takes part: it has no profile, or an active one (stack_profiles.c). */
bool decode_profiles(struct stack_draft *d, const struct json *service);
/* A profile of a service that does not take part; NULL when there is no such service. */
const char *decode_profile_of(const struct stack_draft *d, const char *service);

/* The checks that need the whole model (stack_check.c). */
void stack_check(struct stack_draft *d, const struct json *volumes);
/* One service as it stands in a stack file, canonical; for the hash without replicas and
 * dependencies (stack_write.c). */
void stack_write_service(struct json_writer *w, const struct stack *s,
                         const struct stack_service *service, bool is_for_hash);
void stack_hash_services(struct stack *s);
