#include "runtime/number_list.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/base/str.h"

static bool parse_number(const char *text, size_t len, uint64_t *out)
{
    char word[8];
    if (len == 0 || len >= sizeof(word))
        return false;
    memcpy(word, text, len);
    word[len] = '\0';
    return str_to_u64(word, NUMBER_LIST_BITS - 1, out) == 0;
}

/* "7" or "0-3", LEN bytes. */
static bool add_range(const char *text, size_t len, struct number_list *l)
{
    const char *dash = memchr(text, '-', len);
    size_t first_len = dash ? (size_t)(dash - text) : len;
    uint64_t first, last;
    if (!parse_number(text, first_len, &first))
        return false;
    last = first;
    if (dash && !parse_number(dash + 1, len - first_len - 1, &last))
        return false;
    if (last < first)
        return false;
    for (uint64_t n = first; n <= last; n++) {
        uint64_t bit = UINT64_C(1) << (n % 64);
        l->count += !(l->words[n / 64] & bit);
        l->words[n / 64] |= bit;
    }
    return true;
}

int number_list_parse(const char *text, const char *field, struct number_list *out, struct err *e)
{
    struct number_list l = { 0 };
    for (const char *p = text; *text;) {
        size_t len = strcspn(p, ",");
        size_t skipped = strspn(p, " ");
        size_t used = len;
        while (used > skipped && p[used - 1] == ' ')
            used--;
        if (skipped >= used || !add_range(p + skipped, used - skipped, &l))
            return err_input(e, "%s: \"%.60s\" is not a list of numbers such as 0-3,7", field,
                             text);
        p += len;
        if (!*p++)
            break;
    }
    *out = l;
    return 0;
}
