#include "supervisor/health/health.h"

enum {
    FIRST_DELAY_MS = 50
};

static const char *const status_names[HEALTH_STATUS_COUNT_] = {
    [HEALTH_NONE] = "none",
    [HEALTH_STARTING] = "starting",
    [HEALTH_HEALTHY] = "healthy",
    [HEALTH_UNHEALTHY] = "unhealthy",
};

const char *health_status_name(enum health_status status)
{
    return status < HEALTH_STATUS_COUNT_ ? status_names[status] : "?";
}

static uint64_t ns_of_ms(uint32_t ms)
{
    return (uint64_t)ms * 1000000u;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void health_start(struct health *h, const struct stack_healthcheck *check, uint64_t generation,
                  uint64_t now_ns)
{
    *h = (struct health){
        .generation = generation,
        .status = HEALTH_NONE,
        .started_ns = now_ns,
        .next_probe_ns = UINT64_MAX,
    };
    if (check->kind == STACK_PROBE_NONE)
        return;
    h->status = HEALTH_STARTING;
    h->next_probe_ns = now_ns;
    h->delay_ms = FIRST_DELAY_MS;
    h->count_from_ns =
        now_ns + max_u64(ns_of_ms(check->interval_ms), ns_of_ms(check->start_period_ms));
}

void health_stop(struct health *h)
{
    h->status = HEALTH_NONE;
    h->next_probe_ns = UINT64_MAX;
}

uint64_t health_next_probe_ns(const struct health *h)
{
    return h->next_probe_ns;
}

/* Before the first success: soon, then ever later, at most one interval (in the start period:
 * start_interval) apart; and never past the moment from which a failure counts, so that the time
 * until "unhealthy" is what the file says. */
static uint64_t next_early_probe(struct health *h, const struct stack_healthcheck *check,
                                 uint64_t now_ns)
{
    bool is_start_period = now_ns < h->started_ns + ns_of_ms(check->start_period_ms);
    uint32_t most_ms = is_start_period ? min_u32(check->interval_ms, check->start_interval_ms)
                                       : check->interval_ms;
    uint64_t next = now_ns + ns_of_ms(min_u32(h->delay_ms, most_ms));
    h->delay_ms = min_u32(h->delay_ms * 2, check->interval_ms);
    return now_ns < h->count_from_ns && next > h->count_from_ns ? h->count_from_ns : next;
}

static void keep_result(struct health *h, bool is_ok, uint32_t elapsed_ms, const char *text,
                        uint64_t now_ns)
{
    struct health_result *r = &h->results[h->result_next];
    r->when_ns = now_ns;
    r->elapsed_ms = elapsed_ms;
    r->is_ok = is_ok;
    size_t n = strnlen(text, sizeof(r->text) - 1);
    for (size_t i = 0; i < n; i++)
        r->text[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
    /* Not in the middle of a UTF-8 character: it goes into JSON. */
    if (text[n] != '\0')
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    r->text[n] = '\0';
    h->result_next = (h->result_next + 1) % HEALTH_RESULTS_MAX;
    if (h->result_count < HEALTH_RESULTS_MAX)
        h->result_count++;
}

static enum health_change on_success(struct health *h, const struct stack_healthcheck *check,
                                     uint64_t now_ns)
{
    h->failure_streak = 0;
    h->success_streak++;
    h->next_probe_ns = now_ns + ns_of_ms(check->interval_ms);
    if (h->status == HEALTH_HEALTHY)
        return HEALTH_UNCHANGED;
    h->status = HEALTH_HEALTHY;
    return HEALTH_BECAME_HEALTHY;
}

static enum health_change on_failure(struct health *h, const struct stack_healthcheck *check,
                                     uint64_t now_ns)
{
    h->success_streak = 0;
    if (h->status == HEALTH_STARTING) {
        bool counts = now_ns >= h->count_from_ns;
        if (counts)
            h->count_from_ns = now_ns + ns_of_ms(check->interval_ms);
        h->next_probe_ns = next_early_probe(h, check, now_ns);
        if (!counts)
            return HEALTH_UNCHANGED;
    } else {
        h->next_probe_ns = now_ns + ns_of_ms(check->interval_ms);
    }
    h->failure_streak++;
    if (h->status == HEALTH_UNHEALTHY || h->failure_streak < check->retries)
        return HEALTH_UNCHANGED;
    h->status = HEALTH_UNHEALTHY;
    return HEALTH_BECAME_UNHEALTHY;
}

enum health_change health_on_result(struct health *h, const struct stack_healthcheck *check,
                                    uint64_t generation, bool is_ok, uint32_t elapsed_ms,
                                    const char *text, uint64_t now_ns)
{
    if (generation != h->generation || h->status == HEALTH_NONE)
        return HEALTH_UNCHANGED;
    h->probe_count++;
    keep_result(h, is_ok, elapsed_ms, text, now_ns);
    return is_ok ? on_success(h, check, now_ns) : on_failure(h, check, now_ns);
}

const struct health_result *health_find_result(const struct health *h, size_t back)
{
    if (back >= h->result_count)
        return NULL;
    return &h->results[(h->result_next + HEALTH_RESULTS_MAX - 1 - back) % HEALTH_RESULTS_MAX];
}
