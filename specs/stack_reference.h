#pragma once
/* The keys of a stack file with all that is below them, out of the tables that decode it: for
 * `svc spec` and the schema. Pure; threads: none. */
#include "specs/field.h"

/* What the value of a key may be: of FIELD_CALL by a registry, of all other kinds by the kind. */
enum {
    TAKES_TEXT = 1,
    TAKES_NUMBER = 2,
    TAKES_BOOL = 4,
    TAKES_LIST = 8,     /* of texts and numbers */
    TAKES_OBJECT = 16,  /* with the keys of `rows`; any when there are none */
    TAKES_OBJECTS = 32, /* a list of such */
    TAKES_MAP = 64,     /* such an object, or null, for each name */
    TAKES_PAIRS = 128,  /* a text, number, boolean or null for each name */
};
struct stack_key {
    const char *path; /* "services.*.ports[].target" */
    const struct field *field;
    unsigned takes; /* 0: not known, or nothing (FIELD_REFUSED) */
    const struct field *rows;
    size_t row_count;
};

/* What is known of the key FIELD at PATH, both borrowed. */
struct stack_key stack_reference_key(const char *path, const struct field *field);
/* What stands between a path and the keys below: "", ".*" or "[]". */
const char *stack_reference_step(const struct stack_key *key);
/* Every key, in the order of the tables, what is below behind it. */
void stack_reference_walk(void (*visit)(void *self, const struct stack_key *key), void *self);
/* `include`, which is resolved before anything is decoded: no table has it. */
extern const struct field stack_include_field;
/* "text, list of texts or objects" */
void stack_reference_type(const struct stack_key *key, char *text, size_t size);

/* JSON Schema, draft 2020-12, of a stack file. */
void stack_schema_write(struct buf *to);
