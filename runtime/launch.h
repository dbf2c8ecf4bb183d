#pragma once
/* The parent half of a create: plan, cgroups, clone, mappings, handshake. Everything made is undone
 * when it fails. Blocking; tens of milliseconds at worst, unless hooks take longer. */
#include "runtime/container.h"
#include "specs/oci_config.h"

struct launch_options {
    const char *bundle;         /* absolute */
    const char *config;         /* NULL: config.json of the bundle */
    const char *console_socket; /* NULL: none */
    int *master_fd;             /* where the terminal's master goes instead; NULL: nowhere */
    const char *pid_file;       /* NULL: none */
    unsigned preserve_fds;
    bool no_pivot;
    bool no_new_keyring;
};

/* Creates container ID of OPTIONS->bundle: after it the child waits for launch_start. *PIDFD may be
 * NULL; the child is a child of the caller. */
must_check int launch_create(const struct runtime *rt, const char *id,
                             const struct launch_options *options, struct container *out,
                             int *pidfd, struct err *e);
/* Lets a created container execute its program. */
must_check int launch_start(struct container *c, struct err *e);
/* The same for one without a readable state.json: a create that was killed. Its processes ended
 * with it; KILLS ends them nevertheless. */
must_check int launch_clean(const struct runtime *rt, struct container *c, bool kills,
                            struct err *e);
/* Kills what is left of it, removes its cgroups and its directory, runs poststop hooks. */
must_check int launch_delete(const struct runtime *rt, struct container *c, struct err *e);
