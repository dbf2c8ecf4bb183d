#include "specs/interpolate.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/buf.h"
#include "specs/field.h"

struct template
{
    const struct interpolate *vars;
    const char *text; /* whole, for messages */
    const char *p;
    struct buf out;
    struct err *e;
};

static bool is_name_start(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

static int invalid(struct template *t, const char *from)
{
    size_t len = strcspn(from, "}");
    if (from[len] == '}')
        len++;
    (void)err_input(t->e, "invalid template \"%.*s\"", (int)(len < 60 ? len : 60), from);
    err_hint(t->e, "write $$ for a dollar sign");
    return -1;
}

/* Copies the name at t->p to NAME and moves past it. */
static int name_take(struct template *t, char *name, const char *from)
{
    size_t n = 0;
    while (is_name(t->p[n]))
        n++;
    if (!is_name_start(t->p[0]))
        return invalid(t, from);
    if (n >= INTERPOLATE_NAME_MAX)
        return err_input(t->e, "a variable name is longer than %d bytes", INTERPOLATE_NAME_MAX - 1);
    memcpy(name, t->p, n);
    name[n] = '\0';
    t->p += n;
    return 0;
}

static const char *value_or_warn(struct template *t, const char *name)
{
    const char *value = t->vars->find(t->vars->self, name);
    if (!value && t->vars->unset)
        t->vars->unset(t->vars->unset_self, name);
    return value ? value : "";
}

static int expand(struct template *t, bool in_braces, bool is_live, unsigned depth);

/* ${NAME?message}: the message is the error. */
static int require(struct template *t, const char *name, bool is_missing, unsigned depth)
{
    size_t start = t->out.len;
    if (expand(t, true, is_missing, depth + 1) < 0)
        return -1;
    if (!is_missing)
        return 0;
    const char *message = t->out.len > start ? t->out.data + start : NULL;
    return err_input(t->e, "required variable %s is missing a value%s%s", name, message ? ": " : "",
                     message ? message : "");
}

/* At the operator after ${NAME. */
static int expand_operator(struct template *t, const char *from, const char *name, bool is_live,
                           unsigned depth)
{
    bool is_colon = *t->p == ':';
    char op = t->p[is_colon];
    if (*t->p == '}') {
        t->p++;
        if (is_live)
            buf_add_str(&t->out, value_or_warn(t, name));
        return 0;
    }
    if (!op || !strchr("-?+", op))
        return invalid(t, from);
    if (depth >= INTERPOLATE_DEPTH_MAX)
        return err_input(t->e, "templates nested deeper than %d", INTERPOLATE_DEPTH_MAX);
    t->p += is_colon + 1;
    const char *value = t->vars->find(t->vars->self, name);
    bool is_there = value && (!is_colon || *value);
    if (op == '?') {
        if (require(t, name, is_live && !is_there, depth) < 0)
            return -1;
    } else {
        /* Lazy: the operand is read in any case, but looked up only when it is used. */
        bool wants_operand = (op == '+') == is_there;
        if (expand(t, true, is_live && wants_operand, depth + 1) < 0)
            return -1;
    }
    if (is_live && is_there && op != '+')
        buf_add_str(&t->out, value);
    return 0;
}

/* At a dollar sign. */
static int expand_dollar(struct template *t, bool is_live, unsigned depth)
{
    const char *from = t->p++;
    char name[INTERPOLATE_NAME_MAX];
    if (*t->p == '{') {
        t->p++;
        if (name_take(t, name, from) < 0)
            return -1;
        return expand_operator(t, from, name, is_live, depth);
    }
    if (is_name_start(*t->p)) {
        if (name_take(t, name, from) < 0)
            return -1;
        if (is_live)
            buf_add_str(&t->out, value_or_warn(t, name));
        return 0;
    }
    if (*t->p == '$')
        t->p++;
    if (is_live)
        buf_add_char(&t->out, '$');
    return 0;
}

/* To the end of the text, or past the brace that closes the operand. Plain braces in an operand
 * pair up, so that JSON can be a default. Depth is bounded by INTERPOLATE_DEPTH_MAX. */
static int expand(struct template *t, bool in_braces, bool is_live, unsigned depth)
{
    unsigned open = 0;
    while (*t->p) {
        if (*t->p == '$') {
            if (expand_dollar(t, is_live, depth) < 0)
                return -1;
            continue;
        }
        if (in_braces && *t->p == '}' && open-- == 0) {
            t->p++;
            return 0;
        }
        if (in_braces && *t->p == '{')
            open++;
        if (is_live)
            buf_add_char(&t->out, *t->p);
        t->p++;
    }
    return in_braces ? invalid(t, t->text) : 0;
}

int interpolate_text(struct arena *a, const struct interpolate *vars, const char *text,
                     const char **out, struct err *e)
{
    if (!strchr(text, '$')) {
        *out = text;
        return 0;
    }
    struct template t = { .vars = vars, .text = text, .p = text, .e = e };
    buf_init(&t.out, INTERPOLATE_BYTES_MAX);
    int rc = expand(&t, false, true, 0);
    if (rc == 0 && t.out.overflow)
        rc = err_input(e, "the value is longer than %d bytes", INTERPOLATE_BYTES_MAX);
    if (rc == 0)
        *out = arena_strndup(a, t.out.len ? t.out.data : "", t.out.len);
    buf_done(&t.out);
    return rc;
}

struct walk {
    struct field_ctx ctx;
    struct interpolate vars;
    const struct interpolate *given;
    const struct json *at;
    size_t bytes; /* of new values */
};

static void on_unset(void *self, const char *name)
{
    struct walk *w = self;
    field_warn(&w->ctx, w->at->place, "the variable %s is not set, an empty string takes its place",
               name);
    if (w->given->unset)
        w->given->unset(w->given->unset_self, name);
}

static void walk_string(struct walk *w, struct json *copy)
{
    struct err e = { 0 };
    const char *before = copy->text;
    w->at = copy;
    if (w->bytes > INTERPOLATE_TREE_BYTES_MAX)
        return; /* reported when it happened */
    if (interpolate_text(w->ctx.arena, &w->vars, copy->text, &copy->text, &e) < 0) {
        field_error(&w->ctx, copy->place, "%s", e.what);
        if (e.hint[0])
            field_hint(&w->ctx, "%s", e.hint);
    }
    copy->text_len = strlen(copy->text);
    w->bytes += copy->text != before ? copy->text_len : 0;
    if (w->bytes > INTERPOLATE_TREE_BYTES_MAX)
        field_error(&w->ctx, copy->place, "all values together are longer than %d bytes",
                    INTERPOLATE_TREE_BYTES_MAX);
}

/* Recursion is bounded by JSON_DEPTH_MAX. */
static struct json *walk_node(struct walk *w, const struct json *node)
{
    struct json *copy = arena_alloc(w->ctx.arena, sizeof(*copy));
    *copy = *node;
    if (node->type == JSON_STRING)
        walk_string(w, copy);
    if (!node->item_count)
        return copy;
    copy->items = arena_alloc(w->ctx.arena, node->item_count * sizeof(*copy->items));
    for (size_t i = 0; i < node->item_count; i++) {
        const char *key = node->items[i]->key;
        size_t mark = key ? field_enter(&w->ctx, key) : field_enter_index(&w->ctx, i);
        copy->items[i] = walk_node(w, node->items[i]);
        field_leave(&w->ctx, mark);
    }
    return copy;
}

struct json *interpolate_tree(struct arena *a, const struct json *root,
                              const struct interpolate *vars, struct stack_problems *problems)
{
    struct walk w = { .ctx = { .arena = a, .problems = problems }, .vars = *vars, .given = vars };
    w.vars.unset = on_unset;
    w.vars.unset_self = &w;
    return walk_node(&w, root);
}
