#include "supervisor/cli/table.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/str.h"
#include "supervisor/cli/text.h"

enum {
    GAP = 2
};

void cli_table_init(struct cli_table *t, const struct cli_column *columns, size_t count)
{
    assert(count > 0 && count <= CLI_TABLE_COLUMNS_MAX);
    *t = (struct cli_table){ .columns = columns, .column_count = count };
}

void cli_table_done(struct cli_table *t)
{
    free(t->cells);
    arena_done(&t->texts);
    *t = (struct cli_table){ 0 };
}

void cli_table_add(struct cli_table *t, const char *text, enum cli_colour colour)
{
    t->cells = mem_grow(t->cells, &t->cell_cap, t->cell_count + 1, sizeof(*t->cells));
    t->cells[t->cell_count++] =
        (struct cli_cell){ .text = arena_strdup(&t->texts, text), .colour = colour };
}

static bool is_blank(const char *text)
{
    return !text[0] || str_eq(text, "-");
}

/* A column that is left out has width 0. */
static void measure(const struct cli_table *t, size_t *widths)
{
    assert(t->column_count > 0);
    bool is_used[CLI_TABLE_COLUMNS_MAX] = { 0 };
    for (size_t c = 0; c < t->column_count; c++)
        widths[c] = cli_text_width(t->columns[c].title, strlen(t->columns[c].title));
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t w = cli_text_width(t->cells[i].text, strlen(t->cells[i].text));
        size_t c = i % t->column_count;
        is_used[c] = is_used[c] || !is_blank(t->cells[i].text);
        if (w > widths[c])
            widths[c] = w;
    }
    for (size_t c = 0; c < t->column_count; c++) {
        if (t->columns[c].is_optional && !is_used[c])
            widths[c] = 0;
    }
}

/* What a column takes at least; with the gap before it. */
static size_t least(const struct cli_table *t, const size_t *widths, size_t c)
{
    size_t min = t->columns[c].min_columns;
    if (!widths[c])
        return 0;
    return (min && min < widths[c] ? min : widths[c]) + GAP;
}

/* Leaves out what is least needed until the rest can be shrunk to LIMIT. */
static void drop(const struct cli_table *t, size_t *widths, size_t limit)
{
    for (unsigned turn = 1; turn <= CLI_TABLE_COLUMNS_MAX; turn++) {
        size_t total = 0;
        for (size_t c = 0; c < t->column_count; c++)
            total += least(t, widths, c);
        if (total <= limit + GAP)
            return;
        for (size_t c = 0; c < t->column_count; c++) {
            if (t->columns[c].drop == turn)
                widths[c] = 0;
        }
    }
}

/* Takes the surplus from the last column first: what stands in front says which row it is. */
static void shrink(const struct cli_table *t, size_t *widths, size_t limit)
{
    size_t total = 0;
    for (size_t c = 0; c < t->column_count; c++)
        total += widths[c] ? widths[c] + (total ? GAP : 0) : 0;
    for (size_t c = t->column_count; c-- > 0 && total > limit;) {
        size_t min = t->columns[c].min_columns;
        size_t spare = min && widths[c] > min ? widths[c] - min : 0;
        size_t taken = spare < total - limit ? spare : total - limit;
        widths[c] -= taken;
        total -= taken;
    }
}

struct row {
    struct buf *out;
    size_t behind; /* columns still to be filled with spaces, if anything follows */
};

static void add_cell(struct row *row, const char *text, size_t width, enum cli_colour colour)
{
    if (!width)
        return;
    if (!text[0]) {
        row->behind += width + GAP;
        return;
    }
    for (; row->behind; row->behind--)
        (void)buf_add_char(row->out, ' ');
    (void)buf_add_str(row->out, cli_colour_on(colour));
    size_t used = cli_text_add(row->out, text, width);
    (void)buf_add_str(row->out, cli_colour_off(colour));
    row->behind = width - used + GAP;
}

static void end_row(struct row *row)
{
    (void)buf_add_char(row->out, '\n');
    row->behind = 0;
}

void cli_table_render(const struct cli_table *t, size_t width, bool has_colour, struct buf *out)
{
    size_t widths[CLI_TABLE_COLUMNS_MAX] = { 0 };
    struct row row = { .out = out };
    assert(t->column_count > 0);
    measure(t, widths);
    if (width) {
        drop(t, widths, width);
        shrink(t, widths, width);
    }
    for (size_t c = 0; c < t->column_count; c++)
        add_cell(&row, t->columns[c].title, widths[c], CLI_PLAIN);
    end_row(&row);
    for (size_t i = 0; i < t->cell_count; i++) {
        size_t c = i % t->column_count;
        add_cell(&row, t->cells[i].text, widths[c], has_colour ? t->cells[i].colour : CLI_PLAIN);
        if (c + 1 == t->column_count)
            end_row(&row);
    }
}
