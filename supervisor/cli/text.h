#pragma once
/* Text as a terminal shows it: columns, not bytes. Knows UTF-8, wide (CJK, emoji) and zero-width
 * characters by a small table of its own, since the C library's would need a locale. Bytes that are
 * not UTF-8 count as one column. Pure. */
#include <stddef.h>

#include "runtime/base/buf.h"

/* Columns of S (LEN bytes). Control characters count as one: see cli_text_add. */
size_t cli_text_width(const char *s, size_t len);
/* The longest prefix, in bytes, that takes at most COLUMNS; never ends inside a character. */
size_t cli_text_fit(const char *s, size_t len, size_t columns);
/* Appends S cut to COLUMNS ("…" is the last one when it was cut), controls and bad bytes as "?".
 * Returns the columns written. */
size_t cli_text_add(struct buf *b, const char *s, size_t columns);
