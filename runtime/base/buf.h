#pragma once
/* A growable byte buffer that cannot be created without a limit.
 *
 * Appending past the limit changes nothing, sets `overflow` (sticky until buf_reset) and returns
 * -1, so that a writer may append many pieces and check once at the end. `data` is always
 * NUL-terminated once something was appended. Owns its memory; threads: none. */
#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/auto.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t limit_bytes;
    bool overflow;
};

void buf_init(struct buf *b, size_t limit_bytes);
void buf_done(struct buf *b);
/* Empties, keeps the memory, clears `overflow`. */
void buf_reset(struct buf *b);

int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_str(struct buf *b, const char *s);
int buf_add_char(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
/* Makes room for LEN more bytes and returns where they go, NULL past the limit; commit after. */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);
/* Removes LEN bytes from the front. */
void buf_consume(struct buf *b, size_t len);
/* Hands out the string (never NULL), the buffer is empty after. */
char *buf_take(struct buf *b);

static inline void auto_buf_done_(struct buf *b)
{
    buf_done(b);
}
#define auto_buf __attribute__((cleanup(auto_buf_done_)))
