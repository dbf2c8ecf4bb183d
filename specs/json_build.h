#pragma once
/* Inside specs only: what the readers of JSON and YAML share while a tree grows: open containers,
 * the key that waits for its value, the limits of json.h, duplicate keys. The grammar and the
 * places are the reader's business. After a failure `failed_at` has the place and *e the words;
 * only json_build_done may be called then. Threads: none. */
#include "specs/json.h"

/* An open object or array; its items move into the arena when it ends. */
struct json_frame {
    struct json *node;
    struct json **items;
    size_t count, cap;
};

struct json_builder {
    struct arena *arena;
    struct json_frame frames[JSON_DEPTH_MAX];
    size_t depth;
    size_t node_count; /* with those that a shared node brings again */
    const char *key;   /* of the member whose value comes next */
    struct json_place key_place;
    struct json *root;
    struct json_place failed_at;
    struct err *e;
};

/* -1, always. */
int json_build_fail(struct json_builder *b, struct json_place at, const char *fmt, ...)
    printf_like(3, 4);
/* LEN bytes of S in the arena. NULL after a failure: out of the document's memory. */
char *json_build_text(struct json_builder *b, struct json_place at, const char *s, size_t len);
/* A scalar (or, for json_build_begin, an open container) at the present spot; NULL after a failure.
 */
struct json *json_build_node(struct json_builder *b, enum json_type type, struct json_place at);
/* A copy of NODE at the present spot; what is below is shared, and counts as COUNT nodes. */
struct json *json_build_share(struct json_builder *b, const struct json *node, size_t count,
                              struct json_place at);
must_check int json_build_begin(struct json_builder *b, enum json_type type, struct json_place at);
/* Ends the innermost container: a key that is there twice is a failure. */
must_check int json_build_end(struct json_builder *b);
/* Frees what a document that was given up has left. */
void json_build_done(struct json_builder *b);
