#include "specs/stack_decode.h"

#include <arpa/inet.h>
#include <string.h>

#include "runtime/base/str.h"

void *decode_room(struct arena *a, void *items, size_t count, size_t elem)
{
    if (count & (count - 1))
        return items; /* room is a power of two */
    char *grown = arena_alloc(a, (count ? count * 2 : 1) * elem);
    if (count)
        memcpy(grown, items, count * elem);
    return grown;
}

const char *decode_normalise(struct arena *a, const char *text)
{
    char *out = arena_alloc(a, strlen(text) + 2);
    size_t n = 0;
    for (const char *p = text; *p;) {
        while (*p == '/')
            p++;
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.') {
            while (n > 0 && out[--n] != '/')
                continue;
        } else if (len && !(len == 1 && p[0] == '.')) {
            out[n++] = '/';
            memcpy(out + n, p, len);
            n += len;
        }
        p += len;
    }
    if (n == 0)
        out[n++] = '/';
    out[n] = '\0';
    return out;
}

const char *decode_path(struct stack_draft *d, struct json_place at, const char *text)
{
    struct arena *a = d->ctx.arena;
    if (text[0] == '~' && (!text[1] || text[1] == '/') && d->home)
        return decode_normalise(a, arena_printf(a, "%s/%s", d->home, text + 1));
    if (text[0] == '/')
        return decode_normalise(a, text);
    return decode_normalise(a, arena_printf(a, "%s/%s", stack_sources_dir(d, at), text));
}

bool decode_inner_path(struct field_ctx *ctx, const struct json *node, const char *text,
                       const char **out)
{
    if (text[0] != '/') {
        field_error(ctx, node->place, "\"%.80s\" is not an absolute path", text);
        return false;
    }
    *out = decode_normalise(ctx->arena, text);
    return true;
}

size_t decode_service_ref(struct field_ctx *ctx, struct json_place place, const char *name)
{
    const struct stack *s = draft_of(ctx)->stack;
    const char *words[STACK_SERVICES_MAX];
    for (size_t i = 0; i < s->service_count; i++) {
        words[i] = s->services[i].name;
        if (strcmp(words[i], name) == 0)
            return i;
    }
    const char *profile = decode_profile_of(draft_of(ctx), name);
    if (profile) {
        field_error(ctx, place, "the service \"%.63s\" takes part only with the profile \"%.60s\"",
                    name, profile);
        field_hint(ctx, "--profile %s", profile);
        return SIZE_MAX;
    }
    field_error(ctx, place, "there is no service \"%.63s\"", name);
    const char *near = ctx->last ? str_nearest(name, words, s->service_count) : NULL;
    if (near)
        field_hint(ctx, "did you mean \"%s\"?", near);
    return SIZE_MAX;
}

bool decode_volume_ref(struct field_ctx *ctx, struct json_place place, const char *name)
{
    const struct stack *s = draft_of(ctx)->stack;
    const char *words[STACK_VOLUMES_MAX];
    for (size_t i = 0; i < s->volume_count; i++) {
        words[i] = s->volumes[i].key;
        if (strcmp(words[i], name) == 0)
            return true;
    }
    field_error(ctx, place, "the volume \"%.63s\" is not declared", name);
    const char *near = ctx->last ? str_nearest(name, words, s->volume_count) : NULL;
    if (near)
        field_hint(ctx, "did you mean \"%s\"?", near);
    else
        field_hint(ctx, "add \"volumes\": {\"%.63s\": {}} to the stack, or begin a path with ./",
                   name);
    return false;
}

bool decode_volume_add(struct field_ctx *ctx, struct json_place at, const struct stack_volume *v)
{
    struct stack *s = draft_of(ctx)->stack;
    if (s->volume_count == STACK_VOLUMES_MAX) {
        field_error(ctx, at, "more than %d volumes", STACK_VOLUMES_MAX);
        return false;
    }
    s->volumes = decode_room(ctx->arena, s->volumes, s->volume_count, sizeof(*s->volumes));
    s->volumes[s->volume_count++] = *v;
    return true;
}

bool decode_port_text(const char *text, uint16_t *out)
{
    uint64_t n;
    if (str_to_u64(text, UINT16_MAX, &n) < 0 || n == 0)
        return false;
    *out = (uint16_t)n;
    return true;
}

bool decode_is_ip(const char *text)
{
    struct in6_addr any;
    return inet_pton(AF_INET, text, &any) == 1 || inet_pton(AF_INET6, text, &any) == 1;
}

bool decode_address_port(struct arena *a, const char *text, const char **address, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    *address = "";
    if (!colon)
        return decode_port_text(text, port);
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    *address = arena_strndup(a, text, len);
    return decode_port_text(colon + 1, port) && (!len || decode_is_ip(*address));
}

bool decode_checks_host(const struct stack_draft *d)
{
    return !d->options->is_saved_copy;
}

void decode_host_missing(struct field_ctx *ctx, struct json_place at, const char *path)
{
    field_error(ctx, at, "%.200s does not exist on this machine", path);
}
