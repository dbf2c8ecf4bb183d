#include "supervisor/cli/logview.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/base/str.h"

static const enum cli_colour colours[] = { CLI_CYAN, CLI_YELLOW, CLI_GREEN, CLI_MAGENTA, CLI_BLUE };

void cli_logview_init(struct cli_logview *v, bool has_colour, bool has_prefix, bool has_time)
{
    *v = (struct cli_logview){ .has_colour = has_colour,
                               .has_prefix = has_prefix,
                               .has_time = has_time };
}

void cli_logview_done(struct cli_logview *v)
{
    free(v->sources);
    arena_done(&v->texts);
    *v = (struct cli_logview){ 0 };
}

void cli_logview_since(struct cli_logview *v, int64_t unix_ms)
{
    time_t seconds = unix_ms / 1000;
    struct tm tm;
    char day[CLI_TIME_MAX - 8];
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(v->since, sizeof(v->since), "%s.%03u", day, (unsigned)(unix_ms % 1000));
}

static struct cli_logview_source *source_of(struct cli_logview *v, const char *name)
{
    for (size_t i = 0; i < v->source_count; i++) {
        if (str_eq(v->sources[i].name, name))
            return &v->sources[i];
    }
    v->sources = mem_grow(v->sources, &v->source_cap, v->source_count + 1, sizeof(*v->sources));
    struct cli_logview_source *s = &v->sources[v->source_count++];
    *s = (struct cli_logview_source){ .name = arena_strdup(&v->texts, name) };
    if (strlen(name) > v->columns)
        v->columns = strlen(name);
    return s;
}

void cli_logview_expect(struct cli_logview *v, const char *service, unsigned replica)
{
    auto_free char *name = str_printf("%s-%u", service, replica);
    (void)source_of(v, name);
}

void cli_logview_resume(struct cli_logview *v)
{
    for (size_t i = 0; i < v->source_count; i++)
        memcpy(v->sources[i].until, v->sources[i].last, CLI_TIME_MAX);
}

static bool is_shown(const struct cli_logview *v, const struct cli_logview_source *s,
                     const char *time)
{
    return strcmp(time, v->since) >= 0 && (!s->until[0] || strcmp(time, s->until) > 0);
}

void cli_logview_add(struct cli_logview *v, const struct json *line, struct buf *out)
{
    int64_t replica = 1;
    const struct json *number = json_find(line, "replica");
    if (number && json_to_i64(number, &replica) < 0)
        replica = 0;
    auto_free char *name =
        str_printf("%s-%lld", json_find_string(line, "service", "?"), (long long)replica);
    const char *time = json_find_string(line, "time", "");
    struct cli_logview_source *s = source_of(v, name);
    if (!is_shown(v, s, time))
        return;
    (void)snprintf(s->last, sizeof(s->last), "%s", time);
    if (v->has_prefix) {
        size_t index = (size_t)(s - v->sources);
        enum cli_colour colour = v->has_colour ? colours[index % ARRAY_LEN(colours)] : CLI_PLAIN;
        (void)buf_printf(out, "%s%-*s |%s ", cli_colour_on(colour), (int)v->columns, name,
                         cli_colour_off(colour));
    }
    if (v->has_time)
        (void)buf_printf(out, "%s ", time);
    (void)buf_add_str(out, json_find_string(line, "line", ""));
    (void)buf_add_char(out, '\n');
}
