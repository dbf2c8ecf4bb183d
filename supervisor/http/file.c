#include "supervisor/http/file.h"

#include <string.h>

#include "supervisor/http/date.h"

static char *put_hex(char *to, uint64_t n)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 60;
    while (shift > 0 && !(n >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = digits[n >> shift & 15];
    return to;
}

char *http_file_etag(char to[HTTP_ETAG_MAX], const struct http_file *f)
{
    char *p = to;
    *p++ = '"';
    p = put_hex(p, (uint64_t)f->mtime_s);
    *p++ = '.';
    p = put_hex(p, f->mtime_ns);
    *p++ = '-';
    p = put_hex(p, f->size);
    *p++ = '"';
    *p = '\0';
    return to;
}

/* Is ETAG in the list? WEAK: W/"x" matches "x" (RFC 9110 8.8.3.2). The list is not split at commas
 * since an entity tag may hold one. */
static bool list_has_etag(struct http_text list, const char *etag, bool weak)
{
    size_t len = strlen(etag);
    const char *p = list.at, *end = list.at + list.len;
    while (p < end) {
        if (*p == '*')
            return true;
        bool is_weak = end - p > 2 && p[0] == 'W' && p[1] == '/';
        if (is_weak)
            p += 2;
        if (*p != '"') {
            p++;
            continue;
        }
        const char *close = memchr(p + 1, '"', (size_t)(end - p - 1));
        if (!close)
            return false;
        size_t tag = (size_t)(close - p) + 1;
        if (tag == len && memcmp(p, etag, len) == 0 && (weak || !is_weak))
            return true;
        p = close + 1;
    }
    return false;
}

/* RFC 9110 13.2.2, in its order. 200: no condition decides. */
static unsigned check_conditions(const struct http_request *r, const struct http_file *f,
                                 const char *etag)
{
    const struct http_head *h = &r->head;
    int64_t since;
    if (http_find(h, HTTP_IF_MATCH)) {
        if (!list_has_etag(http_value(h, HTTP_IF_MATCH), etag, false))
            return 412;
    } else if (http_find(h, HTTP_IF_UNMODIFIED_SINCE)) {
        if (http_date_parse(http_value(h, HTTP_IF_UNMODIFIED_SINCE), &since) == 0 &&
            f->mtime_s > since)
            return 412;
    }
    if (http_find(h, HTTP_IF_NONE_MATCH))
        return list_has_etag(http_value(h, HTTP_IF_NONE_MATCH), etag, true) ? 304 : 200;
    if (http_find(h, HTTP_IF_MODIFIED_SINCE) &&
        http_date_parse(http_value(h, HTTP_IF_MODIFIED_SINCE), &since) == 0 && f->mtime_s <= since)
        return 304;
    return 200;
}

static bool if_range_holds(const struct http_request *r, const struct http_file *f,
                           const char *etag)
{
    const struct http_header *h = http_find(&r->head, HTTP_IF_RANGE);
    int64_t when;
    if (!h)
        return true;
    if (h->value.len && (h->value.at[0] == '"' || h->value.at[0] == 'W'))
        return list_has_etag(h->value, etag, false);
    return http_date_parse(h->value, &when) == 0 && when == f->mtime_s;
}

/* Digits at *p; false when there are none or they overflow. */
static bool read_number(const char **p, const char *end, uint64_t *out)
{
    const char *start = *p;
    uint64_t n = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
        if (n > (UINT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (uint64_t)(**p - '0');
    }
    *out = n;
    return *p > start;
}

/* "bytes=a-b", "bytes=a-", "bytes=-n". Anything else, several parts included, is ignored as
 * RFC 9110 14.2 allows: the whole file is the answer. */
static void apply_range(struct http_text range, const struct http_file *f,
                        struct http_file_answer *out)
{
    const char *p = range.at + 6, *end = range.at + range.len;
    uint64_t first = 0, last = 0;
    if (range.len < 8 || memcmp(range.at, "bytes=", 6) != 0)
        return;
    bool has_first = read_number(&p, end, &first);
    if (p >= end || *p++ != '-')
        return;
    bool has_last = read_number(&p, end, &last);
    if (p != end || (!has_first && !has_last) || (has_first && has_last && last < first))
        return;
    if (!has_first) { /* the last N bytes */
        first = last < f->size ? f->size - last : 0;
        if (last == 0)
            first = f->size;
        last = UINT64_MAX;
    } else if (!has_last) {
        last = UINT64_MAX;
    }
    if (first >= f->size) {
        *out = (struct http_file_answer){ .status = 416 };
        return;
    }
    if (last >= f->size)
        last = f->size - 1;
    *out = (struct http_file_answer){ .status = 206, .offset = first, .length = last - first + 1 };
}

void http_file_decide(const struct http_request *r, const struct http_file *f, const char *etag,
                      struct http_file_answer *out)
{
    *out = (struct http_file_answer){ .status = check_conditions(r, f, etag) };
    if (out->status != 200)
        return;
    out->length = f->size;
    /* Range is defined for GET only: RFC 9110 14.2. */
    if (r->method == HTTP_GET && http_find(&r->head, HTTP_RANGE) && if_range_holds(r, f, etag))
        apply_range(http_value(&r->head, HTTP_RANGE), f, out);
}
