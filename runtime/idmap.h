#pragma once
/* Id mappings: written for a child's user namespace, and user namespaces made only to map a mount.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

/* What ID of the container is on the host; false when it is not mapped. Pure. */
bool idmap_to_host(const struct oci_idmaps *maps, uint32_t id, uint32_t *out);
/* Writes uid_map and gid_map of PID, which is in a new user namespace and waits. */
must_check int idmap_write(pid_t pid, const struct oci_idmaps *uids, const struct oci_idmaps *gids,
                           struct err *e);
/* A user namespace with these mappings and no process in it: an fd for mount_setattr. */
must_check int idmap_userns_open(const struct oci_idmaps *uids, const struct oci_idmaps *gids,
                                 struct err *e);
/* Maps MOUNT_FD's mount (and what is below) by USERNS_FD. ERR_HOST when the file system of WHAT
 * cannot be idmapped. */
must_check int idmap_mount(int mount_fd, int userns_fd, bool below, const char *what,
                           struct err *e);
