#pragma once
/* The verdict over one replica from its probe results: when to probe next, and when it is healthy.
 *
 * Pure: no clock, no processes; the engine runs exec probes itself and http/tcp probes through
 * prober.h. A struct health belongs to one container start (its generation), so that a result that
 * arrives late cannot judge a newer container. Compose's rules, with two differences: the first
 * probe comes at once, then after 50 ms doubling up to the interval until the first success; and
 * such early failures do not count: before the first success a failure counts only when a whole
 * interval (and the start period) has passed, as if Compose had probed. Data, zero = no check. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "specs/stack.h"

enum {
    HEALTH_TEXT_MAX = 512, /* with NUL */
    HEALTH_RESULTS_MAX = 5,
};

enum health_status {
    HEALTH_NONE, /* no check, or not running */
    HEALTH_STARTING,
    HEALTH_HEALTHY,
    HEALTH_UNHEALTHY,
    HEALTH_STATUS_COUNT_
};

enum health_change {
    HEALTH_UNCHANGED, /* also: a stale result */
    HEALTH_BECAME_HEALTHY,
    HEALTH_BECAME_UNHEALTHY,
};

struct health_result {
    uint64_t when_ns; /* when the probe ended */
    uint32_t elapsed_ms;
    bool is_ok;
    char text[HEALTH_TEXT_MAX]; /* what it answered */
};

struct health {
    uint64_t generation;
    enum health_status status;
    uint64_t started_ns;
    uint64_t next_probe_ns; /* UINT64_MAX: none */
    uint64_t count_from_ns; /* starting: failures before this do not count */
    uint32_t delay_ms;      /* the adaptive one */
    uint32_t failure_streak;
    uint32_t success_streak;
    uint64_t probe_count;
    struct health_result results[HEALTH_RESULTS_MAX]; /* ring */
    size_t result_next;                               /* slot that the next result takes */
    size_t result_count;
};

/* A container was started: forgets everything, status starting (none without a check). GENERATION
 * is any number that differs from that of the replica's earlier starts. */
void health_start(struct health *h, const struct stack_healthcheck *check, uint64_t generation,
                  uint64_t now_ns);
/* The container ended: status none, no probes; results stay readable. */
void health_stop(struct health *h);
/* When to begin the next probe; UINT64_MAX for never. To be asked only while no probe is running:
 * the delay counts from the end of the previous one. */
uint64_t health_next_probe_ns(const struct health *h);
/* A probe of GENERATION ended. TEXT is copied, cut to size, control characters replaced. */
enum health_change health_on_result(struct health *h, const struct stack_healthcheck *check,
                                    uint64_t generation, bool is_ok, uint32_t elapsed_ms,
                                    const char *text, uint64_t now_ns);
/* The newest result, borrowed; NULL before the first. BACK 0 is the newest. */
const struct health_result *health_find_result(const struct health *h, size_t back);
/* "none", "starting", "healthy", "unhealthy". */
const char *health_status_name(enum health_status status);
