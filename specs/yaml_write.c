#include "specs/yaml_write.h"

#include <ctype.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/utf8.h"

enum {
    STEP = 2,
    KEY_BYTES_MAX = 1000 /* YAML 1.2.2 §7.4.2: an implicit key has 1024 characters at most */
};

/* YAML 1.1 (types bool, null, float, merge, value) and 1.2.2 §10.3.2, any case. Dates and numbers
 * do not begin with a letter. */
static bool is_special_word(const char *s)
{
    static const char *const words[] = { "y",    "n",     "yes",  "no",  "on", "off",
                                         "true", "false", "null", "nan", "inf" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasecmp(s, words[i]) == 0)
            return true;
    return false;
}

static bool is_plain(const char *s)
{
    if (!isalpha((unsigned char)*s) && !strchr("/_", *s))
        return false;
    for (const char *p = s; *p; p++) {
        bool is_last = p[1] == '\0';
        if (*p == ':' || *p == ' ') {
            if (is_last || p[1] == ' ' || p[1] == '#' || p[1] == ':')
                return false;
        } else if (!isalnum((unsigned char)*p) && !strchr("_./@+=,~^()-$;", *p)) {
            return false;
        }
    }
    return *s && !is_special_word(s);
}

static uint32_t code_point(const char *s, size_t n)
{
    uint32_t c = (unsigned char)*s;
    if (n == 1)
        return c;
    c &= 0x7fU >> n;
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s[i] & 0x3fU);
    return c;
}

/* YAML 1.2.2 §5.1 (printable) and §5.4: what YAML 1.1 takes for line breaks is escaped too. */
static bool is_printable(uint32_t c)
{
    if (c < 0xa0)
        return c >= 0x20 && c < 0x7f;
    return c != 0x2028 && c != 0x2029 && c != 0xfeff && (c & 0xfffe) != 0xfffe;
}

static void put_quoted(struct buf *to, const char *s)
{
    size_t len = strlen(s);
    buf_add_char(to, '"');
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_sequence(s + i, len - i);
        uint32_t c = n ? code_point(s + i, n) : 0xfffd;
        n = n ? n : 1;
        if (c == '\n')
            buf_add_str(to, "\\n");
        else if (c == '\t')
            buf_add_str(to, "\\t");
        else if (c == '"' || c == '\\')
            buf_printf(to, "\\%c", (int)c);
        else if (c == 0xfffd)
            buf_add_str(to, "\xEF\xBF\xBD");
        else if (is_printable(c))
            buf_add(to, s + i, n);
        else
            buf_printf(to, c > 0xffff ? "\\U%08x" : c > 0xff ? "\\u%04x" : "\\x%02x", c);
    }
    buf_add_char(to, '"');
}

static void put_text(struct buf *to, const char *s)
{
    if (is_plain(s))
        buf_add_str(to, s);
    else
        put_quoted(to, s);
}

static void put_margin(struct buf *to, size_t columns)
{
    for (size_t i = 0; i < columns; i++)
        buf_add_char(to, ' ');
}

/* What stands on one line. */
static bool put_scalar(struct buf *to, const struct json *node)
{
    switch (node->type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        if (node->item_count)
            return false;
        buf_add_str(to, node->type == JSON_OBJECT ? "{}" : "[]");
        return true;
    case JSON_STRING: put_text(to, node->text); return true;
    case JSON_NUMBER: buf_add_str(to, node->text); return true;
    case JSON_BOOL: buf_add_str(to, node->boolean ? "true" : "false"); return true;
    case JSON_NULL:
    case JSON_TYPE_COUNT_: break;
    }
    buf_add_str(to, "null");
    return true;
}

static void put_key(struct buf *to, const char *key, size_t margin)
{
    bool is_long = strlen(key) > KEY_BYTES_MAX;
    if (is_long)
        buf_add_str(to, "? ");
    put_text(to, key);
    if (is_long) {
        buf_add_char(to, '\n');
        put_margin(to, margin);
    }
    buf_add_char(to, ':');
}

/* The members of NODE, each on its line; the first one where the line has come to already.
 * Recursion is bounded by JSON_DEPTH_MAX: trees come from readers. */
static void put_block(struct buf *to, const struct json *node, size_t margin)
{
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        if (i)
            put_margin(to, margin);
        if (node->type == JSON_OBJECT)
            put_key(to, item->key, margin);
        else
            buf_add_char(to, '-');
        bool is_nested = item->type >= JSON_ARRAY && item->item_count;
        if (is_nested && node->type == JSON_OBJECT) {
            buf_add_char(to, '\n');
            put_margin(to, margin + STEP);
        } else {
            buf_add_char(to, ' ');
        }
        if (is_nested) {
            put_block(to, item, margin + STEP);
        } else {
            (void)put_scalar(to, item);
            buf_add_char(to, '\n');
        }
    }
}

void yaml_write(const struct json *root, struct buf *to)
{
    if (put_scalar(to, root))
        buf_add_char(to, '\n');
    else
        put_block(to, root, 0);
}
