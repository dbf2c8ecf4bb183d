#include "specs/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "specs/json_build.h"
#include "specs/utf8.h"

struct reader {
    struct json_builder build;
    const char *file;
    const char *text;
    size_t len;
    bool is_complete; /* yajl has seen all of it */
    size_t token_end; /* where the last token ended: the next one begins after it */
    /* Where `counted` is, moving forward only. */
    size_t counted;
    uint32_t line;
    size_t line_start;
    yajl_handle yajl;
};

static struct json_place place_at(struct reader *r, size_t offset)
{
    while (r->counted < offset) {
        const char *from = r->text + r->counted;
        const char *newline = memchr(from, '\n', offset - r->counted);
        if (!newline) {
            r->counted = offset;
            break;
        }
        r->counted = (size_t)(newline - r->text) + 1;
        r->line++;
        r->line_start = r->counted;
    }
    /* A place before what was counted is on the same line, or it is found again from the top. */
    if (offset < r->line_start) {
        r->counted = r->line_start = 0;
        r->line = 1;
        return place_at(r, offset);
    }
    return (struct json_place){ r->file, r->line, (uint32_t)(offset - r->line_start) + 1 };
}

static bool is_between_tokens(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == ':';
}

/* The grammar is yajl's business: a token that it reports begins at the first character after the
 * previous token that is neither white space nor punctuation. */
static size_t token_start(const struct reader *r)
{
    size_t at = r->token_end;
    while (at < r->len && is_between_tokens(r->text[at]))
        at++;
    return at;
}

static void token_done(struct reader *r)
{
    /* The last number ends with the text, when yajl_complete_parse counts from zero. */
    r->token_end = r->is_complete ? r->len : yajl_get_bytes_consumed(r->yajl);
}

static struct json *node_new(struct reader *r, enum json_type type)
{
    return json_build_node(&r->build, type, place_at(r, token_start(r)));
}

static int scalar_new(struct reader *r, enum json_type type, bool boolean)
{
    struct json *n = node_new(r, type);
    if (!n)
        return 0;
    n->boolean = boolean;
    token_done(r);
    return 1;
}

static int on_null(void *self)
{
    return scalar_new(self, JSON_NULL, false);
}

static int on_boolean(void *self, int value)
{
    return scalar_new(self, JSON_BOOL, value != 0);
}

static int on_number(void *self, const char *text, size_t len)
{
    struct reader *r = self;
    struct json *n = node_new(r, JSON_NUMBER);
    if (!n || !(n->text = json_build_text(&r->build, n->place, text, len)))
        return 0;
    n->text_len = len;
    token_done(r);
    return 1;
}

static unsigned hex4(const char *p)
{
    char digits[5] = { p[0], p[1], p[2], p[3], '\0' };
    return (unsigned)strtoul(digits, NULL, 16);
}

/* yajl decodes a lone surrogate escape to a question mark or to bytes that are not UTF-8: RFC 8259
 * §8.2 calls the result unpredictable, so it is refused. */
static size_t lone_surrogate(const char *raw, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (raw[i] != '\\')
            continue;
        if (raw[i + 1] != 'u' || len - i < 6) {
            i++;
            continue;
        }
        unsigned unit = hex4(raw + i + 2);
        if (unit >= 0xD800 && unit < 0xDC00 && len - i >= 12 && raw[i + 6] == '\\' &&
            raw[i + 7] == 'u') {
            unsigned low = hex4(raw + i + 8);
            if (low >= 0xDC00 && low < 0xE000) {
                i += 11;
                continue;
            }
        }
        if (unit >= 0xD800 && unit < 0xE000)
            return i;
        i += 5;
    }
    return len;
}

/* A string's copy in the arena, NULL with the error set when it holds what no name or value of
 * ours can. */
static const char *string_copy(struct reader *r, const unsigned char *s, size_t len)
{
    size_t start = token_start(r);
    if (memchr(s, '\0', len)) {
        (void)json_build_fail(&r->build, place_at(r, start), "a string may not contain \\u0000");
        return NULL;
    }
    const char *raw = r->text + start;
    size_t raw_len = yajl_get_bytes_consumed(r->yajl) - start;
    size_t lone = lone_surrogate(raw, raw_len);
    if (lone < raw_len) {
        (void)json_build_fail(&r->build, place_at(r, start + lone),
                              "%.6s is half of a surrogate pair", raw + lone);
        return NULL;
    }
    return json_build_text(&r->build, place_at(r, start), (const char *)s, len);
}

static int on_string(void *self, const unsigned char *s, size_t len)
{
    struct reader *r = self;
    const char *copy = string_copy(r, s, len);
    struct json *n = copy ? node_new(r, JSON_STRING) : NULL;
    if (!n)
        return 0;
    n->text = copy;
    n->text_len = len;
    token_done(r);
    return 1;
}

static int on_key(void *self, const unsigned char *s, size_t len)
{
    struct reader *r = self;
    r->build.key = string_copy(r, s, len);
    if (!r->build.key)
        return 0;
    r->build.key_place = place_at(r, token_start(r));
    token_done(r);
    return 1;
}

static int container_begin(struct reader *r, enum json_type type)
{
    if (json_build_begin(&r->build, type, place_at(r, token_start(r))) < 0)
        return 0;
    token_done(r);
    return 1;
}

static int container_end(struct reader *r)
{
    if (json_build_end(&r->build) < 0)
        return 0;
    token_done(r);
    return 1;
}

static int on_object_begin(void *self)
{
    return container_begin(self, JSON_OBJECT);
}

static int on_array_begin(void *self)
{
    return container_begin(self, JSON_ARRAY);
}

static int on_container_end(void *self)
{
    return container_end(self);
}

static const yajl_callbacks reader_callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object_begin,
    .yajl_map_key = on_key,
    .yajl_end_map = on_container_end,
    .yajl_start_array = on_array_begin,
    .yajl_end_array = on_container_end,
};

/* Where yajl's "consumed" stands when it fails, as seen from the byte to be blamed. */
enum blame {
    BLAME_TOKEN, /* the token that it stopped in */
    BLAME_LAST,  /* the last byte consumed */
    BLAME_NEXT   /* the byte after: the lexer puts it back */
};

/* What yajl says, and what people can use. */
static const struct {
    const char *yajl;
    const char *what;
    enum blame blame;
} syntax_errors[] = {
    { "unallowed token at this point", "a value is expected here", BLAME_TOKEN },
    { "invalid object key", "a key in double quotes is expected here", BLAME_TOKEN },
    { "object key and value must be separated", "a colon is missing after the key", BLAME_TOKEN },
    { "after key and value, inside map", "a comma or \"}\" is expected here", BLAME_TOKEN },
    { "after array element", "a comma or \"]\" is expected here", BLAME_TOKEN },
    { "trailing garbage", "nothing may follow the document", BLAME_TOKEN },
    { "inside a string, '\\' occurs before", "unknown escape in a string", BLAME_NEXT },
    { "invalid character inside string", "a control character or line end inside a string",
      BLAME_NEXT },
    { "invalid (non-hex) character", "\\u is followed by four hexadecimal digits", BLAME_NEXT },
    { "invalid char in json text", "unexpected character", BLAME_LAST },
    { "invalid string in json text", "unknown word", BLAME_TOKEN },
    { "a digit is required after the exponent", "a digit is missing after the exponent",
      BLAME_NEXT },
    { "a digit is required after the decimal", "a digit is missing after the decimal point",
      BLAME_NEXT },
    { "a digit is required after the minus", "a digit is missing after the minus sign",
      BLAME_NEXT },
    { "probable comment", "JSON has no comments", BLAME_TOKEN }
};

/* Where the token that yajl stopped in begins: at most what it has consumed, past all punctuation
 * before it (the token may be punctuation itself). */
static size_t bad_token_start(const struct reader *r, size_t consumed)
{
    size_t at = r->token_end;
    while (at + 1 < consumed && at < r->len && is_between_tokens(r->text[at]))
        at++;
    while (at < r->len && strchr(" \t\r\n", r->text[at]) && r->text[at])
        at++;
    return at < r->len ? at : r->len;
}

/* A comma right before AT, with white space between. */
static bool has_comma_before(const struct reader *r, size_t at)
{
    while (at > 0 && strchr(" \t\r\n", r->text[at - 1]))
        at--;
    return at > 0 && r->text[at - 1] == ',';
}

/* The document ended too early, or a string did. */
static void syntax_end(struct reader *r)
{
    size_t at = token_start(r);
    if (at < r->len && r->text[at] == '"')
        (void)json_build_fail(&r->build, place_at(r, at),
                              "the string that begins here has no closing quote");
    else if (at < r->len)
        (void)json_build_fail(&r->build, place_at(r, at), "the file ends inside of a value");
    else if (r->build.depth > 0) {
        const struct json *open = r->build.frames[r->build.depth - 1].node;
        (void)json_build_fail(&r->build, place_at(r, r->len),
                              "the file ends inside of the %s that begins at line %u",
                              json_type_name(open->type), open->place.line);
    } else
        (void)json_build_fail(&r->build, place_at(r, r->len), "the file is empty");
}

static void syntax_set(struct reader *r, size_t consumed)
{
    unsigned char *said = yajl_get_error(r->yajl, 0, NULL, 0);
    const char *text = (const char *)said;
    if (strstr(text, "premature EOF")) {
        syntax_end(r);
        yajl_free_error(r->yajl, said);
        return;
    }
    const char *what = text;
    size_t at = bad_token_start(r, consumed);
    for (size_t i = 0; i < ARRAY_LEN(syntax_errors); i++)
        if (strstr(text, syntax_errors[i].yajl)) {
            what = syntax_errors[i].what;
            if (syntax_errors[i].blame != BLAME_TOKEN && consumed > at)
                at = syntax_errors[i].blame == BLAME_LAST ? consumed - 1 : consumed;
            break;
        }
    char c = at < r->len ? r->text[at] : '\0';
    if ((c == '}' || c == ']') && has_comma_before(r, at))
        what = "the comma before this bracket is one too many";
    (void)json_build_fail(&r->build, place_at(r, at), "%s", what);
    if (c == '\'' || (c >= 'A' && c <= 'z' && strstr(text, "json text")))
        err_hint(r->build.e, "names and strings stand in double quotes");
    yajl_free_error(r->yajl, said);
}

static void *yajl_alloc_(void *ctx, size_t size)
{
    (void)ctx;
    return mem_alloc(size);
}

static void *yajl_realloc_(void *ctx, void *p, size_t size)
{
    (void)ctx;
    return mem_realloc(p, size);
}

static void yajl_free_(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

static int read_all(struct reader *r)
{
    yajl_alloc_funcs alloc = { yajl_alloc_, yajl_realloc_, yajl_free_, NULL };
    r->yajl = yajl_alloc(&reader_callbacks, &alloc, r);
    /* UTF-8 is checked before, and more strictly than yajl does it. */
    (void)yajl_config(r->yajl, yajl_dont_validate_strings, 1);
    yajl_status status = yajl_parse(r->yajl, (const unsigned char *)r->text, r->len);
    size_t consumed = yajl_get_bytes_consumed(r->yajl);
    if (status == yajl_status_ok) {
        r->is_complete = true;
        status = yajl_complete_parse(r->yajl);
        consumed = r->len;
    }
    if (status == yajl_status_error)
        syntax_set(r, consumed);
    yajl_free(r->yajl);
    json_build_done(&r->build);
    return status == yajl_status_ok ? 0 : -1;
}

int json_parse_placed(struct arena *a, const char *file, const char *text, size_t len,
                      struct json **out, struct json_place *at, struct err *e)
{
    static const char mark[] = "\xEF\xBB\xBF";
    if (len >= 3 && memcmp(text, mark, 3) == 0) { /* RFC 8259 §8.1: may be ignored */
        text += 3;
        len -= 3;
    }
    struct reader *r = mem_alloc(sizeof(*r));
    r->build.arena = a;
    r->file = file ? arena_strdup(a, file) : NULL;
    r->text = text;
    r->len = len;
    r->line = 1;
    r->build.e = e;
    int rc = -1;
    size_t bad = len > JSON_BYTES_MAX ? len : utf8_check(text, len);
    if (len > JSON_BYTES_MAX)
        (void)json_build_fail(&r->build, place_at(r, JSON_BYTES_MAX),
                              "the document is larger than %d bytes", JSON_BYTES_MAX);
    else if (bad < len)
        (void)json_build_fail(&r->build, place_at(r, bad), "the text is not valid UTF-8");
    else
        rc = read_all(r);
    if (rc == 0)
        *out = r->build.root;
    else
        *at = r->build.failed_at;
    free(r);
    return rc;
}

int json_parse(struct arena *a, const char *file, const char *text, size_t len, struct json **out,
               struct err *e)
{
    struct json_place at = { 0 };
    if (json_parse_placed(a, file, text, len, out, &at, e) == 0)
        return 0;
    if (file)
        return err_wrap(e, "%s:%u:%u", file, at.line, at.column);
    return err_wrap(e, "%u:%u", at.line, at.column);
}

int json_load(struct arena *a, int dir_fd, const char *path, struct json **out, struct err *e)
{
    auto_buf struct buf text = { 0 };
    buf_init(&text, JSON_BYTES_MAX);
    if (fd_read_file(dir_fd, path, &text, e) < 0)
        return -1;
    return json_parse(a, path, text.data ? text.data : "", text.len, out, e);
}

const struct json *json_find(const struct json *obj, const char *key)
{
    if (!obj || obj->type != JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < obj->item_count; i++)
        if (strcmp(obj->items[i]->key, key) == 0)
            return obj->items[i];
    return NULL;
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[JSON_TYPE_COUNT_] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean", [JSON_NUMBER] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array",  [JSON_OBJECT] = "object",
    };
    return names[type];
}

const char *json_find_string(const struct json *obj, const char *key, const char *fallback)
{
    const struct json *member = json_find(obj, key);
    return member && member->type == JSON_STRING ? member->text : fallback;
}

int json_to_i64(const struct json *node, int64_t *out)
{
    if (!node || node->type != JSON_NUMBER)
        return -1;
    return str_to_i64(node->text, INT64_MIN, INT64_MAX, out);
}
