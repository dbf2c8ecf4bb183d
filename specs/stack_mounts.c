#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"
#include "specs/units.h"

struct mount_draft {
    struct stack_mount m;
    int kind; /* index in mount_kinds; -1: not given */
    const char *source, *target;
    bool create_source;
};

static const char *const mount_kinds[] = { "bind", "volume", "tmpfs", NULL };
_Static_assert(STACK_MOUNT_BIND == 0 && STACK_MOUNT_VOLUME == 1 && STACK_MOUNT_TMPFS == 2,
               "the order of mount_kinds");

bool decode_file_mode(struct field_ctx *ctx, const struct json *node, uint32_t *out)
{
    int64_t n;
    if (node->type == JSON_STRING) { /* as people write modes: octal */
        char *end;
        unsigned long mode = strtoul(node->text, &end, 8);
        if (*end || !node->text_len || mode > 07777) {
            field_error(ctx, node->place, "\"%.20s\" is not a file mode", node->text);
            return false;
        }
        n = (int64_t)mode;
    } else if (!field_i64(ctx, node, 0, 07777, &n)) {
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

static void decode_mode(struct field_ctx *ctx, const struct json *node, void *base)
{
    (void)decode_file_mode(ctx, node, &((struct mount_draft *)base)->m.mode);
}

static void decode_nocopy(struct field_ctx *ctx, const struct json *node, void *base)
{
    bool is_wanted = true;
    (void)base;
    if (field_bool(ctx, node, &is_wanted) && !is_wanted)
        field_no_effect(ctx, node->key_place, "", "volumes begin empty in any case");
}

static const struct field bind_fields[] = {
    { "create_host_path", FIELD_BOOL, offsetof(struct mount_draft, create_source),
      .doc = "the source must be there in any case" },
    { "propagation", FIELD_REFUSED, .doc = "mount propagation is not supported yet" },
    { "selinux", FIELD_ACCEPTED, .doc = "SELinux labels are not changed" },
    { "recursive", FIELD_REFUSED, .doc = "binds are always recursive" },
};
static const struct field volume_fields[] = {
    { "nocopy", FIELD_CALL, .call = decode_nocopy, .doc = "volumes begin empty in any case" },
    { "subpath", FIELD_REFUSED, .doc = "a path inside a volume is not supported yet" },
    { "labels", FIELD_ACCEPTED, .doc = "nothing reads labels" },
};
static const struct field tmpfs_fields[] = {
    { "size", FIELD_SIZE, offsetof(struct mount_draft, m.size_bytes), .min = 4096,
      .doc = "at most this much memory" },
    { "mode", FIELD_CALL, .call = decode_mode, .doc = "permission bits of its top directory" },
};
static const struct field mount_fields[] = {
    { "type", FIELD_CHOICE, offsetof(struct mount_draft, kind), .names = mount_kinds,
      .flags = FIELD_NEED, .doc = "bind, volume or tmpfs" },
    { "source", FIELD_STRING, offsetof(struct mount_draft, source),
      .doc = "path on the machine, or name of a volume" },
    { "target", FIELD_STRING, offsetof(struct mount_draft, target), .flags = FIELD_NEED,
      .doc = "absolute path in the container" },
    { "read_only", FIELD_BOOL, offsetof(struct mount_draft, m.read_only),
      .doc = "with everything mounted below it" },
    { "bind", FIELD_OBJECT, .rows = bind_fields, .row_count = ARRAY_LEN(bind_fields),
      .doc = "options of a bind" },
    { "volume", FIELD_OBJECT, .rows = volume_fields, .row_count = ARRAY_LEN(volume_fields),
      .doc = "options of a volume" },
    { "tmpfs", FIELD_OBJECT, .rows = tmpfs_fields, .row_count = ARRAY_LEN(tmpfs_fields),
      .doc = "options of a tmpfs" },
    { "image", FIELD_REFUSED, .doc = "images come in a later version of svc" },
    { "consistency", FIELD_ACCEPTED, .doc = "there is one file system only" },
};
const struct field_table stack_mount_table = FIELD_TABLE(mount_fields);

/* A volume without a name belongs to the service and the path: the same one after a restart. */
static const char *anonymous_volume(struct stack_draft *d, struct json_place at,
                                    const char *service, const char *target)
{
    struct stack *s = d->stack;
    char *key = arena_printf(d->ctx.arena, "%s%s", service, target);
    for (char *p = key; *p; p++)
        if (!((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') && !(*p >= '0' && *p <= '9') && *p != '.')
            *p = '-';
    for (size_t i = 0; i < s->volume_count; i++)
        if (strcmp(s->volumes[i].key, key) == 0)
            return s->volumes[i].key;
    struct stack_volume v = { .key = key,
                              .name = arena_printf(d->ctx.arena, "%s_%s", s->name, key) };
    return decode_volume_add(&d->ctx, at, &v) ? key : NULL;
}

static void check_bind(struct field_ctx *ctx, const struct json *node, const struct mount_draft *md)
{
    struct stat st;
    if (!decode_checks_host(draft_of(ctx)) || stat(md->m.source, &st) == 0)
        return;
    decode_host_missing(ctx, node->place, md->m.source);
    field_hint(ctx, md->create_source ? "create it: svc does not, \"create_host_path\" comes in a "
                                        "later version"
                                      : "create it");
}

/* Kind, source and target are there; makes them the model's. */
static void mount_finish(struct field_ctx *ctx, const struct json *node, struct service_draft *sd,
                         struct mount_draft *md)
{
    struct stack_draft *d = draft_of(ctx);
    struct stack_mount *m = &md->m;
    m->kind = (enum stack_mount_kind)md->kind;
    m->place = node->place;
    if (!decode_inner_path(ctx, node, md->target, &m->target))
        return;
    if (strcmp(m->target, "/") == 0) {
        field_error(ctx, node->place, "nothing can be mounted over the whole root");
        return;
    }
    switch (m->kind) {
    case STACK_MOUNT_BIND:
        if (!md->source) {
            field_error(ctx, node->place, "a bind needs a source");
            return;
        }
        m->source = decode_path(d, node->place, md->source);
        check_bind(ctx, node, md);
        break;
    case STACK_MOUNT_VOLUME:
        if (!md->source)
            m->source = anonymous_volume(d, m->place, sd->s.name, m->target);
        else if (decode_volume_ref(ctx, node->place, md->source))
            m->source = md->source;
        if (!m->source)
            return;
        break;
    case STACK_MOUNT_TMPFS:
        if (md->source)
            field_error(ctx, node->place, "a tmpfs has no source");
        break;
    }
    struct stack_service *s = &sd->s;
    if (s->mount_count == STACK_MOUNTS_MAX)
        field_error(ctx, node->place, "more than %d mounts", STACK_MOUNTS_MAX);
    if (s->mount_count >= STACK_MOUNTS_MAX)
        return;
    s->mounts = decode_room(ctx->arena, s->mounts, s->mount_count, sizeof(*s->mounts));
    s->mounts[s->mount_count++] = *m;
}

/* False for a word that no short mount knows. */
static bool mount_option(struct field_ctx *ctx, const struct json *node, struct mount_draft *md,
                         const char *word)
{
    static const char selinux[] = "SELinux labels are not changed";
    static const char desktop[] = "there is one file system only";
    static const struct {
        const char *word, *reason; /* NULL: it is so in any case */
    } rows[] = {
        { "rw", NULL },           { "nocopy", NULL },    { "z", selinux },
        { "Z", selinux },         { "cached", desktop }, { "consistent", desktop },
        { "delegated", desktop },
    };
    if (strcmp(word, "ro") == 0) {
        md->m.read_only = true;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(word, rows[i].word) != 0)
            continue;
        if (rows[i].reason)
            field_no_effect(ctx, node->place, word, rows[i].reason);
        return true;
    }
    return false;
}

/* TEXT's parts between SEPARATOR, copied; at most CAP of them, the last one has the rest. */
static size_t split(struct arena *a, const char *text, char separator, char **parts, size_t cap)
{
    size_t n = 0;
    for (char *p = arena_strdup(a, text); p && n < cap; n++) {
        parts[n] = p;
        char *next = n + 1 < cap ? strchr(p, separator) : NULL;
        if (next)
            *next++ = '\0';
        p = next;
    }
    return n;
}

/* "SOURCE:TARGET:OPTIONS", "SOURCE:TARGET" or "TARGET". */
static void decode_short_mount(struct field_ctx *ctx, const struct json *node,
                               struct service_draft *sd)
{
    char *parts[3], *words[8];
    struct mount_draft md = { .kind = STACK_MOUNT_VOLUME };
    size_t n = split(ctx->arena, node->text, ':', parts, ARRAY_LEN(parts));
    size_t word_count = n == 3 ? split(ctx->arena, parts[2], ',', words, ARRAY_LEN(words)) : 0;
    for (size_t i = 0; i < word_count; i++)
        if (!mount_option(ctx, node, &md, words[i])) {
            field_error(ctx, node->place, "unknown mount option \"%.40s\" in \"%.100s\"", words[i],
                        node->text);
            field_hint(ctx, "short mounts are SOURCE:TARGET or SOURCE:TARGET:ro");
            return;
        }
    for (size_t i = 0; i < n; i++)
        if (!*parts[i]) {
            field_error(ctx, node->place, "\"%.100s\" has an empty part", node->text);
            return;
        }
    if (n == 0) {
        field_error(ctx, node->place, "must not be empty");
        return;
    }
    md.target = n == 1 ? parts[0] : parts[1];
    md.source = n == 1 ? NULL : parts[0];
    if (md.source && strchr("./~", md.source[0]))
        md.kind = STACK_MOUNT_BIND;
    mount_finish(ctx, node, sd, &md);
}

/* Options of a kind that the mount is not. */
static void check_other_kinds(struct field_ctx *ctx, const struct json *node, int kind)
{
    for (int i = 0; mount_kinds[i]; i++) {
        const struct json *options = i == kind ? NULL : json_find(node, mount_kinds[i]);
        if (!options || !options->item_count)
            continue;
        size_t mark = field_enter(ctx, mount_kinds[i]);
        field_error(ctx, options->key_place, "are options of another type, this is a %s",
                    mount_kinds[kind]);
        field_leave(ctx, mark);
    }
}

static void decode_long_mount(struct field_ctx *ctx, const struct json *node,
                              struct service_draft *sd)
{
    struct mount_draft md = {
        .kind = -1,
    };
    size_t before = ctx->problems->error_count;
    if (field_decode(ctx, node, mount_fields, ARRAY_LEN(mount_fields), &md) == 0 &&
        ctx->problems->error_count == before) {
        check_other_kinds(ctx, node, md.kind);
        mount_finish(ctx, node, sd, &md);
    }
}

void decode_mounts(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_ARRAY) {
        field_type_error(ctx, node, "a list");
        return;
    }
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        size_t mark = field_enter_index(ctx, i);
        if (item->type == JSON_STRING)
            decode_short_mount(ctx, item, base);
        else
            decode_long_mount(ctx, item, base);
        field_leave(ctx, mark);
    }
}

/* "/path:size=64m,mode=1777,ro" */
static void decode_one_tmpfs(struct field_ctx *ctx, const struct json *node,
                             struct service_draft *sd)
{
    char *parts[2] = { NULL, NULL }, *words[16];
    struct mount_draft md = { .kind = STACK_MOUNT_TMPFS };
    if (node->type != JSON_STRING || !node->text_len) {
        field_type_error(ctx, node, "a path, with options after a colon");
        return;
    }
    size_t n = split(ctx->arena, node->text, ':', parts, ARRAY_LEN(parts));
    size_t word_count = n == 2 ? split(ctx->arena, parts[1], ',', words, ARRAY_LEN(words)) : 0;
    for (size_t i = 0; i < word_count; i++) {
        char *end = NULL;
        const char *w = words[i];
        if (str_starts(w, "size=") && units_size(w + 5, &md.m.size_bytes) == 0)
            continue;
        if (str_starts(w, "mode=") && (md.m.mode = (uint32_t)strtoul(w + 5, &end, 8)) <= 07777 &&
            end && !*end && w[5])
            continue;
        /* A container's tmpfs is nosuid, nodev in any case. */
        if (strcmp(w, "nosuid") == 0 || strcmp(w, "nodev") == 0 || mount_option(ctx, node, &md, w))
            continue;
        if (strcmp(w, "noexec") == 0) {
            field_no_effect(ctx, node->place, w, "programs on a tmpfs can be run");
            continue;
        }
        field_error(ctx, node->place, "unknown tmpfs option \"%.60s\"", w);
        field_hint(ctx, "known are size=, mode=, ro");
        return;
    }
    md.target = parts[0];
    mount_finish(ctx, node, sd, &md);
}

void decode_tmpfs(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_ARRAY) {
        decode_one_tmpfs(ctx, node, base);
        return;
    }
    for (size_t i = 0; i < node->item_count; i++) {
        size_t mark = field_enter_index(ctx, i);
        decode_one_tmpfs(ctx, node->items[i], base);
        field_leave(ctx, mark);
    }
}
