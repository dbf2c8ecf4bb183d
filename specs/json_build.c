#include "specs/json_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DUPLICATES_SMALL = 16 /* objects up to this size are searched pairwise */
};

int json_build_fail(struct json_builder *b, struct json_place at, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    b->failed_at = at;
    return err_input(b->e, "%s", what);
}

static void fail_memory(struct json_builder *b, struct json_place at)
{
    (void)json_build_fail(b, at, "the document needs more than %zu bytes of memory",
                          b->arena->limit_bytes);
}

char *json_build_text(struct json_builder *b, struct json_place at, const char *s, size_t len)
{
    char *copy = arena_strndup(b->arena, s, len);
    if (!copy)
        fail_memory(b, at);
    return copy;
}

/* Puts N where the document is: the root, or the next item of the innermost container. */
static void attach(struct json_builder *b, struct json *n)
{
    n->key = b->key;
    n->key_place = b->key_place;
    b->key = NULL;
    b->key_place = (struct json_place){ 0 };
    if (b->depth == 0) {
        b->root = n;
        return;
    }
    struct json_frame *top = &b->frames[b->depth - 1];
    top->items = mem_grow(top->items, &top->cap, top->count + 1, sizeof(*top->items));
    top->items[top->count++] = n;
}

static struct json *node_new(struct json_builder *b, size_t count, struct json_place at)
{
    if (count > JSON_NODES_MAX - b->node_count) {
        (void)json_build_fail(b, at, "more than %d values", JSON_NODES_MAX);
        return NULL;
    }
    b->node_count += count;
    struct json *n = arena_alloc(b->arena, sizeof(*n));
    if (!n)
        fail_memory(b, at);
    return n;
}

struct json *json_build_node(struct json_builder *b, enum json_type type, struct json_place at)
{
    struct json *n = node_new(b, 1, at);
    if (!n)
        return NULL;
    n->type = type;
    n->place = at;
    attach(b, n);
    return n;
}

struct json *json_build_share(struct json_builder *b, const struct json *node, size_t count,
                              struct json_place at)
{
    struct json *n = node_new(b, count, at);
    if (!n)
        return NULL;
    *n = *node;
    attach(b, n);
    return n;
}

int json_build_begin(struct json_builder *b, enum json_type type, struct json_place at)
{
    if (b->depth == JSON_DEPTH_MAX)
        return json_build_fail(b, at, "nested deeper than %d levels", JSON_DEPTH_MAX);
    struct json *n = json_build_node(b, type, at);
    if (!n)
        return -1;
    struct json_frame *f = &b->frames[b->depth++];
    f->node = n;
    f->count = 0;
    return 0;
}

static bool is_before(struct json_place a, struct json_place b)
{
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

static int compare_keys(const void *a, const void *b)
{
    const struct json *x = *(struct json *const *)a, *y = *(struct json *const *)b;
    int order = strcmp(x->key, y->key);
    if (order)
        return order;
    return is_before(x->key_place, y->key_place) ? -1 : is_before(y->key_place, x->key_place);
}

/* The first member, in file order, whose key an earlier one has; *first is that earlier one. */
static const struct json *find_duplicate(const struct json_frame *f, const struct json **first)
{
    if (f->count <= DUPLICATES_SMALL) {
        for (size_t i = 1; i < f->count; i++)
            for (size_t j = 0; j < i; j++)
                if (strcmp(f->items[i]->key, f->items[j]->key) == 0) {
                    *first = f->items[j];
                    return f->items[i];
                }
        return NULL;
    }
    struct json **sorted = mem_alloc(f->count * sizeof(struct json *));
    memcpy(sorted, f->items, f->count * sizeof(struct json *));
    qsort(sorted, f->count, sizeof(struct json *), compare_keys);
    const struct json *found = NULL;
    for (size_t i = 1; i < f->count; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0 &&
            (!found || is_before(sorted[i]->key_place, found->key_place))) {
            *first = sorted[i - 1];
            found = sorted[i];
        }
    free(sorted);
    return found;
}

int json_build_end(struct json_builder *b)
{
    struct json_frame *f = &b->frames[b->depth - 1];
    const struct json *first = NULL;
    const struct json *again = f->node->type == JSON_OBJECT ? find_duplicate(f, &first) : NULL;
    if (again)
        return json_build_fail(b, again->key_place,
                               "key \"%.80s\" is given twice (first at line %u)", again->key,
                               first->key_place.line);
    if (f->count) {
        f->node->items = arena_alloc(b->arena, f->count * sizeof(struct json *));
        if (!f->node->items) {
            fail_memory(b, f->node->place);
            return -1;
        }
        memcpy(f->node->items, f->items, f->count * sizeof(struct json *));
        f->node->item_count = f->count;
    }
    b->depth--;
    return 0;
}

void json_build_done(struct json_builder *b)
{
    for (size_t i = 0; i < JSON_DEPTH_MAX; i++)
        free(b->frames[i].items);
}
