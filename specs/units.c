#include "specs/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum {
    FRACTION_DIGITS_MAX = 9
};
#define UNITS_MAX (UINT64_C(1) << 62)

struct unit {
    const char *name;
    uint64_t factor;
};

/* Digits with an optional fraction, times FACTOR, which is found after the number. */
struct number {
    uint64_t whole;
    uint64_t fraction, fraction_scale; /* fraction / fraction_scale */
};

static const char *number_read(const char *s, struct number *n)
{
    const char *p = s;
    *n = (struct number){ .fraction_scale = 1 };
    for (; *p >= '0' && *p <= '9'; p++) {
        if (n->whole > UNITS_MAX / 10)
            return NULL;
        n->whole = n->whole * 10 + (uint64_t)(*p - '0');
    }
    if (p == s)
        return NULL;
    if (*p != '.')
        return p;
    const char *dot = p++;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (p - dot > FRACTION_DIGITS_MAX)
            return NULL;
        n->fraction = n->fraction * 10 + (uint64_t)(*p - '0');
        n->fraction_scale *= 10;
    }
    return p == dot + 1 ? NULL : p;
}

static int number_scale(const struct number *n, uint64_t factor, uint64_t *out)
{
    uint64_t whole;
    if (__builtin_mul_overflow(n->whole, factor, &whole) || whole > UNITS_MAX)
        return -1;
    unsigned __int128 part = (unsigned __int128)n->fraction * factor;
    *out = whole + (uint64_t)(part / n->fraction_scale);
    return 0;
}

static const struct unit *unit_find(const struct unit *units, const char *name, size_t len)
{
    for (const struct unit *u = units; u->name; u++)
        if (strlen(u->name) == len && strncasecmp(u->name, name, len) == 0)
            return u;
    return NULL;
}

static size_t letters(const char *p)
{
    size_t n = 0;
    while ((p[n] | 0x20) >= 'a' && (p[n] | 0x20) <= 'z')
        n++;
    return n;
}

/* One or more numbers, each with a unit, summed. "0" needs no unit. */
static int sum_of_units(const char *s, const struct unit *units, uint64_t *out)
{
    uint64_t total = 0;
    if (strcmp(s, "0") == 0) {
        *out = 0;
        return 0;
    }
    for (const char *p = s; *p || p == s;) {
        struct number n;
        uint64_t part;
        p = number_read(p, &n);
        if (!p)
            return -1;
        size_t len = letters(p);
        const struct unit *u = len ? unit_find(units, p, len) : NULL;
        if (!u || number_scale(&n, u->factor, &part) < 0 || total > UNITS_MAX - part)
            return -1;
        total += part;
        p += len;
    }
    *out = total;
    return 0;
}

#define US_PER_S UINT64_C(1000000)

int units_duration_ms(const char *s, uint64_t max_ms, uint64_t *out)
{
    static const struct unit units[] = {
        { "us", 1 },
        { "ms", 1000 },
        { "s", US_PER_S },
        { "m", 60 * US_PER_S },
        { "h", 3600 * US_PER_S },
        { NULL, 0 },
    };
    uint64_t us;
    if (sum_of_units(s, units, &us) < 0 || (us + 999) / 1000 > max_ms)
        return -1;
    *out = (us + 999) / 1000;
    return 0;
}

int units_lifetime_s(const char *s, uint64_t max_s, uint64_t *out)
{
    static const struct unit units[] = {
        { "s", 1 },
        { "m", 60 },
        { "h", 3600 },
        { "d", UINT64_C(24) * 3600 },
        { "w", UINT64_C(7) * 24 * 3600 },
        { "y", UINT64_C(365) * 24 * 3600 },
        { NULL, 0 },
    };
    uint64_t total;
    if (sum_of_units(s, units, &total) < 0 || total > max_s)
        return -1;
    *out = total;
    return 0;
}

int units_size(const char *s, uint64_t *out)
{
    static const struct unit units[] = {
        { "", 1 },
        { "b", 1 },
        { "k", UINT64_C(1) << 10 },
        { "kb", UINT64_C(1) << 10 },
        { "kib", UINT64_C(1) << 10 },
        { "m", UINT64_C(1) << 20 },
        { "mb", UINT64_C(1) << 20 },
        { "mib", UINT64_C(1) << 20 },
        { "g", UINT64_C(1) << 30 },
        { "gb", UINT64_C(1) << 30 },
        { "gib", UINT64_C(1) << 30 },
        { "t", UINT64_C(1) << 40 },
        { "tb", UINT64_C(1) << 40 },
        { NULL, 0 },
    };
    struct number n;
    const char *p = number_read(s, &n);
    if (!p)
        return -1;
    if (*p == ' ')
        p++;
    size_t len = letters(p);
    const struct unit *u = unit_find(units, p, len);
    if (!u || p[len])
        return -1;
    return number_scale(&n, u->factor, out);
}

int units_cpu_millis(const char *s, uint64_t *out)
{
    struct number n;
    const char *p = number_read(s, &n);
    /* More decimals than three are of no use to a scheduler, but zeros do no harm. */
    if (!p || *p || (n.fraction * 1000) % n.fraction_scale)
        return -1;
    return number_scale(&n, 1000, out);
}
