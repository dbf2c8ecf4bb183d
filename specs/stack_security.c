/* What a service may do: capabilities, privileges, resource limits of processes. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/base/str.h"
#include "specs/capability_names.h"
#include "specs/stack_decode.h"

static struct stack_service *model(void *base)
{
    return &((struct service_draft *)base)->s;
}

/* The table's words are "CAP_NET_ADMIN"; people write net_admin as well. */
static const char *nearest_capability(const char *name)
{
    char word[40];
    int n = snprintf(word, sizeof(word), "%s%s", strncasecmp(name, "CAP_", 4) ? "CAP_" : "", name);
    for (int i = 0; i < n && i < (int)sizeof(word); i++)
        word[i] = word[i] >= 'a' && word[i] <= 'z' ? (char)(word[i] - 'a' + 'A') : word[i];
    return n < (int)sizeof(word) ? capability_nearest(word) : NULL;
}

/* Canonical: "NET_ADMIN", or "ALL". */
static void decode_capabilities(struct field_ctx *ctx, const struct json *node, struct strings *out)
{
    if (!field_strings(ctx, node, out))
        return;
    for (size_t i = 0; i < out->count; i++) {
        const char *name = out->items[i];
        int number = capability_number_loose(name);
        if (strcasecmp(name, "ALL") == 0) {
            out->items[i] = "ALL";
        } else if (number >= 0) {
            out->items[i] = capability_name((unsigned)number) + strlen("CAP_");
        } else {
            size_t mark = field_enter_index(ctx, i);
            const char *near = nearest_capability(name);
            field_error(ctx, node->items[i]->place, "\"%.60s\" is not a capability", name);
            if (near)
                field_hint(ctx, "did you mean \"%s\"?", near + strlen("CAP_"));
            field_leave(ctx, mark);
        }
    }
}
void decode_cap_add(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_capabilities(ctx, node, &model(base)->cap_add);
}
void decode_cap_drop(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_capabilities(ctx, node, &model(base)->cap_drop);
}

static void decode_security_option(struct field_ctx *ctx, const struct json *node,
                                   struct stack_service *s, const char *text)
{
    size_t len = strcspn(text, ":=");
    const char *value = text[len] ? text + len + 1 : "";
    if (len == strlen("no-new-privileges") && str_starts(text, "no-new-privileges")) {
        s->no_new_privileges = strcmp(value, "false") != 0;
        if (*value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            field_error(ctx, node->place, "\"%.40s\" is neither true nor false", value);
    } else if (len == strlen("seccomp") && str_starts(text, "seccomp") && *value) {
        s->seccomp_unconfined = strcmp(value, "unconfined") == 0;
        if (!s->seccomp_unconfined)
            field_error(ctx, node->place, "a seccomp profile of one's own is not supported yet");
    } else {
        field_error(ctx, node->place, "the security option \"%.60s\" is not supported", text);
        field_hint(ctx, "known are no-new-privileges and seccomp=unconfined");
    }
}

void decode_security_opt(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct strings options = { 0 };
    if (!field_strings(ctx, node, &options))
        return;
    for (size_t i = 0; i < options.count; i++) {
        size_t mark = field_enter_index(ctx, i);
        decode_security_option(ctx, node->items[i], model(base), options.items[i]);
        field_leave(ctx, mark);
    }
}

/* man 2 getrlimit, in the order of <sys/resource.h>'s names. */
static const char *const ulimit_names[] = { "as",     "core",   "cpu",        "data",
                                            "fsize",  "locks",  "memlock",    "msgqueue",
                                            "nice",   "nofile", "nproc",      "rss",
                                            "rtprio", "rttime", "sigpending", "stack" };

struct ulimit_draft {
    int64_t soft, hard;
};
static const struct field ulimit_fields[] = {
    { "soft", FIELD_I64, offsetof(struct ulimit_draft, soft), .min = -1, .flags = FIELD_NEED,
      .doc = "-1: unlimited" },
    { "hard", FIELD_I64, offsetof(struct ulimit_draft, hard), .min = -1, .flags = FIELD_NEED,
      .doc = "-1: unlimited" },
};
const struct field_table stack_ulimit_table = FIELD_TABLE(ulimit_fields);

static void decode_ulimit(struct field_ctx *ctx, const struct json *node, struct stack_service *s)
{
    struct ulimit_draft ud = { 0 };
    size_t before = ctx->problems->error_count, i = 0;
    while (i < ARRAY_LEN(ulimit_names) && strcmp(ulimit_names[i], node->key) != 0)
        i++;
    if (i == ARRAY_LEN(ulimit_names)) {
        const char *near = str_nearest(node->key, ulimit_names, ARRAY_LEN(ulimit_names));
        field_error(ctx, node->key_place, "there is no limit \"%.40s\"", node->key);
        if (near)
            field_hint(ctx, "did you mean \"%s\"?", near);
        return;
    }
    if (node->type == JSON_OBJECT)
        (void)field_decode(ctx, node, ulimit_fields, ARRAY_LEN(ulimit_fields), &ud);
    else if (field_i64(ctx, node, -1, INT64_MAX, &ud.soft))
        ud.hard = ud.soft;
    if (ctx->problems->error_count != before)
        return;
    struct stack_ulimit u = { .name = ulimit_names[i],
                              .soft = ud.soft < 0 ? UINT64_MAX : (uint64_t)ud.soft,
                              .hard = ud.hard < 0 ? UINT64_MAX : (uint64_t)ud.hard };
    if (u.soft > u.hard) {
        field_error(ctx, node->place, "the soft limit is above the hard limit");
        return;
    }
    s->ulimits = decode_room(ctx->arena, s->ulimits, s->ulimit_count, sizeof(u));
    s->ulimits[s->ulimit_count++] = u;
}

void decode_ulimits(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_OBJECT) {
        field_type_error(ctx, node, "an object");
        return;
    }
    for (size_t i = 0; i < node->item_count; i++) {
        size_t mark = field_enter(ctx, node->items[i]->key);
        decode_ulimit(ctx, node->items[i], model(base));
        field_leave(ctx, mark);
    }
}

void decode_userns_mode(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type == JSON_STRING && strcmp(node->text, "host") == 0)
        model(base)->userns_host = true;
    else if (node->type != JSON_STRING || strcmp(node->text, "auto") != 0)
        field_error(ctx, node->place, "must be \"auto\" (the default) or \"host\"");
}
