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
    const char *pidfd_socket;   /* NULL: none */
    unsigned preserve_fds;      /* those of listen_fds included, which come first */
    unsigned listen_fds;        /* sockets of sd_listen_fds(3) */
    bool no_pivot;
    bool no_new_keyring;
    int *started_fd;    /* not NULL: it starts at once, and this is for lifecycle_wait_started */
    bool holds_signals; /* foreground_hold_signals, from the moment that its program may begin */
};

/* Creates container ID of OPTIONS->bundle: after it the child waits for lifecycle_start, or is on
 * the way to its program. *PIDFD may be NULL; the child is a child of the caller. */
must_check int launch_create(const struct runtime *rt, const char *id,
                             const struct launch_options *options, struct container *out,
                             int *pidfd, struct err *e);
