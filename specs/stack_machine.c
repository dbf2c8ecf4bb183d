/* What a service gets of the kernel beyond the usual: sysctls, devices, its place when memory is
 * short, annotations for the runtime. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "specs/stack_decode.h"

static struct stack_service *model(void *base)
{
    return &((struct service_draft *)base)->s;
}

/* --- sysctls --- */

/* Those that a namespace has its own of (namespaces(7), ipc_namespaces(7)). */
static bool is_namespaced(const char *name)
{
    static const char *const begins[] = { "net.", "fs.mqueue." };
    static const char *const names[] = { "kernel.msgmax", "kernel.msgmnb",          "kernel.msgmni",
                                         "kernel.sem",    "kernel.shm_rmid_forced", "kernel.shmall",
                                         "kernel.shmmax", "kernel.shmmni" };
    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        if (str_starts(name, begins[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

void decode_sysctls(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct stack_pairs pairs = { 0 };
    if (!field_pairs(ctx, node, &pairs))
        return;
    for (size_t i = 0; i < pairs.count; i++) {
        const char *name = pairs.items[i].key;
        const struct json *item = i < node->item_count ? node->items[i] : node;
        if (strstr(name, "..") || strchr(name, '/') || !is_namespaced(name)) {
            field_error(ctx, item->key ? item->key_place : item->place,
                        "%.80s is not of a namespace: it would change the whole machine", name);
            field_hint(ctx, "net.*, fs.mqueue.*, kernel.shm*, kernel.msg* and kernel.sem can be "
                            "set");
            return;
        }
    }
    model(base)->sysctls = pairs;
}

void decode_oom_score_adj(struct field_ctx *ctx, const struct json *node, void *base)
{
    int64_t n;
    if (!field_i64(ctx, node, -1000, 1000, &n))
        return;
    model(base)->has_oom_score_adj = true;
    model(base)->oom_score_adj = (int)n;
}

/* --- devices --- */

/* "rwm", each at most once. */
static bool parse_access(const char *text, bool *read, bool *write, bool *mknod)
{
    *read = *write = *mknod = false;
    for (const char *p = text; *p; p++) {
        bool *to = *p == 'r' ? read : *p == 'w' ? write : *p == 'm' ? mknod : NULL;
        if (!to || *to)
            return false;
        *to = true;
    }
    return *text != '\0';
}

struct device_draft {
    const char *source, *target, *permissions;
};
static const struct field device_fields[] = {
    { "source", FIELD_STRING, offsetof(struct device_draft, source), .flags = FIELD_NEED,
      .doc = "the device on this machine" },
    { "target", FIELD_STRING, offsetof(struct device_draft, target),
      .doc = "its place in the container; the same when left out" },
    { "permissions", FIELD_STRING, offsetof(struct device_draft, permissions),
      .doc = "read, write, make nodes: \"rwm\"" },
};
const struct field_table stack_device_table = FIELD_TABLE(device_fields);

static void split_device(struct arena *a, const char *text, struct device_draft *dd)
{
    char *source = arena_strdup(a, text), *target = strchr(source, ':');
    dd->source = source;
    if (!target)
        return;
    *target++ = '\0';
    char *permissions = strchr(target, ':');
    if (permissions)
        *permissions++ = '\0';
    /* "/dev/x:r" has permissions in the second place. */
    if (!permissions && target[0] != '/')
        dd->permissions = target;
    else
        dd->target = target;
    if (permissions)
        dd->permissions = permissions;
}

static void decode_device(struct field_ctx *ctx, const struct json *node, struct stack_service *s)
{
    struct device_draft dd = { 0 };
    struct stack_device device = { 0 };
    size_t before = ctx->problems->error_count;
    if (node->type == JSON_STRING && node->text_len)
        split_device(ctx->arena, node->text, &dd);
    else if (node->type == JSON_OBJECT)
        (void)field_decode(ctx, node, device_fields, ARRAY_LEN(device_fields), &dd);
    else
        field_type_error(ctx, node, "\"/dev/x\" or an object");
    if (ctx->problems->error_count != before ||
        !decode_inner_path(ctx, node, dd.source, &device.source) ||
        !decode_inner_path(ctx, node, dd.target ? dd.target : dd.source, &device.target))
        return;
    if (!parse_access(dd.permissions ? dd.permissions : "rwm", &device.read, &device.write,
                      &device.mknod)) {
        field_error(ctx, node->place, "\"%.20s\" are not permissions of a device (r, w, m)",
                    dd.permissions);
        return;
    }
    for (size_t i = 0; i < s->device_count; i++)
        if (strcmp(s->devices[i].target, device.target) == 0) {
            field_error(ctx, node->place, "%.100s is given twice", device.target);
            return;
        }
    if (s->device_count == STACK_LINES_MAX) {
        field_error(ctx, node->place, "more than %d devices", STACK_LINES_MAX);
        return;
    }
    s->devices = decode_room(ctx->arena, s->devices, s->device_count, sizeof(device));
    s->devices[s->device_count++] = device;
}

void decode_devices(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_ARRAY)
        field_type_error(ctx, node, "a list");
    for (size_t i = 0; node->type == JSON_ARRAY && i < node->item_count; i++) {
        size_t mark = field_enter_index(ctx, i);
        decode_device(ctx, node->items[i], model(base));
        field_leave(ctx, mark);
    }
}

static bool parse_number(const char *text, int64_t *out)
{
    uint64_t n;
    *out = -1;
    if (strcmp(text, "*") == 0)
        return true;
    if (str_to_u64(text, UINT32_MAX, &n) < 0)
        return false;
    *out = (int64_t)n;
    return true;
}

/* "c 1:3 rwm", "b *:* r", "a *:* rwm" */
static bool parse_rule(const char *text, struct stack_device_rule *r)
{
    char type[2], major[16], minor[16], access[8], end;
    if (sscanf(text, "%1s %15[0-9*]:%15[0-9*] %7s %c", type, major, minor, access, &end) != 4 ||
        !strchr("abc", type[0]))
        return false;
    r->type = type[0];
    return parse_number(major, &r->major) && parse_number(minor, &r->minor) &&
           parse_access(access, &r->read, &r->write, &r->mknod);
}

void decode_device_rules(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct stack_service *s = model(base);
    struct strings words = { 0 };
    if (!field_strings(ctx, node, &words))
        return;
    for (size_t i = 0; i < words.count; i++) {
        struct stack_device_rule rule = { 0 };
        if (!parse_rule(words.items[i], &rule) || s->device_rule_count == STACK_LINES_MAX) {
            field_error(ctx, node->items[i]->place,
                        "\"%.60s\" is not a rule such as \"c 10:200 rwm\"", words.items[i]);
            return;
        }
        s->device_rules =
            decode_room(ctx->arena, s->device_rules, s->device_rule_count, sizeof(rule));
        s->device_rules[s->device_rule_count++] = rule;
    }
}

/* --- notes --- */

/* Names that mean something to the runtime are svc's to set, but for rules that only take away. */
void decode_annotations(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct stack_pairs pairs = { 0 };
    if (!field_pairs(ctx, node, &pairs))
        return;
    for (size_t i = 0; i < pairs.count; i++) {
        const char *name = pairs.items[i].key;
        bool is_ours = str_starts(name, "run.svc.") || str_starts(name, "run.oci.");
        if (*name && (!is_ours || strcmp(name, "run.svc.landlock") == 0))
            continue;
        const struct json *item = i < node->item_count ? node->items[i] : node;
        field_error(ctx, item->key ? item->key_place : item->place,
                    "the annotation \"%.80s\" is svc's own", name);
        return;
    }
    model(base)->annotations = pairs;
}

/* Labels say nothing to svc, so their files are only looked for. */
void decode_label_file(struct field_ctx *ctx, const struct json *node, void *base)
{
    static const struct field row = { "", FIELD_STRINGS, .flags = FIELD_ONE };
    struct strings files = { 0 };
    size_t before = ctx->problems->error_count;
    (void)base;
    field_value(ctx, node, &row, &files);
    if (ctx->problems->error_count != before || !decode_checks_host(draft_of(ctx)))
        return;
    for (size_t i = 0; i < files.count; i++) {
        const char *path = decode_path(draft_of(ctx), node->place, files.items[i]);
        struct err e = { 0 };
        auto_buf struct buf text = { 0 };
        buf_init(&text, DOTENV_BYTES_MAX);
        if (fd_read_file(AT_FDCWD, path, &text, &e) < 0)
            field_error(ctx, (node->type == JSON_ARRAY ? node->items[i] : node)->place, "%s",
                        e.what);
    }
    field_no_effect(ctx, node->key_place, "", "nothing reads labels");
}
