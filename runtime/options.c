#include "runtime/options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"

enum {
    OPTIONS_NAMES_MAX = 64
};

struct cursor {
    const struct options_row *rows;
    size_t row_count;
    int argc;
    char **argv;
    int at; /* the word in hand */
    void *into;
};

static const struct options_row *by_name(const struct cursor *c, const char *name, size_t len)
{
    for (size_t i = 0; i < c->row_count; i++)
        if (strlen(c->rows[i].name) == len && memcmp(c->rows[i].name, name, len) == 0)
            return &c->rows[i];
    return NULL;
}

static const struct options_row *by_letter(const struct cursor *c, char letter)
{
    for (size_t i = 0; i < c->row_count; i++)
        if (c->rows[i].letter == letter)
            return &c->rows[i];
    return NULL;
}

static int unknown(const struct cursor *c, const char *name, size_t len, struct err *e)
{
    const char *words[OPTIONS_NAMES_MAX];
    char word[64];
    size_t count = 0;
    for (size_t i = 0; i < c->row_count && count < ARRAY_LEN(words); i++)
        if (c->rows[i].help)
            words[count++] = c->rows[i].name;
    (void)snprintf(word, sizeof(word), "%.*s", (int)(len < 60 ? len : 60), name);
    const char *near = str_nearest(word, words, count);
    if (near)
        return err_input(e, "unknown option --%s (did you mean --%s?)", word, near);
    return err_input(e, "unknown option --%s", word);
}

static int set_flag(bool *flag, const char *name, const char *value, struct err *e)
{
    if (value && !str_eq(value, "true") && !str_eq(value, "false"))
        return err_input(e, "option --%s takes true or false, not \"%s\"", name, value);
    *flag = !value || str_eq(value, "true");
    return 0;
}

static int set(const struct options_row *row, const char *value, void *into, struct err *e)
{
    void *field = (char *)into + row->offset;
    switch (row->kind) {
    case OPTIONS_FLAG: return set_flag(field, row->name, value, e);
    case OPTIONS_STRING: *(const char **)field = value; return 0;
    case OPTIONS_STRINGS: {
        struct options_list *l = field;
        l->items = mem_grow(l->items, &l->cap, l->count + 1, sizeof(*l->items));
        l->items[l->count++] = value;
        return 0;
    }
    case OPTIONS_UINT: {
        uint64_t n;
        if (str_to_u64(value, UINT_MAX, &n) < 0)
            return err_input(e, "option --%s: \"%s\" is not a number", row->name, value);
        *(unsigned *)field = (unsigned)n;
        return 0;
    }
    case OPTIONS_KIND_COUNT_: break;
    }
    return err_internal(e, "option --%s has no kind", row->name);
}

/* VALUE stands in the same word (NULL: it does not), else in the next one. */
static int take(struct cursor *c, const struct options_row *row, const char *value, struct err *e)
{
    if (!value && row->kind != OPTIONS_FLAG) {
        if (c->at + 1 >= c->argc)
            return err_input(e, "option --%s needs a value", row->name);
        value = c->argv[++c->at];
    }
    return set(row, value, c->into, e);
}

void options_print(const struct options_row *rows, size_t row_count)
{
    if (row_count)
        printf("\nOptions:\n");
    for (size_t i = 0; i < row_count; i++) {
        const struct options_row *r = &rows[i];
        char letter[] = { '-', r->letter, ',', '\0' };
        if (r->help)
            printf("  %-3s --%-17s %s\n", r->letter ? letter : "", r->name, r->help);
    }
}

_Noreturn static void help(const struct cursor *c)
{
    options_print(c->rows, c->row_count);
    exit(EXIT_SUCCESS);
}

static int take_long(struct cursor *c, struct err *e)
{
    const char *name = c->argv[c->at] + 2;
    size_t len = strcspn(name, "=");
    const struct options_row *row = by_name(c, name, len);
    if (!row && str_eq(name, "help"))
        help(c);
    if (!row)
        return unknown(c, name, len, e);
    return take(c, row, name[len] ? name + len + 1 : NULL, e);
}

/* "-dt" is "-d -t"; a letter with a value takes the rest of the word, or the next one. */
static int take_letters(struct cursor *c, struct err *e)
{
    for (const char *p = c->argv[c->at] + 1; *p; p++) {
        const struct options_row *row = by_letter(c, *p);
        if (!row && *p == 'h')
            help(c);
        if (!row)
            return err_input(e, "unknown option -%c", *p);
        if (row->kind != OPTIONS_FLAG)
            return take(c, row, p[1] ? p + 1 : NULL, e);
        if (take(c, row, NULL, e) < 0)
            return -1;
    }
    return 0;
}

int options_parse(const struct options_row *rows, size_t row_count, enum options_order order,
                  int argc, char **argv, void *into, struct err *e)
{
    struct cursor c = { rows, row_count, argc, argv, 0, into };
    int kept = 0;
    bool is_over = false;
    for (; c.at < argc; c.at++) {
        char *word = argv[c.at];
        if (is_over || word[0] != '-' || !word[1]) {
            argv[kept++] = word;
            is_over = is_over || order == OPTIONS_FIRST_STOPS;
        } else if (str_eq(word, "--")) {
            is_over = true;
        } else if ((word[1] == '-' ? take_long(&c, e) : take_letters(&c, e)) < 0) {
            return -1;
        }
    }
    return kept;
}

void options_list_done(struct options_list *l)
{
    free(l->items);
    *l = (struct options_list){ 0 };
}
