#include "specs/dotenv.h"

#include <string.h>

#include "runtime/base/buf.h"

struct lines {
    struct arena *arena;
    const char *p;
    const char *line_start;
    uint32_t line;
    const char *file;
    bool is_raw;
    const struct interpolate *env;
    struct stack_pairs *out;
    struct err *e;
};

static struct stack_pair *pair_find(const struct stack_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->items[i].key, name) == 0)
            return &pairs->items[i];
    return NULL;
}

const char *dotenv_find(const struct stack_pairs *pairs, const char *name)
{
    const struct stack_pair *pair = pair_find(pairs, name);
    return pair ? pair->value : NULL;
}

void dotenv_set(struct arena *a, struct stack_pairs *pairs, const char *name, const char *value)
{
    struct stack_pair *pair = pair_find(pairs, name);
    if (pair) {
        pair->value = value;
        return;
    }
    /* Room for a power of two; the arena keeps what was outgrown. */
    if ((pairs->count & (pairs->count - 1)) == 0) {
        size_t room = pairs->count ? pairs->count * 2 : 1;
        struct stack_pair *items = arena_alloc(a, room * sizeof(*items));
        if (pairs->count)
            memcpy(items, pairs->items, pairs->count * sizeof(*items));
        pairs->items = items;
    }
    pairs->items[pairs->count++] = (struct stack_pair){ name, value };
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_.-[]", c));
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_spaces(struct lines *l)
{
    while (is_space(*l->p))
        l->p++;
}

static void next_line(struct lines *l)
{
    const char *newline = strchr(l->p, '\n');
    l->p = newline ? newline + 1 : l->p + strlen(l->p);
    l->line_start = l->p;
    l->line++;
}

static struct json_place place_of(const struct lines *l, const char *p)
{
    return (struct json_place){ l->file, l->line, (uint32_t)(p - l->line_start) + 1 };
}

/* Later lines see earlier ones, but the environment wins (compose-go: the lookup comes first). */
static const char *find_name(const void *self, const char *name)
{
    const struct lines *l = self;
    const char *value = l->env->find(l->env->self, name);
    return value ? value : dotenv_find(l->out, name);
}

static int interpolate_value(struct lines *l, const char *text, const char **out)
{
    struct interpolate vars = { .self = l, .find = find_name };
    return interpolate_text(l->arena, &vars, text, out, l->e);
}

/* At the opening quote of a double-quoted value. Escapes come first; an escaped dollar becomes $$,
 * which interpolation makes one again. */
static int read_double(struct lines *l, const char **out)
{
    static const char escapes[] = "n\nr\rt\t\"\"\\\\";
    auto_buf struct buf b = { 0 };
    buf_init(&b, 2 * DOTENV_BYTES_MAX);
    const char *p = l->p + 1;
    for (; *p && *p != '"'; p++) {
        if (*p != '\\' || !p[1]) {
            buf_add_char(&b, *p);
            continue;
        }
        p++;
        size_t i = 0;
        while (i + 1 < sizeof(escapes) - 1 && escapes[i] != *p)
            i += 2;
        if (*p == '$') {
            buf_add_str(&b, "$$");
        } else if (i + 1 < sizeof(escapes) - 1) {
            buf_add_char(&b, escapes[i + 1]);
        } else {
            buf_add_char(&b, '\\');
            buf_add_char(&b, *p);
        }
    }
    if (!*p)
        return err_input(l->e, "a quoted value without closing quote");
    l->p = p + 1;
    return interpolate_value(l, arena_strndup(l->arena, b.len ? b.data : "", b.len), out);
}

static int read_single(struct lines *l, const char **out)
{
    const char *from = l->p + 1, *to = strchr(from, '\'');
    if (!to)
        return err_input(l->e, "a quoted value without closing quote");
    *out = arena_strndup(l->arena, from, (size_t)(to - from));
    l->p = to + 1;
    return 0;
}

static int read_plain(struct lines *l, const char **out)
{
    const char *from = l->p, *to = from + strcspn(from, "\n");
    l->p = to;
    if (!l->is_raw)
        for (const char *c = from; c < to; c++)
            if (*c == '#' && (c == from || is_space(c[-1]))) {
                to = c;
                break;
            }
    while (to > from && (l->is_raw ? to[-1] == '\r' : is_space(to[-1])))
        to--;
    *out = arena_strndup(l->arena, from, (size_t)(to - from));
    return l->is_raw ? 0 : interpolate_value(l, *out, out);
}

static int read_value(struct lines *l, const char **out)
{
    if (!l->is_raw)
        skip_spaces(l);
    if (l->is_raw || (*l->p != '"' && *l->p != '\''))
        return read_plain(l, out);
    const char *from = l->p;
    if ((*from == '"' ? read_double(l, out) : read_single(l, out)) < 0)
        return -1;
    for (const char *c = from; c < l->p; c++)
        if (*c == '\n') {
            l->line++;
            l->line_start = c + 1;
        }
    skip_spaces(l);
    if (*l->p && *l->p != '\n' && *l->p != '#')
        return err_input(l->e, "text after the closing quote");
    return 0;
}

/* At the first character of a line that is neither blank nor a comment. */
static int read_line(struct lines *l)
{
    if (strncmp(l->p, "export", 6) == 0 && is_space(l->p[6])) {
        l->p += 6;
        skip_spaces(l);
    }
    const char *from = l->p;
    while (is_name_char(*l->p))
        l->p++;
    const char *name = arena_strndup(l->arena, from, (size_t)(l->p - from));
    if (!*name)
        return err_input(l->e, "a line that is not NAME=VALUE");
    skip_spaces(l);
    const char *value = NULL;
    if (*l->p == '=' || (*l->p == ':' && !l->is_raw)) {
        l->p++;
        if (read_value(l, &value) < 0)
            return err_wrap(l->e, "%.60s", name);
    } else if (!*l->p || *l->p == '\n' || *l->p == '#') {
        value = l->env->find(l->env->self, name); /* a name alone */
        value = value ? arena_strdup(l->arena, value) : NULL;
    } else {
        return err_input(l->e, "\"%.60s\" is not followed by =", name);
    }
    if (l->out->count == DOTENV_NAMES_MAX)
        return err_input(l->e, "more than %d names", DOTENV_NAMES_MAX);
    if (value)
        dotenv_set(l->arena, l->out, name, value);
    return 0;
}

int dotenv_parse(struct arena *a, const char *file, const char *text, size_t len, bool is_raw,
                 const struct interpolate *env, struct stack_pairs *out, struct json_place *at,
                 struct err *e)
{
    struct lines l = { .arena = a, .line = 1, .file = file, .is_raw = is_raw, .env = env };
    l.out = out;
    l.e = e;
    if (len > DOTENV_BYTES_MAX || memchr(text, '\0', len)) {
        *at = (struct json_place){ file, 1, 1 };
        return err_input(e, len > DOTENV_BYTES_MAX ? "the file is larger than a megabyte"
                                                   : "the file is not text");
    }
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        len -= 3;
    }
    l.p = l.line_start = arena_strndup(a, text, len);
    while (*l.p) {
        skip_spaces(&l);
        if (*l.p && *l.p != '\n' && *l.p != '#') {
            const char *from = l.p;
            struct json_place place = place_of(&l, from);
            if (read_line(&l) < 0) {
                *at = place;
                return -1;
            }
        }
        next_line(&l);
    }
    return 0;
}
