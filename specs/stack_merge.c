#include "specs/stack_merge.h"

#include <string.h>

#include "runtime/base/str.h"
#include "specs/field.h"

enum {
    MERGE_ITEMS_MAX = 10000 /* of one list or map, both files together */
};

/* How two values of one path become one. */
enum how {
    MERGE_DEEP,    /* maps deep, lists appended, scalars replaced */
    MERGE_REPLACE, /* a command line is one thing */
    MERGE_PAIRS,   /* a map or a list of "K=V": a list, one entry a key */
    MERGE_LIST,    /* one value or a list: a list */
    MERGE_NAMES,   /* a list of names is a map of nothing */
    MERGE_BUILD,   /* a string is its context */
    MERGE_LOGGING, /* options belong to their driver */
};
/* What makes two entries of a list the same one. */
enum same {
    SAME_NEVER,
    SAME_TEXT,   /* all of it; of maps `path` */
    SAME_NAME,   /* what is before "=" */
    SAME_TARGET, /* where it is mounted: "SOURCE:TARGET[:MODE]" or `target` */
    SAME_SECRET, /* `target`, or else the name */
    SAME_PORT,
    SAME_SUBNET,
};

static const struct rule {
    const char *path; /* "*" is any key */
    enum how how;
    enum same same;
} rules[] = {
    { "networks.*.ipam.config", MERGE_LIST, SAME_SUBNET },
    { "networks.*.labels", MERGE_PAIRS, SAME_NAME },
    { "services.*.annotations", MERGE_PAIRS, SAME_NAME },
    { "services.*.build", MERGE_BUILD, SAME_NEVER },
    { "services.*.build.additional_contexts", MERGE_PAIRS, SAME_NAME },
    { "services.*.build.args", MERGE_PAIRS, SAME_NAME },
    { "services.*.build.extra_hosts", MERGE_PAIRS, SAME_TEXT },
    { "services.*.build.labels", MERGE_PAIRS, SAME_NAME },
    { "services.*.build.tags", MERGE_LIST, SAME_TEXT },
    { "services.*.cap_add", MERGE_LIST, SAME_TEXT },
    { "services.*.cap_drop", MERGE_LIST, SAME_TEXT },
    { "services.*.command", MERGE_REPLACE, SAME_NEVER },
    { "services.*.configs", MERGE_LIST, SAME_SECRET },
    { "services.*.depends_on", MERGE_NAMES, SAME_NEVER },
    { "services.*.deploy.labels", MERGE_PAIRS, SAME_NAME },
    { "services.*.devices", MERGE_LIST, SAME_TARGET },
    { "services.*.dns", MERGE_LIST, SAME_TEXT },
    { "services.*.dns_opt", MERGE_LIST, SAME_TEXT },
    { "services.*.dns_search", MERGE_LIST, SAME_TEXT },
    { "services.*.entrypoint", MERGE_REPLACE, SAME_NEVER },
    { "services.*.env_file", MERGE_LIST, SAME_TEXT },
    { "services.*.environment", MERGE_PAIRS, SAME_NAME },
    { "services.*.expose", MERGE_LIST, SAME_TEXT },
    { "services.*.extra_hosts", MERGE_PAIRS, SAME_TEXT },
    { "services.*.healthcheck.test", MERGE_REPLACE, SAME_NEVER },
    { "services.*.label_file", MERGE_LIST, SAME_TEXT },
    { "services.*.labels", MERGE_PAIRS, SAME_NAME },
    { "services.*.links", MERGE_LIST, SAME_TEXT },
    { "services.*.logging", MERGE_LOGGING, SAME_NEVER },
    { "services.*.models", MERGE_NAMES, SAME_NEVER },
    { "services.*.networks", MERGE_NAMES, SAME_NEVER },
    { "services.*.networks.*.aliases", MERGE_LIST, SAME_TEXT },
    { "services.*.networks.*.link_local_ips", MERGE_LIST, SAME_TEXT },
    { "services.*.ports", MERGE_LIST, SAME_PORT },
    { "services.*.profiles", MERGE_LIST, SAME_TEXT },
    { "services.*.secrets", MERGE_LIST, SAME_SECRET },
    { "services.*.sysctls", MERGE_PAIRS, SAME_NAME },
    { "services.*.tmpfs", MERGE_LIST, SAME_TARGET },
    { "services.*.ulimits.*", MERGE_REPLACE, SAME_NEVER },
    { "services.*.volumes", MERGE_LIST, SAME_TARGET },
    { "volumes.*.labels", MERGE_PAIRS, SAME_NAME },
};

struct merge {
    struct field_ctx ctx;
    const char *keys[JSON_DEPTH_MAX + 1]; /* the present path */
    size_t depth;
};

static bool path_matches(const struct merge *m, const char *pattern)
{
    for (size_t i = 0; i < m->depth; i++) {
        size_t len = strcspn(pattern, ".");
        bool is_any = len == 1 && *pattern == '*';
        if (!is_any && (strncmp(pattern, m->keys[i], len) != 0 || m->keys[i][len]))
            return false;
        pattern += len;
        if (!*pattern)
            return i + 1 == m->depth;
        pattern++;
    }
    return false;
}

static const struct rule *find_rule(const struct merge *m)
{
    static const struct rule deep = { "", MERGE_DEEP, SAME_NEVER };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (path_matches(m, rules[i].path))
            return &rules[i];
    return &deep;
}

/* ---- one form ---- */

static struct json *copy_of(struct merge *m, const struct json *n)
{
    struct json *copy = arena_alloc(m->ctx.arena, sizeof(*copy));
    *copy = *n;
    return copy;
}

/* A container of TYPE in place of N, with room for COUNT items. */
static struct json *container_of(struct merge *m, const struct json *n, enum json_type type,
                                 size_t count)
{
    struct json *c = copy_of(m, n);
    c->type = type;
    c->text = NULL;
    c->text_len = 0;
    c->items = arena_alloc(m->ctx.arena, (count + 1) * sizeof(*c->items));
    c->item_count = 0;
    return c;
}

static const char *scalar_text(const struct json *n)
{
    if (n->type == JSON_BOOL)
        return n->boolean ? "true" : "false";
    return n->text;
}

/* The member K: V as "K=V", or "K" alone without a value; NULL when the value is no scalar. */
static struct json *pair_of(struct merge *m, const struct json *member)
{
    const char *value = scalar_text(member);
    if (member->type == JSON_OBJECT || member->type == JSON_ARRAY)
        return NULL;
    struct json *pair = copy_of(m, member);
    pair->type = JSON_STRING;
    pair->text =
        value ? arena_printf(m->ctx.arena, "%s=%s", member->key, value) : (const char *)member->key;
    pair->text_len = strlen(pair->text);
    pair->key = NULL;
    pair->place = member->key_place;
    return pair;
}

static const struct json *as_list(struct merge *m, const struct json *n)
{
    if (n->type == JSON_ARRAY)
        return n;
    struct json *list = container_of(m, n, JSON_ARRAY, 1);
    if (n->type != JSON_NULL) {
        struct json *only = copy_of(m, n);
        only->key = NULL;
        list->items[list->item_count++] = only;
    }
    return list;
}

static const struct json *as_pairs(struct merge *m, const struct json *n)
{
    if (n->type != JSON_OBJECT)
        return as_list(m, n);
    struct json *list = container_of(m, n, JSON_ARRAY, n->item_count);
    for (size_t i = 0; i < n->item_count; i++) {
        struct json *pair = pair_of(m, n->items[i]);
        if (!pair)
            return n; /* for the decoder to complain about */
        list->items[list->item_count++] = pair;
    }
    return list;
}

static const struct json *as_names(struct merge *m, const struct json *n)
{
    if (n->type != JSON_ARRAY)
        return n;
    struct json *map = container_of(m, n, JSON_OBJECT, n->item_count);
    for (size_t i = 0; i < n->item_count; i++) {
        const struct json *item = n->items[i];
        if (item->type != JSON_STRING)
            return n;
        struct json *member = copy_of(m, item);
        member->type = JSON_NULL;
        member->key = item->text;
        member->key_place = item->place;
        map->items[map->item_count++] = member;
    }
    return map;
}

static const struct json *as_build(struct merge *m, const struct json *n)
{
    if (n->type != JSON_STRING)
        return n;
    struct json *map = container_of(m, n, JSON_OBJECT, 1);
    struct json *context = copy_of(m, n);
    context->key = "context";
    context->key_place = n->place;
    map->items[map->item_count++] = context;
    return map;
}

static const struct json *in_one_form(struct merge *m, enum how how, const struct json *n)
{
    switch (how) {
    case MERGE_PAIRS: return as_pairs(m, n);
    case MERGE_LIST: return as_list(m, n);
    case MERGE_NAMES: return as_names(m, n);
    case MERGE_BUILD: return as_build(m, n);
    case MERGE_DEEP:
    case MERGE_REPLACE:
    case MERGE_LOGGING: break;
    }
    return n;
}

/* ---- lists ---- */

static const char *before(struct arena *a, const char *text, const char *stops)
{
    return arena_strndup(a, text, strcspn(text, stops));
}

/* "SOURCE:TARGET[:MODE]", "TARGET"; of tmpfs "TARGET[:OPTIONS]". */
static const char *target_in(struct merge *m, const char *text)
{
    const char *colon = strchr(text, ':');
    return colon && (colon[1] == '/' || *text != '/') ? before(m->ctx.arena, colon + 1, ":")
                                                      : before(m->ctx.arena, text, ":");
}

/* What ITEM is the same by; NULL: by nothing. */
static const char *identity(struct merge *m, enum same same, const struct json *item)
{
    struct arena *a = m->ctx.arena;
    const char *text = scalar_text(item);
    bool is_map = item->type == JSON_OBJECT;
    switch (same) {
    case SAME_TEXT: return is_map ? json_find_string(item, "path", NULL) : text;
    case SAME_NAME: return text ? before(a, text, "=") : NULL;
    case SAME_TARGET:
        return is_map ? json_find_string(item, "target", NULL) : text ? target_in(m, text) : NULL;
    case SAME_SECRET:
        return is_map ? json_find_string(item, "target", json_find_string(item, "source", NULL))
                      : text;
    case SAME_SUBNET: return json_find_string(item, "subnet", NULL);
    case SAME_PORT: {
        const struct json *target = json_find(item, "target"), *port = json_find(item, "published");
        if (!is_map)
            return text;
        return arena_printf(a, "%s:%s:%s/%s", json_find_string(item, "host_ip", "0.0.0.0"),
                            port && port->text ? port->text : "",
                            target && target->text ? target->text : "",
                            json_find_string(item, "protocol", "tcp"));
    }
    case SAME_NEVER: break;
    }
    return NULL;
}

static struct json *merge_lists(struct merge *m, enum same same, const struct json *base,
                                const struct json *over)
{
    struct json *out = container_of(m, base, JSON_ARRAY, base->item_count + over->item_count);
    const char **ids =
        arena_alloc(m->ctx.arena, (base->item_count + over->item_count + 1) * sizeof(*ids));
    for (size_t i = 0; i < base->item_count + over->item_count; i++) {
        struct json *item =
            i < base->item_count ? base->items[i] : over->items[i - base->item_count];
        const char *id = identity(m, same, item);
        size_t at = out->item_count;
        for (size_t k = 0; id && k < out->item_count; k++)
            if (ids[k] && str_eq(ids[k], id))
                at = k;
        ids[at] = id;
        out->items[at] = item;
        out->item_count += at == out->item_count;
    }
    return out;
}

/* ---- maps ---- */

static struct json *merge_nodes(struct merge *m, const struct json *base, const struct json *over);

static struct json *find_member(struct json *map, const char *key, size_t *at)
{
    for (*at = 0; *at < map->item_count; (*at)++)
        if (str_eq(map->items[*at]->key, key))
            return map->items[*at];
    return NULL;
}

static struct json *merge_maps(struct merge *m, const struct json *base, const struct json *over)
{
    struct json *out = container_of(m, base, JSON_OBJECT, base->item_count + over->item_count);
    for (size_t i = 0; i < base->item_count; i++)
        out->items[out->item_count++] = base->items[i];
    for (size_t i = 0; i < over->item_count; i++) {
        struct json *item = over->items[i];
        size_t at;
        const struct json *there = find_member(out, item->key, &at);
        if (!there) {
            out->items[out->item_count++] = item;
            continue;
        }
        size_t mark = field_enter(&m->ctx, item->key);
        m->keys[m->depth++] = item->key;
        out->items[at] = merge_nodes(m, there, item);
        m->depth--;
        field_leave(&m->ctx, mark);
    }
    return out;
}

static struct json *merge_logging(struct merge *m, const struct json *base, const struct json *over)
{
    const char *ours = json_find_string(base, "driver", NULL);
    const char *theirs = json_find_string(over, "driver", NULL);
    bool is_same = !ours || !theirs || str_eq(ours, theirs);
    return is_same ? merge_maps(m, base, over) : copy_of(m, over);
}

static struct json *merge_nodes(struct merge *m, const struct json *base, const struct json *over)
{
    const struct rule *rule = find_rule(m);
    if (over->tag == JSON_TAG_RESET || over->tag == JSON_TAG_OVERRIDE)
        return copy_of(m, over); /* what is reset goes in the end */
    if (over->type == JSON_NULL && rule->how != MERGE_REPLACE)
        return copy_of(m, base);
    if (base->type == JSON_NULL || rule->how == MERGE_REPLACE)
        return copy_of(m, over);
    const struct json *b = in_one_form(m, rule->how, base), *o = in_one_form(m, rule->how, over);
    bool is_scalar = o->type != JSON_OBJECT && o->type != JSON_ARRAY;
    if (b->type != o->type && (!is_scalar || b->type == JSON_OBJECT || b->type == JSON_ARRAY)) {
        field_error(&m->ctx, over->place, "%s here, and %s in %s:%u: they cannot be merged",
                    json_type_name(over->type), json_type_name(base->type),
                    base->place.file ? base->place.file : "the other file", base->place.line);
        return copy_of(m, base);
    }
    if (b->item_count + o->item_count > MERGE_ITEMS_MAX) {
        field_error(&m->ctx, over->place, "more than %d entries in both files together",
                    MERGE_ITEMS_MAX);
        return copy_of(m, base);
    }
    if (o->type == JSON_ARRAY)
        return merge_lists(m, rule->same, b, o);
    if (o->type != JSON_OBJECT)
        return copy_of(m, over);
    return rule->how == MERGE_LOGGING ? merge_logging(m, b, o) : merge_maps(m, b, o);
}

struct json *stack_merge(struct arena *a, const struct json *base, const struct json *over,
                         struct stack_problems *problems)
{
    struct merge m = { .ctx = { .arena = a, .problems = problems } };
    return merge_nodes(&m, base, over);
}

struct json *stack_merge_service(struct arena *a, const char *name, const struct json *base,
                                 const struct json *over, struct stack_problems *problems)
{
    struct merge m = { .ctx = { .arena = a, .problems = problems }, .keys = { "services", name } };
    m.depth = 2;
    (void)field_enter(&m.ctx, "services");
    (void)field_enter(&m.ctx, name);
    struct json *merged = merge_nodes(&m, base, over);
    merged->key = over->key;
    merged->key_place = over->key_place;
    return merged;
}

/* Recursion is bounded by JSON_DEPTH_MAX. */
struct json *stack_merge_finish(struct arena *a, const struct json *doc)
{
    struct json *out = arena_alloc(a, sizeof(*out));
    *out = *doc;
    if (!doc->item_count)
        return out;
    out->items = arena_alloc(a, doc->item_count * sizeof(*out->items));
    out->item_count = 0;
    for (size_t i = 0; i < doc->item_count; i++)
        if (doc->items[i]->tag != JSON_TAG_RESET)
            out->items[out->item_count++] = stack_merge_finish(a, doc->items[i]);
    return out;
}
