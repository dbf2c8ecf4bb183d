#pragma once
/* An overlay with idmapped layers, as a detached mount: what root file systems with a private
 * writable layer are. Linux 6.1 takes layers by path only, so they are attached for a moment in the
 * mount namespace of a short-lived child; nothing of it is ever seen by the host. */
#include "runtime/base/err.h"

/* OPTIONS: "lowerdir=…", "upperdir=…", "workdir=…" as in mount(8), NULL-terminated; others go to
 * the file system. USERNS_FD maps the layers, -1: as they are. Upper and work share one parent
 * directory. Returns the fd. */
must_check int overlay_open(const char *const *options, int userns_fd, struct err *e);
