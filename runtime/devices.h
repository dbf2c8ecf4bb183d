#pragma once
/* Device nodes of a container: the default ones and linux.devices. Without a user namespace the
 * child makes them. In one nodes cannot be made (mknod(2)): the default ones are bound from the
 * host, those of linux.devices are made by the parent on a tmpfs, with their own mode and owner,
 * where it may, else bound from the host too; opened and checked by the parent, attached by fd.
 * Then the links that programs expect (config-linux.md §Default Devices). A /dev that is bound from
 * the host is left as it is. */
#include "runtime/base/err.h"
#include "specs/oci_config.h"

enum {
    DEVICES_MAX = 1024 /* --privileged lists every node of the host */
};
struct devices_plan {
    struct oci_device items[DEVICES_MAX];
    int fds[DEVICES_MAX];        /* detached mounts of the host's nodes; -1: none */
    bool is_ours[DEVICES_MAX];   /* on the tmpfs, named by its index */
    size_t count, default_count; /* the default ones come first */
    int nodes_fd;                /* the tmpfs, detached; -1: none */
    bool leaves_dev;             /* no links */
};

/* Parent. BINDS: in a user namespace. ERR_INPUT for a path with "..", ERR_HOST when the host has no
 * such node. */
must_check int devices_open(struct arena *a, const struct oci_config *c, bool binds,
                            struct devices_plan *out, struct err *e);
void devices_done(struct devices_plan *p);
/* Child, after /dev is mounted, before it leaves the host's root. */
must_check int devices_make(const struct devices_plan *p, int root_fd, struct err *e);
