#include "specs/field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/units.h"

enum {
    FIELD_ROWS_MAX = 128, /* of one table */
    DAY_MS = 24 * 60 * 60 * 1000
};

static void add_problem(struct field_ctx *ctx, bool is_warning, struct json_place at,
                        const char *fmt, va_list ap) printf_like(4, 0);
static void add_problem(struct field_ctx *ctx, bool is_warning, struct json_place at,
                        const char *fmt, va_list ap)
{
    char what[sizeof(ctx->last->what)];
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    ctx->last = problem_add(ctx->problems, is_warning, at, ctx->path, what);
}

void field_error(struct field_ctx *ctx, struct json_place at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_problem(ctx, false, at, fmt, ap);
    va_end(ap);
}

void field_warn(struct field_ctx *ctx, struct json_place at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_problem(ctx, true, at, fmt, ap);
    va_end(ap);
}

void field_hint(struct field_ctx *ctx, const char *fmt, ...)
{
    if (!ctx->last)
        return;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(ctx->last->hint, sizeof(ctx->last->hint), fmt, ap);
    va_end(ap);
}

void field_no_effect(struct field_ctx *ctx, struct json_place at, const char *what,
                     const char *reason)
{
    field_warn(ctx, at, "%s%.60s%sis accepted and has no effect here: %s", *what ? "\"" : "", what,
               *what ? "\" " : "", reason);
}

static const char *with_article(enum json_type type)
{
    static const char *const names[JSON_TYPE_COUNT_] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "true or false", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "a list",       [JSON_OBJECT] = "an object",
    };
    return names[type];
}

void field_type_error(struct field_ctx *ctx, const struct json *node, const char *wanted)
{
    field_error(ctx, node->place, "must be %s, not %s", wanted, with_article(node->type));
}

size_t field_enter(struct field_ctx *ctx, const char *key)
{
    size_t mark = ctx->path_len;
    size_t room = sizeof(ctx->path) - mark;
    int n = snprintf(ctx->path + mark, room, "%s%s", mark ? "." : "", key);
    ctx->path_len += (size_t)n < room ? (size_t)n : room - 1;
    return mark;
}

size_t field_enter_index(struct field_ctx *ctx, size_t index)
{
    size_t mark = ctx->path_len;
    size_t room = sizeof(ctx->path) - mark;
    int n = snprintf(ctx->path + mark, room, "[%zu]", index);
    ctx->path_len += (size_t)n < room ? (size_t)n : room - 1;
    return mark;
}

void field_leave(struct field_ctx *ctx, size_t mark)
{
    ctx->path_len = mark;
    ctx->path[mark] = '\0';
}

bool field_text(struct field_ctx *ctx, const struct json *node, const char **out)
{
    if (node->type == JSON_STRING || node->type == JSON_NUMBER) {
        *out = node->text;
        return true;
    }
    field_type_error(ctx, node, "a string");
    return false;
}

bool field_bool(struct field_ctx *ctx, const struct json *node, bool *out)
{
    static const char *const yes[] = { "true", "yes", "on", "1", "y" };
    static const char *const no[] = { "false", "no", "off", "0", "n" };
    if (node->type == JSON_BOOL) {
        *out = node->boolean;
        return true;
    }
    if (node->type != JSON_STRING) {
        field_type_error(ctx, node, "true or false");
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        bool is_yes = strcasecmp(node->text, yes[i]) == 0;
        if (is_yes || strcasecmp(node->text, no[i]) == 0) {
            *out = is_yes;
            return true;
        }
    }
    field_error(ctx, node->place, "\"%.60s\" is neither true nor false", node->text);
    return false;
}

bool field_i64(struct field_ctx *ctx, const struct json *node, int64_t min, int64_t max,
               int64_t *out)
{
    if (node->type != JSON_NUMBER && node->type != JSON_STRING) {
        field_type_error(ctx, node, "a number");
        return false;
    }
    const char *quote = node->type == JSON_STRING ? "\"" : "";
    if (str_to_i64(node->text, min, max, out) == 0)
        return true;
    int64_t any;
    if (str_to_i64(node->text, INT64_MIN, INT64_MAX, &any) < 0)
        field_error(ctx, node->place, "%s%.60s%s is not a whole number", quote, node->text, quote);
    else if (max == INT64_MAX)
        field_error(ctx, node->place, "%.60s is too small (at least %lld)", node->text,
                    (long long)min);
    else
        field_error(ctx, node->place, "%.60s is out of range (%lld–%lld)", node->text,
                    (long long)min, (long long)max);
    return false;
}

bool field_strings(struct field_ctx *ctx, const struct json *node, struct strings *out)
{
    if (node->type != JSON_ARRAY) {
        field_type_error(ctx, node, "a list of strings");
        return false;
    }
    bool is_good = true;
    out->items = arena_alloc(ctx->arena, (node->item_count + 1) * sizeof(*out->items));
    out->count = 0;
    for (size_t i = 0; i < node->item_count; i++) {
        size_t mark = field_enter_index(ctx, i);
        if (field_text(ctx, node->items[i], &out->items[out->count]))
            out->count++;
        else
            is_good = false;
        field_leave(ctx, mark);
    }
    return is_good;
}

/* The value of a map's member: numbers and booleans as they are written, null as empty. */
static bool pair_value(struct field_ctx *ctx, const struct json *node, const char **out)
{
    *out = node->type == JSON_NULL   ? ""
           : node->type != JSON_BOOL ? NULL
           : node->boolean           ? "true"
                                     : "false";
    return *out || field_text(ctx, node, out);
}

bool field_pairs(struct field_ctx *ctx, const struct json *node, struct stack_pairs *out)
{
    if (node->type != JSON_ARRAY && node->type != JSON_OBJECT) {
        field_type_error(ctx, node, "an object or a list of \"KEY=VALUE\"");
        return false;
    }
    bool is_good = true;
    out->items = arena_alloc(ctx->arena, node->item_count * sizeof(*out->items));
    out->count = 0;
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        struct stack_pair pair = { item->key, NULL };
        size_t mark = item->key ? field_enter(ctx, item->key) : field_enter_index(ctx, i);
        if (item->key) {
            is_good &= pair_value(ctx, item, &pair.value);
        } else if (field_text(ctx, item, &pair.key)) {
            const char *equals = strchr(pair.key, '=');
            pair.value = equals ? equals + 1 : "";
            if (equals)
                pair.key = arena_strndup(ctx->arena, pair.key, (size_t)(equals - pair.key));
        }
        field_leave(ctx, mark);
        if (pair.value)
            out->items[out->count++] = pair;
        is_good &= pair.value != NULL;
    }
    return is_good;
}

static void decode_choice(struct field_ctx *ctx, const struct json *node, const struct field *f,
                          int *out)
{
    if (node->type != JSON_STRING) {
        field_type_error(ctx, node, "a string");
        return;
    }
    size_t count = 0;
    char list[120] = "";
    for (; f->names[count]; count++) {
        if (strcmp(f->names[count], node->text) == 0) {
            *out = (int)count;
            return;
        }
        size_t len = strlen(list);
        (void)snprintf(list + len, sizeof(list) - len, "%s%s", count ? ", " : "", f->names[count]);
    }
    const char *near = ctx->problems->truncated ? NULL : str_nearest(node->text, f->names, count);
    for (size_t i = 0; i < count && !near && node->text_len > 2; i++)
        if (str_ends(f->names[i], node->text)) /* "healthy" for "service_healthy" */
            near = f->names[i];
    field_error(ctx, node->place, "\"%.60s\" is not one of: %s", node->text, list);
    if (near)
        field_hint(ctx, "did you mean \"%s\"?", near);
}

static void decode_duration(struct field_ctx *ctx, const struct json *node, const struct field *f,
                            uint32_t *out)
{
    uint64_t max = f->max ? (uint64_t)f->max : DAY_MS, ms;
    if (node->type != JSON_STRING && node->type != JSON_NUMBER) {
        field_type_error(ctx, node, "a duration such as \"30s\"");
        return;
    }
    if (units_duration_ms(node->text, max, &ms) == 0) {
        if (ms < (uint64_t)f->min)
            field_error(ctx, node->place, "\"%.40s\" is too short (at least %lld ms)", node->text,
                        (long long)f->min);
        else
            *out = (uint32_t)ms;
        return;
    }
    if (units_duration_ms(node->text, UINT64_MAX, &ms) == 0) {
        field_error(ctx, node->place, "\"%.40s\" is too long (at most %llu s)", node->text,
                    (unsigned long long)max / 1000);
        return;
    }
    field_error(ctx, node->place, "\"%.60s\" is not a duration", node->text);
    if (str_to_u64(node->text, UINT64_MAX, &ms) == 0)
        field_hint(ctx, "give a unit: \"%.40ss\"", node->text);
    else
        field_hint(ctx, "durations look like \"30s\", \"1m30s\", \"500ms\"");
}

static void decode_size(struct field_ctx *ctx, const struct json *node, const struct field *f,
                        uint64_t *out)
{
    uint64_t bytes;
    if (node->type != JSON_STRING && node->type != JSON_NUMBER) {
        field_type_error(ctx, node, "a size such as \"64m\"");
    } else if (units_size(node->text, &bytes) < 0) {
        field_error(ctx, node->place, "\"%.60s\" is not a size", node->text);
        field_hint(ctx, "sizes look like \"64m\", \"1.5g\", 1048576");
    } else if (bytes < (uint64_t)f->min) {
        bool is_mib = f->min >= 1 << 20;
        field_error(ctx, node->place, "%.40s is too small (at least %lld %s)", node->text,
                    (long long)(is_mib ? f->min >> 20 : f->min), is_mib ? "MiB" : "bytes");
    } else {
        *out = bytes;
    }
}

static void decode_number(struct field_ctx *ctx, const struct json *node, const struct field *f,
                          void *to)
{
    int64_t n, max = f->max ? f->max : f->kind == FIELD_I64 ? INT64_MAX : UINT32_MAX;
    if (f->kind == FIELD_U16 && max > UINT16_MAX)
        max = UINT16_MAX;
    if (!field_i64(ctx, node, f->min, max, &n))
        return;
    if (f->kind == FIELD_U16)
        *(uint16_t *)to = (uint16_t)n;
    else if (f->kind == FIELD_U32)
        *(uint32_t *)to = (uint32_t)n;
    else
        *(int64_t *)to = n;
}

static void decode_string(struct field_ctx *ctx, const struct json *node, const char **to)
{
    if (node->type != JSON_STRING)
        field_type_error(ctx, node, "a string");
    else if (!node->text_len)
        field_error(ctx, node->place, "must not be empty");
    else
        *to = node->text;
}

static void decode_strings(struct field_ctx *ctx, const struct json *node, const struct field *f,
                           struct strings *to)
{
    if (!(f->flags & FIELD_ONE) || node->type != JSON_STRING) {
        (void)field_strings(ctx, node, to);
        return;
    }
    to->items = arena_alloc(ctx->arena, 2 * sizeof(*to->items));
    to->items[0] = node->text;
    to->count = 1;
}

static void refuse(struct field_ctx *ctx, const struct json *node, const char *reason)
{
    if (ctx->is_lenient)
        field_warn(ctx, node->key_place, "left out: %s", reason);
    else
        field_error(ctx, node->key_place, "%s", reason);
}

void field_value(struct field_ctx *ctx, const struct json *node, const struct field *f, void *base)
{
    void *to = (char *)base + f->offset;
    switch (f->kind) {
    case FIELD_STRING: decode_string(ctx, node, to); break;
    case FIELD_TEXT: (void)field_text(ctx, node, to); break;
    case FIELD_BOOL: (void)field_bool(ctx, node, to); break;
    case FIELD_U16:
    case FIELD_U32:
    case FIELD_I64: decode_number(ctx, node, f, to); break;
    case FIELD_DURATION: decode_duration(ctx, node, f, to); break;
    case FIELD_SIZE: decode_size(ctx, node, f, to); break;
    case FIELD_STRINGS: decode_strings(ctx, node, f, to); break;
    case FIELD_PAIRS: (void)field_pairs(ctx, node, to); break;
    case FIELD_CHOICE: decode_choice(ctx, node, f, to); break;
    case FIELD_OBJECT: (void)field_decode(ctx, node, f->rows, f->row_count, base); break;
    case FIELD_CALL: f->call(ctx, node, base); break;
    case FIELD_REFUSED: refuse(ctx, node, f->doc); break;
    case FIELD_ACCEPTED: field_no_effect(ctx, node->key_place, "", f->doc); break;
    case FIELD_KIND_COUNT_: break;
    }
}

static const struct field *row_find(const struct field *rows, size_t count, const char *key)
{
    bool is_extension = str_starts(key, "x-");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].key, key) == 0)
            return &rows[i];
        if (is_extension && (rows[i].flags & FIELD_OURS) && strcmp(rows[i].key, key + 2) == 0)
            return &rows[i];
    }
    return NULL;
}

static void unknown_key(struct field_ctx *ctx, const struct json *member, const struct field *rows,
                        size_t count)
{
    const char *words[FIELD_ROWS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count && n < FIELD_ROWS_MAX; i++)
        if (rows[i].kind != FIELD_REFUSED)
            words[n++] = rows[i].key;
    field_error(ctx, member->key_place, "unknown key \"%.80s\"", member->key);
    const char *near = ctx->last ? str_nearest(member->key, words, n) : NULL;
    if (near)
        field_hint(ctx, "did you mean \"%s\"?", near);
}

int field_decode(struct field_ctx *ctx, const struct json *obj, const struct field *rows,
                 size_t count, void *base)
{
    if (obj->type != JSON_OBJECT) {
        field_type_error(ctx, obj, "an object");
        return -1;
    }
    for (size_t i = 0; i < obj->item_count; i++) {
        const struct json *member = obj->items[i];
        const struct field *f = row_find(rows, count, member->key);
        if (!f) {
            if (!str_starts(member->key, "x-"))
                unknown_key(ctx, member, rows, count);
            continue;
        }
        if (f->key != member->key && strcmp(f->key, member->key) != 0 && json_find(obj, f->key)) {
            field_error(ctx, member->key_place, "\"%s\" and \"%s\" are the same key", f->key,
                        member->key);
            continue;
        }
        if (member->type == JSON_NULL && !(f->flags & FIELD_NULL) && f->kind != FIELD_REFUSED)
            continue;
        size_t mark = field_enter(ctx, member->key);
        field_value(ctx, member, f, base);
        field_leave(ctx, mark);
    }
    for (size_t i = 0; i < count; i++)
        if ((rows[i].flags & FIELD_NEED) && !json_find(obj, rows[i].key) &&
            !((rows[i].flags & FIELD_OURS) && field_find(obj, rows[i].key)))
            field_error(ctx, obj->place, "needs the key \"%s\"", rows[i].key);
    return 0;
}

const struct json *field_find(const struct json *obj, const char *key)
{
    const struct json *found = json_find(obj, key);
    char name[80];
    if (found || snprintf(name, sizeof(name), "x-%s", key) >= (int)sizeof(name))
        return found;
    return json_find(obj, name);
}
