#pragma once
/* Inside specs only: what is known about the variables of a stack: which ones were asked for, where
 * each value came from, and which .env file near the stack was not read though one may have meant
 * it. Looks whether files are there, reads none. Threads: none. */
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct stack_draft;
struct stack_variable;

enum {
    STACK_NOTED_MAX = 10000 /* variables that are listed */
};

struct stack_noted {
    struct arena *arena;
    bool wants_list;
    bool has_missing; /* one is not set, be there a default or not */
    bool has_unset;   /* one is not set, and an empty string took its place */
    struct stack_variable *items;
    size_t count;
};

/* NAME was asked for. VALUE NULL: it is not set; ORIGIN is then NULL too. */
void stack_noted_add(struct stack_noted *noted, const char *name, const char *value,
                     const char *origin);
/* The warning that tells where variables came from, when one was not set. */
void stack_noted_warn(struct stack_draft *d);
