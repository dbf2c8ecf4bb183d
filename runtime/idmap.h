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
/* A new user namespace without any mappings gets one: its root is UID and GID, the caller's, as
 * crun has it. One with only half of them stays as it is. */
void idmap_fill(struct arena *a, struct oci_config *c, uid_t uid, gid_t gid);
/* The value of crun's option "idmap=uids=FIRST-HOST-SIZE#…;gids=…", where a "@" before a triplet
 * says that HOST is an id of the container, whose mappings UIDS and GIDS are. Names DEST in errors.
 */
must_check int idmap_parse(struct arena *a, const char *text, const char *dest,
                           const struct oci_idmaps *uids, const struct oci_idmaps *gids,
                           struct oci_idmaps *out_uids, struct oci_idmaps *out_gids, struct err *e);
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
