#pragma once
/* Lines of services as people read them: `web-1   | text`, the prefix as wide as the widest name
 * so far, each replica in a colour of its own. Knows the time of each replica's last line, so that
 * a stream that had to be opened again is shown from there. Pure: appends to a buf. */
#include <stdbool.h>

#include "runtime/base/buf.h"
#include "runtime/base/mem.h"
#include "specs/json.h"
#include "supervisor/cli/term.h"

enum {
    CLI_TIME_MAX = 40
};

struct cli_logview_source {
    const char *name;         /* "web-1" */
    char last[CLI_TIME_MAX];  /* of the last line shown; RFC 3339 in UTC, compares as text */
    char until[CLI_TIME_MAX]; /* lines up to here are not shown */
};

struct cli_logview {
    bool has_colour, has_prefix, has_time;
    char since[CLI_TIME_MAX];           /* older lines are not shown; "": all are */
    struct cli_logview_source *sources; /* in order of appearance: the index chooses the colour */
    size_t source_count, source_cap;
    size_t columns;
    struct arena texts;
};

void cli_logview_init(struct cli_logview *v, bool has_colour, bool has_prefix, bool has_time);
void cli_logview_done(struct cli_logview *v);
/* Only lines from UNIX_MS on. */
void cli_logview_since(struct cli_logview *v, int64_t unix_ms);
/* A name that will come, for the width. */
void cli_logview_expect(struct cli_logview *v, const char *service, unsigned replica);
/* LINE: a line of /v1/logs. */
void cli_logview_add(struct cli_logview *v, const struct json *line, struct buf *out);
/* The stream is opened again: what comes once more is skipped. */
void cli_logview_resume(struct cli_logview *v);
