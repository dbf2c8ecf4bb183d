#pragma once
/* The stack model: what a stack file says, checked, in canonical form. Data only.
 *
 * Immutable after stack_load; everything lives in `arena`, which the struct owns. Defaults are
 * filled in, short forms are expanded, paths are absolute, lists and maps are one form. Zero is a
 * valid "absent" for every optional part. Durations are in ms, sizes in bytes. Ranks: anyone above
 * specs may read it; only specs makes it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "runtime/base/limits.h"
#include "runtime/base/mem.h"
#include "specs/json.h"

struct strings {
    const char **items; /* NULL-terminated too */
    size_t count;
};
struct stack_pair {
    const char *key;
    const char *value; /* "" for an empty one */
};
struct stack_pairs {
    struct stack_pair *items;
    size_t count;
};

enum stack_rootfs_kind {
    STACK_ROOTFS_HOST, /* private read-only view of the machine's own programs */
    STACK_ROOTFS_DIR,  /* a directory with a private writable layer on top */
};
struct stack_rootfs {
    enum stack_rootfs_kind kind;
    const char *path; /* STACK_ROOTFS_DIR: absolute */
};

enum stack_mount_kind {
    STACK_MOUNT_BIND,
    STACK_MOUNT_VOLUME,
    STACK_MOUNT_TMPFS,
};
struct stack_mount {
    enum stack_mount_kind kind;
    const char *source; /* bind: absolute path; volume: key in stack.volumes; tmpfs: NULL */
    const char *target; /* absolute, normalised */
    bool read_only;
    uint64_t size_bytes; /* tmpfs; 0: half of memory as tmpfs does */
    uint32_t mode;       /* tmpfs; 0: 01777 */
    struct json_place place;
};

struct stack_port {
    const char *host_ip; /* "" all addresses */
    uint16_t published;  /* 0: any free port */
    uint16_t target;
    struct json_place place;
};

enum stack_condition {
    STACK_DEP_STARTED,
    STACK_DEP_HEALTHY,
    STACK_DEP_COMPLETED,
};
struct stack_dependency {
    size_t service; /* index in stack.services */
    enum stack_condition condition;
    bool required;
    bool restart;
};

enum stack_probe_kind {
    STACK_PROBE_NONE, /* no healthcheck, or disabled */
    STACK_PROBE_CMD,  /* test = argv */
    STACK_PROBE_HTTP,
    STACK_PROBE_TCP,
};
struct stack_healthcheck {
    enum stack_probe_kind kind;
    struct strings test; /* CMD: argv; CMD-SHELL is ["/bin/sh", "-c", text] here */
    uint16_t port;       /* http, tcp */
    const char *path;    /* http: "/health/" */
    const char *host;    /* http: Host header; NULL: "localhost" */
    struct stack_pairs headers;
    uint16_t status_min, status_max; /* http: 200–399 */
    uint32_t interval_ms;            /* 30000 */
    uint32_t timeout_ms;             /* 30000 */
    uint32_t start_period_ms;        /* 0 */
    uint32_t start_interval_ms;      /* 5000 */
    uint32_t retries;                /* 3 */
};

enum stack_restart {
    STACK_RESTART_NO,
    STACK_RESTART_ALWAYS,
    STACK_RESTART_ON_FAILURE,
    STACK_RESTART_UNLESS_STOPPED,
};
enum stack_on_unhealthy {
    STACK_UNHEALTHY_RESTART,
    STACK_UNHEALTHY_STOP,
    STACK_UNHEALTHY_KILL,
    STACK_UNHEALTHY_NONE,
};

struct stack_attachment { /* a service on a network */
    size_t network;       /* index in stack.networks */
    struct strings aliases;
    uint32_t ipv4; /* host order; 0: allocate */
};

struct stack_ulimit {
    const char *name;    /* "nofile" */
    uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

enum {
    STACK_CONTENT_BYTES_MAX = 512 * 1024 /* of a secret or a config */
};
/* A secret or a config of the stack. A file is read when a container is made; what came from a
 * variable or stands in the stack file is kept here. */
struct stack_content {
    const char *key;
    const char *name;     /* "PROJECT_KEY" unless `name:` was given */
    const char *path;     /* absolute; NULL: `text` */
    const char *variable; /* where `text` came from; NULL: it stood in the file */
    const char *text;
};
/* One of them as a file in the containers of a service. */
struct stack_grant {
    bool is_config;     /* of stack.configs, else of stack.secrets */
    size_t content;     /* index there */
    const char *target; /* absolute, normalised */
    int64_t uid, gid;   /* as the container sees them; -1: the service's user */
    uint32_t mode;      /* without write bits */
    struct json_place place;
};

struct stack_device {
    const char *source, *target; /* absolute */
    bool read, write, mknod;
};
struct stack_device_rule { /* of the cgroup, beyond those of the devices */
    char type;             /* a, b, c */
    int64_t major, minor;  /* -1: all */
    bool read, write, mknod;
};

enum stack_network_mode {
    STACK_NETWORK_OWN,     /* a network namespace of its own, on `networks` */
    STACK_NETWORK_NONE,    /* of its own, with the loopback device only */
    STACK_NETWORK_HOST,    /* the machine's */
    STACK_NETWORK_SERVICE, /* that of another service's replica */
};
struct stack_link {
    size_t service;
    const char *alias; /* a name for it that only this service knows */
};

struct stack_logging {
    bool is_off;        /* driver none: nothing is kept */
    uint64_t max_bytes; /* of one file; 0: the default */
    uint32_t max_files; /* of a replica; 0: the default */
};

struct stack_service {
    const char *name;
    struct json_place place;
    struct stack_rootfs rootfs;
    bool has_command, has_entrypoint;
    struct strings command, entrypoint; /* words; the argv is entrypoint followed by command */
    struct stack_pairs environment;     /* env_file and environment merged, values final */
    const char *working_dir;            /* NULL: "/" */
    const char *user;                   /* "name", "uid", "uid:gid", "name:group"; NULL: root */
    struct strings group_add;
    struct stack_mount *mounts; /* sorted by depth of target */
    size_t mount_count;
    bool read_only;
    bool init;
    struct stack_port *ports;
    size_t port_count;
    uint16_t *expose;
    size_t expose_count;
    struct stack_attachment *networks;
    size_t network_count;
    struct stack_dependency *depends_on;
    size_t depends_count;
    struct stack_healthcheck healthcheck;
    enum stack_on_unhealthy on_unhealthy;
    enum stack_restart restart;
    uint32_t restart_max;  /* on-failure:N; 0: no limit */
    uint32_t replicas;     /* default 1 */
    uint64_t memory_bytes; /* 0: no limit */
    uint64_t memory_reservation_bytes;
    uint64_t cpu_millis;              /* 1500 = 1.5 CPUs; 0: no limit */
    int64_t pids_limit;               /* 0: default (limit of the compiler); -1: none */
    struct strings cap_add, cap_drop; /* "NET_ADMIN" without CAP_, upper case, or "ALL" */
    bool no_new_privileges;           /* default true; security_opt can turn it off */
    bool seccomp_unconfined;
    const char *seccomp_path; /* absolute path of a profile; NULL: default */
    struct stack_ulimit *ulimits;
    size_t ulimit_count;
    int stop_signal;        /* default SIGTERM */
    uint32_t stop_grace_ms; /* default 10000 */
    const char *hostname;   /* NULL: container id */
    const char *domainname; /* NULL: none */
    struct stack_pairs labels;
    struct stack_pairs annotations;
    bool userns_host;
    struct stack_grant *grants; /* secrets, then configs */
    size_t grant_count;
    struct stack_pairs extra_hosts; /* name → address, or "host-gateway" */
    struct strings dns, dns_search, dns_opt;
    struct stack_link *links;
    size_t link_count;
    enum stack_network_mode network_mode;
    size_t network_service; /* STACK_NETWORK_SERVICE: index in stack.services */
    uint64_t shm_bytes;     /* 0: 64 MiB */
    struct stack_pairs sysctls;
    bool has_oom_score_adj;
    int oom_score_adj;
    struct stack_device *devices;
    size_t device_count;
    struct stack_device_rule *device_rules;
    size_t device_rule_count;
    struct stack_logging logging;
    char hash[17]; /* of the canonical service less replicas, depends_on: changes → recreate */
};

struct stack_volume {
    const char *key;
    const char *name; /* "PROJECT_KEY" unless `name:` was given */
    bool is_external;
};

struct stack_network {
    const char *key;
    const char *name;
    bool is_internal;
    bool has_subnet;
    uint32_t subnet; /* host order */
    uint8_t prefix;
    uint32_t gateway; /* 0: first address */
};

/* proxy */
enum stack_route_kind {
    STACK_ROUTE_SERVICE,
    STACK_ROUTE_FILES,
};
struct stack_route {
    enum stack_route_kind kind;
    const char *host; /* NULL: any; "*.example.com" */
    const char *path; /* prefix, begins with '/' */
    bool is_exact;    /* "=/path" in the file */
    size_t service;   /* STACK_ROUTE_SERVICE */
    uint16_t port;
    bool strip_prefix;
    const char *dir;     /* STACK_ROUTE_FILES: absolute path of a host directory, or NULL… */
    const char *volume;  /* …and then the key of a volume */
    const char *index;   /* "index.html" */
    const char *expires; /* Cache-Control max-age in seconds as text; NULL: none */
    uint32_t connect_timeout_ms;  /* 5000 */
    uint32_t response_timeout_ms; /* 120000 */
    uint32_t idle_timeout_ms;     /* 60000; upgraded connections: 1 h */
    struct json_place place;
};
struct stack_listen {
    const char *address; /* "" all */
    uint16_t port;
    struct json_place place;
};
struct stack_proxy {
    bool is_set;
    struct stack_listen *listens;
    size_t listen_count;
    struct stack_route *routes; /* file order */
    size_t route_count;
    uint64_t body_max_bytes; /* limits.body; default 50 MiB */
};

/* A variable that ${…} asked for. */
struct stack_variable {
    const char *name;
    const char *value;  /* NULL: not set */
    const char *origin; /* "environment", or the .env file as it was named; NULL: not set */
};

struct stack {
    struct arena arena;
    const char *name;
    const char *file;               /* as the user named it */
    const char *dir;                /* absolute directory of the file */
    struct stack_service *services; /* in file order */
    size_t service_count;
    struct stack_volume *volumes;
    size_t volume_count;
    struct stack_network *networks; /* those in use; "default" made when needed */
    size_t network_count;
    struct stack_content *secrets;
    size_t secret_count;
    struct stack_content *configs;
    size_t config_count;
    struct stack_proxy proxy;
    struct stack_variable *variables; /* when they were wanted; as they were asked for */
    size_t variable_count;
};

void stack_free(struct stack *s);
DEFINE_AUTO(stack_free, struct stack *);

static inline const struct stack_content *stack_granted(const struct stack *s,
                                                        const struct stack_grant *g)
{
    return g->is_config ? &s->configs[g->content] : &s->secrets[g->content];
}

/* Borrowed; NULL when there is none. */
const struct stack_service *stack_find_service(const struct stack *s, const char *name);
