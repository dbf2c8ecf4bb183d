#pragma once
/* The ids of the containers of a --root. */
#include <stddef.h>

#include "runtime/container.h"

struct names {
    struct arena arena;
    char **items; /* sorted */
    size_t count;
};

/* No root is no container. */
must_check int names_load(const struct runtime *rt, struct names *out, struct err *e);
void names_done(struct names *n);

/* Does something to the container ID; 0, or -1 with E. */
typedef int names_fn(void *self, const char *id, struct err *e);
/* FN for each id that an extended regular expression (regex(7)) finds something in. Goes on past
 * one that fails; the first failure is told. */
must_check int names_each_match(const struct runtime *rt, const char *pattern, names_fn *fn,
                                void *self, struct err *e);
