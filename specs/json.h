#pragma once
/* JSON in and out: the positioned tree that every document of ours becomes, and a writer.
 *
 * Reading: json_parse makes a tree whose nodes know their line and column, in the document's arena.
 * Limits (JSON_LIMITS below) are checked while reading; duplicate keys are an error (the second
 * one's place). yajl is used by json.c only; its types do not leak. Nodes are immutable once read
 * (interpolation and merge make new ones). Pure: no system calls; threads: none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/mem.h"

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
    JSON_TYPE_COUNT_
};

/* What Compose's tags of YAML say about merging; always JSON_TAG_NONE in JSON. */
enum json_tag {
    JSON_TAG_NONE,
    JSON_TAG_RESET,    /* !reset: as if the key were nowhere */
    JSON_TAG_OVERRIDE, /* !override: in place of what came before, not merged */
};

struct json_place {
    const char *file; /* as the user named it; NULL: not from a file */
    uint32_t line;    /* from 1; 0: unknown */
    uint32_t column;  /* from 1, in bytes */
};

/* A number keeps its source text in `text`. Object members keep their order; for a member,
 * `key` is its name and `key_place` where the name stands. */
struct json {
    enum json_type type;
    enum json_tag tag;
    struct json_place place;
    struct json_place key_place;
    const char *key;     /* NULL for array items and the root */
    const char *text;    /* JSON_STRING, JSON_NUMBER: NUL-terminated; never NULL for these */
    size_t text_len;     /* a string with a NUL inside is refused at reading */
    bool boolean;        /* JSON_BOOL */
    struct json **items; /* JSON_ARRAY, JSON_OBJECT */
    size_t item_count;
};

enum {
    JSON_DEPTH_MAX = 64,
    JSON_BYTES_MAX = 16 * 1024 * 1024,
    JSON_NODES_MAX = 1000 * 1000,
};

/* FILE (may be NULL) is copied into the arena. Errors are ERR_INPUT, `FILE:LINE:COL: …`. */
must_check int json_parse(struct arena *a, const char *file, const char *text, size_t len,
                          struct json **out, struct err *e);
/* The same for callers that keep places apart from text: *at is where it failed, e has no place. */
must_check int json_parse_placed(struct arena *a, const char *file, const char *text, size_t len,
                                 struct json **out, struct json_place *at, struct err *e);
/* Reads PATH beneath DIR_FD (AT_FDCWD) and parses it. */
must_check int json_load(struct arena *a, int dir_fd, const char *path, struct json **out,
                         struct err *e);

/* The member KEY of an object; NULL when absent or when OBJ is not an object (or is NULL). */
const struct json *json_find(const struct json *obj, const char *key);
const char *json_type_name(enum json_type type); /* "object", "string", … */
/* The text of a string member, FALLBACK when absent or not a string. */
const char *json_find_string(const struct json *obj, const char *key, const char *fallback);
/* A whole number within int64; -1 when the node is not one. */
must_check int json_to_i64(const struct json *node, int64_t *out);

/* Writing: a small streaming writer onto a buf; commas and escapes are its business. Strings that
 * are not valid UTF-8 get U+FFFD. INDENT 0 writes one compact line. NULL key inside arrays. */
struct json_writer {
    struct buf *to;
    unsigned indent;
    unsigned depth;
    bool has_item; /* the present container has a member already */
};
void json_writer_init(struct json_writer *w, struct buf *to, unsigned indent);
void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
void json_put_string(struct json_writer *w, const char *key, const char *s); /* NULL writes null */
void json_put_i64(struct json_writer *w, const char *key, int64_t n);
void json_put_u64(struct json_writer *w, const char *key, uint64_t n);
void json_put_bool(struct json_writer *w, const char *key, bool b);
void json_put_null(struct json_writer *w, const char *key);
/* Writes a tree. */
void json_put_tree(struct json_writer *w, const char *key, const struct json *node);
