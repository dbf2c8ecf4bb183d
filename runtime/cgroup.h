#pragma once
/* Control groups on v1, hybrid and v2, by one table: a container has one directory, of the same
 * path, in every hierarchy it needs. All is done on directory fds; paths never contain "..".
 *
 * create: cgroup_host_detect, cgroup_new (directories, limits, device rules), then
 * clone3(CLONE_INTO_CGROUP, cgroup_v2_fd) and in the child cgroup_join_self for the v1 ones. The
 * child unshares its cgroup namespace after that: clone3 would root it at the *parent's* cgroup
 * (kernel/cgroup/namespace.c copy_cgroup_ns uses current).
 * later verbs: cgroup_from_string (state.json) instead of detect and new.
 * All calls but cgroup_join_self belong to the parent and may allocate. Threads: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "specs/json.h"
#include "specs/oci_config.h"

enum cgroup_controller {
    CGROUP_BLKIO, /* "io" on v2 */
    CGROUP_CPU,
    CGROUP_CPUACCT, /* v1 only: v2 counts in cpu.stat without a controller */
    CGROUP_CPUSET,
    CGROUP_DEVICES, /* v1 only: a BPF program on v2 */
    CGROUP_DMEM,    /* v2 only, for linux.resources.unified */
    CGROUP_FREEZER, /* v1 only: cgroup.freeze on v2 */
    CGROUP_HUGETLB,
    CGROUP_MEMORY,
    CGROUP_MISC,     /* for linux.resources.unified */
    CGROUP_NET_CLS,  /* v1 only */
    CGROUP_NET_PRIO, /* v1 only */
    CGROUP_PIDS,
    CGROUP_RDMA,
    CGROUP_CONTROLLER_COUNT_
};
enum cgroup_layout {
    CGROUP_NONE,
    CGROUP_V1,
    CGROUP_HYBRID, /* v1 controllers, and a v2 hierarchy (perhaps with controllers) beside them */
    CGROUP_V2,
    CGROUP_LAYOUT_COUNT_
};

enum {
    CGROUP_HIERARCHY_MAX = 16,
    CGROUP_MOUNTPOINT_LIMIT = 256,
    CGROUP_PATH_LIMIT = 1024,
};

/* One mounted hierarchy, as mounts of type "cgroup" need it too. */
struct cgroup_hierarchy {
    unsigned version;     /* 1 or 2 */
    uint32_t controllers; /* bit per enum cgroup_controller; v2: those in cgroup.controllers */
    char options[64];     /* v1: "cpu,cpuacct" or "name=systemd", as mount -o takes it; v2: "" */
    char mountpoint[CGROUP_MOUNTPOINT_LIMIT];
};
struct cgroup_host {
    enum cgroup_layout layout;
    struct cgroup_hierarchy items[CGROUP_HIERARCHY_MAX];
    size_t count;
};

/* Reads /proc/self/mountinfo. No hierarchy at all is CGROUP_NONE and no error */
must_check int cgroup_host_detect(struct cgroup_host *out, struct err *e);

/* Whether RES asks for a limit of any kind; device rules are none. Pure. */
bool cgroup_asks_for_limits(const struct oci_resources *res);

struct cgroup; /* opaque: the directories of one container, their fds */

/* Makes the directories of PATH (a cgroupsPath, absolute or not: both start at the hierarchy's
 * mount point, runtime-spec config-linux.md §Cgroups Path), sets the limits of RES and the device
 * rules (deny all, RES's in order, then the default devices). Refuses ".." and a path that has
 * processes in it or below already. On failure everything made is removed. Errors name the file
 * written, the value and why; a limit that this machine cannot apply is an error, never skipped. */
must_check int cgroup_new(const struct cgroup_host *host, const char *path,
                          const struct oci_resources *res, struct cgroup **out, struct err *e);
/* The same in two steps: what clone3 needs, the v2 directory, and the rest. When the second fails,
 * the caller removes. RES as in the first. */
must_check int cgroup_begin(const struct cgroup_host *host, const char *path,
                            const struct oci_resources *res, struct cgroup **out, struct err *e);
must_check int cgroup_finish(struct cgroup *cg, const struct cgroup_host *host,
                             const struct oci_resources *res, struct err *e);
/* Gives the v2 directory and the files that may be delegated to the user of C's process, when its
 * cgroup mount is writable and its cgroup namespace its own (config-linux.md §Cgroup ownership).
 * Never on v1 or hybrid. */
must_check int cgroup_delegate(const struct cgroup *cg, const struct cgroup_host *host,
                               const struct oci_config *c, struct err *e);
/* Forgets; removes nothing. */
void cgroup_free(struct cgroup *cg);
/* What there is of PATH in the hierarchies of HOST, whoever made it; for cgroup_remove. */
must_check int cgroup_find(const struct cgroup_host *host, const char *path, struct cgroup **out,
                           struct err *e);
/* In a child that has joined: what it inherited is a way to the cgroups of the whole machine. */
void cgroup_close_dirs(struct cgroup *cg);
DEFINE_AUTO(cgroup_free, struct cgroup *);

/* One line for state.json, and back. Reading it checks that each directory is on a cgroup file
 * system; directories that are gone are tolerated (remove and pids then skip them). */
void cgroup_to_string(const struct cgroup *cg, struct buf *to);
must_check int cgroup_from_string(const char *s, struct cgroup **out, struct err *e);

/* The container's path below every mount point, "/svc-runtime/ID". Borrowed. */
const char *cgroup_path(const struct cgroup *cg);
/* The v2 directory for CLONE_INTO_CGROUP; -1 when there is no v2 hierarchy. Borrowed. */
int cgroup_v2_fd(const struct cgroup *cg);

/* Puts the limits of RES into force on a container that is there; device rules stay as they are
 * (runc leaves them too, and engines send them along). A hierarchy that the container was not in is
 * joined by all its processes: *HAS_NEW_DIRS says that cgroup_to_string changed. On failure what
 * had been written is taken back; what could not be is named in the error. */
must_check int cgroup_update(struct cgroup *cg, const struct oci_resources *res, bool *has_new_dirs,
                             struct err *e);

/* The directories of PATH below the container's own, for `exec --cgroup`; none is made. */
must_check int cgroup_open_sub(const struct cgroup *cg, const char *path, struct cgroup **out,
                               struct err *e);
/* The v2 directory in which process PID is, -1 with an error: where a container has moved itself
 * when its own directory takes no processes any more (cgroup-v2.rst §No Internal Process
 * Constraint). */
must_check int cgroup_open_v2_of(const struct cgroup *cg, pid_t pid, struct err *e);

/* Statistics as the members of go-runc's Stats, into the object that W is in. What a hierarchy does
 * not count is 0 or absent. */
void cgroup_stats_write(const struct cgroup *cg, struct json_writer *w);
/* How many processes the kernel has killed for want of memory; 0 when nobody counts. */
uint64_t cgroup_oom_kills(const struct cgroup *cg);
/* The memory limit in force, UINT64_MAX for none. */
uint64_t cgroup_memory_limit(const struct cgroup *cg);
/* An fd that poll(2) reports (*EVENTS) when cgroup_oom_kills may have changed; cgroup_oom_again
 * makes it quiet until the next time. -1 with an error. */
must_check int cgroup_oom_open(const struct cgroup *cg, short *events, struct err *e);
void cgroup_oom_again(int fd);

/* The files through which a process moves itself, opened by the parent for the child. WITH_V2: also
 * the v2 one, for a child that was not cloned into it. */
struct cgroup_join {
    int fds[CGROUP_HIERARCHY_MAX];
    size_t count;
};
must_check int cgroup_join_open(const struct cgroup *cg, bool with_v2, struct cgroup_join *out,
                                struct err *e);
void cgroup_join_done(struct cgroup_join *j);
/* In the child, while it has one thread: moves it. Neither allocates nor prints. Does not close. */
must_check int cgroup_join_self(const struct cgroup_join *j, struct err *e);
/* Process ids in it and below, each once, as seen from here. Caller frees *OUT. */
must_check int cgroup_pids(const struct cgroup *cg, pid_t **out, size_t *count, struct err *e);
/* Blocks until the kernel reports the state, at most 2 s; a failed freeze is undone.
 */
must_check int cgroup_freeze(const struct cgroup *cg, struct err *e);
must_check int cgroup_thaw(const struct cgroup *cg, struct err *e);
must_check int cgroup_is_frozen(const struct cgroup *cg, bool *out, struct err *e);
/* Sends SIGNAL to every process in it and below, also those forked meanwhile: SIGKILL by
 * cgroup.kill, else frozen, signalled and always thawed. Nobody there is success. */
must_check int cgroup_signal_all(const struct cgroup *cg, int signal, struct err *e);
/* Removes all directories, with those below; waits up to TIMEOUT_MS for dying processes to leave.
 * Already gone is success. ERR_CONFLICT when processes remain. "/svc-runtime" itself goes with the
 * last container right below it; other parents stay. */
must_check int cgroup_remove(const struct cgroup *cg, unsigned timeout_ms, struct err *e);
