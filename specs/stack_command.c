/* command and entrypoint: a list, or a string that is split as a shell would, without a shell. */
#include <string.h>

#include "specs/stack_decode.h"
#include "specs/words.h"

static struct stack_service *model(void *base)
{
    return &((struct service_draft *)base)->s;
}

/* The first shell operator in TEXT that stands outside of quotes, copied to FOUND. */
static bool find_shell_operator(const char *text, char found[3])
{
    char quote = '\0';
    for (const char *p = text; *p; p++) {
        if (*p == '\\' && quote != '\'' && p[1]) {
            p++;
        } else if (quote) {
            quote = *p == quote ? '\0' : quote;
        } else if (*p == '\'' || *p == '"') {
            quote = *p;
        } else if (strchr("|;<>", *p) || (*p == '&' && p[1] == '&')) {
            found[0] = *p;
            found[1] = p[1] == *p && *p != ';' ? *p : '\0';
            found[2] = '\0';
            return true;
        }
    }
    return false;
}

/* A string is split into words, and no more: what only a shell understands is likely a mistake. */
static void warn_of_shell(struct field_ctx *ctx, const struct json *node,
                          const struct strings *words)
{
    char found[3];
    if (words->count && strcmp(words->items[0], "cd") == 0)
        field_warn(ctx, node->place, "no shell reads this, and there is no program \"cd\"");
    else if (find_shell_operator(node->text, found))
        field_warn(ctx, node->place, "no shell reads this: \"%s\" is an argument as any other",
                   found);
    else
        return;
    field_hint(ctx, "if a shell is meant: [\"sh\", \"-c\", \"…\"]");
}

static bool decode_words(struct field_ctx *ctx, const struct json *node, struct strings *out)
{
    struct err e = { 0 };
    if (node->type != JSON_STRING)
        return field_strings(ctx, node, out);
    if (words_split(ctx->arena, node->text, out, &e) == 0) {
        warn_of_shell(ctx, node, out);
        return true;
    }
    field_error(ctx, node->place, "%s", e.what);
    return false;
}

void decode_command(struct field_ctx *ctx, const struct json *node, void *base)
{
    model(base)->has_command = decode_words(ctx, node, &model(base)->command);
}

void decode_entrypoint(struct field_ctx *ctx, const struct json *node, void *base)
{
    model(base)->has_entrypoint = decode_words(ctx, node, &model(base)->entrypoint);
}
