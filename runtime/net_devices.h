#pragma once
/* linux.netDevices: network devices of the host that move into the container's network namespace,
 * with their permanent global addresses, and are up in there (runtime-spec config-linux.md §Network
 * Devices). They go back by themselves when the namespace ends. A few rtnetlink(7) messages by
 * hand: netns/ stands beside the runtime, not below it. In the parent. Threads: none. */
#include "runtime/base/err.h"
#include "specs/oci_config.h"

/* ERR_INPUT for names that no device can have, and without a network namespace. */
must_check int net_devices_check(const struct oci_config *c, struct err *e);
/* Into the network namespace NETNS_FD. This process enters it meanwhile and comes back. */
must_check int net_devices_move(const struct oci_net_devices *devices, int netns_fd, struct err *e);
