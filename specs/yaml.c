#include "specs/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "runtime/base/str.h"
#include "specs/json_build.h"
#include "specs/utf8.h"
#include "specs/yaml_scalar.h"

struct anchor {
    const char *name;
    const struct json *node;
    size_t count; /* of nodes, once it is complete */
    size_t nodes_before;
    size_t depth; /* of a container that is still open; 0: complete */
};

struct reader {
    struct json_builder build;
    struct stack_problems *problems;
    const char *file, *text;
    size_t len;
    bool is_ascii;
    /* Where line `line` (from 0) begins, moving forward only. */
    size_t line, line_start;
    size_t document_count;
    yaml_parser_t parser;
    struct anchor anchors[YAML_ANCHORS_MAX];
    size_t anchor_count;
};

/* A key of this very address is YAML's merge key; "<<" in quotes is a key like others. */
static const char merge_key[] = "<<";

/* libyaml counts columns in characters, we in bytes. */
static struct json_place place_of(struct reader *r, yaml_mark_t mark)
{
    size_t column = mark.column;
    if (!r->is_ascii) {
        if (mark.line < r->line)
            r->line = r->line_start = 0;
        while (r->line < mark.line) {
            const char *newline = memchr(r->text + r->line_start, '\n', r->len - r->line_start);
            if (!newline)
                break;
            r->line_start = (size_t)(newline - r->text) + 1;
            r->line++;
        }
        size_t at = r->line_start;
        for (size_t n = 0; n < mark.column && at < r->len; n++)
            do
                at++;
            while (at < r->len && ((unsigned char)r->text[at] & 0xC0) == 0x80);
        column = at - r->line_start;
    }
    return (struct json_place){ r->file, (uint32_t)mark.line + 1, (uint32_t)column + 1 };
}

/* ---- anchors ---- */

static struct anchor *find_anchor(struct reader *r, const char *name)
{
    for (size_t i = 0; i < r->anchor_count; i++)
        if (str_eq(r->anchors[i].name, name))
            return &r->anchors[i];
    return NULL;
}

/* NODE, just made, is what NAME means from here on (a later anchor of the same name wins). */
static int set_anchor(struct reader *r, const yaml_char_t *name, const struct json *node,
                      bool is_open)
{
    if (!name)
        return 0;
    struct anchor *anchor = find_anchor(r, (const char *)name);
    if (!anchor) {
        if (r->anchor_count == YAML_ANCHORS_MAX)
            return json_build_fail(&r->build, node->place, "more than %d anchors",
                                   YAML_ANCHORS_MAX);
        anchor = &r->anchors[r->anchor_count++];
        anchor->name = arena_strdup(r->build.arena, (const char *)name);
        if (!anchor->name)
            return json_build_fail(&r->build, node->place, "the document needs too much memory");
    }
    anchor->node = node;
    anchor->count = 1;
    anchor->nodes_before = r->build.node_count;
    anchor->depth = is_open ? r->build.depth : 0;
    return 0;
}

/* The container at the present depth has ended. */
static void close_anchors(struct reader *r, size_t depth)
{
    for (size_t i = 0; i < r->anchor_count; i++)
        if (r->anchors[i].depth == depth) {
            r->anchors[i].depth = 0;
            r->anchors[i].count = r->build.node_count - r->anchors[i].nodes_before + 1;
        }
}

static int on_alias(struct reader *r, const yaml_event_t *event, struct json_place at)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = find_anchor(r, name);
    if (!anchor)
        return json_build_fail(&r->build, at, "*%.80s: there is no anchor of this name above",
                               name);
    if (anchor->depth)
        return json_build_fail(&r->build, at, "*%.80s stands inside of what it refers to", name);
    return json_build_share(&r->build, anchor->node, anchor->count, at) ? 0 : -1;
}

/* ---- tags ---- */

enum tag_kind {
    TAG_NONE,
    TAG_TEXT, /* "!" and !!str: no words, no numbers */
    TAG_TYPE, /* of YAML's own: the value must be one */
    TAG_COMPOSE
};
static const struct tag {
    const char *name;
    enum tag_kind kind;
    enum json_type type;
    enum json_tag tag;
} tags[] = {
    { "!", TAG_TEXT, JSON_STRING, JSON_TAG_NONE },
    { YAML_STR_TAG, TAG_TEXT, JSON_STRING, JSON_TAG_NONE },
    { YAML_NULL_TAG, TAG_TYPE, JSON_NULL, JSON_TAG_NONE },
    { YAML_BOOL_TAG, TAG_TYPE, JSON_BOOL, JSON_TAG_NONE },
    { YAML_INT_TAG, TAG_TYPE, JSON_NUMBER, JSON_TAG_NONE },
    { YAML_FLOAT_TAG, TAG_TYPE, JSON_NUMBER, JSON_TAG_NONE },
    { YAML_SEQ_TAG, TAG_TYPE, JSON_ARRAY, JSON_TAG_NONE },
    { YAML_MAP_TAG, TAG_TYPE, JSON_OBJECT, JSON_TAG_NONE },
    { "!reset", TAG_COMPOSE, JSON_NULL, JSON_TAG_RESET },
    { "!override", TAG_COMPOSE, JSON_NULL, JSON_TAG_OVERRIDE },
};

/* *out is NULL without a tag. */
static int find_tag(struct reader *r, const yaml_char_t *name, struct json_place at,
                    const struct tag **out)
{
    *out = NULL;
    if (!name)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        if (str_eq(tags[i].name, (const char *)name)) {
            *out = &tags[i];
            return 0;
        }
    (void)json_build_fail(&r->build, at, "unknown tag \"%.80s\"", (const char *)name);
    err_hint(r->build.e, "quote the value if it is text; Compose's tags are !reset and !override");
    return -1;
}

static int check_type(struct reader *r, const struct tag *tag, const struct json *n)
{
    if (!tag || tag->kind != TAG_TYPE || tag->type == n->type)
        return 0;
    return json_build_fail(&r->build, n->place, "the tag says %s and the value is %s",
                           json_type_name(tag->type), json_type_name(n->type));
}

/* ---- scalars ---- */

static void warn_older(struct reader *r, struct json_place at, const char *text, const char *older)
{
    char what[200];
    (void)snprintf(what, sizeof(what), "%s is text here, but older YAML readers take it for %s",
                   text, older);
    struct stack_problem *p = problem_add(r->problems, true, at, "", what);
    if (p)
        (void)snprintf(p->hint, sizeof(p->hint), "write \"%s\" to be clear", text);
}

static int fill_scalar(struct reader *r, struct json *n, const yaml_event_t *event,
                       const struct tag *tag)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool has_type = tag && tag->kind == TAG_TYPE;
    struct yaml_scalar s = { .type = JSON_STRING };
    if ((is_plain && !(tag && tag->kind == TAG_TEXT)) || has_type)
        yaml_scalar_resolve(text, len, &s);
    n->type = s.type;
    n->boolean = s.boolean;
    if (s.type == JSON_NUMBER) {
        text = s.number;
        len = strlen(s.number);
    }
    if (s.type == JSON_NUMBER || s.type == JSON_STRING) {
        n->text = json_build_text(&r->build, n->place, text, len);
        n->text_len = len;
        if (!n->text)
            return -1;
    }
    if (s.older)
        warn_older(r, n->place, n->text, s.older);
    return 0;
}

static int on_scalar(struct reader *r, const yaml_event_t *event, struct json_place at)
{
    const struct tag *tag;
    if (memchr(event->data.scalar.value, '\0', event->data.scalar.length))
        return json_build_fail(&r->build, at, "a string may not contain \\0");
    if (find_tag(r, event->data.scalar.tag, at, &tag) < 0)
        return -1;
    struct json *n = json_build_node(&r->build, JSON_STRING, at);
    if (!n || fill_scalar(r, n, event, tag) < 0 || check_type(r, tag, n) < 0)
        return -1;
    n->tag = tag ? tag->tag : JSON_TAG_NONE;
    return set_anchor(r, event->data.scalar.anchor, n, false);
}

/* ---- keys ---- */

/* The innermost container is an object, and the next node is a key. */
static bool wants_key(const struct reader *r)
{
    const struct json_builder *b = &r->build;
    return b->depth > 0 && b->frames[b->depth - 1].node->type == JSON_OBJECT && !b->key;
}

static int on_key(struct reader *r, const yaml_event_t *event, struct json_place at)
{
    const char *text = NULL;
    size_t len = 0;
    bool is_plain = false;
    if (event->type == YAML_SCALAR_EVENT) {
        text = (const char *)event->data.scalar.value;
        len = event->data.scalar.length;
        is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    } else if (event->type == YAML_ALIAS_EVENT) {
        const struct anchor *anchor = find_anchor(r, (const char *)event->data.alias.anchor);
        text = anchor ? anchor->node->text : NULL;
        len = text ? strlen(text) : 0;
    }
    if (!text || memchr(text, '\0', len))
        return json_build_fail(&r->build, at, "a key must be text");
    if (!len)
        return json_build_fail(&r->build, at, "a key is missing before the colon");
    bool is_merge = is_plain && str_eq(text, merge_key);
    r->build.key = is_merge ? merge_key : json_build_text(&r->build, at, text, len);
    r->build.key_place = at;
    return r->build.key ? 0 : -1;
}

/* ---- merge keys ---- */

struct member {
    struct json *node;
    size_t rank; /* 0: written here; from 1: by merge, the first one first */
    size_t order;
};
struct members {
    struct member *items;
    size_t count, cap;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = strcmp(x->node->key, y->node->key);
    if (order)
        return order;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int compare_orders(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void add_member(struct members *m, struct json *node, size_t rank)
{
    m->items = mem_grow(m->items, &m->cap, m->count + 1, sizeof(*m->items));
    m->items[m->count] = (struct member){ node, rank, m->count };
    m->count++;
}

static int add_merged(struct reader *r, struct members *m, const struct json *value, size_t *rank)
{
    if (value->type == JSON_OBJECT) {
        (*rank)++;
        for (size_t i = 0; i < value->item_count; i++)
            add_member(m, value->items[i], *rank);
        return 0;
    }
    for (size_t i = 0; value->type == JSON_ARRAY && i < value->item_count; i++)
        if (value->items[i]->type != JSON_OBJECT ||
            add_merged(r, m, value->items[i], rank) < 0) /* one level: a list of maps */
            return json_build_fail(&r->build, value->items[i]->place,
                                   "\"<<\" takes maps only, not %s",
                                   json_type_name(value->items[i]->type));
    return value->type == JSON_ARRAY
               ? 0
               : json_build_fail(&r->build, value->place, "\"<<\" takes a map or a list of maps");
}

/* Of members of one key the one that was written here stays, else the first; two that were written
 * here both stay, to be found by json_build_end. */
static void drop_overridden(struct members *m)
{
    size_t kept = 0;
    qsort(m->items, m->count, sizeof(*m->items), compare_members);
    for (size_t i = 0; i < m->count; i++)
        if (!kept || m->items[i].rank == 0 ||
            strcmp(m->items[kept - 1].node->key, m->items[i].node->key) != 0)
            m->items[kept++] = m->items[i];
    m->count = kept;
    qsort(m->items, m->count, sizeof(*m->items), compare_orders);
}

/* YAML's merge key type (yaml.org/type/merge.html): what is written here goes before what is
 * merged, earlier maps before later ones. */
static int merge(struct reader *r)
{
    struct json_frame *f = &r->build.frames[r->build.depth - 1];
    struct members m = { 0 };
    size_t rank = 0;
    int result = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->items[i]->key != merge_key)
            add_member(&m, f->items[i], 0);
    bool has_merge = m.count < f->count;
    for (size_t i = 0; has_merge && result == 0 && i < f->count; i++)
        if (f->items[i]->key == merge_key)
            result = add_merged(r, &m, f->items[i], &rank);
    if (has_merge && result == 0) {
        drop_overridden(&m);
        f->items = mem_grow(f->items, &f->cap, m.count, sizeof(*f->items));
        for (size_t i = 0; i < m.count; i++)
            f->items[i] = m.items[i].node;
        f->count = m.count;
    }
    free(m.items);
    return result;
}

/* ---- containers ---- */

static int on_begin(struct reader *r, enum json_type type, const yaml_char_t *tag_name,
                    const yaml_char_t *anchor, struct json_place at)
{
    const struct tag *tag;
    if (find_tag(r, tag_name, at, &tag) < 0 || json_build_begin(&r->build, type, at) < 0)
        return -1;
    struct json *n = r->build.frames[r->build.depth - 1].node;
    if (tag && tag->kind == TAG_TEXT && *tag->name != '!')
        return json_build_fail(&r->build, at, "the tag says string and the value is %s",
                               json_type_name(type));
    n->tag = tag ? tag->tag : JSON_TAG_NONE;
    return check_type(r, tag, n) < 0 ? -1 : set_anchor(r, anchor, n, true);
}

static int on_end(struct reader *r)
{
    size_t depth = r->build.depth;
    bool is_object = r->build.frames[depth - 1].node->type == JSON_OBJECT;
    if ((is_object && merge(r) < 0) || json_build_end(&r->build) < 0)
        return -1;
    close_anchors(r, depth);
    return 0;
}

static int on_event(struct reader *r, const yaml_event_t *event)
{
    struct json_place at = place_of(r, event->start_mark);
    bool is_node = event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT ||
                   event->type == YAML_SEQUENCE_START_EVENT ||
                   event->type == YAML_MAPPING_START_EVENT;
    if (is_node && wants_key(r))
        return on_key(r, event, at);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->document_count++ > 0)
            return json_build_fail(&r->build, at, "a second document begins here; one file is one");
        return 0;
    case YAML_SCALAR_EVENT: return on_scalar(r, event, at);
    case YAML_ALIAS_EVENT: return on_alias(r, event, at);
    case YAML_SEQUENCE_START_EVENT:
        return on_begin(r, JSON_ARRAY, event->data.sequence_start.tag,
                        event->data.sequence_start.anchor, at);
    case YAML_MAPPING_START_EVENT:
        return on_begin(r, JSON_OBJECT, event->data.mapping_start.tag,
                        event->data.mapping_start.anchor, at);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return on_end(r);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: break;
    }
    return 0;
}

/* ---- syntax ---- */

/* What libyaml says, and what people can use. */
static const struct {
    const char *yaml, *what, *hint;
} syntax_errors[] = {
    { "cannot start any token", "unexpected character",
      "indent with spaces, never with tabs; "
      "text that begins with @ or ` is quoted" },
    { "mapping values are not allowed", "a \":\" does not fit here",
      "indent the key like those beside it; quote text that contains \": \"" },
    { "could not find expected ':'", "a colon is missing after the key", "KEY: VALUE" },
    { "did not find expected key", "the indentation of this line fits nothing above it",
      "keys of one map begin in the same column" },
    { "did not find expected '-' indicator", "a \"-\" is expected here",
      "items of one list begin in the same column" },
    { "did not find expected node content", "a value is missing here", NULL },
    { "found unexpected end of stream", "the quoted text has no closing quote", NULL },
    { "block sequence entries are not allowed", "a list does not fit here",
      "begin it on the next line" },
    { "found a tab character", "a tab in the indentation", "indent with spaces" },
    { "did not find expected ',' or", "a comma or a closing bracket is expected here", NULL },
    { "found unknown escape character", "unknown escape in a text in double quotes",
      "\\\\ is a backslash; text in single quotes has no escapes" },
    { "found undefined tag handle", "unknown tag", "quote text that begins with \"!\"" },
    { "did not find expected alphabetic or numeric character", "a name is missing after & or *",
      "quote text that begins with \"*\" or \"&\"" },
};

static void syntax_set(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *said = p->problem ? p->problem : "this is not YAML";
    struct json_place at = place_of(r, p->problem_mark);
    for (size_t i = 0; i < ARRAY_LEN(syntax_errors); i++)
        if (strstr(said, syntax_errors[i].yaml)) {
            (void)json_build_fail(&r->build, at, "%s", syntax_errors[i].what);
            if (syntax_errors[i].hint)
                err_hint(r->build.e, "%s", syntax_errors[i].hint);
            return;
        }
    (void)json_build_fail(&r->build, at, "%s", said);
}

static int read_all(struct reader *r)
{
    bool is_over = false;
    int result = 0;
    if (!yaml_parser_initialize(&r->parser))
        return json_build_fail(&r->build, (struct json_place){ r->file, 0, 0 }, "out of memory");
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->text, r->len);
    while (result == 0 && !is_over) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) {
            syntax_set(r);
            result = -1;
            break;
        }
        is_over = event.type == YAML_STREAM_END_EVENT;
        result = on_event(r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&r->parser);
    if (result == 0 && !r->build.root)
        return json_build_fail(&r->build, (struct json_place){ r->file, 1, 1 },
                               "the file is empty");
    return result;
}

/* Where the bytes stop being UTF-8. */
static struct json_place place_of_byte(const struct reader *r, size_t offset)
{
    struct json_place at = { r->file, 1, 1 };
    size_t line_start = 0;
    for (size_t i = 0; i < offset; i++)
        if (r->text[i] == '\n') {
            at.line++;
            line_start = i + 1;
        }
    at.column = (uint32_t)(offset - line_start) + 1;
    return at;
}

static bool is_all_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

int yaml_parse_placed(struct arena *a, const char *file, const char *text, size_t len,
                      struct stack_problems *problems, struct json **out, struct json_place *at,
                      struct err *e)
{
    static const char mark[] = "\xEF\xBB\xBF";
    if (len >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        len -= 3;
    }
    struct reader *r = mem_alloc(sizeof(*r));
    *r = (struct reader){ .build = { .arena = a, .e = e },
                          .problems = problems,
                          .file = file ? arena_strdup(a, file) : NULL,
                          .text = text,
                          .len = len,
                          .is_ascii = is_all_ascii(text, len) };
    int rc = -1;
    if (len > JSON_BYTES_MAX)
        (void)json_build_fail(&r->build, (struct json_place){ r->file, 0, 0 },
                              "the document is larger than %d bytes", JSON_BYTES_MAX);
    else if (utf8_check(text, len) < len)
        (void)json_build_fail(&r->build, place_of_byte(r, utf8_check(text, len)),
                              "the text is not valid UTF-8");
    else
        rc = read_all(r);
    if (rc == 0)
        *out = r->build.root;
    else
        *at = r->build.failed_at;
    json_build_done(&r->build);
    free(r);
    return rc;
}
