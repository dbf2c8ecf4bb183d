#pragma once
/* What the services are doing, for people: on a live terminal a block of lines repainted in place,
 * one per replica; otherwise one line per change, without colours or times. Fed with the events of
 * the control API. Writes to one fd (stderr). */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/mem.h"
#include "specs/json.h"
#include "supervisor/cli/term.h"

enum {
    CLI_PROGRESS_TEXT_MAX = 256
};

struct cli_progress_row {
    const char *name;  /* "web-1" */
    const char *state; /* of a constant table, or in the arena */
    char text[CLI_PROGRESS_TEXT_MAX];
    enum cli_colour colour;
    const char *mark;
    bool has_health;
    bool is_bad;     /* failed, unhealthy, ended with a code that is not 0 */
    bool is_settled; /* healthy, finished, failed, … */
    uint64_t until_ms;
};

struct cli_progress {
    const struct cli_term *term;
    int fd;
    bool is_live; /* repaints; cli_progress_plain ends that */
    struct cli_progress_row *rows;
    size_t row_count, row_cap;
    size_t name_columns;
    uint64_t start_ms, painted_ms;
    size_t painted; /* lines on the terminal that belong to the block */
    struct arena names;
};

void cli_progress_init(struct cli_progress *p, const struct cli_term *term, int fd,
                       uint64_t now_ms);
void cli_progress_done(struct cli_progress *p);
/* A row that waits, so that all are seen from the start. HAS_HEALTH: being started is not all. */
void cli_progress_expect(struct cli_progress *p, const char *service, unsigned replica,
                         bool has_health);
/* EVENT: a line of /v1/events. Events about the stack itself are ignored. */
void cli_progress_on_event(struct cli_progress *p, const struct json *event, uint64_t now_ms);
/* Repaints now and then, for the running times. */
void cli_progress_tick(struct cli_progress *p, uint64_t now_ms);
/* From now on one line per change; the block stays as it is. */
void cli_progress_plain(struct cli_progress *p);

/* A replica of SERVICE is in a bad way; with OR_PENDING: or has not settled yet. */
bool cli_progress_is_bad(const struct cli_progress *p, const char *service, bool or_pending);

/* Pure parts, for tests. */
void cli_progress_line(const struct cli_progress *p, const struct cli_progress_row *row,
                       uint64_t now_ms, struct buf *out);
void cli_progress_plain_line(const struct cli_progress_row *row, struct buf *out);
/* "0.3s", "12s", "2m05s", "3h12m", "5d03h" */
void cli_progress_age(uint64_t ms, char *to, size_t size);
