#pragma once
/* What an output can show: is it a terminal, how wide, with colours? Decided once per fd from
 * isatty, NO_COLOR (no-color.org), CI and TERM=dumb; the SGR codes of our few colours. */
#include <stdbool.h>
#include <stddef.h>

enum cli_colour {
    CLI_PLAIN,
    CLI_BOLD,
    CLI_DIM,
    CLI_RED,
    CLI_GREEN,
    CLI_YELLOW,
    CLI_BLUE,
    CLI_MAGENTA,
    CLI_CYAN,
    CLI_COLOUR_COUNT_
};

struct cli_term {
    bool is_live; /* a terminal where lines can be repainted */
    bool has_colour;
    size_t columns; /* 0: not a terminal, no limit */
    size_t rows;
};

void cli_term_init(struct cli_term *t, int fd);
/* The same from what was found, for tests. Variables may be NULL: unset. */
void cli_term_decide(struct cli_term *t, bool is_tty, const char *term, const char *no_color,
                     const char *ci);
/* The sequence that starts the colour, and the one that ends it; both "" for CLI_PLAIN. */
const char *cli_colour_on(enum cli_colour colour);
const char *cli_colour_off(enum cli_colour colour);
