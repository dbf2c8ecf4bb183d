#pragma once
/* The prober: one unprivileged, sandboxed process per stack that runs http and tcp probes in the
 * stack's network namespace, many at once, without a process per probe.
 *
 * `svc @prober`: fd 3 is a SOCK_SEQPACKET channel to the engine, fd 4 the network namespace. One
 * struct probe_request per message in, one struct probe_reply out, in the order in which probes
 * end. It gives up its rights before it reads the first byte; it can report, never command; it
 * exits when the channel closes. Verdicts are health.h's. */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "specs/stack.h"

enum {
    PROBER_CHANNEL_FD = 3,
    PROBER_NETNS_FD = 4,
    PROBER_CONCURRENT_MAX = 1024, /* more are answered "too many probes at once" */
    PROBE_PATH_MAX = 1024,
    PROBE_HOST_MAX = 256,
    PROBE_HEADERS_MAX = 2048,
    PROBE_TEXT_MAX = 256,
};

struct probe_request {
    uint64_t id;   /* the engine's choice; comes back in the reply */
    uint32_t kind; /* STACK_PROBE_HTTP or STACK_PROBE_TCP */
    uint32_t ipv4; /* host order */
    uint16_t port;
    uint16_t status_min, status_max; /* http */
    uint32_t timeout_ms;
    char path[PROBE_PATH_MAX];       /* http: "/health/" */
    char host[PROBE_HOST_MAX];       /* http: Host header */
    char headers[PROBE_HEADERS_MAX]; /* http: "Name: value\r\n" each */
};

struct probe_reply {
    uint64_t id;
    uint32_t is_ok;
    uint32_t http_status; /* 0: none was received */
    uint32_t elapsed_ms;
    char text[PROBE_TEXT_MAX]; /* "GET :8000/health/ answered 500" */
};

/* Fills OUT for CHECK (http or tcp) of the container at IPV4; input error when a path, host or
 * header does not fit or contains a line break. */
must_check int probe_request_make(struct probe_request *out, const struct stack_healthcheck *check,
                                  uint32_t ipv4, uint64_t id, struct err *e);
/* Engine side. Does not block: EAGAIN in e->errnum when the channel is full. */
must_check int prober_send(int channel, const struct probe_request *request, struct err *e);
/* 1: got one, 0: the prober is gone, -1: error, or EAGAIN in e->errnum when there is none now. */
must_check int prober_receive(int channel, struct probe_reply *out, struct err *e);

/* The process. */
int prober_main(int argc, char **argv);
/* What it does once confined: serves CHANNEL until that closes. Blocking; 0 or -1. */
must_check int prober_serve(int channel, struct err *e);
