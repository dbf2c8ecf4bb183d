#pragma once
/* A table for people: columns as wide as their widest cell; to fit the terminal's width some are
 * left out, then the others shrunk, the last ones first. Cells are copied. Pure: renders onto a
 * buf. */
#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/buf.h"
#include "runtime/base/mem.h"
#include "supervisor/cli/term.h"

enum {
    CLI_TABLE_COLUMNS_MAX = 12
};

struct cli_column {
    const char *title;
    size_t min_columns; /* may be cut down to this; 0: never cut */
    bool is_optional;   /* left out when every cell is "" or "-" */
    unsigned drop;      /* left out in this order when the table is too wide; 0: never */
};
struct cli_cell {
    const char *text;
    enum cli_colour colour;
};

struct cli_table {
    const struct cli_column *columns;
    size_t column_count;
    struct cli_cell *cells; /* rows one after another */
    size_t cell_count, cell_cap;
    struct arena texts;
};

void cli_table_init(struct cli_table *t, const struct cli_column *columns, size_t count);
void cli_table_done(struct cli_table *t);
/* The next cell, left to right, row by row. */
void cli_table_add(struct cli_table *t, const char *text, enum cli_colour colour);
/* WIDTH 0: no limit. */
void cli_table_render(const struct cli_table *t, size_t width, bool has_colour, struct buf *out);
