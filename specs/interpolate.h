#pragma once
/* ${VAR} in values, as Compose defines it: $NAME, ${NAME}, :- - :? ? :+ +, nested and lazy; $$ is a
 * dollar sign, and so is a $ that begins nothing. Keys are never touched. Pure: the variables come
 * by a callback; nodes are not changed, a new tree is made. */
#include "specs/problem.h"

enum {
    INTERPOLATE_DEPTH_MAX = 16,                    /* of operands in operands */
    INTERPOLATE_BYTES_MAX = 1024 * 1024,           /* of one value */
    INTERPOLATE_TREE_BYTES_MAX = 64 * 1024 * 1024, /* of all values that were changed */
    INTERPOLATE_NAME_MAX = 256
};

struct interpolate {
    const void *self;
    const char *(*find)(const void *self, const char *name); /* NULL: not set */
    /* A variable that is not set and has no default: the value becomes empty. May be NULL. */
    void (*unset)(void *unset_self, const char *name);
    void *unset_self;
};

/* One value; without a $ in it *out is TEXT itself. Errors are ERR_INPUT without place: a template
 * that is none, a required variable. */
must_check int interpolate_text(struct arena *a, const struct interpolate *vars, const char *text,
                                const char **out, struct err *e);
/* All strings of a tree. Problems (and warnings for what is not set) go to PROBLEMS with place and
 * path; a string that could not be interpolated stays as it is. */
struct json *interpolate_tree(struct arena *a, const struct json *root,
                              const struct interpolate *vars, struct stack_problems *problems);
