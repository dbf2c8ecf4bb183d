#pragma once
/* Mounts of config.json as a plan: options by one table, sources opened by the parent.
 *
 * Parent, before clone: mounts_plan_init parses; mounts_open makes a detached copy of every bind
 * source (open_tree), with its attributes and propagation set, and the file systems that need
 * paths or devices of the host (overlay, ext4, …). So sources are resolved once, with the rights of
 * the caller, and the child needs no path of the host. Parent, when the user namespace has its
 * mappings: mounts_idmap. Child: mounts_attach puts them beneath the root by fd; file systems that
 * belong to namespaces (proc, tmpfs, …) are made there, in the right ones (fsopen, fsmount; Linux
 * 5.12 or later, so mount(2) is not needed for any). Then, after the last one that makes something
 * below, mounts_seal. runtime-spec config.md §Mounts, config-linux.md §Default Filesystems. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "runtime/cgroup.h"
#include "specs/oci_config.h"

struct mounts_item {
    const struct oci_mount *spec;
    bool is_bind, is_recursive; /* bind: with the mounts below the source */
    bool is_root;               /* destination "/": replaces root.path (our extension) */
    bool is_cgroup, is_overlay;
    bool is_remount;                       /* changes what is mounted there already */
    bool is_made_outside;                  /* the parent makes the file system */
    bool is_sealed_late;                   /* read-only, but first things are made below */
    bool source_nofollow, target_nofollow; /* the link itself */
    bool copies_symlink;                   /* a source that is a link is made again, not bound */
    const char *link;                      /* … its content; NULL: the source is none */
    bool wants_idmap, idmap_below;         /* idmap; ridmap */
    const char *idmap_text;                /* of "idmap=…"; NULL: none */
    bool copies_up;                        /* tmpcopyup */
    uint64_t attr_set, attr_clear;         /* MOUNT_ATTR_* */
    uint64_t below_set, below_clear;       /* rro, rnosuid, …: with everything below */
    uint64_t propagation;                  /* MS_PRIVATE, …; 0: private */
    bool propagation_below;
    const char **super;          /* options of a superblock: "sync", …; NULL-terminated */
    const char **data;           /* what is left, for the file system; NULL-terminated */
    const char *host_path;       /* bound instead when the kernel refuses to mount; NULL: none */
    uint32_t root_uid, root_gid; /* idmap: of the container's root, on the host */
    int fd; /* the detached mount, of those that the parent opens or makes; then of a sealed one */
};

struct mounts_plan {
    struct mounts_item *items;
    size_t count;
    struct mounts_item *root; /* the one with is_root, NULL: a bind of root.path */
    struct mounts_item root_bind;
    int cgroup_fds[CGROUP_HIERARCHY_MAX]; /* detached mounts of the container's own directories */
    size_t cgroup_count;                  /* 0: mounts of type cgroup are made by the child */
};

must_check int mounts_plan_init(struct arena *a, const struct oci_config *c,
                                struct mounts_plan *out, struct err *e);
bool mounts_have_cgroup(const struct mounts_plan *p);
must_check int mounts_open(struct arena *a, struct mounts_plan *p, struct err *e);
/* Parent, when the directories PATH exist: without a cgroup namespace a new cgroup mount would show
 * the whole machine, so mounts of type cgroup become binds of the container's own directories. */
must_check int mounts_open_cgroups(struct mounts_plan *p, const struct cgroup_host *host,
                                   const char *path, struct err *e);
/* USERNS_FD maps the mounts that want it; the overlay root, whose layers are mapped, is made here,
 * in a short-lived child with a mount namespace of its own. */
must_check int mounts_idmap(struct mounts_plan *p, int userns_fd, struct err *e);
/* The detached mount that becomes the root. Borrowed. */
int mounts_root_fd(const struct mounts_plan *p);
/* Child. ROOT_FD is the attached root. */
must_check int mounts_attach(struct mounts_plan *p, int root_fd, const struct cgroup_host *cgroups,
                             struct err *e);
/* Child, when all mount points and devices are made. */
must_check int mounts_seal(const struct mounts_plan *p, struct err *e);
void mounts_done(struct mounts_plan *p);
