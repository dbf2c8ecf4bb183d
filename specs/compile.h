#pragma once
/* One replica of a service → config.json of its container (OCI). Pure: all facts about the machine
 * come in by struct compile_facts; the result is text for svc-runtime, crun or runc. */
#include "specs/oci_config.h"
#include "specs/stack.h"

/* What stands at the source of a device of the service. */
struct compile_device {
    char type; /* b, c */
    unsigned major, minor;
    uint32_t mode;     /* permission bits */
    uint32_t uid, gid; /* as the container sees them */
};

struct compile_facts {
    const char *container_id; /* "PROJECT-SERVICE-1" */
    unsigned replica;         /* from 1 */
    uint32_t id_base;         /* first host uid and gid of the container's range */
    uint32_t id_count;        /* 65536 */
    uint32_t uid, gid;        /* service.user resolved against the rootfs */
    const uint32_t *groups;   /* group_add and the user's own groups, resolved */
    size_t group_count;
    const char *home;                 /* HOME unless the environment says otherwise; NULL: "/" */
    const char *cgroups_path;         /* "/svc/PROJECT/ID" */
    const char *root_path;            /* skeleton of the host view, or the directory */
    const char *upper_dir, *work_dir; /* STACK_ROOTFS_DIR: the private writable layer */
    const char *hosts_path, *hostname_path, *resolv_path; /* generated files, bound into /etc */
    const char *const *volume_paths;      /* one per stack.volumes: host directory */
    const char *const *grant_paths;       /* one per service.grants: file that is bound there */
    const struct compile_device *devices; /* one per service.devices */
    const char *netns_path;               /* STACK_NETWORK_SERVICE: the other's network namespace */
    /* The machine counts swap per cgroup (v2, or memory.memsw on v1): then memory and swap together
     * are limited to twice the memory, as Compose has it. */
    bool can_limit_swap;
};

enum {
    COMPILE_PIDS_DEFAULT = 2048
};

/* Appends the text to TO. Errors: ERR_INPUT (unknown capability, no command, …). */
must_check int compile_config(const struct stack *stack, const struct stack_service *service,
                              const struct compile_facts *facts, struct buf *to, struct err *e);
