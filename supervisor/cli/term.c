#include "supervisor/cli/term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/base/str.h"

enum {
    COLUMNS_DEFAULT = 80,
    ROWS_DEFAULT = 24
};

static const char *const codes[CLI_COLOUR_COUNT_] = {
    [CLI_PLAIN] = "",        [CLI_BOLD] = "\033[1m",     [CLI_DIM] = "\033[2m",
    [CLI_RED] = "\033[31m",  [CLI_GREEN] = "\033[32m",   [CLI_YELLOW] = "\033[33m",
    [CLI_BLUE] = "\033[34m", [CLI_MAGENTA] = "\033[35m", [CLI_CYAN] = "\033[36m",
};

const char *cli_colour_on(enum cli_colour colour)
{
    return codes[colour];
}

const char *cli_colour_off(enum cli_colour colour)
{
    return colour == CLI_PLAIN ? "" : "\033[0m";
}

static bool is_given(const char *value)
{
    return value && value[0];
}

void cli_term_decide(struct cli_term *t, bool is_tty, const char *term, const char *no_color,
                     const char *ci)
{
    bool is_capable = is_tty && is_given(term) && !str_eq(term, "dumb");
    /* A CI's pseudo-terminal records every repaint: plain lines there, colours are fine. */
    t->is_live = is_capable && !is_given(ci);
    t->has_colour = is_capable && !is_given(no_color);
    t->columns = is_tty ? COLUMNS_DEFAULT : 0;
    t->rows = ROWS_DEFAULT;
}

void cli_term_init(struct cli_term *t, int fd)
{
    bool is_tty = isatty(fd) == 1;
    cli_term_decide(t, is_tty, getenv("TERM"), getenv("NO_COLOR"), getenv("CI"));
    struct winsize size;
    if (is_tty && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        t->columns = size.ws_col;
        t->rows = size.ws_row ? size.ws_row : ROWS_DEFAULT;
    }
}
