#pragma once
/* Strings: strict number parsing, comparison helpers, nearest word. Allocation aborts on OOM. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/auto.h"

static inline bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}
static inline bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}
bool str_ends(const char *s, const char *suffix);

/* The caller owns the result of these (free). */
char *str_dup(const char *s);
char *str_ndup(const char *s, size_t len);
char *str_printf(const char *fmt, ...) printf_like(1, 2);

/* Copies with NUL into TO (SIZE bytes); -1 and nothing copied but "" when it does not fit. */
must_check int str_copy(char *to, size_t size, const char *from);

/* Decimal digits only: no sign, space, base prefix or trailing junk. -1 when not a number or over
 * MAX; *out untouched then. */
must_check int str_to_u64(const char *s, uint64_t max, uint64_t *out);
must_check int str_to_i64(const char *s, int64_t min, int64_t max,
                          int64_t *out); /* one leading '-' */

/* The word of WORDS (COUNT of them) nearest to S by edit distance with transpositions, NULL when
 * none is near enough to be a probable typing mistake. For "did you mean". */
const char *str_nearest(const char *s, const char *const *words, size_t count);
