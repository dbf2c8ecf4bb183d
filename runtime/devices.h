#pragma once
/* Device nodes of a container: the default ones and linux.devices. In a user namespace nodes cannot
 * be made (mknod(2)), so the host's are bound onto files by fd, opened and checked by the parent;
 * elsewhere they are made. Then the links that programs expect (config-linux.md §Default Devices).
 */
#include "runtime/base/err.h"
#include "specs/oci_config.h"

enum {
    DEVICES_MAX = 1024 /* --privileged lists every node of the host */
};
struct devices_plan {
    struct oci_device items[DEVICES_MAX];
    int fds[DEVICES_MAX]; /* detached mounts of the host's nodes; -1: to be made */
    size_t count;
};

/* Parent. BINDS: in a user namespace. ERR_HOST when the host has no such node. */
must_check int devices_open(const struct oci_config *c, bool binds, struct devices_plan *out,
                            struct err *e);
void devices_done(struct devices_plan *p);
/* Child, after /dev is mounted. */
must_check int devices_make(const struct devices_plan *p, int root_fd, struct err *e);
