#pragma once
/* What the files of mounts share: mounts.c is the plan and the parent's part, mounts_attach.c the
 * child's, mounts_cgroup.c and mounts_copy_up.c the two kinds of it that are longer, mounts_fs.c
 * makes file systems for all of them. Without allocation: most of it runs in the child. */
#include "runtime/mounts.h"
#include "runtime/rootfs.h"

/* A new file system of TYPE as a detached mount with ITEM's options, DATA, EXTRA (one option more;
 * NULL: none), and ATTRS. */
must_check int mounts_make_fs(const struct mounts_item *m, const char *type,
                              const char *const *data, const char *extra, uint64_t attrs,
                              struct err *e);
/* Reconfigures the file system that is mounted at TARGET_FD with ITEM's options. */
must_check int mounts_reconfigure_fs(const struct mounts_item *m, int target_fd, struct err *e);
/* Those for the mount, then those for it and everything below, then propagation: a bind of a shared
 * mount would else stay in the peer group of the host's. */
must_check int mounts_set_attributes(const struct mounts_item *m, int fd, struct err *e);
/* MOUNT_ATTR_* of a file system that is new, so has no mounts below. */
uint64_t mounts_new_attributes(const struct mounts_item *m);

/* The place of a mount, found or made. */
struct mounts_place {
    int target_fd; /* -1: NAME in the cursor's directory, just made. Owned */
    const char *name;
    bool is_new;
};
must_check int mounts_place_find(struct rootfs_cursor *c, const struct mounts_item *m, int root_fd,
                                 const char *path, bool is_dir, struct mounts_place *out,
                                 struct err *e);
/* Attaches OWNED_FD there and closes the place. */
must_check int mounts_place_use(struct rootfs_cursor *c, struct mounts_place *place, int owned_fd,
                                const char *path, struct err *e);
void mounts_place_done(struct mounts_place *place);
#define auto_place __attribute__((cleanup(mounts_place_done)))

must_check int mounts_attach_cgroup(const struct mounts_item *m, struct mounts_plan *p,
                                    struct rootfs_cursor *c, int root_fd,
                                    const struct cgroup_host *host, struct err *e);
enum {
    MOUNTS_KEEP_MODE = 1,
    MOUNTS_KEEP_OWNER = 2
};
/* Copies what is below FROM_FD (a directory of the root, O_PATH) into the new tmpfs TO_FD: files,
 * directories, links, fifos, with owners, modes, times, extended attributes; not what is mounted
 * below. The tmpfs itself becomes as the directory is, but for what KEEPS says. DEST is for errors.
 */
must_check int mounts_copy_up(int from_fd, int to_fd, unsigned keeps, const char *dest,
                              struct err *e);
