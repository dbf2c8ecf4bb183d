#include "supervisor/cli/args.h"

#include <string.h>

#include "runtime/base/str.h"

enum {
    CANDIDATES_MAX = 64,
    SPELLED_MAX = 64
};

struct parser {
    const struct cli_syntax *syntax;
    const char *const *at; /* the next argument */
    void *target;
    struct err *e;
};

static const struct cli_option *find_in(const struct cli_options *o, const char *name, size_t len,
                                        char letter)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct cli_option *row = &o->rows[i];
        if (letter ? row->letter == letter
                   : strlen(row->name) == len && memcmp(row->name, name, len) == 0)
            return row;
    }
    return NULL;
}

static const struct cli_option *find(const struct cli_syntax *s, const char *name, size_t len,
                                     char letter)
{
    const struct cli_option *row = find_in(&s->own, name, len, letter);
    return row ? row : find_in(&s->common, name, len, letter);
}

static int unknown_long(const struct parser *p, const char *name, size_t len)
{
    char typed[SPELLED_MAX];
    const char *names[CANDIDATES_MAX];
    size_t count = 0;
    (void)snprintf(typed, sizeof(typed), "%.*s", (int)(len < SPELLED_MAX ? len : SPELLED_MAX - 1),
                   name);
    const struct cli_options *both[] = { &p->syntax->own, &p->syntax->common };
    for (size_t k = 0; k < ARRAY_LEN(both); k++)
        for (size_t i = 0; i < both[k]->count && count < CANDIDATES_MAX; i++)
            names[count++] = both[k]->rows[i].name;
    (void)err_input(p->e, "unknown option \"--%s\"", typed);
    const char *nearest = str_nearest(typed, names, count);
    if (nearest)
        err_hint(p->e, "did you mean \"--%s\"?", nearest);
    return -1;
}

static const char *spelled(const struct cli_option *row, char to[SPELLED_MAX])
{
    (void)snprintf(to, SPELLED_MAX, "--%s", row->name);
    return to;
}

static int set_number(const struct parser *p, const struct cli_option *row, const char *text)
{
    struct cli_number *n = (struct cli_number *)(void *)((char *)p->target + row->offset);
    if (row->accepts_all && str_eq(text, "all")) {
        *n = (struct cli_number){ true, CLI_ALL };
        return 0;
    }
    if (str_to_u64(text, row->max, &n->value) < 0) {
        char name[SPELLED_MAX];
        return err_input(p->e, "%s: \"%s\" is not a number from 0 to %llu%s", spelled(row, name),
                         text, (unsigned long long)row->max, row->accepts_all ? " or \"all\"" : "");
    }
    n->is_set = true;
    return 0;
}

static int set_value(const struct parser *p, const struct cli_option *row, const char *text)
{
    char *field = (char *)p->target + row->offset;
    struct cli_texts *texts = (struct cli_texts *)(void *)field;
    char name[SPELLED_MAX];
    switch (row->kind) {
    case CLI_TEXT:
        if (!*text)
            return err_input(p->e, "%s needs a value (%s)", spelled(row, name), row->value);
        *(const char **)(void *)field = text;
        return 0;
    case CLI_TEXTS:
        if (texts->count == CLI_TEXTS_MAX)
            return err_input(p->e, "%s: more than %d of them", spelled(row, name), CLI_TEXTS_MAX);
        texts->items[texts->count++] = text;
        return 0;
    case CLI_NUMBER: return set_number(p, row, text);
    default: return err_internal(p->e, "option --%s has no kind", row->name);
    }
}

static int set_from_next(struct parser *p, const struct cli_option *row)
{
    char name[SPELLED_MAX];
    if (!*p->at)
        return err_input(p->e, "%s needs a value (%s)", spelled(row, name), row->value);
    return set_value(p, row, *p->at++);
}

static int parse_long(struct parser *p, const char *arg)
{
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
    const struct cli_option *row = find(p->syntax, arg, len, 0);
    if (!row)
        return unknown_long(p, arg, len);
    if (row->kind != CLI_FLAG)
        return equals ? set_value(p, row, equals + 1) : set_from_next(p, row);
    if (equals)
        return err_input(p->e, "--%s takes no value", row->name);
    *(bool *)((char *)p->target + row->offset) = true;
    return 0;
}

static int parse_letters(struct parser *p, const char *arg)
{
    for (; *arg; arg++) {
        const struct cli_option *row = find(p->syntax, NULL, 0, *arg);
        if (!row)
            return err_input(p->e, "unknown option \"-%c\"", *arg);
        if (row->kind != CLI_FLAG)
            return arg[1] ? set_value(p, row, arg[1] == '=' ? arg + 2 : arg + 1)
                          : set_from_next(p, row);
        *(bool *)((char *)p->target + row->offset) = true;
    }
    return 0;
}

int cli_args_parse(const struct cli_syntax *syntax, const char *const *argv, void *target,
                   const char **words, size_t *word_count, struct err *e)
{
    struct parser p = { .syntax = syntax, .at = argv, .target = target, .e = e };
    size_t count = 0;
    bool has_options = true;
    while (*p.at) {
        const char *arg = *p.at++;
        bool is_option = has_options && arg[0] == '-' && arg[1];
        if (!is_option) {
            words[count++] = arg;
            has_options = has_options && !syntax->stops_at_word;
        } else if (str_eq(arg, "--")) {
            has_options = false;
        } else if ((arg[1] == '-' ? parse_long(&p, arg + 2) : parse_letters(&p, arg + 1)) < 0) {
            return -1;
        }
    }
    words[count] = NULL;
    *word_count = count;
    return 0;
}
