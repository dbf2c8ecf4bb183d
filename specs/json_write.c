#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "specs/json.h"
#include "specs/utf8.h"

void json_writer_init(struct json_writer *w, struct buf *to, unsigned indent)
{
    *w = (struct json_writer){ .to = to, .indent = indent };
}

static void new_line(struct json_writer *w)
{
    if (w->indent == 0)
        return;
    buf_add_char(w->to, '\n');
    for (unsigned i = 0; i < w->depth * w->indent; i++)
        buf_add_char(w->to, ' ');
}

/* One byte below 0x20, a quote or a backslash, as an escape. */
static void put_escape(struct buf *to, unsigned char c)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof(shorts); i += 2)
        if ((unsigned char)shorts[i] == c) {
            buf_add_char(to, '\\');
            buf_add_char(to, shorts[i + 1]);
            return;
        }
    buf_printf(to, "\\u%04x", c);
}

static void put_quoted(struct buf *to, const char *s)
{
    size_t len = strlen(s), done = 0;
    buf_add_char(to, '"');
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)s[i];
        size_t n = utf8_sequence(s + i, len - i);
        if (c >= 0x20 && c != '"' && c != '\\' && n > 0) {
            i += n;
            continue;
        }
        buf_add(to, s + done, i - done);
        if (n > 0)
            put_escape(to, c);
        else
            buf_add_str(to, "\xEF\xBF\xBD");
        done = ++i;
    }
    buf_add(to, s + done, len - done);
    buf_add_char(to, '"');
}

/* What stands before a value: comma, line, key. */
static void put_lead(struct json_writer *w, const char *key)
{
    if (w->has_item)
        buf_add_char(w->to, ',');
    if (w->depth > 0)
        new_line(w);
    w->has_item = true;
    if (key) {
        put_quoted(w->to, key);
        buf_add_str(w->to, w->indent ? ": " : ":");
    }
}

static void put_begin(struct json_writer *w, const char *key, char bracket)
{
    put_lead(w, key);
    buf_add_char(w->to, bracket);
    w->depth++;
    w->has_item = false;
}

static void put_end(struct json_writer *w, char bracket)
{
    w->depth--;
    if (w->has_item)
        new_line(w);
    buf_add_char(w->to, bracket);
    w->has_item = true;
}

void json_begin_object(struct json_writer *w, const char *key)
{
    put_begin(w, key, '{');
}

void json_end_object(struct json_writer *w)
{
    put_end(w, '}');
}

void json_begin_array(struct json_writer *w, const char *key)
{
    put_begin(w, key, '[');
}

void json_end_array(struct json_writer *w)
{
    put_end(w, ']');
}

void json_put_string(struct json_writer *w, const char *key, const char *s)
{
    put_lead(w, key);
    if (s)
        put_quoted(w->to, s);
    else
        buf_add_str(w->to, "null");
}

void json_put_i64(struct json_writer *w, const char *key, int64_t n)
{
    put_lead(w, key);
    buf_printf(w->to, "%" PRId64, n);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t n)
{
    put_lead(w, key);
    buf_printf(w->to, "%" PRIu64, n);
}

void json_put_bool(struct json_writer *w, const char *key, bool b)
{
    put_lead(w, key);
    buf_add_str(w->to, b ? "true" : "false");
}

void json_put_null(struct json_writer *w, const char *key)
{
    json_put_string(w, key, NULL);
}

/* Recursion is bounded by JSON_DEPTH_MAX: trees come from json_parse. */
void json_put_tree(struct json_writer *w, const char *key, const struct json *node)
{
    bool is_object = node->type == JSON_OBJECT;
    switch (node->type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        put_begin(w, key, is_object ? '{' : '[');
        for (size_t i = 0; i < node->item_count; i++)
            json_put_tree(w, is_object ? node->items[i]->key : NULL, node->items[i]);
        put_end(w, is_object ? '}' : ']');
        break;
    case JSON_NUMBER:
        put_lead(w, key);
        buf_add_str(w->to, node->text);
        break;
    case JSON_STRING: json_put_string(w, key, node->text); break;
    case JSON_BOOL: json_put_bool(w, key, node->boolean); break;
    case JSON_NULL:
    case JSON_TYPE_COUNT_: json_put_null(w, key); break;
    }
}
