#pragma once
/* config.json of the OCI runtime-spec 1.3 for Linux, as data. Read by svc-runtime (oci_config.c),
 * field names as in the specification. Everything lives in the document's arena; zero = absent.
 * Pointers to strings are NULL when absent. Decoding is strict about types and ranges and lenient
 * about unknown keys (runtime-spec config.md §Extensibility: "MUST ignore unknown properties"). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "runtime/base/mem.h"
#include "specs/json.h"

struct oci_strings {
    const char **items; /* NULL-terminated too, so that it can be an argv */
    size_t count;
};

struct oci_idmap {
    uint32_t container_id;
    uint32_t host_id;
    uint32_t size;
};
struct oci_idmaps {
    struct oci_idmap *items;
    size_t count;
};

struct oci_mount {
    const char *destination;
    const char *type; /* NULL: bind when options say so */
    const char *source;
    struct oci_strings options;
    struct oci_idmaps uid_mappings; /* of this mount */
    struct oci_idmaps gid_mappings;
};

enum oci_namespace_type {
    OCI_NS_PID,
    OCI_NS_NETWORK,
    OCI_NS_MOUNT,
    OCI_NS_IPC,
    OCI_NS_UTS,
    OCI_NS_USER,
    OCI_NS_CGROUP,
    OCI_NS_TIME,
    OCI_NS_COUNT_
};
struct oci_namespace {
    bool is_wanted;
    const char *path; /* join this one instead of a new one */
};

struct oci_rlimit {
    const char *type; /* "RLIMIT_NOFILE" */
    uint64_t soft;
    uint64_t hard;
};

struct oci_capabilities {
    bool is_set;
    struct oci_strings bounding, effective, inheritable, permitted, ambient;
};

struct oci_user {
    uint32_t uid, gid;
    bool has_umask;
    uint32_t umask;
    uint32_t *additional_gids;
    size_t additional_gid_count;
};

struct oci_scheduler {
    const char *policy; /* "SCHED_OTHER"; NULL: unset */
    int nice, priority;
    struct oci_strings flags;       /* "SCHED_FLAG_RESET_ON_FORK" */
    bool has_runtime, has_deadline; /* 0 is a value of its own */
    uint64_t runtime_ns, deadline_ns, period_ns;
};

struct oci_process {
    bool is_set;
    bool terminal;
    uint16_t console_height, console_width; /* 0: unset */
    const char *cwd;
    struct oci_strings args;
    struct oci_strings env;
    struct oci_user user;
    struct oci_capabilities capabilities;
    struct oci_rlimit *rlimits;
    size_t rlimit_count;
    bool no_new_privileges;
    bool has_oom_score_adj;
    int oom_score_adj;
    const char *apparmor_profile;
    const char *selinux_label;
    struct oci_scheduler scheduler;
    struct {
        const char *class_name; /* "IOPRIO_CLASS_BE"; NULL: unset */
        int priority;           /* 0 to 7 */
    } io_priority;
    struct {
        const char *initial, *final; /* "0-3,7"; NULL: unset */
    } exec_cpu_affinity;
};

struct oci_hook {
    const char *path;
    struct oci_strings args;
    struct oci_strings env; /* items NULL: absent, which means the runtime's */
    unsigned timeout_s;     /* 0: none */
};
enum oci_hook_kind {
    OCI_HOOK_PRESTART,
    OCI_HOOK_CREATE_RUNTIME,
    OCI_HOOK_CREATE_CONTAINER,
    OCI_HOOK_START_CONTAINER,
    OCI_HOOK_POSTSTART,
    OCI_HOOK_POSTSTOP,
    OCI_HOOK_COUNT_
};
struct oci_hooks {
    struct oci_hook *items;
    size_t count;
};

struct oci_device {
    char type; /* c u b p */
    const char *path;
    int64_t major, minor;
    uint32_t mode; /* permission bits, default 0666 */
    uint32_t uid, gid;
};

/* A wildcard major or minor is -1; type 'a' is all. */
struct oci_device_rule {
    bool allow;
    char type;
    int64_t major, minor;
    bool read, write, mknod;
};

struct oci_throttle {
    int64_t major, minor;
    uint64_t rate;        /* or weight; 0: none */
    uint64_t leaf_weight; /* of weightDevice */
};
struct oci_throttles {
    struct oci_throttle *items;
    size_t count;
};
struct oci_pair {
    const char *key;
    const char *value;
};
struct oci_pairs {
    struct oci_pair *items;
    size_t count;
};
/* A number that may be absent. */
struct oci_i64 {
    bool is_set;
    int64_t value;
};

struct oci_resources {
    struct oci_device_rule *devices;
    size_t device_count;
    struct {
        struct oci_i64 limit, reservation, swap, kernel, kernel_tcp, swappiness;
        bool disable_oom_killer, use_hierarchy, check_before_update;
    } memory;
    struct {
        struct oci_i64 shares, quota, burst, period, realtime_runtime, realtime_period, idle;
        const char *cpus;
        const char *mems;
    } cpu;
    struct oci_i64 pids_limit;
    struct {
        struct oci_i64 weight, leaf_weight;
        struct oci_throttles read_bps, write_bps, read_iops, write_iops, weight_device;
    } block_io;
    struct {
        const char *page_size;
        uint64_t limit;
    } * hugepage_limits;
    size_t hugepage_limit_count;
    struct {
        struct oci_i64 class_id;
        struct oci_pairs priorities;
    } network;
    struct {
        const char *device;
        struct oci_i64 hca_handles, hca_objects;
    } * rdma;
    size_t rdma_count;
    struct oci_pairs unified; /* cgroup v2 file name → content */
};

enum oci_seccomp_action {
    OCI_SECCOMP_KILL_THREAD, /* also "SCMP_ACT_KILL" */
    OCI_SECCOMP_KILL_PROCESS,
    OCI_SECCOMP_TRAP,
    OCI_SECCOMP_ERRNO,
    OCI_SECCOMP_TRACE,
    OCI_SECCOMP_ALLOW,
    OCI_SECCOMP_LOG,
    OCI_SECCOMP_NOTIFY,
    OCI_SECCOMP_ACTION_COUNT_
};
enum oci_seccomp_op {
    OCI_SECCOMP_NE,
    OCI_SECCOMP_LT,
    OCI_SECCOMP_LE,
    OCI_SECCOMP_EQ,
    OCI_SECCOMP_GE,
    OCI_SECCOMP_GT,
    OCI_SECCOMP_MASKED_EQ,
    OCI_SECCOMP_OP_COUNT_
};
struct oci_seccomp_arg {
    uint32_t index; /* 0..5 */
    uint64_t value, value_two;
    enum oci_seccomp_op op;
};
struct oci_seccomp_rule {
    struct oci_strings names;
    enum oci_seccomp_action action;
    bool has_errno;
    uint32_t errno_ret;
    struct oci_seccomp_arg *args; /* all must hold */
    size_t arg_count;
};
struct oci_seccomp {
    bool is_set;
    enum oci_seccomp_action default_action;
    bool has_default_errno;
    uint32_t default_errno_ret;
    struct oci_strings architectures; /* "SCMP_ARCH_X86_64" */
    struct oci_strings flags;         /* "SECCOMP_FILTER_FLAG_LOG" */
    const char *listener_path;
    const char *listener_metadata;
    struct oci_seccomp_rule *rules;
    size_t rule_count;
};

/* A network device of the host that moves into the container. */
struct oci_net_device {
    const char *name;     /* on the host */
    const char *new_name; /* in the container, perhaps with "%d" for a free number */
};
struct oci_net_devices {
    struct oci_net_device *items;
    size_t count;
};

struct oci_config {
    const char *oci_version;
    const char *bundle; /* absolute; set by the caller of the decoder */
    const char *hostname;
    const char *domainname;
    struct {
        const char *path;
        bool readonly;
    } root;
    struct oci_mount *mounts;
    size_t mount_count;
    struct oci_process process;
    struct oci_hooks hooks[OCI_HOOK_COUNT_];
    struct oci_pairs annotations;
    /* linux */
    struct oci_namespace namespaces[OCI_NS_COUNT_];
    struct oci_idmaps uid_mappings, gid_mappings;
    struct {
        bool has_monotonic, has_boottime;
        int64_t monotonic_s, boottime_s;
        uint32_t monotonic_ns, boottime_ns;
    } time_offsets;
    struct oci_device *devices;
    size_t device_count;
    const char *cgroups_path;
    struct oci_resources resources;
    const char *rootfs_propagation; /* "private", "rslave", …; NULL: default */
    struct oci_seccomp seccomp;
    struct oci_pairs sysctl;
    struct oci_strings masked_paths;
    struct oci_strings readonly_paths;
    const char *mount_label;
    const char *personality_domain; /* "LINUX", "LINUX32"; NULL: unset */
    struct {
        const char *mode;  /* "MPOL_BIND"; NULL: unset */
        const char *nodes; /* "0-3,7"; NULL: none */
        struct oci_strings flags;
    } memory_policy;
    struct oci_net_devices net_devices;
};

/* Decodes a whole document; every problem that the decoder can see is checked here, before any
 * side effect. Errors are ERR_INPUT with `config.json:LINE:COL: linux.seccomp…`. */
must_check int oci_config_decode(struct arena *a, const struct json *doc, struct oci_config *out,
                                 struct err *e);
/* The process object alone (`exec --process FILE`) and the resources object alone (`update`). */
must_check int oci_process_decode(struct arena *a, const struct json *doc, struct oci_process *out,
                                  struct err *e);
must_check int oci_resources_decode(struct arena *a, const struct json *doc,
                                    struct oci_resources *out, struct err *e);
