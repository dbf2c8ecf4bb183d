#include "supervisor/cli/progress.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "supervisor/cli/text.h"

enum {
    BLOCK_BYTES = 1024 * 1024,
    STATE_COLUMNS = 10,
    AGE_COLUMNS = 6,
    REPAINT_MS = 1000,
    TENTHS_BELOW_MS = 10 * 1000,
    MINUTE_S = 60,
    HOUR_S = 3600,
    DAY_S = 86400,
};

/* What an event "service.NAME" looks like. */
static const struct look {
    const char *event;
    const char *mark;
    enum cli_colour colour;
    bool is_settled, is_bad;
} looks[] = {
    { "waiting", "·", CLI_DIM, false, false },   { "started", "•", CLI_YELLOW, false, false },
    { "healthy", "✔", CLI_GREEN, true, false },  { "finished", "✔", CLI_GREEN, true, false },
    { "unhealthy", "✘", CLI_RED, false, true },  { "restarting", "↻", CLI_YELLOW, false, true },
    { "exited", "•", CLI_YELLOW, false, false }, { "stopping", "•", CLI_YELLOW, false, false },
    { "killing", "•", CLI_RED, false, false },   { "stopped", "·", CLI_DIM, true, false },
    { "failed", "✘", CLI_RED, true, true },
};

/* Two that depend on more than their name. */
static const struct look started_is_all = { "started", "✔", CLI_GREEN, true, false };
static const struct look finished_badly = { "finished", "✘", CLI_RED, true, true };

void cli_progress_init(struct cli_progress *p, const struct cli_term *term, int fd, uint64_t now_ms)
{
    *p = (struct cli_progress){
        .term = term, .fd = fd, .is_live = term->is_live, .start_ms = now_ms
    };
}

void cli_progress_done(struct cli_progress *p)
{
    free(p->rows);
    arena_done(&p->names);
    *p = (struct cli_progress){ 0 };
}

void cli_progress_age(uint64_t ms, char *to, size_t size)
{
    unsigned long long s = ms / 1000;
    if (ms < TENTHS_BELOW_MS)
        (void)snprintf(to, size, "%llu.%llus", s, (unsigned long long)ms % 1000 / 100);
    else if (s < MINUTE_S)
        (void)snprintf(to, size, "%llus", s);
    else if (s < HOUR_S)
        (void)snprintf(to, size, "%llum%02llus", s / MINUTE_S, s % MINUTE_S);
    else if (s < DAY_S)
        (void)snprintf(to, size, "%lluh%02llum", s / HOUR_S, s % HOUR_S / MINUTE_S);
    else
        (void)snprintf(to, size, "%llud%02lluh", s / DAY_S, s % DAY_S / HOUR_S);
}

static void pad(struct buf *out, size_t used, size_t columns)
{
    for (; used < columns; used++)
        (void)buf_add_char(out, ' ');
}

/* Columns before the text of a line. */
static size_t fixed_columns(const struct cli_progress *p)
{
    return 3 + p->name_columns + 2 + STATE_COLUMNS + 2 + AGE_COLUMNS + 2;
}

void cli_progress_line(const struct cli_progress *p, const struct cli_progress_row *row,
                       uint64_t now_ms, struct buf *out)
{
    enum cli_colour colour = p->term->has_colour ? row->colour : CLI_PLAIN;
    size_t width = p->term->columns ? p->term->columns : SIZE_MAX;
    size_t used = fixed_columns(p);
    char age[32];
    cli_progress_age((row->until_ms ? row->until_ms : now_ms) - p->start_ms, age, sizeof(age));
    (void)buf_printf(out, " %s%s%s ", cli_colour_on(colour), row->mark, cli_colour_off(colour));
    pad(out, cli_text_add(out, row->name, p->name_columns), p->name_columns + 2);
    (void)buf_add_str(out, cli_colour_on(colour));
    size_t state_columns = cli_text_add(out, row->state, STATE_COLUMNS);
    (void)buf_add_str(out, cli_colour_off(colour));
    pad(out, state_columns, STATE_COLUMNS + 2);
    pad(out, cli_text_add(out, age, AGE_COLUMNS), row->text[0] ? AGE_COLUMNS + 2 : 0);
    if (row->text[0] && used < width)
        (void)cli_text_add(out, row->text, width - used);
}

void cli_progress_plain_line(const struct cli_progress_row *row, struct buf *out)
{
    (void)buf_printf(out, "%s: %s%s", row->name, row->state, row->text[0] ? ": " : "");
    (void)cli_text_add(out, row->text, SIZE_MAX);
    (void)buf_add_char(out, '\n');
}

/* The terminal may be gone; the stack does not depend on it. */
static void put(const struct cli_progress *p, const struct buf *b)
{
    if (b->len && fd_write_all(p->fd, b->data, b->len) < 0)
        return;
}

static void paint(struct cli_progress *p, uint64_t now_ms)
{
    /* More than the terminal can show cannot be repainted. */
    if (p->row_count + 1 >= p->term->rows || fixed_columns(p) > p->term->columns) {
        cli_progress_plain(p);
        return;
    }
    auto_buf struct buf out;
    buf_init(&out, BLOCK_BYTES);
    if (p->painted)
        (void)buf_printf(&out, "\033[%zuA", p->painted);
    for (size_t i = 0; i < p->row_count; i++) {
        (void)buf_add_str(&out, "\r\033[K");
        cli_progress_line(p, &p->rows[i], now_ms, &out);
        (void)buf_add_char(&out, '\n');
    }
    p->painted = p->row_count;
    p->painted_ms = now_ms;
    put(p, &out);
}

void cli_progress_tick(struct cli_progress *p, uint64_t now_ms)
{
    if (p->is_live && now_ms - p->painted_ms >= REPAINT_MS)
        paint(p, now_ms);
}

void cli_progress_plain(struct cli_progress *p)
{
    p->is_live = false;
    p->painted = 0;
}

static struct cli_progress_row *row_of(struct cli_progress *p, const char *service,
                                       unsigned replica)
{
    auto_free char *name = str_printf("%s-%u", service, replica);
    for (size_t i = 0; i < p->row_count; i++) {
        if (str_eq(p->rows[i].name, name))
            return &p->rows[i];
    }
    p->rows = mem_grow(p->rows, &p->row_cap, p->row_count + 1, sizeof(*p->rows));
    struct cli_progress_row *row = &p->rows[p->row_count++];
    *row = (struct cli_progress_row){ .name = arena_strdup(&p->names, name),
                                      .has_health = true,
                                      .state = looks[0].event,
                                      .mark = looks[0].mark,
                                      .colour = looks[0].colour };
    if (strlen(name) > p->name_columns)
        p->name_columns = strlen(name);
    return row;
}

void cli_progress_expect(struct cli_progress *p, const char *service, unsigned replica,
                         bool has_health)
{
    row_of(p, service, replica)->has_health = has_health;
}

static const struct look *look_of(const struct cli_progress_row *row, const char *event,
                                  int64_t exit_code)
{
    if (str_eq(event, started_is_all.event) && !row->has_health)
        return &started_is_all;
    if (str_eq(event, finished_badly.event) && exit_code)
        return &finished_badly;
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        if (str_eq(looks[i].event, event))
            return &looks[i];
    }
    return NULL;
}

static void set_state(struct cli_progress *p, struct cli_progress_row *row, const char *event,
                      int64_t exit_code)
{
    static const struct look unknown = { "", "•", CLI_PLAIN, false, false };
    const struct look *look = look_of(row, event, exit_code);
    row->state = look ? look->event : arena_strdup(&p->names, event);
    if (!look)
        look = &unknown;
    row->mark = look->mark;
    row->colour = look->colour;
    row->is_settled = look->is_settled;
    row->is_bad = look->is_bad;
}

static int64_t number_in(const struct json *event, const char *key, int64_t fallback)
{
    const struct json *node = json_find(event, key);
    int64_t n;
    return node && node->type == JSON_NUMBER && json_to_i64(node, &n) == 0 ? n : fallback;
}

void cli_progress_on_event(struct cli_progress *p, const struct json *event, uint64_t now_ms)
{
    static const char prefix[] = "service.";
    const char *name = json_find_string(event, "event", "");
    const char *service = json_find_string(event, "service", NULL);
    if (!service || !str_starts(name, prefix))
        return;
    struct cli_progress_row *row = row_of(p, service, (unsigned)number_in(event, "replica", 1));
    set_state(p, row, name + sizeof(prefix) - 1, number_in(event, "exit_code", 0));
    (void)snprintf(row->text, sizeof(row->text), "%s", json_find_string(event, "text", ""));
    row->until_ms = row->is_settled ? now_ms : 0;
    if (p->is_live)
        paint(p, now_ms);
    if (p->is_live)
        return;
    auto_buf struct buf line;
    buf_init(&line, BLOCK_BYTES);
    cli_progress_plain_line(row, &line);
    put(p, &line);
}

bool cli_progress_is_bad(const struct cli_progress *p, const char *service, bool or_pending)
{
    size_t len = strlen(service);
    for (size_t i = 0; i < p->row_count; i++) {
        const struct cli_progress_row *row = &p->rows[i];
        bool is_of_it =
            strncmp(row->name, service, len) == 0 && strrchr(row->name, '-') == row->name + len;
        if (is_of_it && (row->is_bad || (or_pending && !row->is_settled)))
            return true;
    }
    return false;
}
