#pragma once
/* What parent and child of a create say to each other, over a SOCK_SEQPACKET pair:
 *
 *   parent                                   child (cloned into its user and pid namespace)
 *   writes id maps
 *     ── SYNC_MAPPED (user namespace) ────▶  becomes root of its user namespace
 *   makes cgroups, maps mounts               makes its other namespaces, sets them up
 *     ◀── SYNC_ENTERED (for hooks only) ───
 *   runs createRuntime hooks
 *     ── SYNC_PREPARED (fds: cgroups,  ───▶  joins cgroups, builds the root, pivots,
 *        root overlay)                       finds the program
 *   writes down what will be state.json
 *     ◀────────── SYNC_READY ──────────────
 *   puts state.json in place, pid file       ends, should the parent die before it was told
 *     ── SYNC_RECORDED (fd: start.sock) ──▶  waits for `start` on that socket; without one (`run`)
 *                                            executes the program
 *     ◀── SYNC_FAILED (one struct err) ────  at any time, and ends
 *
 * Both work at the same time on two processors: namespaces and cgroups are what costs most. Each
 * side receives what it expects next, or fails; end of file means that the other side died.
 * `exec` has SYNC_PREPARED, when its child's hard limits are raised, and SYNC_FAILED; end of file
 * is success there, as after the SYNC_RECORDED of `run`.
 * The start socket (start.sock in the container's state directory) is the same: `start` connects
 * and waits: end of file is success (the fd is close-on-exec), SYNC_FAILED the reason why the
 * program could not be executed.
 *
 * Before the program begins, a filter that notifies is handed out (seccomp_notify.h):
 *     ◀── SYNC_LISTENER (fd) ────────────── SYNC_DELIVERED ───▶
 * A filter may forbid to send anything, and even to exit. Whoever installs one hands out a file
 * that it has mapped before, into which it can always write why it failed:
 *     ◀── SYNC_LAST_WORDS (fd: a struct err, of kind ERR_NONE while there is none) */
#include "runtime/base/err.h"
#include "runtime/base/fd.h"

enum sync_type {
    SYNC_MAPPED = 1,
    SYNC_ENTERED,
    SYNC_PREPARED,
    SYNC_READY,
    SYNC_RECORDED,
    SYNC_LISTENER,
    SYNC_DELIVERED,
    SYNC_LAST_WORDS,
    SYNC_FAILED,
};
struct sync_message {
    enum sync_type type;
    struct err err; /* SYNC_FAILED */
};
/* Fds that go with a message. */
struct sync_fds {
    int items[FD_PASS_MAX];
    size_t count;
};

/* FDS may be NULL. When the other side has ended, the err is the reason that it gave. */
must_check int sync_send(int sock, enum sync_type type, const struct sync_fds *fds, struct err *e);
void sync_send_failure(int sock, const struct err *cause);
/* Waits for EXPECTED. SYNC_FAILED gives the peer's err. FDS gets those that came, which are the
 * caller's then; NULL: none may come. */
must_check int sync_expect(int sock, enum sync_type expected, struct sync_fds *fds, struct err *e);
/* After the last message: 0 at the end of file, which is success unless there are last words; 1:
 * SYNC_LISTENER came, its fd is in *LISTENER_FD; SYNC_FAILED gives the peer's err. *WORDS_FD begins
 * as -1, is kept between calls, and is the caller's to close. */
must_check int sync_expect_exec(int sock, int *listener_fd, int *words_fd, struct err *e);
/* The other side of last words: NULL with E. */
struct err *sync_offer_last_words(int sock, struct err *e);
