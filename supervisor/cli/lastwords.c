#include "supervisor/cli/lastwords.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"

enum {
    LINE_BYTES = 2048
};

static int hex_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The value of ` KEY="…"` in LINE, as log_quote wrote it; false when it is not there. */
static bool find_quoted(const char *line, const char *key, char *to, size_t size)
{
    char start[32];
    (void)snprintf(start, sizeof(start), " %s=\"", key);
    const char *at = strstr(line, start);
    if (!at)
        return false;
    size_t len = 0;
    for (at += strlen(start); *at && *at != '"'; at++) {
        char c = *at;
        if (c == '\\' && at[1] == 'x' && hex_of(at[2]) >= 0 && hex_of(at[3]) >= 0) {
            c = (char)(hex_of(at[2]) * 16 + hex_of(at[3]));
            at += 3;
        } else if (c == '\\' && at[1]) {
            c = *++at;
        }
        if (len + 1 < size)
            to[len++] = c;
    }
    to[len] = '\0';
    return true;
}

static enum err_kind kind_in(const char *line)
{
    for (int k = ERR_INPUT; k < ERR_KIND_COUNT_; k++) {
        char word[32];
        (void)snprintf(word, sizeof(word), " kind=%s", err_kind_name((enum err_kind)k));
        if (strstr(line, word))
            return (enum err_kind)k;
    }
    return ERR_SYSTEM;
}

bool cli_lastwords_find(const char *text, struct err *out)
{
    bool is_found = false;
    while (*text) {
        char line[LINE_BYTES];
        size_t len = strcspn(text, "\n");
        (void)snprintf(line, sizeof(line), "%.*s", (int)(len < LINE_BYTES ? len : LINE_BYTES - 1),
                       text);
        struct err e = { 0 };
        if (strstr(line, " error ") && find_quoted(line, "what", e.what, sizeof(e.what))) {
            e.kind = kind_in(line);
            (void)find_quoted(line, "hint", e.hint, sizeof(e.hint));
            *out = e;
            is_found = true;
        }
        text += len + (text[len] == '\n');
    }
    return is_found;
}
