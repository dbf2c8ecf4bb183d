#include "runtime/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    ARENA_BLOCK_BYTES = 4096,
    ARENA_ALIGN = 16
};

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    _Alignas(ARENA_ALIGN) char data[];
};

static void *checked(void *p)
{
    if (!p) {
        static const char line[] = "svc: out of memory\n";
        (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *mem_realloc(void *p, size_t size)
{
    return checked(realloc(p, size ? size : 1));
}

void *mem_grow(void *array, size_t *cap, size_t want, size_t elem)
{
    if (want <= *cap && array)
        return array;
    size_t new_cap = *cap ? *cap * 2 : 8;
    if (new_cap < want)
        new_cap = want;
    if (new_cap > SIZE_MAX / elem)
        checked(NULL);
    char *grown = mem_realloc(array, new_cap * elem);
    memset(grown + *cap * elem, 0, (new_cap - *cap) * elem);
    *cap = new_cap;
    return grown;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return checked(NULL);
    size_t need = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (a->limit_bytes && (need > a->limit_bytes || a->used_bytes > a->limit_bytes - need))
        return NULL;
    struct arena_block *b = a->head;
    if (!b || b->size - b->used < need) {
        size_t data = need > ARENA_BLOCK_BYTES ? need : ARENA_BLOCK_BYTES;
        b = mem_alloc(sizeof(*b) + data);
        b->size = data;
        b->next = a->head;
        a->head = b;
    }
    void *p = b->data + b->used;
    b->used += need;
    a->used_bytes += need;
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (copy)
        memcpy(copy, s, len);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (s)
        (void)vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}

void arena_done(struct arena *a)
{
    struct arena_block *b = a->head;
    while (b) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
    a->head = NULL;
    a->used_bytes = 0;
}
