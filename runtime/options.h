#pragma once
/* The options of the command line by tables: one row per option, and one parser. Rows of one verb
 * stand in the file of the verb; the value goes to the field at `offset` of its options struct.
 * Accepted: --name, --name=value, --name value, -x, -x value, "--". Threads: none. */
#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/auto.h"
#include "runtime/base/err.h"

enum options_kind {
    OPTIONS_FLAG,    /* bool; --name=true and --name=false too, as Go's parsers have it */
    OPTIONS_STRING,  /* const char * */
    OPTIONS_STRINGS, /* struct options_list; may be repeated */
    OPTIONS_UINT,    /* unsigned */
    OPTIONS_KIND_COUNT_
};

struct options_row {
    char letter; /* 0: none */
    const char *name;
    enum options_kind kind;
    size_t offset;
    const char *help; /* NULL: accepted for the sake of other runtimes' callers */
};

struct options_list {
    const char **items; /* not NULL-terminated */
    size_t count, cap;
};

enum options_order {
    OPTIONS_MIXED,       /* options may follow arguments: `delete ID --force` */
    OPTIONS_FIRST_STOPS, /* what follows the first argument is not ours: `exec ID ls -l` */
};

/* --help (or -h, where no row has that letter) prints the rows and exits with 0.
 * Moves the arguments that are no options to the front of ARGV (ARGC items, without the verb) and
 * returns how many they are. ERR_INPUT names the option, and the nearest known one. */
must_check int options_parse(const struct options_row *rows, size_t row_count,
                             enum options_order order, int argc, char **argv, void *into,
                             struct err *e);
/* The rows that have help, as --help shows them. */
void options_print(const struct options_row *rows, size_t row_count);
void options_list_done(struct options_list *l);
