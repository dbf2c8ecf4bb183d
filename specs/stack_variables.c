#include "specs/stack_variables.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

void stack_noted_add(struct stack_noted *noted, const char *name, const char *value,
                     const char *origin)
{
    noted->has_missing |= !value;
    if (!noted->wants_list || noted->count == STACK_NOTED_MAX)
        return;
    for (size_t i = 0; i < noted->count; i++)
        if (str_eq(noted->items[i].name, name))
            return;
    noted->items = decode_room(noted->arena, noted->items, noted->count, sizeof(*noted->items));
    noted->items[noted->count++] =
        (struct stack_variable){ arena_strdup(noted->arena, name), value, origin };
}

/* A .env where one may think that it is read: where the user stands, or above the stack. NULL when
 * there is none. Compose reads the one beside the first file only, too. */
static const char *ignored_file(const struct stack_draft *d)
{
    struct arena *a = d->ctx.arena;
    const char *above = arena_printf(a, "%s/..", d->stack->dir);
    const char *const places[] = { d->cwd, decode_normalise(a, above) };
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const char *slash = str_ends(places[i], "/") ? "" : "/";
        const char *path = arena_printf(a, "%s%s.env", places[i], slash);
        if (!str_eq(places[i], d->stack->dir) && access(path, F_OK) == 0)
            return path;
    }
    return NULL;
}

void stack_noted_warn(struct stack_draft *d)
{
    struct field_ctx *ctx = &d->ctx;
    const char *const *named = d->options->env_files;
    const char *usual = arena_printf(ctx->arena, "%s/.env", d->stack->dir);
    bool has_usual = !named && access(usual, F_OK) == 0;
    if (d->options->is_saved_copy || !d->noted.has_missing)
        return;
    const char *ignored = named || has_usual ? NULL : ignored_file(d);
    if (!ignored && !d->noted.has_unset)
        return;
    char files[160] = "";
    for (size_t i = 0, len = 0; named && named[i] && len < sizeof(files); i++)
        len += (size_t)snprintf(files + len, sizeof(files) - len, "%s%s", i ? ", " : "", named[i]);
    const char *from = named ? files : usual;
    field_warn(ctx, (struct json_place){ 0 }, "variables come from the environment and %.160s%s",
               from, named || has_usual ? "" : ", which is not there");
    if (ignored)
        field_hint(ctx, "%.60s is not read; --env-file %.60s reads it", ignored, ignored);
}
