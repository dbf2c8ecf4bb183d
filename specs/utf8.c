#include "specs/utf8.h"

#include <stdint.h>
#include <string.h>

size_t utf8_sequence(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80)
        return 1;
    /* RFC 3629 §4: the first byte decides the length and the range of the second. */
    size_t want = p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (want == 0 || len < want)
        return 0;
    unsigned char low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < want; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return want;
}

size_t utf8_check(const char *s, size_t len)
{
    size_t at = 0;
    while (at < len) {
        /* Eight ASCII bytes at once: nearly all text is. */
        uint64_t word;
        while (len - at >= sizeof(word)) {
            memcpy(&word, s + at, sizeof(word));
            if (word & UINT64_C(0x8080808080808080))
                break;
            at += sizeof(word);
        }
        if (at == len)
            break;
        size_t n = utf8_sequence(s + at, len - at);
        if (n == 0)
            return at;
        at += n;
    }
    return len;
}
