#pragma once
/* Table-driven decoding: a row per key says how to read a member of a JSON object into a struct,
 * and what is wrong otherwise. The same rows print the reference (`doc`).
 *
 * Nothing stops at the first problem: each is reported with its place and path, what is wrong is
 * left at its default, and the caller looks at the collector's error count in the end. An unknown
 * key is an error with the nearest known one; "x-…" is ignored unless a row with FIELD_OURS takes
 * it. null is as absent (Compose), unless FIELD_NULL. Numbers and booleans may be strings: they
 * are, after interpolation. Pure; threads: none. */
#include "specs/problem.h"

struct field_ctx {
    struct arena *arena;
    struct stack_problems *problems;
    struct stack_problem *last; /* NULL: was not kept */
    char path[160];
    size_t path_len;
    bool is_lenient; /* FIELD_REFUSED is a warning */
    void *user;      /* the caller's, for FIELD_CALL */
};

enum field_kind {
    FIELD_STRING,   /* const char *; not empty */
    FIELD_TEXT,     /* const char *; a number is taken as its text */
    FIELD_BOOL,     /* bool */
    FIELD_U16,      /* uint16_t, min..max */
    FIELD_U32,      /* uint32_t, min..max */
    FIELD_I64,      /* int64_t, min..max */
    FIELD_DURATION, /* uint32_t ms, max (0: a day) */
    FIELD_SIZE,     /* uint64_t bytes, at least min */
    FIELD_STRINGS,  /* struct strings: a list of strings, numbers as text */
    FIELD_PAIRS,    /* struct stack_pairs: a map or a list of "K=V" */
    FIELD_CHOICE,   /* int: index in `names` */
    FIELD_OBJECT,   /* `rows`, decoded into the same struct */
    FIELD_CALL,     /* call(ctx, node, base): `offset` is not used */
    FIELD_REFUSED,  /* known and not supported: `doc` says why or what to do */
    FIELD_ACCEPTED, /* known and without effect here: a warning, `doc` says why */
    FIELD_KIND_COUNT_
};
enum field_flags {
    FIELD_NEED = 1, /* must be there */
    FIELD_OURS = 2, /* also as "x-KEY" */
    FIELD_NULL = 4, /* call is made for null too */
    FIELD_ONE = 8   /* FIELD_STRINGS: a single string is a list of one */
};

struct field {
    const char *key;
    enum field_kind kind;
    size_t offset;
    int64_t min, max;
    unsigned flags;
    const char *const *names; /* FIELD_CHOICE: NULL-terminated */
    const struct field *rows; /* FIELD_OBJECT */
    size_t row_count;
    void (*call)(struct field_ctx *ctx, const struct json *node, void *base);
    const char *doc; /* one line */
};

/* Rows of keys that later versions will know. One of our own is refused with "x-" too: it must not
 * pass for a note of the user's. */
#define FIELD_LATER_DOC "not supported yet, it comes in a later version of svc"
#define FIELD_LATER(name)                                          \
    {                                                              \
        .key = name, .kind = FIELD_REFUSED, .doc = FIELD_LATER_DOC \
    }
#define FIELD_OURS_LATER(name)                                                          \
    {                                                                                   \
        .key = name, .kind = FIELD_REFUSED, .flags = FIELD_OURS, .doc = FIELD_LATER_DOC \
    }

/* Decodes OBJ, which must be an object, by ROWS. -1 when it is none. */
int field_decode(struct field_ctx *ctx, const struct json *obj, const struct field *rows,
                 size_t count, void *base);
/* Decodes one value by one row. */
void field_value(struct field_ctx *ctx, const struct json *node, const struct field *f, void *base);
/* Where KEY stands in OBJ, with or without "x-"; NULL when it does not. */
const struct json *field_find(const struct json *obj, const char *key);

/* Problems at the present path. A hint goes to the latest one. */
void field_error(struct field_ctx *ctx, struct json_place at, const char *fmt, ...)
    printf_like(3, 4);
void field_warn(struct field_ctx *ctx, struct json_place at, const char *fmt, ...)
    printf_like(3, 4);
void field_hint(struct field_ctx *ctx, const char *fmt, ...) printf_like(2, 3);
/* The warning of what is accepted and changes nothing; nothing the user writes is ignored without
 * a word. WHAT is "" for the key at the present path. */
void field_no_effect(struct field_ctx *ctx, struct json_place at, const char *what,
                     const char *reason);
/* "must be a list, not a number" */
void field_type_error(struct field_ctx *ctx, const struct json *node, const char *wanted);

/* The path goes deeper by a key or an index; the result goes to field_leave. */
size_t field_enter(struct field_ctx *ctx, const char *key);
size_t field_enter_index(struct field_ctx *ctx, size_t index);
void field_leave(struct field_ctx *ctx, size_t mark);

/* Single values, for FIELD_CALL functions: false after an error was reported. */
bool field_text(struct field_ctx *ctx, const struct json *node, const char **out);
bool field_bool(struct field_ctx *ctx, const struct json *node, bool *out);
bool field_i64(struct field_ctx *ctx, const struct json *node, int64_t min, int64_t max,
               int64_t *out);
bool field_strings(struct field_ctx *ctx, const struct json *node, struct strings *out);
bool field_pairs(struct field_ctx *ctx, const struct json *node, struct stack_pairs *out);
