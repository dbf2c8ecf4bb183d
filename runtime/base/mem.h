#pragma once
/* Memory. mem_* abort with one clear line when memory runs out (short-lived programs, and the
 * engine, which is restarted with its state on disk); the proxy's per-connection buffers use
 * malloc directly and close the connection instead.
 *
 * An arena owns everything allocated from it until arena_done: one per document (specs), one per
 * request (proxy). Arena memory is zeroed. Threads: none. */
#include <stddef.h>

#include "runtime/base/auto.h"

void *mem_alloc(size_t size)
    __attribute__((malloc, returns_nonnull, warn_unused_result)); /* zeroed */
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull, warn_unused_result));
/* Grows ARRAY (element ELEM bytes, capacity *CAP) to hold at least WANT elements; new part zeroed.
 */
void *mem_grow(void *array, size_t *cap, size_t want, size_t elem)
    __attribute__((returns_nonnull, warn_unused_result));

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used_bytes;  /* handed out so far */
    size_t limit_bytes; /* 0: no limit. Past it, arena_alloc returns NULL. */
};

/* Without a limit arena_alloc never returns NULL. Zeroed memory is a valid arena without limit. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) printf_like(2, 3);
void arena_done(struct arena *a);
