#include "supervisor/ctl/query.h"

#include <string.h>

#include "runtime/base/str.h"

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(char *s, struct err *e)
{
    char *to = s;
    for (const char *at = s; *at; at++) {
        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        int high = hex_of(at[1]);
        int low = high < 0 ? -1 : hex_of(at[2]);
        if (low < 0 || (high == 0 && low == 0))
            return err_input(e, "query: \"%%%.2s\" is not an encoded character", at + 1);
        *to++ = (char)(high * 16 + low);
        at += 2;
    }
    *to = '\0';
    return 0;
}

int ctl_query_parse(struct arena *a, const char *text, size_t len, struct ctl_query *out,
                    struct err *e)
{
    *out = (struct ctl_query){ 0 };
    char *rest = arena_strndup(a, len ? text : "", len);
    if (strlen(rest) != len)
        return err_input(e, "query: zero byte");
    for (char *item; (item = strsep(&rest, "&"));) {
        if (!*item)
            continue;
        if (out->count == CTL_QUERY_MAX)
            return err_input(e, "query: more than %d parameters", CTL_QUERY_MAX);
        char *value = strchr(item, '=');
        if (value)
            *value++ = '\0';
        else
            value = item + strlen(item);
        if (decode(item, e) || decode(value, e))
            return -1;
        out->items[out->count].name = item;
        out->items[out->count++].value = value;
    }
    return 0;
}

const char *ctl_query_find(const struct ctl_query *q, const char *name, size_t index)
{
    for (size_t i = 0; i < q->count; i++) {
        if (str_eq(q->items[i].name, name) && index-- == 0)
            return q->items[i].value;
    }
    return NULL;
}

static void encode(struct buf *to, const char *s)
{
    for (; *s; s++) {
        /* RFC 3986 2.3 unreserved characters stand for themselves. */
        if ((*s >= '0' && *s <= '9') || ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z') ||
            strchr("-._~", *s))
            (void)buf_add_char(to, *s);
        else
            (void)buf_printf(to, "%%%02X", (unsigned char)*s);
    }
}

void ctl_query_add(struct buf *target, const char *name, const char *value)
{
    bool has_query = target->len && memchr(target->data, '?', target->len);
    (void)buf_add_char(target, has_query ? '&' : '?');
    encode(target, name);
    (void)buf_add_char(target, '=');
    encode(target, value);
}
