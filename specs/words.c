#include "specs/words.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Reads one word at P into TO (which has room for all the rest); the end, or NULL. */
static const char *word_read(const char *p, char *to, struct err *e)
{
    char quote = '\0';
    size_t n = 0;
    for (; *p && (quote || !is_blank(*p)); p++) {
        if (quote ? *p == quote : (*p == '\'' || *p == '"')) {
            quote = quote ? '\0' : *p;
            continue;
        }
        if (*p == '\\' && quote != '\'') {
            /* POSIX 2.2.3: within double quotes a backslash escapes only these. */
            if (!p[1]) {
                (void)err_input(e, "a backslash at the end of the command");
                return NULL;
            }
            if (quote == '"' && !strchr("$`\"\\\n", p[1]))
                to[n++] = '\\';
            p++;
            if (*p == '\n')
                continue; /* line continuation */
        }
        to[n++] = *p;
    }
    if (quote) {
        (void)err_input(e, "a quote (%c) without end in the command", quote);
        return NULL;
    }
    to[n] = '\0';
    return p;
}

int words_split(struct arena *a, const char *text, struct strings *out, struct err *e)
{
    size_t len = strlen(text);
    char *scratch = arena_alloc(a, len + 1);
    /* A word takes a character and a blank, but for the last one. */
    const char **items = arena_alloc(a, (len / 2 + 2) * sizeof(*items));
    size_t count = 0;
    for (const char *p = text;;) {
        while (is_blank(*p))
            p++;
        if (!*p)
            break;
        p = word_read(p, scratch, e);
        if (!p)
            return -1;
        items[count++] = arena_strdup(a, scratch);
    }
    out->items = items;
    out->count = count;
    return 0;
}
