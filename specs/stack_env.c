/* The environment of a service: env_file, then environment. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "specs/stack_decode.h"

struct file_draft {
    const char *path;
    bool required;
    int format;
};

static const char *const formats[] = { "", "raw", NULL };

static const struct field file_fields[] = {
    { "path", FIELD_STRING, offsetof(struct file_draft, path), .flags = FIELD_NEED,
      .doc = "relative to the stack file" },
    { "required", FIELD_BOOL, offsetof(struct file_draft, required),
      .doc = "false: it may be missing" },
    { "format", FIELD_CHOICE, offsetof(struct file_draft, format), .names = formats,
      .doc = "raw: values are taken as they stand" },
};
const struct field_table stack_env_file_table = FIELD_TABLE(file_fields);

static void read_env_file(struct stack_draft *d, struct service_draft *sd, const struct json *node,
                          const struct file_draft *fd)
{
    struct field_ctx *ctx = &d->ctx;
    const char *path = decode_path(d, node->place, fd->path);
    struct err e = { 0 };
    struct json_place at = { 0 };
    struct stat st;
    if (!fd->required && stat(path, &st) < 0)
        return;
    auto_buf struct buf text = { 0 };
    buf_init(&text, DOTENV_BYTES_MAX);
    if (fd_read_file(AT_FDCWD, path, &text, &e) < 0) {
        field_error(ctx, node->place, "%s", e.what);
        return;
    }
    if (dotenv_parse(ctx->arena, path, text.data ? text.data : "", text.len, fd->format == 1,
                     &d->vars, &sd->s.environment, &at, &e) < 0) {
        field_error(ctx, at, "%s", e.what);
        if (e.hint[0])
            field_hint(ctx, "%s", e.hint);
    }
}

static void decode_one_file(struct stack_draft *d, struct service_draft *sd,
                            const struct json *node)
{
    struct file_draft fd = { .required = true };
    if (node->type == JSON_STRING && node->text_len) {
        fd.path = node->text;
        read_env_file(d, sd, node, &fd);
    } else if (node->type != JSON_OBJECT) {
        field_type_error(&d->ctx, node, "a path or an object with a path");
    } else if (field_decode(&d->ctx, node, file_fields, ARRAY_LEN(file_fields), &fd) == 0 &&
               fd.path) {
        read_env_file(d, sd, node, &fd);
    }
}

static void decode_env_files(struct stack_draft *d, struct service_draft *sd)
{
    const struct json *node = sd->env_file;
    size_t mark = field_enter(&d->ctx, "env_file");
    if (node->type != JSON_ARRAY)
        decode_one_file(d, sd, node);
    for (size_t i = 0; node->type == JSON_ARRAY && i < node->item_count; i++) {
        size_t inner = field_enter_index(&d->ctx, i);
        decode_one_file(d, sd, node->items[i]);
        field_leave(&d->ctx, inner);
    }
    field_leave(&d->ctx, mark);
}

static void set_variable(struct stack_draft *d, struct service_draft *sd, struct json_place at,
                         const char *name, const char *value)
{
    if (!*name || strchr(name, '=')) {
        field_error(&d->ctx, at, "\"%.60s\" is not a name for a variable", name);
        return;
    }
    /* A name alone takes its value from where svc runs, and is dropped when it has none there. */
    if (!value && (value = d->vars.find(d->vars.self, name)))
        value = arena_strdup(d->ctx.arena, value);
    if (value && sd->s.environment.count >= STACK_VARIABLES_MAX)
        field_error(&d->ctx, at, "more than %d variables", STACK_VARIABLES_MAX);
    else if (value)
        dotenv_set(d->ctx.arena, &sd->s.environment, name, value);
}

static void decode_variable(struct stack_draft *d, struct service_draft *sd,
                            const struct json *item)
{
    const char *value = NULL;
    if (item->key) {
        if (item->type == JSON_BOOL)
            value = item->boolean ? "true" : "false";
        else if (item->type != JSON_NULL && !field_text(&d->ctx, item, &value))
            return;
        set_variable(d, sd, item->key_place, item->key, value);
        return;
    }
    if (item->type != JSON_STRING) {
        field_type_error(&d->ctx, item, "\"NAME=VALUE\"");
        return;
    }
    const char *equals = strchr(item->text, '=');
    size_t len = equals ? (size_t)(equals - item->text) : item->text_len;
    set_variable(d, sd, item->place, arena_strndup(d->ctx.arena, item->text, len),
                 equals ? equals + 1 : NULL);
}

void decode_environment(struct stack_draft *d, struct service_draft *sd)
{
    if (sd->env_file && decode_checks_host(d)) /* a saved copy has the values */
        decode_env_files(d, sd);
    const struct json *node = sd->environment;
    if (!node)
        return;
    size_t mark = field_enter(&d->ctx, "environment");
    if (node->type != JSON_ARRAY && node->type != JSON_OBJECT)
        field_type_error(&d->ctx, node, "an object or a list of \"NAME=VALUE\"");
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        size_t inner = item->key ? field_enter(&d->ctx, item->key) : field_enter_index(&d->ctx, i);
        decode_variable(d, sd, item);
        field_leave(&d->ctx, inner);
    }
    field_leave(&d->ctx, mark);
}
