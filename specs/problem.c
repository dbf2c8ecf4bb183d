#include "specs/problem.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"

struct stack_problem *problem_add(struct stack_problems *p, bool is_warning,
                                  struct json_place place, const char *path, const char *what)
{
    if (!is_warning)
        p->error_count++;
    if (p->count == STACK_PROBLEMS_MAX) {
        p->truncated = true;
        return NULL;
    }
    if (!p->items)
        p->items = mem_alloc(STACK_PROBLEMS_MAX * sizeof(*p->items));
    struct stack_problem *item = &p->items[p->count++];
    item->is_warning = is_warning;
    item->place = place;
    /* The document's arena may go before the problems are shown. */
    const struct json_place *last = p->count > 1 ? &p->items[p->count - 2].place : NULL;
    if (place.file)
        item->place.file = last && str_eq(last->file, place.file)
                               ? last->file
                               : arena_strdup(&p->arena, place.file);
    (void)snprintf(item->path, sizeof(item->path), "%s", path ? path : "");
    (void)snprintf(item->what, sizeof(item->what), "%s", what);
    return item;
}

static bool is_after(const struct stack_problem *a, const struct stack_problem *b)
{
    int order = strcmp(a->place.file ? a->place.file : "", b->place.file ? b->place.file : "");
    if (order)
        return order > 0;
    if (a->place.line != b->place.line)
        return a->place.line > b->place.line;
    return a->place.column > b->place.column;
}

/* Stable, and short: the list has STACK_PROBLEMS_MAX items at most. */
void problem_sort(struct stack_problems *p)
{
    for (size_t i = 1; i < p->count; i++) {
        struct stack_problem item = p->items[i];
        size_t at = i;
        while (at > 0 && is_after(&p->items[at - 1], &item)) {
            p->items[at] = p->items[at - 1];
            at--;
        }
        p->items[at] = item;
    }
}

void stack_problems_done(struct stack_problems *p)
{
    free(p->items);
    arena_done(&p->arena);
    *p = (struct stack_problems){ 0 };
}

void stack_problem_line(const struct stack_problem *p, char *line, size_t size)
{
    char place[32] = "";
    if (p->place.line)
        (void)snprintf(place, sizeof(place), "%u:%u: ", p->place.line, p->place.column);
    (void)snprintf(line, size, "%.255s%s%s", p->place.file ? p->place.file : "",
                   p->place.file ? (p->place.line ? ":" : ": ") : "", place);
    size_t len = strlen(line);
    (void)snprintf(line + len, size - len, "%s%s%s%s%s%s%s", p->is_warning ? "warning: " : "",
                   p->path, p->path[0] ? ": " : "", p->what, p->hint[0] ? " (" : "", p->hint,
                   p->hint[0] ? ")" : "");
}
