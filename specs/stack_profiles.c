/* Profiles: services that take part only when asked for. Compose: a service without profiles always
 * does; "*" asks for all. */
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

static bool is_profile_name(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (!*name || !strchr(first, *name))
        return false;
    for (const char *p = name + 1; *p; p++)
        if (!strchr(first, *p) && !strchr("_.-", *p))
            return false;
    return true;
}

/* NAME is in LIST, words with commas between; an empty list has none. */
static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; p && *p; p += strcspn(p, ",")) {
        p += *p == ',';
        size_t n = strcspn(p, ",");
        if ((n == len && strncmp(p, name, n) == 0) || (n == 1 && *p == '*'))
            return true;
    }
    return false;
}

static bool is_active(const struct stack_draft *d, const char *name)
{
    for (const char *const *p = d->options->profiles; p && *p; p++)
        if (str_eq(*p, name) || str_eq(*p, "*"))
            return true;
    return is_listed(stack_scope_value(&d->scope, "COMPOSE_PROFILES"), name);
}

bool decode_profiles(struct stack_draft *d, const struct json *service)
{
    struct field_ctx *ctx = &d->ctx;
    const struct json *node = json_find(service, "profiles");
    struct strings names = { 0 };
    if (!node || node->type == JSON_NULL)
        return true;
    size_t mark = field_enter(ctx, "profiles");
    bool has_active = !field_strings(ctx, node, &names) || !names.count;
    for (size_t i = 0; i < names.count; i++) {
        has_active = has_active || is_active(d, names.items[i]);
        if (!is_profile_name(names.items[i])) {
            field_error(ctx, node->items[i]->place, "\"%.60s\" is not a name for a profile",
                        names.items[i]);
            field_hint(ctx, "letters, digits, \"-\", \"_\", \".\"");
        }
    }
    field_leave(ctx, mark);
    return has_active;
}

const char *decode_profile_of(const struct stack_draft *d, const char *service)
{
    const struct json *node = json_find(json_find(d->all_services, service), "profiles");
    const struct json *first = node && node->item_count ? node->items[0] : NULL;
    return first && first->type == JSON_STRING ? first->text : NULL;
}
