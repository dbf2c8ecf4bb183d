#pragma once
/* The one parser of command lines: options are rows, which say their own help, so that parsing,
 * usage, help and completion come from the same table. Rows write into a struct by offset.
 *
 * `--name value`, `--name=value`, `-n 5`, `-n5`, bundles `-dv`, `--` ends the options. Errors are
 * ERR_INPUT and name the nearest known option. Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"

enum cli_option_kind {
    CLI_FLAG,   /* bool */
    CLI_TEXT,   /* const char * */
    CLI_TEXTS,  /* struct cli_texts: may repeat */
    CLI_NUMBER, /* struct cli_number */
};

enum {
    CLI_TEXTS_MAX = 64
};
#define CLI_ALL UINT64_MAX /* a number given as "all", for rows that accept it */

struct cli_texts {
    const char *items[CLI_TEXTS_MAX];
    size_t count;
};
struct cli_number {
    bool is_set;
    uint64_t value;
};

struct cli_option {
    const char *name; /* "follow" */
    char letter;      /* 'f'; 0: none */
    enum cli_option_kind kind;
    size_t offset;
    const char *value; /* "N", in help; NULL for a flag */
    const char *help;
    uint64_t max;     /* CLI_NUMBER */
    bool accepts_all; /* CLI_NUMBER: or the word "all" */
};

struct cli_options {
    const struct cli_option *rows;
    size_t count;
};

struct cli_syntax {
    struct cli_options own;    /* looked up first */
    struct cli_options common; /* the global ones */
    bool stops_at_word;        /* what follows the first word is not for us (exec) */
};

/* ARGV is NULL-terminated, without the verb. Words (not options) go to WORDS, which has room for
 * all of ARGV and a NULL; *WORD_COUNT of them. Texts are borrowed from ARGV. */
must_check int cli_args_parse(const struct cli_syntax *syntax, const char *const *argv,
                              void *target, const char **words, size_t *word_count, struct err *e);
