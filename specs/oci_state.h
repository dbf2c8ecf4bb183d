#pragma once
/* The state of a container: what `state` prints (runtime-spec runtime.md §State) and what
 * svc-runtime keeps in ROOT/ID/state.json. Strings live in the arena given to oci_state_load, or
 * belong to the caller who fills the struct. */
#include <stdint.h>
#include <sys/types.h>

#include "specs/oci_config.h"

struct oci_state {
    const char *id;
    pid_t pid;
    uint64_t start_ticks; /* field 22 of /proc/PID/stat: with pid, the identity of the process */
    const char *bundle;
    const char *rootfs;
    const char *created; /* RFC 3339, UTC */
    const char *cgroup;  /* cgroup_to_string */
    struct oci_pairs annotations;
    uint32_t owner_uid;
    const char *exit_cause; /* of a stopped container: "oom"; NULL: not known. Never saved */
    bool has_later_hooks;   /* poststart or poststop: `start` and `delete` need the config */
    const char *config;     /* the text of config.json: the bundle may change or go */
    size_t config_len;
};

#define OCI_VERSION "1.3.0"

enum {
    OCI_STATE_TEXT_MAX = 1024 * 1024 /* bytes of the public form */
};

/* The public form, as one JSON value; for hooks and `state`. STATUS: "creating", "created",
 * "running", "paused", "stopped"; a stopped container has pid 0. */
void oci_state_write(struct json_writer *w, const struct oci_state *s, const char *status);
/* The same as text, in place of what is in TO. ERR_INPUT when it is longer than TO's limit. */
must_check int oci_state_to_text(const struct oci_state *s, const char *status, struct buf *to,
                                 struct err *e);
/* The same as the member KEY of an object. */
void oci_state_put(struct json_writer *w, const char *key, const struct oci_state *s,
                   const char *status);
/* The first line of state.json, which has more than the public form; and all of it back. Both pure.
 */
void oci_state_put_record(struct json_writer *w, const struct oci_state *s);
must_check int oci_state_decode(struct arena *a, const char *text, size_t len,
                                struct oci_state *out, struct err *e);
/* Two lines, the state and the config as it was. Prepared beside its place, put in it by a rename:
 * readers see all of it or nothing. */
must_check int oci_state_prepare(int dir_fd, const struct oci_state *s, struct err *e);
must_check int oci_state_publish(int dir_fd, struct err *e);
/* ERR_CONFLICT when there is none. */
must_check int oci_state_load(struct arena *a, int dir_fd, struct oci_state *out, struct err *e);
