/* Secrets and configs: what the stack has, and which service gets it as a file. */
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

enum {
    CONTAINER_IDS = 65536 /* ids that a container has */
};

struct content_draft {
    struct stack_content c;
    const char *file;
};

static void decode_external(struct field_ctx *ctx, const struct json *node, void *base)
{
    bool is_wanted = false;
    (void)base;
    if (!field_bool(ctx, node, &is_wanted) || !is_wanted)
        return;
    field_error(ctx, node->key_place, "there is no store of secrets or configs outside the stack");
    field_hint(ctx, "use \"file\" or \"environment\"");
}

static void decode_content_text(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)field_text(ctx, node, &((struct content_draft *)base)->c.text);
}

/* Who reads the stack file would read the secret. The engine's copy of a stack is its own. */
static void decode_secret_text(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (!decode_checks_host(draft_of(ctx))) {
        decode_content_text(ctx, node, base);
        return;
    }
    field_error(ctx, node->key_place, "a secret does not stand in the stack file");
    field_hint(ctx, "use \"file\" or \"environment\"");
}

#define CONTENT_ROWS(content_call, content_doc)                                                   \
    { "file", FIELD_STRING, offsetof(struct content_draft, file),                                 \
      .doc = "a file, read whenever a container is made" },                                       \
        { "environment", FIELD_STRING, offsetof(struct content_draft, c.variable),                \
          .doc = "the variable that has it where svc runs" },                                     \
        { "content", FIELD_CALL, .call = content_call, .doc = content_doc },                      \
        { "name", FIELD_STRING, offsetof(struct content_draft, c.name),                           \
          .doc = "the real name; PROJECT_KEY when left out" },                                    \
        { "external", FIELD_CALL, .call = decode_external, .doc = "not supported" },              \
        { "labels", FIELD_ACCEPTED, .doc = "nothing reads labels" },                              \
        { "driver", FIELD_REFUSED, .doc = "drivers of secrets and configs are for Swarm" },       \
        { "driver_opts", FIELD_REFUSED, .doc = "drivers of secrets and configs are for Swarm" },  \
    {                                                                                             \
        "template_driver", FIELD_REFUSED, .doc = "templates of secrets and configs are for Swarm" \
    }
static const struct field secret_fields[] = { CONTENT_ROWS(decode_secret_text,
                                                           "refused: use file or environment") };
const struct field_table stack_secret_table = FIELD_TABLE(secret_fields);
static const struct field config_fields[] = { CONTENT_ROWS(decode_content_text,
                                                           "the text itself") };
const struct field_table stack_config_table = FIELD_TABLE(config_fields);

static void check_file(struct field_ctx *ctx, struct json_place at, const char *path)
{
    struct stat st;
    if (!decode_checks_host(draft_of(ctx)))
        return;
    if (stat(path, &st) < 0)
        decode_host_missing(ctx, at, path);
    else if (!S_ISREG(st.st_mode))
        field_error(ctx, at, "%.200s is not a file", path);
    else if (st.st_size > STACK_CONTENT_BYTES_MAX)
        field_error(ctx, at, "%.200s is larger than %d bytes", path, STACK_CONTENT_BYTES_MAX);
}

/* The text of what is not in a file. */
static void find_text(struct stack_draft *d, const struct json *item, struct content_draft *cd)
{
    struct field_ctx *ctx = &d->ctx;
    if (cd->c.variable && !cd->c.text) {
        const char *value = d->vars.find(d->vars.self, cd->c.variable);
        if (!value) {
            field_error(ctx, json_find(item, "environment")->place, "the variable %.80s is not set",
                        cd->c.variable);
            return;
        }
        cd->c.text = arena_strdup(ctx->arena, value);
    }
    if (cd->c.text && strlen(cd->c.text) > STACK_CONTENT_BYTES_MAX)
        field_error(ctx, item->key_place, "is larger than %d bytes", STACK_CONTENT_BYTES_MAX);
}

static bool has_one_source(const struct content_draft *cd, bool is_saved)
{
    int sources = !!cd->file + !!cd->c.variable + !!cd->c.text;
    /* A saved copy has the text beside the name of its variable. */
    return sources == 1 || (is_saved && !cd->file && cd->c.variable && cd->c.text);
}

static void decode_one(struct stack_draft *d, const struct json *item, bool is_config,
                       struct content_draft *cd)
{
    struct field_ctx *ctx = &d->ctx;
    size_t before = ctx->problems->error_count;
    const struct field *rows = is_config ? config_fields : secret_fields;
    (void)decode_name_check(ctx, item, is_config ? "config" : "secret");
    if (field_decode(ctx, item, rows, ARRAY_LEN(secret_fields), cd) < 0 ||
        ctx->problems->error_count != before)
        return;
    if (!has_one_source(cd, !decode_checks_host(d))) {
        field_error(ctx, item->key_place, "needs one of %s",
                    is_config ? "file, environment, content" : "file, environment");
        return;
    }
    if (cd->file) {
        cd->c.path = decode_path(d, json_find(item, "file")->place, cd->file);
        check_file(ctx, json_find(item, "file")->place, cd->c.path);
    } else {
        find_text(d, item, cd);
    }
}
_Static_assert(ARRAY_LEN(secret_fields) == ARRAY_LEN(config_fields), "the same keys");

void decode_contents(struct stack_draft *d, const struct json *node, bool is_config)
{
    struct field_ctx *ctx = &d->ctx;
    struct stack *s = d->stack;
    struct stack_content **items = is_config ? &s->configs : &s->secrets;
    size_t *count = is_config ? &s->config_count : &s->secret_count;
    size_t mark = field_enter(ctx, is_config ? "configs" : "secrets");
    if (node->type != JSON_OBJECT && node->type != JSON_NULL)
        field_type_error(ctx, node, "an object");
    for (size_t i = 0; node->type == JSON_OBJECT && i < node->item_count; i++) {
        const struct json *item = node->items[i];
        struct content_draft cd = { .c.key = item->key };
        size_t inner = field_enter(ctx, item->key);
        bool has_room = *count < STACK_CONTENTS_MAX;
        if (has_room)
            decode_one(d, item, is_config, &cd);
        else
            field_error(ctx, item->key_place, "more than %d of them", STACK_CONTENTS_MAX);
        field_leave(ctx, inner);
        if (!has_room)
            break;
        if (!cd.c.name)
            cd.c.name = arena_printf(ctx->arena, "%s_%s", s->name, item->key);
        *items = decode_room(ctx->arena, *items, *count, sizeof(**items));
        (*items)[(*count)++] = cd.c;
    }
    field_leave(ctx, mark);
}

/* --- in a service --- */

struct grant_draft {
    struct stack_grant g;
    const char *source, *target;
};

static void decode_mode(struct field_ctx *ctx, const struct json *node, void *base)
{
    uint32_t mode;
    if (decode_file_mode(ctx, node, &mode))
        ((struct grant_draft *)base)->g.mode = mode & 0555; /* Compose: write bits are ignored */
}

static const struct field grant_fields[] = {
    { "source", FIELD_STRING, offsetof(struct grant_draft, source), .flags = FIELD_NEED,
      .doc = "its name in the stack" },
    { "target", FIELD_STRING, offsetof(struct grant_draft, target),
      .doc = "absolute, or a name in /run/secrets (a secret) or / (a config)" },
    { "uid", FIELD_I64, offsetof(struct grant_draft, g.uid), .max = CONTAINER_IDS - 1,
      .doc = "owner as the container sees it; the service's user" },
    { "gid", FIELD_I64, offsetof(struct grant_draft, g.gid), .max = CONTAINER_IDS - 1,
      .doc = "group as the container sees it; that of the service's user" },
    { "mode", FIELD_CALL, .call = decode_mode, .doc = "\"0440\"; 0444" },
};
const struct field_table stack_grant_table = FIELD_TABLE(grant_fields);

static bool content_index(struct field_ctx *ctx, struct json_place at, const char *name,
                          struct stack_grant *g)
{
    const struct stack *s = draft_of(ctx)->stack;
    const struct stack_content *items = g->is_config ? s->configs : s->secrets;
    size_t count = g->is_config ? s->config_count : s->secret_count;
    const char *words[STACK_CONTENTS_MAX];
    for (size_t i = 0; i < count; i++) {
        words[i] = items[i].key;
        if (strcmp(words[i], name) == 0) {
            g->content = i;
            return true;
        }
    }
    const char *what = g->is_config ? "config" : "secret";
    field_error(ctx, at, "the %s \"%.63s\" is not declared", what, name);
    const char *near = ctx->last ? str_nearest(name, words, count) : NULL;
    if (near)
        field_hint(ctx, "did you mean \"%s\"?", near);
    else
        field_hint(ctx, "add \"%ss\": {\"%.63s\": {\"file\": \"./…\"}} to the stack", what, name);
    return false;
}

static void decode_grant(struct field_ctx *ctx, const struct json *node, struct stack_service *s,
                         bool is_config)
{
    struct grant_draft gd = { .g = { .is_config = is_config, .uid = -1, .gid = -1, .mode = 0444 } };
    size_t before = ctx->problems->error_count;
    gd.g.place = node->place;
    if (node->type == JSON_STRING)
        gd.source = node->text;
    else if (node->type != JSON_OBJECT)
        field_type_error(ctx, node, "a name or an object");
    else
        (void)field_decode(ctx, node, grant_fields, ARRAY_LEN(grant_fields), &gd);
    if (ctx->problems->error_count != before || !gd.source ||
        !content_index(ctx, node->place, gd.source, &gd.g))
        return;
    const char *target = gd.target ? gd.target : gd.source;
    if (target[0] != '/')
        target = arena_printf(ctx->arena, is_config ? "/%s" : "/run/secrets/%s", target);
    if (!decode_inner_path(ctx, node, target, &gd.g.target))
        return;
    if (strcmp(gd.g.target, "/") == 0 || s->grant_count >= STACK_CONTENTS_MAX) {
        field_error(ctx, node->place, "\"%.80s\" cannot be a file here", target);
        return;
    }
    s->grants = decode_room(ctx->arena, s->grants, s->grant_count, sizeof(*s->grants));
    s->grants[s->grant_count++] = gd.g;
}

static void decode_grants(struct field_ctx *ctx, const struct json *node, void *base,
                          bool is_config)
{
    if (node->type != JSON_ARRAY) {
        field_type_error(ctx, node, "a list");
        return;
    }
    for (size_t i = 0; i < node->item_count; i++) {
        size_t mark = field_enter_index(ctx, i);
        decode_grant(ctx, node->items[i], &((struct service_draft *)base)->s, is_config);
        field_leave(ctx, mark);
    }
}

void decode_secret_grants(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_grants(ctx, node, base, false);
}

void decode_config_grants(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_grants(ctx, node, base, true);
}

static bool is_taken(const struct stack_service *s, size_t index)
{
    const char *target = s->grants[index].target;
    for (size_t i = 0; i < s->mount_count; i++)
        if (strcmp(s->mounts[i].target, target) == 0)
            return true;
    for (size_t i = 0; i < index; i++)
        if (strcmp(s->grants[i].target, target) == 0)
            return true;
    return false;
}

/* Secrets first whatever the order of the keys: a model has one form. */
static void order_grants(struct field_ctx *ctx, const struct stack_service *s)
{
    struct stack_grant *sorted = arena_alloc(ctx->arena, (s->grant_count + 1) * sizeof(*sorted));
    size_t n = 0;
    for (int is_config = 0; is_config < 2; is_config++)
        for (size_t i = 0; i < s->grant_count; i++)
            if (s->grants[i].is_config == is_config)
                sorted[n++] = s->grants[i];
    if (n)
        memcpy(s->grants, sorted, n * sizeof(*sorted));
}

void check_grants(struct field_ctx *ctx, const struct stack_service *s)
{
    order_grants(ctx, s);
    for (size_t i = 0; i < s->grant_count; i++) {
        if (!is_taken(s, i))
            continue;
        size_t mark = field_enter(ctx, s->grants[i].is_config ? "configs" : "secrets");
        field_error(ctx, s->grants[i].place, "%.100s is mounted twice", s->grants[i].target);
        field_leave(ctx, mark);
    }
}
