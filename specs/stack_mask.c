#include "specs/stack_mask.h"

#include <string.h>

#include "runtime/base/str.h"

bool stack_mask_is_secret(const char *name)
{
    static const char *const inside[] = { "password", "passwd", "secret", "token", "credential" };
    static const char *const ends[] = { "key", "pwd" };
    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        if (strcasestr(name, inside[i]))
            return true;
    for (const char *word = name; *word;) {
        size_t len = strcspn(word, "_-.");
        for (size_t i = 0; i < ARRAY_LEN(ends); i++)
            if (len >= 3 && strncasecmp(word + len - 3, ends[i], 3) == 0)
                return true;
        word += len + (word[len] != '\0');
    }
    return false;
}

/* RFC 3986 §3.2.1: SCHEME://USER:PASSWORD@HOST. Both ends of PASSWORD; false when there is none. */
static bool find_password(const char *text, const char **begin, const char **end)
{
    const char *authority = strstr(text, "://");
    if (!authority)
        return false;
    authority += 3;
    size_t len = strcspn(authority, "/?#");
    const char *colon = memchr(authority, ':', len), *at = NULL;
    for (size_t i = 0; i < len; i++)
        if (authority[i] == '@')
            at = authority + i;
    if (!colon || !at || colon > at || colon + 1 == at)
        return false;
    *begin = colon + 1;
    *end = at;
    return true;
}

const char *stack_mask_value(struct arena *a, const char *name, const char *value)
{
    const char *begin, *end;
    if (!*value)
        return value;
    if (stack_mask_is_secret(name))
        return STACK_MASK;
    if (!find_password(value, &begin, &end))
        return value;
    return arena_printf(a, "%.*s" STACK_MASK "%s", (int)(begin - value), value, end);
}

/* A node that may be changed: the tree is the caller's. */
static struct json *member(struct json *obj, const char *key)
{
    for (size_t i = 0; obj && obj->type == JSON_OBJECT && i < obj->item_count; i++)
        if (str_eq(obj->items[i]->key, key))
            return obj->items[i];
    return NULL;
}

static void set_text(struct json *node, const char *text)
{
    node->type = JSON_STRING;
    node->text = text;
    node->text_len = strlen(text);
}

/* A map, or a list of "NAME=VALUE". */
static void mask_environment(struct arena *a, struct json *env)
{
    for (size_t i = 0; env && i < env->item_count; i++) {
        struct json *item = env->items[i];
        if (item->type != JSON_STRING && item->type != JSON_NUMBER)
            continue;
        const char *equals = item->key ? NULL : strchr(item->text, '=');
        const char *name = item->key;
        if (equals)
            name = arena_strndup(a, item->text, (size_t)(equals - item->text));
        if (!name)
            continue;
        const char *value = equals ? equals + 1 : item->text;
        const char *masked = stack_mask_value(a, name, value);
        if (masked != value)
            set_text(item, equals ? arena_printf(a, "%s=%s", name, masked) : masked);
    }
}

void stack_mask_tree(struct arena *a, struct json *root)
{
    struct json *services = member(root, "services"), *secrets = member(root, "secrets");
    for (size_t i = 0; services && i < services->item_count; i++)
        mask_environment(a, member(services->items[i], "environment"));
    for (size_t i = 0; secrets && i < secrets->item_count; i++) {
        struct json *content = member(secrets->items[i], "content");
        if (content)
            set_text(content, STACK_MASK);
    }
}
