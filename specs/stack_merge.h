#pragma once
/* Two trees of stack files as one, by the rules of Compose ("Merge Compose files"): maps go deep,
 * lists are appended, a scalar is replaced; what has a short and a long form becomes one form
 * first; entries that mean the same (one target, one name) are one, the later. !override replaces,
 * !reset removes. The rules are a table of paths (stack_merge.c). Pure: new nodes in the arena,
 * shared below. */
#include "specs/problem.h"

/* OVER goes before BASE. Both are documents. What cannot be merged is a problem at OVER's place,
 * and BASE's value stays. */
struct json *stack_merge(struct arena *a, const struct json *base, const struct json *over,
                         struct stack_problems *problems);
/* The same for one service NAME, for `extends`. */
struct json *stack_merge_service(struct arena *a, const char *name, const struct json *base,
                                 const struct json *over, struct stack_problems *problems);
/* DOC without what !reset removes. Also the only file of a stack goes through it. */
struct json *stack_merge_finish(struct arena *a, const struct json *doc);
