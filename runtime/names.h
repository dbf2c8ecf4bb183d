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
/* Those alone that an extended regular expression (regex(7)) finds something in. */
must_check int names_match(const struct runtime *rt, const char *pattern, struct names *out,
                           struct err *e);
void names_done(struct names *n);
