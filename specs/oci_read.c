#include "specs/oci_read.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/str.h"

int oci_bad(const struct oci_reader *r, const char *key, const struct json *node, const char *fmt,
            ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    const struct json *at = node ? node : r->obj;
    const char *dot = r->path[0] && key[0] ? "." : "";
    if (!at || !at->place.line)
        return err_input(r->e, "config.json: %s%s%s: %s", r->path, dot, key, what);
    return err_input(r->e, "%s:%u:%u: %s%s%s: %s", at->place.file ? at->place.file : "config.json",
                     at->place.line, at->place.column, r->path, dot, key, what);
}

static const struct json *member(const struct oci_reader *r, const char *key)
{
    const struct json *node = json_find(r->obj, key);
    return node && node->type != JSON_NULL ? node : NULL;
}

static int wrong_type(const struct oci_reader *r, const char *key, const struct json *node,
                      const char *expected)
{
    return oci_bad(r, key, node, "must be %s, is %s", expected, json_type_name(node->type));
}

static const char *join(const struct oci_reader *r, const char *key)
{
    return r->path[0] ? arena_printf(r->arena, "%s.%s", r->path, key) : key;
}

int oci_enter(const struct oci_reader *r, const char *key, struct oci_reader *out)
{
    const struct json *node = member(r, key);
    if (node && node->type != JSON_OBJECT)
        return wrong_type(r, key, node, "an object");
    *out = (struct oci_reader){ r->arena, node, join(r, key), r->e };
    return 0;
}

int oci_read_string(const struct oci_reader *r, const char *key, const char **out)
{
    const struct json *node = member(r, key);
    if (!node)
        return 0;
    if (node->type != JSON_STRING)
        return wrong_type(r, key, node, "a string");
    *out = node->text;
    return 0;
}

int oci_read_bool(const struct oci_reader *r, const char *key, bool *out)
{
    const struct json *node = member(r, key);
    if (!node)
        return 0;
    if (node->type != JSON_BOOL)
        return wrong_type(r, key, node, "true or false");
    *out = node->boolean;
    return 0;
}

int oci_read_i64(const struct oci_reader *r, const char *key, int64_t min, int64_t max,
                 int64_t *out)
{
    const struct json *node = member(r, key);
    if (!node)
        return 0;
    int64_t n;
    if (node->type != JSON_NUMBER)
        return wrong_type(r, key, node, "a number");
    if (json_to_i64(node, &n) < 0 || n < min || n > max)
        return oci_bad(r, key, node, "must be a whole number from %lld to %lld", (long long)min,
                       (long long)max);
    *out = n;
    return 0;
}

int oci_read_u32(const struct oci_reader *r, const char *key, uint32_t *out)
{
    int64_t n = *out;
    if (oci_read_i64(r, key, 0, UINT32_MAX, &n) < 0)
        return -1;
    *out = (uint32_t)n;
    return 0;
}

int oci_read_u64(const struct oci_reader *r, const char *key, uint64_t *out)
{
    const struct json *node = member(r, key);
    if (!node)
        return 0;
    if (node->type != JSON_NUMBER)
        return wrong_type(r, key, node, "a number");
    if (str_to_u64(node->text, UINT64_MAX, out) < 0)
        return oci_bad(r, key, node, "must be a whole number from 0 to 2^64-1");
    return 0;
}

int oci_read_optional(const struct oci_reader *r, const char *key, struct oci_i64 *out)
{
    if (!member(r, key))
        return 0;
    out->is_set = true;
    return oci_read_i64(r, key, INT64_MIN, INT64_MAX, &out->value);
}

int oci_read_strings(const struct oci_reader *r, const char *key, struct oci_strings *out)
{
    const struct json *node = member(r, key);
    if (!node)
        return 0;
    if (node->type != JSON_ARRAY)
        return wrong_type(r, key, node, "an array of strings");
    out->items = arena_alloc(r->arena, (node->item_count + 1) * sizeof(*out->items));
    for (size_t i = 0; i < node->item_count; i++) {
        if (node->items[i]->type != JSON_STRING)
            return wrong_type(r, key, node->items[i], "an array of strings");
        out->items[i] = node->items[i]->text;
    }
    out->count = node->item_count;
    return 0;
}

int oci_read_pairs(const struct oci_reader *r, const char *key, struct oci_pairs *out)
{
    const struct json *node = member(r, key);
    if (!node)
        return 0;
    if (node->type != JSON_OBJECT)
        return wrong_type(r, key, node, "an object of strings");
    out->items = arena_alloc(r->arena, (node->item_count + 1) * sizeof(*out->items));
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        if (item->type != JSON_STRING)
            return wrong_type(r, key, item, "an object of strings");
        out->items[i] = (struct oci_pair){ item->key, item->text };
    }
    out->count = node->item_count;
    return 0;
}

int oci_read_array(const struct oci_reader *r, const char *key, const struct json **out)
{
    const struct json *node = member(r, key);
    *out = node;
    if (!node)
        return 0;
    if (node->type != JSON_ARRAY)
        return wrong_type(r, key, node, "an array");
    for (size_t i = 0; i < node->item_count; i++)
        if (node->items[i]->type != JSON_OBJECT)
            return wrong_type(r, key, node->items[i], "an array of objects");
    return 0;
}

int oci_refuse(const struct oci_reader *r, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct json *node = json_find(r->obj, keys[i]);
        if (node && node->type == JSON_OBJECT && node->item_count)
            return oci_bad(r, keys[i], node, "is not supported by this runtime");
    }
    return 0;
}

struct oci_reader oci_item(const struct oci_reader *r, const char *key, const struct json *array,
                           size_t index)
{
    const char *path = arena_printf(r->arena, "%s[%zu]", join(r, key), index);
    return (struct oci_reader){ r->arena, array->items[index], path, r->e };
}
