#pragma once
/* A container as svc-runtime remembers it: ROOT/ID/ with state.json, which holds the config that it
 * was made from too, and start.sock while it waits to be started. Ids are checked before they
 * become a path. */
#include <stdbool.h>

#include "runtime/base/err.h"
#include "runtime/base/limits.h"
#include "runtime/cgroup.h"
#include "specs/oci_state.h"

#define CONTAINER_START_SOCKET "start.sock"

/* Global options, for every verb. */
struct runtime {
    char **argv;      /* as it was called, to be executed again (self.h) */
    const char *root; /* --root; /run/svc-runtime */
    const char *log_path;
    bool log_is_json;
    bool is_debug;
    bool no_cgroups; /* --cgroup-manager disabled */
};

enum container_status {
    CONTAINER_CREATED,
    CONTAINER_RUNNING,
    CONTAINER_PAUSED,
    CONTAINER_STOPPED,
    CONTAINER_STATUS_COUNT_
};

struct container {
    struct arena arena;
    char id[ID_MAX];
    int dir_fd;            /* ROOT/ID; -1 */
    struct cgroup *cgroup; /* of whoever made it; NULL: as the state says */
    struct oci_state state;
};

/* [A-Za-z0-9_+.-], not beginning with '.', not too long. */
must_check int container_check_id(const char *id, struct err *e);
/* Makes ROOT/ID; ERR_CONFLICT when it exists. OUT is zeroed but for its state and for dir_fd, -1.
 */
must_check int container_create(const struct runtime *rt, const char *id, struct container *out,
                                struct err *e);
/* Opens and loads it; ERR_CONFLICT `container does not exist: "x"`, words that podman
 * and containerd know. */
must_check int container_open(const struct runtime *rt, const char *id, struct container *out,
                              struct err *e);
/* What it was made from. */
must_check int container_load_config(struct container *c, struct oci_config *out, struct err *e);
/* Removes ROOT/ID. */
must_check int container_remove(const struct runtime *rt, struct container *c, struct err *e);
void container_done(struct container *c);

/* Paused is told before created: `resume` gives back what it was. */
enum container_status container_status(const struct container *c);
const char *container_status_name(enum container_status s);
/* The first process is the one that was made, and no zombie. */
bool container_is_alive(const struct container *c);
/* An fd of the first process, checked against pid reuse. ERR_CONFLICT when it is gone. */
must_check int container_open_pidfd(const struct container *c, struct err *e);
must_check int container_open_cgroup(const struct container *c, struct cgroup **out, struct err *e);
/* --pid-file: PATH becomes a file with the number alone, at once. */
must_check int container_write_pid(const char *path, pid_t pid, struct err *e);
/* Start time of a process, field 22 of /proc/PID/stat; 0 when there is none or it is a zombie. */
uint64_t container_start_ticks(pid_t pid);
