#pragma once
/* An overlay with idmapped layers, as a detached mount: what root file systems with a private
 * writable layer are. Linux 6.1 takes layers by path only, so they are attached for a moment in the
 * mount namespace of a short-lived child; nothing of it is ever seen by the host. */
#include <stdint.h>

#include "runtime/base/err.h"

/* Whose ids the layers are mapped to. Zero with userns_fd -1: as they are. */
struct overlay_owner {
    int userns_fd;
    uint32_t root_uid, root_gid; /* of the container, on the host */
};

/* OPTIONS: "lowerdir=…", "upperdir=…", "workdir=…" as in mount(8), NULL-terminated. Upper and work
 * share one parent directory. Returns the fd. */
must_check int overlay_open(const char *const *options, const struct overlay_owner *owner,
                            struct err *e);
