#pragma once
/* .env and env_file: lines of NAME=VALUE. "export " in front, "NAME: VALUE", single quotes literal,
 * double quotes with escapes, " #" comments, values over several lines in quotes, a name alone
 * (taken from the environment), a byte order mark. Values see earlier names and the environment,
 * which wins. Pure; threads: none. */
#include "specs/interpolate.h"

enum {
    DOTENV_BYTES_MAX = 1024 * 1024,
    DOTENV_NAMES_MAX = 10000
};

/* Appends to *OUT (in A); a name that is there already gets the new value. ENV looks names up in
 * the environment. IS_RAW: no quotes, no escapes, no interpolation, no comments within a line.
 * Errors are ERR_INPUT with *at set. */
must_check int dotenv_parse(struct arena *a, const char *file, const char *text, size_t len,
                            bool is_raw, const struct interpolate *env, struct stack_pairs *out,
                            struct json_place *at, struct err *e);
/* Borrowed; NULL when there is none. */
const char *dotenv_find(const struct stack_pairs *pairs, const char *name);
/* Sets NAME in PAIRS, which began empty and grows in A. */
void dotenv_set(struct arena *a, struct stack_pairs *pairs, const char *name, const char *value);
