#include "runtime/base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"

enum {
    NEAREST_WORD_MAX = 63
};

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

char *str_ndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);
    memcpy(copy, s, len);
    return copy;
}

char *str_dup(const char *s)
{
    return str_ndup(s, strlen(s));
}

char *str_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    size_t size = n < 0 ? 1 : (size_t)n + 1;
    char *s = mem_alloc(size);
    (void)vsnprintf(s, size, fmt, again);
    va_end(again);
    return s;
}

int str_copy(char *to, size_t size, const char *from)
{
    size_t len = strlen(from);
    if (len >= size) {
        if (size)
            to[0] = '\0';
        return -1;
    }
    memcpy(to, from, len + 1);
    return 0;
}

int str_to_u64(const char *s, uint64_t max, uint64_t *out)
{
    if (!s[0])
        return -1;
    uint64_t v = 0;
    for (const char *p = s; *p; p++) {
        if (*p < '0' || *p > '9')
            return -1;
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return -1;
        v = v * 10 + digit;
    }
    if (v > max)
        return -1;
    *out = v;
    return 0;
}

int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
    bool negative = s[0] == '-';
    uint64_t v;
    if (str_to_u64(s + negative, INT64_MAX, &v) < 0)
        return -1;
    int64_t n = negative ? -(int64_t)v : (int64_t)v;
    if (n < min || n > max)
        return -1;
    *out = n;
    return 0;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment: insert, delete, replace, swap of neighbours cost 1 each. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][NEAREST_WORD_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[m];
}

const char *str_nearest(const char *s, const char *const *words, size_t count)
{
    size_t n = strlen(s);
    if (n == 0 || n > NEAREST_WORD_MAX)
        return NULL;
    const char *best = NULL;
    /* Exclusive. Of a short word half would be another word: one mistake, none in a letter. */
    unsigned best_distance = n <= 1 ? 1 : n <= 4 ? 2 : (unsigned)(n / 3 + 2);
    for (size_t i = 0; i < count; i++) {
        size_t m = strlen(words[i]);
        if (m == 0 || m > NEAREST_WORD_MAX)
            continue;
        unsigned d = distance(s, n, words[i], m);
        if (d < best_distance) {
            best_distance = d;
            best = words[i];
        }
    }
    return best;
}
