#pragma once
/* What parent and child of a create say to each other, over a SOCK_SEQPACKET pair:
 *
 *   parent                                   child (cloned into its namespaces)
 *   writes id maps, maps mounts,             waits
 *   runs createRuntime hooks
 *     ── SYNC_PREPARED (fd: root overlay) ─▶ joins cgroups, builds the root, pivots,
 *                                            finds the program
 *     ◀────────── SYNC_READY ──────────────
 *   writes state.json, pid file              ends, should the parent die before it was told
 *     ── SYNC_RECORDED ───────────────────▶  waits for `start` on its own socket
 *     ◀── SYNC_FAILED (one struct err) ────  at any time, and ends
 *
 * Each side receives what it expects next, or fails; end of file means that the other side died.
 * `exec` has the first message, when its child's hard limits are raised, and SYNC_FAILED; end of
 * file is success there.
 * The start socket (start.sock in the container's state directory) is the same with one message:
 * `start` connects and waits: end of file is success (the fd is close-on-exec), a struct err is the
 * reason why the program could not be executed. */
#include "runtime/base/err.h"

enum sync_type {
    SYNC_PREPARED = 1,
    SYNC_READY,
    SYNC_RECORDED,
    SYNC_FAILED,
};
struct sync_message {
    enum sync_type type;
    struct err err; /* SYNC_FAILED */
};

/* FD may be -1. */
must_check int sync_send(int sock, enum sync_type type, int fd, struct err *e);
void sync_send_failure(int sock, const struct err *cause);
/* Waits for EXPECTED. SYNC_FAILED gives the peer's err. *FD may be NULL; -1 when none came. */
must_check int sync_expect(int sock, enum sync_type expected, int *fd, struct err *e);
