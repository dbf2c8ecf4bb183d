#pragma once
/* The protocol between engine and proxy worker: fixed structs over a SOCK_SEQPACKET pair, fds by
 * SCM_RIGHTS. The engine commands, the worker only reports.
 *
 * The keeper holds the engine's end, so that a worker outlives the engine and sees the end of file
 * only when the keeper is gone too: then it exits. A new engine, and a new worker, is brought up to
 * date by sending everything again (listeners, directories, table): all commands are idempotent.
 * Senders do not block on a non-blocking channel: -1 with e->errnum EAGAIN, and nothing sent, when
 * the peer does not read: send everything again on its HELLO or later. fds given are borrowed. */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "supervisor/proxy/table.h"

enum {
    PROXY_CONTROL_FD = 3, /* in the worker */
    PROXY_NETNS_FD = 4,   /* in the worker: the stack netns */
    PROXY_NAME_MAX = 128, /* of an upstream, NUL included */
    PROXY_LISTENERS_MAX = 256,
    PROXY_DIRS_MAX = 256,
};

enum proxy_listener_kind {
    PROXY_LISTEN_HTTP,
    PROXY_LISTEN_TCP, /* relays to an upstream of the table */
    PROXY_LISTEN_KIND_COUNT_
};

struct proxy_listener {
    uint32_t id; /* the engine's choice; sent again: the fd is replaced */
    enum proxy_listener_kind kind;
    const char *upstream; /* TCP: name in the table; HTTP: NULL */
};

/* Makes room for all commands of a stack while the worker still confines itself and does not read.
 * For the engine's end of a new channel. */
void proxy_control_prepare(int channel);

/* engine → worker. All 0/-1. */
/* FD: a listening TCP socket, non-blocking (it is shared by all workers). */
must_check int proxy_control_listen(int channel, const struct proxy_listener *l, int fd,
                                    struct err *e);
/* FD: a directory, O_PATH is enough. Files are served with what uid 65534 may read. */
must_check int proxy_control_dir(int channel, uint32_t id, int fd, struct err *e);
/* Encodes T into a sealed memfd and sends that. Answered by PROXY_REPORT_READY or _REJECTED. */
must_check int proxy_control_table(int channel, const struct proxy_table *t, struct err *e);
/* Stop accepting, finish what is in flight, exit 0 after DEADLINE_MS at the latest. */
must_check int proxy_control_quit(int channel, uint32_t deadline_ms, struct err *e);

enum proxy_report_type {
    PROXY_REPORT_HELLO = 64, /* the worker reads its commands from now on; once, before others */
    PROXY_REPORT_READY,      /* the table `generation` is in use; before it is acknowledged the
                                worker accepts nothing */
    PROXY_REPORT_REJECTED,   /* the table could not be decoded: text */
    PROXY_REPORT_ENDPOINT,   /* could not connect to `endpoint` of `name`: errnum */
    PROXY_REPORT_COUNTERS,   /* once a second when something changed */
    PROXY_REPORT_TYPE_COUNT_
};

/* Since the worker started; `now` figures are gauges. */
struct proxy_counters {
    uint64_t connections;
    uint64_t requests;
    uint64_t status[6]; /* by class; [0] answers that could not be sent */
    uint64_t upstream_connects;
    uint64_t upstream_reuses;
    uint64_t upstream_failures; /* connects that failed */
    uint64_t retries;
    uint64_t upgrades;
    uint64_t tcp_relays;
    uint64_t bytes_in;  /* from clients */
    uint64_t bytes_out; /* to clients */
    uint64_t bad_requests;
    uint64_t log_drops;      /* access log lines that did not fit the pipe */
    uint64_t fields_dropped; /* with '_' in the name */
    uint32_t connections_now;
    uint32_t idle_now;
    uint32_t tunnels_now;
    uint32_t upstream_idle_now;
};

struct proxy_report { /* what crosses the channel, worker → engine */
    uint32_t type;
    int32_t errnum;
    uint64_t generation;
    struct proxy_endpoint endpoint;
    struct proxy_counters counters;
    char name[PROXY_NAME_MAX];
    char text[256];
};

/* Engine: one report. 1: got one, 0: the worker is gone, -1: e (EAGAIN in e->errnum: none now). */
must_check int proxy_control_receive(int channel, struct proxy_report *out, struct err *e);

/* The rest is the worker's. */
enum proxy_command_type {
    PROXY_COMMAND_LISTEN = 1,
    PROXY_COMMAND_DIR,
    PROXY_COMMAND_TABLE,
    PROXY_COMMAND_QUIT,
    PROXY_COMMAND_TYPE_COUNT_
};

struct proxy_command { /* what crosses the channel, engine → worker */
    uint32_t type;
    uint32_t id;
    uint32_t kind; /* LISTEN: enum proxy_listener_kind */
    uint32_t deadline_ms;
    uint64_t table_bytes;
    char upstream[PROXY_NAME_MAX];
};

/* One command, checked; *fd is -1 or the caller's. 1, 0: end of file, -1: e. */
must_check int proxy_control_next(int channel, struct proxy_command *out, int *fd, struct err *e);
/* Reads the table out of FD (borrowed). */
must_check int proxy_control_read_table(int fd, uint64_t bytes, struct proxy_table **out,
                                        struct err *e);
/* 0, or -1 when the channel is full or gone: a report may be lost. */
int proxy_control_report(int channel, const struct proxy_report *r);
