#pragma once
/* `"rootfs": "host"`: the skeleton of a container's root that shows the machine's own programs and
 * nothing of its secrets. A directory with the mount points (usr, proc, dev, sys, tmp, run, var),
 * bin, lib*, sbin as the machine has them, and copies of the few files of /etc that programs need.
 * It belongs to root; containers bind it read-only. Only files that everybody may read are copied.
 * Made anew at each start of a stack, so that it follows the machine. */
#include "runtime/base/err.h"

#define HOST_VIEW_DIR "host" /* in the state directory */

must_check int host_view_make(int state_fd, struct err *e);
/* Its path; the caller frees. */
char *host_view_path(const char *state_dir);
