#include "specs/stack_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "specs/stack_decode.h"

void stack_free(struct stack *s)
{
    if (!s)
        return;
    struct arena arena = s->arena; /* the struct lives in it */
    arena_done(&arena);
}

const struct stack_service *stack_find_service(const struct stack *s, const char *name)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (strcmp(s->services[i].name, name) == 0)
            return &s->services[i];
    return NULL;
}

/* --- variables --- */

/* --env-file must be there, .env in the directory of the stack may. */
static void load_dotenv(struct stack_draft *d)
{
    struct arena *a = d->ctx.arena;
    const char *const *named = d->options->env_files;
    const char *usual = arena_printf(a, "%s/.env", d->stack->dir);
    if (d->options->is_saved_copy)
        return;
    for (; named && *named; named++)
        stack_sources_dotenv(d, (struct json_place){ *named, 0, 0 }, *named, &d->scope);
    if (!d->options->env_files && access(usual, F_OK) == 0)
        stack_sources_dotenv(d, (struct json_place){ ".env", 0, 0 }, usual, &d->scope);
}

/* --- names --- */

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_project_name(const char *name)
{
    size_t len = strlen(name);
    if (!is_lower_or_digit(name[0]) || len >= NAME_LIMIT)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_lower_or_digit(name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    return true;
}

/* Services, volumes, networks. */
static bool is_object_name(const char *name)
{
    size_t len = strlen(name);
    if (!len || len >= NAME_LIMIT || !is_lower_or_digit((char)(name[0] | 0x20)))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_lower_or_digit((char)(name[i] | 0x20)) && !strchr("_-.", name[i]))
            return false;
    return true;
}

bool decode_name_check(struct field_ctx *ctx, const struct json *member, const char *what)
{
    if (is_object_name(member->key))
        return true;
    field_error(ctx, member->key_place, "\"%.80s\" is not a name for a %s", member->key, what);
    field_hint(ctx, "letters, digits, \"-\", \"_\", \".\", at most %d", NAME_LIMIT - 1);
    return false;
}

/* As Compose makes it of a directory: lower case, other characters dropped. */
static const char *name_of_directory(struct arena *a, const char *dir)
{
    const char *slash = strrchr(dir, '/');
    char *name = arena_strdup(a, slash ? slash + 1 : dir);
    size_t n = 0;
    for (const char *p = name; *p && n < NAME_LIMIT - 1; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
        if (is_lower_or_digit(c) || (n > 0 && (c == '_' || c == '-')))
            name[n++] = c;
    }
    name[n] = '\0';
    return n ? name : "stack";
}

/* -p, then COMPOSE_PROJECT_NAME, then `name`, then the directory. */
static void decode_project(struct stack_draft *d, const struct json *node)
{
    struct field_ctx *ctx = &d->ctx;
    const char *given = d->options->project ? d->options->project
                                            : stack_scope_value(&d->scope, "COMPOSE_PROJECT_NAME");
    d->stack->name = given && *given ? given : NULL;
    if (node && node->type != JSON_STRING) {
        size_t mark = field_enter(ctx, "name");
        field_type_error(ctx, node, "a string");
        field_leave(ctx, mark);
    } else if (!d->stack->name && node && node->type == JSON_STRING && node->text_len) {
        d->stack->name = node->text;
    }
    if (!d->stack->name)
        d->stack->name = name_of_directory(ctx->arena, d->stack->dir);
    d->stack->name = arena_strdup(ctx->arena, d->stack->name);
    if (is_project_name(d->stack->name))
        return;
    field_error(ctx, node && !given ? node->place : (struct json_place){ 0 },
                "\"%.80s\" is not a project name", d->stack->name);
    field_hint(ctx, "lower case letters, digits, \"-\" and \"_\", at most %d", NAME_LIMIT - 1);
}

/* --- top level --- */

struct top_draft {
    const struct json *name, *services, *volumes, *networks, *secrets, *configs, *proxy;
};

struct volume_draft {
    struct stack_volume v;
};
static const struct field volume_fields[] = {
    { "name", FIELD_STRING, offsetof(struct volume_draft, v.name),
      .doc = "the real name; PROJECT_KEY when left out" },
    { "external", FIELD_BOOL, offsetof(struct volume_draft, v.is_external),
      .doc = "made by somebody else: never created, never removed" },
    { "driver", FIELD_CALL, .call = decode_driver, .doc = "local is the only one" },
    { "driver_opts", FIELD_REFUSED, .doc = "options of volume drivers are not supported yet" },
    { "labels", FIELD_ACCEPTED, .doc = "nothing reads labels" },
};
const struct field_table stack_volume_table = FIELD_TABLE(volume_fields);

void decode_volumes(struct stack_draft *d, const struct json *node)
{
    struct field_ctx *ctx = &d->ctx;
    struct stack *s = d->stack;
    size_t mark = field_enter(ctx, "volumes");
    if (node->type != JSON_OBJECT && node->type != JSON_NULL)
        field_type_error(ctx, node, "an object");
    for (size_t i = 0; node->type == JSON_OBJECT && i < node->item_count; i++) {
        const struct json *item = node->items[i];
        struct volume_draft vd = { .v.key = item->key };
        size_t inner = field_enter(ctx, item->key);
        (void)decode_name_check(ctx, item, "volume");
        if (item->type != JSON_NULL)
            (void)field_decode(ctx, item, volume_fields, ARRAY_LEN(volume_fields), &vd);
        if (vd.v.name && !is_object_name(vd.v.name))
            field_error(ctx, json_find(item, "name")->place, "\"%.80s\" is not a name for a volume",
                        vd.v.name);
        if (!vd.v.name)
            vd.v.name = vd.v.is_external ? item->key
                                         : arena_printf(ctx->arena, "%s_%s", s->name, item->key);
        bool has_room = decode_volume_add(ctx, item->key_place, &vd.v);
        field_leave(ctx, inner);
        if (!has_room)
            break;
    }
    field_leave(ctx, mark);
}

static void decode_version(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)base;
    field_warn(ctx, node->key_place, "has no meaning any more and can be removed");
}

static void keep_name(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    ((struct top_draft *)base)->name = node;
}
static void keep_services(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_OBJECT)
        field_type_error(ctx, node, "an object");
    else if (!node->item_count)
        field_error(ctx, node->place, "there are no services");
    ((struct top_draft *)base)->services = node;
}
static void keep_volumes(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    ((struct top_draft *)base)->volumes = node;
}
static void keep_networks(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    ((struct top_draft *)base)->networks = node;
}
static void keep_secrets(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    ((struct top_draft *)base)->secrets = node;
}
static void keep_configs(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    ((struct top_draft *)base)->configs = node;
}
static void keep_logging(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)base;
    decode_logging_of(ctx, node, &draft_of(ctx)->logging);
}
static void keep_proxy(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)ctx;
    ((struct top_draft *)base)->proxy = node;
}

static const struct field top_fields[] = {
    { "name", FIELD_CALL, .call = keep_name, .doc = "of the stack; the directory's when left out" },
    { "services", FIELD_CALL, .call = keep_services, .flags = FIELD_NEED,
      .doc = "what runs, by name" },
    { "volumes", FIELD_CALL, .call = keep_volumes, .doc = "named volumes" },
    { "networks", FIELD_CALL, .call = keep_networks, .doc = "networks of the stack" },
    { "proxy", FIELD_CALL, .call = keep_proxy, .flags = FIELD_OURS, .doc = "the front door" },
    { "version", FIELD_CALL, .call = decode_version, .doc = "of old Compose files" },
    { "secrets", FIELD_CALL, .call = keep_secrets, .doc = "what services get as secret files" },
    { "configs", FIELD_CALL, .call = keep_configs, .doc = "what services get as files" },
    FIELD_LATER("models"),
    FIELD_OURS_LATER("egress"),
    { "logging", FIELD_CALL, .call = keep_logging, .doc = "for services that have none" },
    FIELD_OURS_LATER("metrics"),
};
const struct field_table stack_top_table = FIELD_TABLE(top_fields);

/* Names first: services refer to each other in any order. */
static void name_services(struct stack_draft *d, const struct json *node)
{
    struct field_ctx *ctx = &d->ctx;
    struct stack *s = d->stack;
    size_t count = node->item_count;
    if (count > STACK_SERVICES_MAX) {
        field_error(ctx, node->items[STACK_SERVICES_MAX]->key_place, "more than %d services",
                    STACK_SERVICES_MAX);
        count = STACK_SERVICES_MAX;
    }
    s->services = arena_alloc(ctx->arena, count * sizeof(*s->services));
    d->service_nodes = arena_alloc(ctx->arena, count * sizeof(struct json *));
    d->has_bad_health = arena_alloc(ctx->arena, count * sizeof(bool));
    d->all_services = node;
    for (size_t i = 0; i < count; i++) {
        const struct json *item = node->items[i];
        size_t mark = field_enter(ctx, item->key);
        (void)decode_name_check(ctx, item, "service");
        if (decode_profiles(d, item)) {
            s->services[s->service_count].name = item->key;
            s->services[s->service_count].place = item->key_place;
            d->service_nodes[s->service_count++] = item;
        }
        field_leave(ctx, mark);
    }
    if (!s->service_count && count) {
        field_error(ctx, node->place, "every service has a profile, and none is active");
        field_hint(ctx, "--profile NAME, or --profile \"*\"");
    }
}

/* The model has those networks only that something is attached to. */
static void drop_unused_networks(struct stack_draft *d)
{
    struct stack *s = d->stack;
    size_t *moved = arena_alloc(d->ctx.arena, s->network_count * sizeof(*moved));
    size_t kept = 0;
    for (size_t i = 0; i < s->network_count; i++) {
        moved[i] = kept;
        if (d->network_in_use[i])
            s->networks[kept++] = s->networks[i];
    }
    s->network_count = kept;
    for (size_t i = 0; i < s->service_count; i++)
        for (size_t n = 0; n < s->services[i].network_count; n++)
            s->services[i].networks[n].network = moved[s->services[i].networks[n].network];
}

static void decode_stack(struct stack_draft *d, const struct json *root)
{
    struct field_ctx *ctx = &d->ctx;
    struct top_draft top = { 0 };
    struct stack *s = d->stack;
    if (field_decode(ctx, root, top_fields, ARRAY_LEN(top_fields), &top) < 0)
        return;
    decode_project(d, top.name);
    if (top.volumes)
        decode_volumes(d, top.volumes);
    if (top.secrets)
        decode_contents(d, top.secrets, false);
    if (top.configs)
        decode_contents(d, top.configs, true);
    decode_networks(d, top.networks);
    d->network_in_use = arena_alloc(ctx->arena, s->network_count * sizeof(bool));
    size_t mark = field_enter(ctx, "services");
    if (top.services && top.services->type == JSON_OBJECT)
        name_services(d, top.services);
    for (size_t i = 0; i < s->service_count; i++) {
        size_t inner = field_enter(ctx, s->services[i].name);
        decode_service(d, i);
        field_leave(ctx, inner);
    }
    field_leave(ctx, mark);
    if (top.proxy) {
        mark = field_enter(ctx, "proxy");
        decode_proxy(ctx, top.proxy, NULL);
        field_leave(ctx, mark);
    }
    stack_check(d, top.volumes);
    drop_unused_networks(d);
    stack_hash_services(s);
}

/* Reads INPUTS into D, whose stack lives in ARENA; DIR is absolute. NULL when they are no
 * documents. */
static struct json *draft_load(struct stack_draft *d, struct arena *arena,
                               struct stack_problems *problems, const struct stack_input *inputs,
                               size_t count, const char *dir)
{
    auto_free char *cwd = getcwd(NULL, 0);
    d->scope.environ = d->options->environ;
    d->stack = arena_alloc(arena, sizeof(*d->stack));
    d->stack->file = arena_strdup(arena, inputs[0].file);
    d->stack->dir = arena_strdup(arena, dir);
    d->ctx = (struct field_ctx){
        .arena = arena, .problems = problems, .user = d, .is_lenient = d->options->is_lenient
    };
    d->cwd = arena_strdup(arena, cwd ? cwd : "/");
    d->vars = (struct interpolate){ .self = &d->scope, .find = stack_scope_find };
    d->home = stack_scope_value(&d->scope, "HOME");
    d->noted = (struct stack_noted){ .arena = arena, .wants_list = d->options->wants_variables };
    load_dotenv(d);
    d->scope.noted = &d->noted;
    return stack_sources_load(d, inputs, count);
}

static int load(const struct stack_input *inputs, size_t count, const char *dir,
                const struct stack_load_options *options, struct stack **out,
                struct stack_problems *problems)
{
    /* The struct lives in its own arena, which moves into it in the end. */
    struct arena arena = { .limit_bytes = 0 };
    struct stack_draft d = { .options = options };
    const struct json *whole = draft_load(&d, &arena, problems, inputs, count, dir);
    if (whole)
        decode_stack(&d, whole);
    stack_noted_warn(&d);
    problem_sort(problems);
    d.stack->variables = d.noted.items;
    d.stack->variable_count = d.noted.count;
    d.stack->arena = arena;
    if (problems->error_count) {
        stack_free(d.stack);
        return -1;
    }
    *out = d.stack;
    return 0;
}

/* Only the name, which a stack with mistakes has too. */
static int load_name(const struct stack_input *inputs, size_t count, const char *dir,
                     const struct stack_load_options *options, char **out,
                     struct stack_problems *problems)
{
    struct arena arena = { .limit_bytes = 0 };
    struct stack_draft d = { .options = options };
    const struct json *whole = draft_load(&d, &arena, problems, inputs, count, dir);
    problem_sort(problems);
    if (whole || stack_scope_value(&d.scope, "COMPOSE_PROJECT_NAME")) {
        size_t errors = problems->error_count;
        decode_project(&d, json_find(whole, "name"));
        *out = problems->error_count == errors ? str_dup(d.stack->name) : NULL;
    }
    arena_done(&arena);
    return *out ? 0 : -1;
}

int stack_load_text(const char *file, const char *dir, const char *text, size_t len,
                    const struct stack_load_options *options, struct stack **out,
                    struct stack_problems *problems)
{
    struct stack_input input = { file, text, len };
    return load(&input, 1, dir, options, out, problems);
}

/* The directory of PATH, absolute, in a string of the caller's. */
static char *directory_of(const char *path, struct err *e)
{
    const char *slash = str_eq(path, STACK_STDIN) ? NULL : strrchr(path, '/');
    auto_free char *part = slash ? str_ndup(path, (size_t)(slash - path)) : str_dup(".");
    char *dir = realpath(*part ? part : "/", NULL);
    if (!dir)
        (void)err_sys(e, errno, "find the directory of %s", path);
    return dir;
}

static int read_input(const char *path, struct buf *text, struct stack_input *out, struct err *e)
{
    bool is_stdin = str_eq(path, STACK_STDIN);
    buf_init(text, JSON_BYTES_MAX);
    if (is_stdin && fd_read_all(STDIN_FILENO, text) < 0)
        return err_sys(e, errno, "read standard input");
    if (!is_stdin && fd_read_file(AT_FDCWD, path, text, e) < 0)
        return -1;
    *out = (struct stack_input){ is_stdin ? "standard input" : path, text->data ? text->data : "",
                                 text->len };
    return 0;
}

struct files {
    struct stack_input inputs[STACK_FILES_MAX];
    struct buf texts[STACK_FILES_MAX];
    size_t count;
    char *dir;
};

static void files_done(struct files *f)
{
    for (size_t i = 0; i < f->count; i++)
        buf_done(&f->texts[i]);
    free(f->dir);
}

static int files_read(struct files *f, const char *const *paths, size_t count,
                      const struct stack_load_options *options, struct err *e)
{
    if (count > STACK_FILES_MAX)
        return err_input(e, "more than %d stack files", STACK_FILES_MAX);
    for (size_t i = 0; i < count; i++) {
        f->count = i + 1;
        if (read_input(paths[i], &f->texts[i], &f->inputs[i], e) < 0)
            return -1;
    }
    if (!options->dir)
        return (f->dir = directory_of(paths[0], e)) ? 0 : -1;
    f->dir = realpath(options->dir, NULL);
    return f->dir ? 0 : err_sys(e, errno, "open %s", options->dir);
}

int stack_load(const char *const *paths, size_t count, const struct stack_load_options *options,
               struct stack **out, struct stack_problems *problems, struct err *e)
{
    struct files f = { .count = 0 };
    int result = files_read(&f, paths, count, options, e);
    if (result == 0)
        result = load(f.inputs, f.count, f.dir, options, out, problems);
    files_done(&f);
    return result;
}

int stack_load_name(const char *const *paths, size_t count,
                    const struct stack_load_options *options, char **out,
                    struct stack_problems *problems, struct err *e)
{
    struct files f = { .count = 0 };
    int result = files_read(&f, paths, count, options, e);
    if (result == 0)
        result = load_name(f.inputs, f.count, f.dir, options, out, problems);
    files_done(&f);
    return result;
}

int stack_load_tree(const char *const *paths, size_t count,
                    const struct stack_load_options *options, bool is_raw, struct arena *a,
                    struct json **out, struct stack_problems *problems, struct err *e)
{
    struct files f = { .count = 0 };
    struct stack_draft d = { .options = options, .is_raw = is_raw };
    int result = files_read(&f, paths, count, options, e);
    if (result == 0) {
        *out = draft_load(&d, a, problems, f.inputs, f.count, f.dir);
        problem_sort(problems);
        result = *out && !problems->error_count ? 0 : -1;
    }
    files_done(&f);
    return result;
}
