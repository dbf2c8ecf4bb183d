#pragma once
/* The keeper: the one process of a stack that must not die, and its protocol with the engine.
 *
 * It is parent and subreaper of everything (engine, proxy, prober, svc-runtime calls, container
 * inits), so that it alone learns exit statuses; it holds the file descriptors that must survive
 * the engine (listening sockets, log pipes, control channels, the network namespace). It parses
 * nothing: messages are the fixed structs below over a SOCK_SEQPACKET pair. When the engine dies,
 * it is started again (back-off 10 ms doubling to 1 s), gets every held fd and every unacknowledged
 * exit again, then KEEPER_READY. Processes: keeper.c runs in the keeper, the keeper_* calls in the
 * engine. */
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "runtime/base/fd.h"

enum {
    KEEPER_CHANNEL_FD = 3, /* in the engine */
    KEEPER_NAME_MAX = 96,
    KEEPER_ARGS_MAX = 32768, /* bytes of argv and envp, NULs included */
    KEEPER_HELD_MAX = 4096,
    KEEPER_EXITS_MAX = 4096,
};

enum keeper_type {
    /* engine → keeper */
    KEEPER_SPAWN = 1, /* fds: become 0, 1, 2, 3, … of the child */
    KEEPER_HOLD,      /* fd: kept under name, replacing one of that name */
    KEEPER_DROP,
    KEEPER_ACK,  /* exits up to seq are known */
    KEEPER_QUIT, /* the stack is down: exit with code */
    /* keeper → engine */
    KEEPER_SPAWNED, /* pid, or errnum when it could not be started; on replay, before READY: once
                       for each spawned child that still runs */
    KEEPER_EXITED,  /* a child ended: one that was spawned (tag) or an adopted one (tag 0) */
    KEEPER_HELD,    /* fd: held under name; only before READY */
    KEEPER_READY,   /* replay is over; code = how often an engine was started before */
    KEEPER_SIGNAL,  /* the keeper got a signal that asks to stop (code = signo) */
    KEEPER_TYPE_COUNT_
};

struct keeper_message {
    uint32_t type;
    uint32_t arg_count; /* SPAWN: strings in args, argv then envp */
    uint32_t env_count;
    int32_t pid;
    int32_t status; /* EXITED: as of waitpid(2) */
    int32_t errnum; /* SPAWNED */
    int32_t code;
    uint32_t args_len;
    uint64_t tag;     /* SPAWN, SPAWNED, EXITED: the engine's choice, not 0 */
    uint64_t seq;     /* EXITED, ACK */
    uint64_t when_ns; /* EXITED: CLOCK_BOOTTIME */
    char name[KEEPER_NAME_MAX];
    /* SPAWN: args_len bytes of NUL-terminated strings follow */
};

/* What the CLI starts (`svc @keeper RUN_DIR LIFELINE_FD LOCK_FD`), in a process of its own: becomes
 * subreaper, starts `svc @engine RUN_DIR` and serves it. LIFELINE_FD is an fd number whose end of
 * file means "stop gracefully" (the foreground `svc run` died; reported as SIGTERM), -1 for none.
 * LOCK_FD holds the flock(2) that says "this stack has a keeper", -1 for none: it stays open until
 * the keeper is gone and is given to nobody. Returns the exit code. */
int keeper_main(int argc, char **argv);

/* Engine side. FDS are borrowed. All 0/-1; a full channel blocks. */
must_check int keeper_spawn(int channel, uint64_t tag, const char *const *argv,
                            const char *const *envp, const int *fds, size_t fd_count,
                            struct err *e);
must_check int keeper_hold(int channel, const char *name, int fd, struct err *e);
must_check int keeper_drop(int channel, const char *name, struct err *e);
must_check int keeper_ack(int channel, uint64_t seq, struct err *e);
must_check int keeper_quit(int channel, int code, struct err *e);
/* One message; *fd is -1 or owned by the caller. 1: got one, 0: the keeper is gone, -1: error or
 * EAGAIN (e->errnum). */
must_check int keeper_receive(int channel, struct keeper_message *out, int *fd, struct err *e);
