#pragma once
/* The child half of a create: from clone3 to waiting for `start`, to the program. Runs in the new
 * namespaces; allocates nothing, prints nothing; every failure is one struct err for the parent. */
#include "runtime/cgroup.h"
#include "runtime/devices.h"
#include "runtime/hooks.h"
#include "runtime/masks.h"
#include "runtime/mounts.h"
#include "runtime/namespaces.h"
#include "runtime/payload.h"

/* All that the child needs, made by the parent (launch.c). */
struct init_plan {
    const struct oci_config *config;
    struct namespaces_plan namespaces;
    struct mounts_plan mounts;
    struct devices_plan devices;
    struct payload payload;
    struct cgroup_host cgroups;
    const char *cgroup_path; /* below every mount point; NULL: none */
    const char *root_path;   /* of the host */
    bool are_cgroups_own;    /* init_keep_own_cgroups was called */
    bool root_is_readonly;
    bool no_pivot;
    bool no_new_keyring;
    bool wants_entered; /* the parent has hooks to run when the namespaces are there */
    int sync_fd;
    int console_fd;                                  /* connected to --console-socket; -1 */
    struct hooks_state hook_states[OCI_HOOK_COUNT_]; /* for hooks that run in here */
};

/* For mounts of type cgroup, if there are any: in a hierarchy where the container has no directory,
 * a mount would show the whole machine's. */
void init_keep_own_cgroups(struct init_plan *p);
_Noreturn void init_main(struct init_plan *p);
