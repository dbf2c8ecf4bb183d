/* How a service looks up names: extra hosts, resolv.conf, its own domain. */
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

static struct stack_service *model(void *base)
{
    return &((struct service_draft *)base)->s;
}

bool decode_is_host_name(const char *text)
{
    size_t len = strlen(text);
    bool is_good = len > 0 && len <= 253 && text[0] != '-' && text[0] != '.';
    for (size_t i = 0; i < len; i++)
        is_good &= ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z') ||
                   (text[i] >= '0' && text[i] <= '9') || text[i] == '-' || text[i] == '.' ||
                   text[i] == '_';
    return is_good;
}

/* An address may stand in brackets, as IPv6 does elsewhere. */
static const char *without_brackets(struct arena *a, const char *text)
{
    size_t len = strlen(text);
    bool has = len > 2 && text[0] == '[' && text[len - 1] == ']';
    return has ? arena_strndup(a, text + 1, len - 2) : text;
}

static void add_host(struct field_ctx *ctx, struct json_place at, struct stack_service *s,
                     const char *name, const char *address)
{
    struct stack_pairs *hosts = &s->extra_hosts;
    address = without_brackets(ctx->arena, address);
    if (!decode_is_host_name(name)) {
        field_error(ctx, at, "\"%.80s\" is not a host name", name);
    } else if (!decode_is_ip(address) && strcmp(address, "host-gateway") != 0) {
        field_error(ctx, at, "\"%.60s\" is not an address", address);
        field_hint(ctx, "such as \"name=192.0.2.7\" or \"name=host-gateway\"");
    } else if (hosts->count == STACK_LINES_MAX) {
        field_error(ctx, at, "more than %d extra hosts", STACK_LINES_MAX);
    } else {
        hosts->items = decode_room(ctx->arena, hosts->items, hosts->count, sizeof(*hosts->items));
        hosts->items[hosts->count++] = (struct stack_pair){ name, address };
    }
}

static void decode_host(struct field_ctx *ctx, const struct json *item, struct stack_service *s)
{
    const char *address;
    if (item->key && item->type == JSON_ARRAY) {
        for (size_t i = 0; i < item->item_count; i++)
            if (field_text(ctx, item->items[i], &address))
                add_host(ctx, item->items[i]->place, s, item->key, address);
        return;
    }
    if (item->key) {
        if (field_text(ctx, item, &address))
            add_host(ctx, item->place, s, item->key, address);
        return;
    }
    const char *end = item->type == JSON_STRING ? strpbrk(item->text, "=:") : NULL;
    if (!end) {
        if (item->type == JSON_STRING)
            field_error(ctx, item->place, "\"%.60s\" has no address", item->text);
        else
            field_type_error(ctx, item, "\"name=address\"");
        return;
    }
    add_host(ctx, item->place, s, arena_strndup(ctx->arena, item->text, (size_t)(end - item->text)),
             end + 1);
}

void decode_extra_hosts(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_ARRAY && node->type != JSON_OBJECT)
        field_type_error(ctx, node, "an object or a list of \"name=address\"");
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        size_t mark = item->key ? field_enter(ctx, item->key) : field_enter_index(ctx, i);
        decode_host(ctx, item, model(base));
        field_leave(ctx, mark);
    }
}

/* One word or a list of them, each a word of resolv.conf: what would end its line is no word. */
static void decode_words(struct field_ctx *ctx, const struct json *node, struct strings *out,
                         bool (*is_good)(const char *text), const char *what)
{
    static const struct field row = { "", FIELD_STRINGS, .flags = FIELD_ONE };
    struct strings words = { 0 };
    size_t before = ctx->problems->error_count;
    field_value(ctx, node, &row, &words);
    if (ctx->problems->error_count != before)
        return;
    for (size_t i = 0; i < words.count; i++) {
        if (!is_good(words.items[i])) {
            const struct json *at = node->type == JSON_ARRAY ? node->items[i] : node;
            field_error(ctx, at->place, "\"%.80s\" is not %s", words.items[i], what);
            return;
        }
    }
    *out = words;
}

static bool is_option(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return *text != '\0';
}

static bool is_domain(const char *text)
{
    return strcmp(text, ".") == 0 || decode_is_host_name(text);
}

void decode_dns(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_words(ctx, node, &model(base)->dns, decode_is_ip, "an address");
}

void decode_dns_search(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_words(ctx, node, &model(base)->dns_search, is_domain, "a domain");
}

void decode_dns_opt(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_words(ctx, node, &model(base)->dns_opt, is_option, "an option of resolv.conf");
}

void decode_domainname(struct field_ctx *ctx, const struct json *node, void *base)
{
    const char *text;
    if (!field_text(ctx, node, &text))
        return;
    if (strlen(text) <= 64 && decode_is_host_name(text)) /* __NEW_UTS_LEN */
        model(base)->domainname = text;
    else
        field_error(ctx, node->place, "\"%.80s\" is not a domain name of at most 64 characters",
                    text);
}
