#pragma once
/* What the cgroup files share; nobody else includes it. cgroup_host.c finds the hierarchies,
 * cgroup_limits.c and cgroup_limit_lists.c turn resources into writes (pure), cgroup_write.c does
 * them, and takes them back; cgroup_v1.c and cgroup_v2.c prepare directories and put device rules
 * into force, cgroup_procs.c deals with the processes inside, cgroup_stats.c counts, cgroup_state.c
 * remembers, cgroup_update.c changes limits, cgroup_delegate.c gives parts away, cgroup.c is the
 * making of a container's directories. Parent only; threads: none. */
#include "runtime/base/mem.h"
#include "runtime/cgroup.h"

struct cgroup_dir {
    struct cgroup_hierarchy hierarchy;
    int root_fd; /* the mount point */
    int fd;      /* the container's directory; -1: gone */
};
#define CGROUP_BIT(controller) (UINT32_C(1) << (controller))

/* ---- cgroup_host.c ---- */

const char *cgroup_controller_name(unsigned controller, unsigned version);
/* The text of /proc/self/mountinfo; v2 controllers are filled in by cgroup_host_detect. */
void cgroup_host_parse(const char *mountinfo, struct cgroup_host *out);
/* "memory pids" or "cpu,cpuacct" as bits; unknown words are nothing to us. */
uint32_t cgroup_controllers_parse(const char *words, unsigned version);
/* Reads cgroup.controllers of a v2 directory. */
must_check int cgroup_controllers_read(int dir_fd, uint32_t *out, struct err *e);

/* ---- cgroup_limits.c, cgroup_limit_lists.c ---- */

struct cgroup_write {
    const char *key; /* "linux.resources.memory.limit", for messages */
    uint32_t controllers;
    const char *file;
    const char *other_file; /* tried first, when it exists: blkio.bfq.weight */
    const char *value;
    const char *other_value;
    bool keeps_quota; /* cpu.max: VALUE is the period, the quota in force stays */
    bool is_optional; /* a kernel without the file has nothing to limit */
    const char *note; /* what to log then; NULL */
};
struct cgroup_writes {
    struct arena arena;
    struct cgroup_write *items;
    size_t count, cap;
    const char *note; /* what was asked for and has no effect, for the log; NULL */
};
struct cgroup {
    char path[CGROUP_PATH_LIMIT]; /* "/a/b": absolute, normal, not "/" */
    struct cgroup_dir dirs[CGROUP_HIERARCHY_MAX];
    size_t count;
    struct cgroup_writes writes; /* until cgroup_finish */
};
/* What a plan has to know of limits in force, for an update. */
struct cgroup_present {
    uint64_t memory_max; /* UINT64_MAX: none, or not known */
};
/* The writes for RES, where VERSIONS[controller] is 1, 2 or 0 (not on this machine). ERR_INPUT for
 * values that make no sense, ERR_HOST for limits that the version or machine has not. */
must_check int cgroup_limits_plan(const struct oci_resources *res,
                                  const unsigned versions[CGROUP_CONTROLLER_COUNT_],
                                  const struct cgroup_present *present, struct cgroup_writes *out,
                                  struct err *e);
void cgroup_writes_done(struct cgroup_writes *w);
/* Says what has no effect, as a warning; NULL: nothing. */
void cgroup_log_note(const char *note);
uint32_t cgroup_writes_controllers(const struct cgroup_writes *w);
uint64_t cgroup_weight_of_shares(uint64_t shares);

/* ---- cgroup_write.c ---- */

/* Writes all of W. A limit may have to follow another one (memsw above memory, quota within
 * period): what the kernel finds invalid is tried once more after the others. With CAN_UNDO a
 * failure takes back what was written before it. */
must_check int cgroup_writes_apply(const struct cgroup *cg, const struct cgroup_writes *w,
                                   bool can_undo, struct err *e);
/* The text that puts back what FILE said (BEFORE), after VALUE was written to it: of a file with a
 * line per device, that of VALUE's device. Into TO; NULL when nothing does. Pure. */
const char *cgroup_undo_text(const char *file, const char *before, const char *value, char *to,
                             size_t size);

/* ---- cgroup_v1.c, cgroup_v2.c ---- */

/* Gives a fresh directory of a cpuset hierarchy its parent's CPUs and nodes: it starts with none,
 * and nothing can join it then (cpusets.rst §Usage). */
must_check int cgroup_v1_seed(int parent_fd, int dir_fd, struct err *e);
must_check int cgroup_v1_devices(int dir_fd, const struct oci_device_rule *rules, size_t count,
                                 struct err *e);
/* Lets children of DIR_FD have CONTROLLERS, those that can be had. */
void cgroup_v2_enable(int dir_fd, uint32_t controllers);
/* Makes a directory that cannot take processes yet take them: below a threaded one it must be
 * threaded itself. */
must_check int cgroup_v2_settle(int dir_fd, const char *path, struct err *e);
must_check int cgroup_v2_devices(int dir_fd, const struct oci_device_rule *rules, size_t count,
                                 struct err *e);

/* ---- cgroup.c ---- */

struct cgroup *cgroup_alloc(void);
/* "/a/b" from "a//b/" into TO of CGROUP_PATH_LIMIT bytes. WHAT is named in errors. */
must_check int cgroup_path_normalise(const char *what, const char *path, char *to, struct err *e);
must_check int cgroup_dir_open_root(struct cgroup_dir *dir, struct err *e);
/* Which version has each controller; 0: none. */
void cgroup_host_versions(const struct cgroup_host *host,
                          unsigned versions[CGROUP_CONTROLLER_COUNT_]);
/* Makes the directories in hierarchies of HOST, of VERSION, that have one of CONTROLLERS, or v2,
 * unless they are there already; v2 ones get CONTROLLERS. */
must_check int cgroup_add_dirs(struct cgroup *cg, const struct cgroup_host *host, unsigned version,
                               uint32_t controllers, struct err *e);
/* Lets the container's v2 directory, which is there, have CONTROLLERS. */
must_check int cgroup_enable(struct cgroup *cg, uint32_t controllers, struct err *e);
#define CGROUP_DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* The parent of containers whose configuration names none; removed with the last of them. */
#define CGROUP_OWN_PARENT "svc-runtime"
/* True when PATH ("/svc-runtime/ID") is right below that. */
bool cgroup_is_in_own_parent(const char *path);

/* ---- cgroup_delegate.c ---- */

/* The directory in which process PID is in DIR's hierarchy; -1 with an error. */
must_check int cgroup_open_of(const struct cgroup_dir *dir, pid_t pid, struct err *e);

/* ---- shared small things, cgroup_file.c ---- */

/* One write(2) of TEXT; -1 with errno. */
must_check int cgroup_write_file(int dir_fd, const char *file, const char *text);
/* At most SIZE-1 bytes, NUL-terminated; -1 with errno. */
must_check int cgroup_read_file(int dir_fd, const char *file, char *to, size_t size);
/* A file of one number, "max" as UINT64_MAX; -1 when there is none. */
must_check int cgroup_read_u64(int dir_fd, const char *file, uint64_t *out);
/* The number after KEY in text of "KEY NUMBER" lines; 0 when KEY is not there. */
uint64_t cgroup_find_u64(const char *text, const char *key);
/* The directory whose hierarchy has CONTROLLER; NULL when none does or its directory is gone. */
const struct cgroup_dir *cgroup_dir_of(const struct cgroup *cg, unsigned controller);
const struct cgroup_dir *cgroup_dir_v2(const struct cgroup *cg);

/* The directories below DIR_FD, parents before children, relative paths; "." first. */
struct cgroup_tree {
    struct arena arena;
    const char **paths;
    size_t count, cap;
};
must_check int cgroup_tree_read(int dir_fd, struct cgroup_tree *out, struct err *e);
void cgroup_tree_done(struct cgroup_tree *t);
uint64_t cgroup_now_ms(void);
/* Sleeps *STEP_US, which doubles up to 10 ms each time: for v1, which has no events. */
void cgroup_backoff(unsigned *step_us);
