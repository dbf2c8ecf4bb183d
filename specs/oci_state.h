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
/* Its line of state.json, which has more than the public form; and all of the file back. Both pure.
 */
void oci_state_put_record(struct json_writer *w, const struct oci_state *s);
must_check int oci_state_decode(struct arena *a, const char *text, size_t len,
                                struct oci_state *out, struct err *e);
/* state.json is the lines note, claim, state, and the config as it was. It is written beside its
 * place and put in it by a rename: readers see all of it or nothing. The note, the path of the
 * cgroup, is written before there is one, and only added to after: what a killed create has left
 * can be found by it at any time. Without a note there is no cgroup, and no line for it. The claim,
 * a line after the note, is written when the cgroup is there and known to be nobody else's. */
must_check int oci_state_note(int dir_fd, const char *cgroup_path, struct err *e);
must_check int oci_state_claim(int dir_fd, struct err *e);
must_check int oci_state_prepare(int dir_fd, const struct oci_state *s, struct err *e);
must_check int oci_state_publish(int dir_fd, struct err *e);
/* In place of the one that is there. */
must_check int oci_state_replace(int dir_fd, const struct oci_state *s, struct err *e);
/* 0; -1 with errno. */
must_check int oci_state_remove(int dir_fd);
/* The note, of a state that was published or not; *CGROUP_PATH is NULL when there is none.
 * *IS_CLAIMED: whoever is in that cgroup is the container's. */
must_check int oci_state_find_note(struct arena *a, int dir_fd, const char **cgroup_path,
                                   bool *is_claimed, struct err *e);
/* ERR_CONFLICT when there is none. */
must_check int oci_state_load(struct arena *a, int dir_fd, struct oci_state *out, struct err *e);
