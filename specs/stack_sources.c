#include "specs/stack_sources.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "specs/stack_decode.h"
#include "specs/stack_merge.h"
#include "specs/yaml.h"

/* ---- variables ---- */

static const char *environ_find(char **environment, const char *name)
{
    size_t len = strlen(name);
    for (char **v = environment; v && *v; v++)
        if (strncmp(*v, name, len) == 0 && (*v)[len] == '=')
            return *v + len + 1;
    return NULL;
}

/* The outer scopes and the environment go before SCOPE's own files. */
static const char *find_with_origin(const struct stack_scope *scope, const char *name,
                                    const char **origin)
{
    const char *value = scope->outer ? find_with_origin(scope->outer, name, origin)
                                     : environ_find(scope->environ, name);
    if (value) {
        *origin = scope->outer ? *origin : "environment";
        return value;
    }
    for (size_t i = 0; i < scope->dotenv.count; i++)
        if (str_eq(scope->dotenv.items[i].key, name)) {
            *origin = scope->origins[i];
            return scope->dotenv.items[i].value;
        }
    return NULL;
}

const char *stack_scope_value(const struct stack_scope *scope, const char *name)
{
    const char *origin;
    return find_with_origin(scope, name, &origin);
}

const char *stack_scope_find(const void *self, const char *name)
{
    const struct stack_scope *scope = self;
    const char *origin = NULL;
    const char *value = find_with_origin(scope, name, &origin);
    if (scope->noted)
        stack_noted_add(scope->noted, name, value, origin);
    return value;
}

/* Pairs that were not BEFORE, or have another value now, came from FILE. */
static void set_origins(struct arena *a, struct stack_scope *scope,
                        const struct stack_pairs *before, const char *file)
{
    const char **origins = arena_alloc(a, (scope->dotenv.count + 1) * sizeof(*origins));
    for (size_t i = 0; i < scope->dotenv.count; i++) {
        bool is_same = i < before->count && before->items[i].value == scope->dotenv.items[i].value;
        origins[i] = is_same ? scope->origins[i] : file;
    }
    scope->origins = origins;
}

static struct stack_pairs copy_pairs(struct arena *a, const struct stack_pairs *pairs)
{
    struct stack_pairs copy = { arena_alloc(a, (pairs->count + 1) * sizeof(*copy.items)),
                                pairs->count };
    for (size_t i = 0; i < pairs->count; i++)
        copy.items[i] = pairs->items[i];
    return copy;
}

static void note_unset(void *self, const char *name)
{
    struct stack_noted *noted = self;
    (void)name; /* noted when it was looked up */
    noted->has_unset = true;
}

void stack_sources_dotenv(struct stack_draft *d, struct json_place at, const char *path,
                          struct stack_scope *scope)
{
    struct stack_scope around = { .environ = scope->environ };
    struct interpolate env = { .self = scope->outer ? scope->outer : &around,
                               .find = stack_scope_find };
    const char *shown = at.file;
    const struct stack_pairs before = copy_pairs(d->ctx.arena, &scope->dotenv);
    struct err e = { 0 };
    auto_buf struct buf text = { 0 };
    buf_init(&text, DOTENV_BYTES_MAX);
    bool is_good = fd_read_file(AT_FDCWD, path, &text, &e) == 0 &&
                   dotenv_parse(d->ctx.arena, shown, text.data ? text.data : "", text.len, false,
                                &env, &scope->dotenv, &at, &e) == 0;
    set_origins(d->ctx.arena, scope, &before, shown);
    if (is_good)
        return;
    field_error(&d->ctx, at, "%s", e.what);
    if (e.hint[0])
        field_hint(&d->ctx, "%s", e.hint);
}

/* ---- one file ---- */

/* By the name; where it does not tell (standard input), a brace begins JSON. */
static bool is_yaml(const char *file, const char *text, size_t len)
{
    if (str_ends(file, ".yaml") || str_ends(file, ".yml"))
        return true;
    size_t at = 0;
    while (at < len && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    return !str_ends(file, ".json") && at < len && text[at] != '{';
}

static struct json *parse(struct stack_draft *d, const struct stack_input *in)
{
    struct arena *a = d->ctx.arena;
    struct json_place at = { 0 };
    struct err syntax = { 0 };
    struct json *root = NULL;
    bool as_yaml = is_yaml(in->file, in->text, in->len);
    if ((as_yaml ? yaml_parse_placed(a, in->file, in->text, in->len, d->ctx.problems, &root, &at,
                                     &syntax)
                 : json_parse_placed(a, in->file, in->text, in->len, &root, &at, &syntax)) == 0)
        return root;
    field_error(&d->ctx, at, "%s", syntax.what);
    if (syntax.hint[0])
        field_hint(&d->ctx, "%s", syntax.hint);
    else if (!as_yaml && at.line == 1 && at.column == 1)
        field_hint(&d->ctx, "a file with YAML in it is named .yaml");
    return NULL;
}

/* A new source with its tree; NULL after a problem. */
static struct stack_source *add_source(struct stack_draft *d, const struct stack_input *in,
                                       const char *path, const char *dir,
                                       const struct stack_scope *scope)
{
    struct stack_sources *all = &d->sources;
    struct arena *a = d->ctx.arena;
    if (all->count == STACK_SOURCES_MAX) {
        field_error(&d->ctx, (struct json_place){ 0 }, "more than %d files", STACK_SOURCES_MAX);
        return NULL;
    }
    if (!all->items)
        all->items = arena_alloc(a, STACK_SOURCES_MAX * sizeof(*all->items));
    struct json *root = parse(d, in);
    if (!root)
        return NULL;
    if (root->type != JSON_OBJECT) {
        field_type_error(&d->ctx, root, "an object");
        return NULL;
    }
    struct interpolate vars = {
        .self = scope, .find = stack_scope_find, .unset = note_unset, .unset_self = &d->noted
    };
    struct stack_source *s = &all->items[all->count++];
    *s = (struct stack_source){ .file = root->place.file,
                                .path = arena_strdup(a, path),
                                .dir = arena_strdup(a, dir),
                                .scope = scope,
                                .tree = d->is_raw
                                            ? root
                                            : interpolate_tree(a, root, &vars, d->ctx.problems) };
    return s;
}

static const char *directory_of(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    return slash == path ? "/" : arena_strndup(a, path, (size_t)(slash - path));
}

/* As people see it: beside the file that names it. */
static const char *shown_name(struct arena *a, const char *from, const char *name)
{
    const char *dir = directory_of(a, from);
    return *name == '/' || str_eq(dir, ".") ? name : arena_printf(a, "%s/%s", dir, name);
}

/* The file NAME that the file FROM names at AT, relative to DIR. A file is read once a scope. */
static struct stack_source *open_source(struct stack_draft *d, struct json_place at,
                                        const char *from, const char *dir, const char *name,
                                        const char *project_dir, const struct stack_scope *scope)
{
    struct arena *a = d->ctx.arena;
    const char *path =
        decode_normalise(a, *name == '/' ? name : arena_printf(a, "%s/%s", dir, name));
    for (size_t i = 0; i < d->sources.count; i++)
        if (str_eq(d->sources.items[i].path, path) && d->sources.items[i].scope == scope)
            return &d->sources.items[i];
    auto_buf struct buf text = { 0 };
    struct err e = { 0 };
    buf_init(&text, JSON_BYTES_MAX);
    if (fd_read_file(AT_FDCWD, path, &text, &e) < 0) {
        field_error(&d->ctx, at, "%s", e.what);
        return NULL;
    }
    struct stack_input in = { shown_name(a, from, name), text.data ? text.data : "", text.len };
    return add_source(d, &in, path, project_dir ? project_dir : directory_of(a, path), scope);
}

/* ---- extends ---- */

struct extension {
    const char *file, *service;
    bool is_set;
};
static void take_service(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct extension *x = base;
    x->is_set = field_text(ctx, node, &x->service);
}
static const struct field extension_fields[] = {
    { "service", FIELD_CALL, .call = take_service, .flags = FIELD_NEED,
      .doc = "the service whose settings this one begins with" },
    { "file", FIELD_STRING, offsetof(struct extension, file),
      .doc = "the stack file it is in, relative to this one; left out: this one" },
};
const struct field_table stack_extension_table = FIELD_TABLE(extension_fields);

/* NODE without its member KEY. */
static struct json *without(struct arena *a, const struct json *node, const char *key)
{
    struct json *out = arena_alloc(a, sizeof(*out));
    *out = *node;
    out->items = arena_alloc(a, (node->item_count + 1) * sizeof(*out->items));
    out->item_count = 0;
    for (size_t i = 0; i < node->item_count; i++)
        if (!str_eq(node->items[i]->key, key))
            out->items[out->item_count++] = node->items[i];
    return out;
}

static void refuse_service(struct stack_draft *d, struct json_place at, const char *name,
                           const struct stack_source *from, const struct json *services)
{
    const char *words[STACK_SERVICES_MAX];
    size_t count = 0;
    for (size_t i = 0; services && i < services->item_count && count < ARRAY_LEN(words); i++)
        words[count++] = services->items[i]->key;
    field_error(&d->ctx, at, "there is no service \"%.63s\" in %s", name, from->file);
    const char *near = str_nearest(name, words, count);
    if (near)
        field_hint(&d->ctx, "did you mean \"%s\"?", near);
}

/* SERVICE of the file FROM with what it extends; the chain that led here is DEPTH long. */
static const struct json *extended(struct stack_draft *d, const struct stack_source *from,
                                   const struct json *service, size_t depth)
{
    struct field_ctx *ctx = &d->ctx;
    const struct json *node = json_find(service, "extends");
    struct extension x = { 0 };
    if (!node || node->type == JSON_NULL)
        return service;
    if (depth == STACK_SOURCES_DEPTH_MAX) {
        field_error(ctx, node->place, "extends leads back to itself, or is longer than %d steps",
                    STACK_SOURCES_DEPTH_MAX);
        return NULL;
    }
    if (node->type == JSON_STRING)
        x.service = node->text;
    else if (field_decode(ctx, node, extension_fields, ARRAY_LEN(extension_fields), &x) < 0)
        return NULL;
    if (!x.service)
        return NULL;
    const struct stack_source *source =
        x.file ? open_source(d, json_find(node, "file")->place, from->file,
                             directory_of(ctx->arena, from->path), x.file, NULL, from->scope)
               : from;
    if (!source)
        return NULL;
    const struct json *services = json_find(source->tree, "services");
    const struct json *base = json_find(services, x.service);
    if (!base || base->type != JSON_OBJECT) {
        refuse_service(d, node->place, x.service, source, services);
        return NULL;
    }
    base = extended(d, source, base, depth + 1);
    return base ? stack_merge_service(ctx->arena, service->key, base,
                                      without(ctx->arena, service, "extends"), ctx->problems)
                : NULL;
}

static void extend_services(struct stack_draft *d, struct stack_source *source)
{
    struct field_ctx *ctx = &d->ctx;
    const struct json *services = json_find(source->tree, "services");
    size_t mark = field_enter(ctx, "services");
    for (size_t i = 0; services && services->type == JSON_OBJECT && i < services->item_count; i++) {
        size_t inner = field_enter(ctx, services->items[i]->key);
        size_t deepest = field_enter(ctx, "extends");
        const struct json *whole = services->items[i]->type == JSON_OBJECT
                                       ? extended(d, source, services->items[i], 0)
                                       : NULL;
        if (whole && whole != services->items[i])
            *services->items[i] = *whole;
        field_leave(ctx, deepest);
        field_leave(ctx, inner);
    }
    field_leave(ctx, mark);
}

/* ---- include ---- */

struct inclusion {
    struct strings path, env_file;
    const char *project_directory;
};
static const struct field inclusion_fields[] = {
    { "path", FIELD_STRINGS, offsetof(struct inclusion, path), .flags = FIELD_NEED | FIELD_ONE,
      .doc = "the stack file, or several that are merged" },
    { "project_directory", FIELD_STRING, offsetof(struct inclusion, project_directory),
      .doc = "what its relative paths begin with; its own directory" },
    { "env_file", FIELD_STRINGS, offsetof(struct inclusion, env_file), .flags = FIELD_ONE,
      .doc = "where its variables come from; .env in that directory" },
};
const struct field_table stack_inclusion_table = FIELD_TABLE(inclusion_fields);

static struct json *resolve(struct stack_draft *d, struct stack_source *source, size_t depth);

/* The scope of what is included: the one around it, and its own .env. */
static const struct stack_scope *inner_scope(struct stack_draft *d, const struct stack_source *from,
                                             const struct inclusion *in, const char *project_dir)
{
    struct arena *a = d->ctx.arena;
    struct stack_scope *scope = arena_alloc(a, sizeof(*scope));
    scope->outer = from->scope;
    scope->noted = from->scope->noted;
    for (size_t i = 0; i < in->env_file.count; i++) {
        const char *name = in->env_file.items[i];
        stack_sources_dotenv(d, (struct json_place){ name, 0, 0 },
                             *name == '/' ? name : arena_printf(a, "%s/%s", from->dir, name),
                             scope);
    }
    const char *usual = arena_printf(a, "%s/.env", project_dir);
    if (!in->env_file.count && access(usual, F_OK) == 0)
        stack_sources_dotenv(d, (struct json_place){ usual, 0, 0 }, usual, scope);
    return scope;
}

/* One entry of `include` as one tree; NULL after a problem. */
static struct json *included(struct stack_draft *d, const struct stack_source *from,
                             const struct json *node, const struct inclusion *in, size_t depth)
{
    struct arena *a = d->ctx.arena;
    struct json *whole = NULL;
    const char *first = in->path.items[0];
    const char *path = *first == '/' ? first : arena_printf(a, "%s/%s", from->dir, first);
    const char *dir = in->project_directory ? in->project_directory : directory_of(a, path);
    if (*dir != '/')
        dir = arena_printf(a, "%s/%s", from->dir, dir);
    dir = decode_normalise(a, dir);
    const struct stack_scope *scope = inner_scope(d, from, in, dir);
    for (size_t i = 0; i < in->path.count; i++) {
        struct stack_source *s =
            open_source(d, node->place, from->file, from->dir, in->path.items[i], dir, scope);
        struct json *tree = s ? resolve(d, s, depth + 1) : NULL;
        if (!tree)
            return NULL;
        whole = whole ? stack_merge(a, whole, tree, d->ctx.problems) : tree;
    }
    return whole;
}

/* What SOURCE includes, below its own. */
static struct json *with_includes(struct stack_draft *d, struct stack_source *source, size_t depth)
{
    struct field_ctx *ctx = &d->ctx;
    const struct json *node = json_find(source->tree, "include");
    struct json *whole = NULL;
    if (!node || node->type == JSON_NULL)
        return source->tree;
    size_t mark = field_enter(ctx, "include");
    if (depth == STACK_SOURCES_DEPTH_MAX)
        field_error(ctx, node->place, "include leads back to itself, or is deeper than %d files",
                    STACK_SOURCES_DEPTH_MAX);
    else if (node->type != JSON_ARRAY)
        field_type_error(ctx, node, "a list");
    for (size_t i = 0;
         depth < STACK_SOURCES_DEPTH_MAX && node->type == JSON_ARRAY && i < node->item_count; i++) {
        const struct json *item = node->items[i];
        struct inclusion in = { 0 };
        size_t inner = field_enter_index(ctx, i);
        if (item->type == JSON_STRING)
            in.path = (struct strings){ (const char **)&item->text, 1 };
        else
            (void)field_decode(ctx, item, inclusion_fields, ARRAY_LEN(inclusion_fields), &in);
        struct json *tree = in.path.count ? included(d, source, item, &in, depth) : NULL;
        if (tree)
            whole = whole ? stack_merge(ctx->arena, whole, tree, ctx->problems) : tree;
        field_leave(ctx, inner);
    }
    field_leave(ctx, mark);
    struct json *own = without(ctx->arena, source->tree, "include");
    return whole ? stack_merge(ctx->arena, without(ctx->arena, whole, "name"), own, ctx->problems)
                 : own;
}

static struct json *resolve(struct stack_draft *d, struct stack_source *source, size_t depth)
{
    extend_services(d, source);
    return with_includes(d, source, depth);
}

/* ---- all ---- */

struct json *stack_sources_load(struct stack_draft *d, const struct stack_input *inputs,
                                size_t count)
{
    struct arena *a = d->ctx.arena;
    struct json *whole = NULL;
    bool is_complete = true;
    for (size_t i = 0; i < count; i++) {
        const char *file = inputs[i].file;
        const char *path =
            decode_normalise(a, *file == '/' ? file : arena_printf(a, "%s/%s", d->cwd, file));
        struct stack_source *s = add_source(d, &inputs[i], path, d->stack->dir, &d->scope);
        size_t errors = d->ctx.problems->error_count;
        struct json *tree = s ? resolve(d, s, 0) : NULL;
        /* A service without what it extends would only be complained about once more. */
        is_complete = is_complete && tree && errors == d->ctx.problems->error_count;
        if (tree)
            whole = whole ? stack_merge(a, whole, tree, d->ctx.problems) : tree;
    }
    return is_complete && whole ? stack_merge_finish(a, whole) : NULL;
}

const char *stack_sources_dir(const struct stack_draft *d, struct json_place at)
{
    for (size_t i = 0; i < d->sources.count; i++)
        if (d->sources.items[i].file == at.file)
            return d->sources.items[i].dir;
    return d->stack->dir;
}
