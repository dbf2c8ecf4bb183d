#include "supervisor/cli/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct range {
    uint32_t first, last;
};

/* The blocks that matter in names, messages and logs; not the whole of Unicode's tables. */
static const struct range zero_width[] = {
    { 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd },   { 0x0610, 0x061a },
    { 0x064b, 0x065f }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },   { 0x200b, 0x200f },
    { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xe0100, 0xe01ef },
};
static const struct range double_width[] = {
    { 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },   { 0xac00, 0xd7a3 },
    { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
    { 0x1f300, 0x1f64f }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
};

static bool is_within(const struct range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count && ranges[i].first <= c; i++) {
        if (c <= ranges[i].last)
            return true;
    }
    return false;
}

static size_t width_of(uint32_t c)
{
    if (is_within(zero_width, ARRAY_LEN(zero_width), c))
        return 0;
    return is_within(double_width, ARRAY_LEN(double_width), c) ? 2 : 1;
}

/* One character of S: its length in bytes (at least 1); *C is 0 when the byte is not UTF-8. */
static size_t decode(const char *s, size_t len, uint32_t *c)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char first = (unsigned char)s[0];
    size_t need = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    *c = 0;
    if (need == 0 || first > 0xf4 || need > len)
        return 1;
    uint32_t value = need == 1 ? first : first & (0xffU >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        unsigned char next = (unsigned char)s[i];
        if ((next & 0xc0) != 0x80)
            return 1;
        value = value << 6 | (next & 0x3f);
    }
    if (value < smallest[need] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 1;
    *c = value;
    return need;
}

size_t cli_text_fit(const char *s, size_t len, size_t columns)
{
    size_t used = 0, at = 0;
    while (at < len) {
        uint32_t c;
        size_t step = decode(s + at, len - at, &c);
        used += width_of(c);
        if (used > columns)
            break;
        at += step;
    }
    return at;
}

size_t cli_text_width(const char *s, size_t len)
{
    size_t width = 0, at = 0;
    while (at < len) {
        uint32_t c;
        at += decode(s + at, len - at, &c);
        width += width_of(c);
    }
    return width;
}

size_t cli_text_add(struct buf *b, const char *s, size_t columns)
{
    size_t len = strlen(s), end = len;
    bool is_cut = cli_text_width(s, len) > columns;
    if (is_cut)
        end = columns ? cli_text_fit(s, len, columns - 1) : 0;
    size_t written = 0;
    for (size_t at = 0; at < end;) {
        uint32_t c;
        size_t step = decode(s + at, end - at, &c);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            (void)buf_add_char(b, '?');
        else
            (void)buf_add(b, s + at, step);
        at += step;
        written += width_of(c);
    }
    if (is_cut && columns) {
        (void)buf_add_str(b, "…");
        written++;
    }
    return written;
}
