#pragma once
/* The collector behind stack_load: problems come in any order and leave sorted by place. The type
 * is in stack_load.h. Memory is the collector's; past STACK_PROBLEMS_MAX only the counters move. */
#include "specs/stack_load.h"

/* The new problem (for a hint to be set); NULL when the list is full. */
struct stack_problem *problem_add(struct stack_problems *p, bool is_warning,
                                  struct json_place place, const char *path, const char *what);
void problem_sort(struct stack_problems *p);
