#pragma once
/* The child half of a create: from clone3 to waiting for `start`, to the program. Runs in the new
 * namespaces; allocates nothing, prints nothing; every failure is one struct err for the parent. */
#include "runtime/cgroup.h"
#include "runtime/devices.h"
#include "runtime/masks.h"
#include "runtime/mounts.h"
#include "runtime/namespaces.h"
#include "runtime/payload.h"

/* All that the child needs, made by the parent (launch.c). */
struct init_plan {
    const struct oci_config *config;
    struct namespaces_plan namespaces;
    struct mounts_plan mounts;
    struct masks_plan masks;
    struct devices_plan devices;
    struct payload payload;
    struct cgroup_host cgroups;
    struct cgroup_join cgroup_join;
    bool root_is_readonly;
    bool no_pivot;
    bool no_new_keyring;
    int sync_fd;
    int start_fd;           /* listening */
    int console_fd;         /* connected to --console-socket; -1 */
    const char *state_text; /* for hooks that run in here */
    size_t state_len;
};

_Noreturn void init_main(struct init_plan *p);
