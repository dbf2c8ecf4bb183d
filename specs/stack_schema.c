/* JSON Schema out of the decoding tables, for editors. It knows shapes and names; what needs the
 * whole file, `svc check` knows. null is as absent, and a number may be a text: after interpolation
 * it is. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_reference.h"
#include "specs/stack_tables.h"

enum {
    PATH_BYTES = 160,
    INDENT = 1
};

static void put_object(struct json_writer *w, const char *path, const struct field *rows,
                       size_t count);

static void put_types(struct json_writer *w, unsigned takes)
{
    json_begin_array(w, "type");
    json_put_string(w, NULL, "null");
    if (takes & TAKES_TEXT)
        json_put_string(w, NULL, "string");
    if (takes & TAKES_NUMBER)
        json_put_string(w, NULL, "number");
    if (takes & TAKES_BOOL)
        json_put_string(w, NULL, "boolean");
    json_end_array(w);
}

static void put_scalar(struct json_writer *w, const struct stack_key *key)
{
    const struct field *f = key->field;
    put_types(w, key->takes);
    if (f->kind == FIELD_CHOICE) {
        json_begin_array(w, "enum");
        for (size_t i = 0; f->names[i]; i++)
            json_put_string(w, NULL, f->names[i]);
        json_put_null(w, NULL);
        json_end_array(w);
    }
    if (f->kind == FIELD_U16 || f->kind == FIELD_U32 || f->kind == FIELD_I64) {
        json_put_i64(w, "minimum", f->min);
        if (f->max)
            json_put_i64(w, "maximum", f->max);
    }
}

/* What a list has: scalars, objects, or both. */
static void put_list(struct json_writer *w, const struct stack_key *key)
{
    json_put_string(w, "type", "array");
    json_begin_object(w, "items");
    json_begin_array(w, "oneOf");
    if (key->takes & TAKES_LIST) {
        json_begin_object(w, NULL);
        put_types(w, TAKES_TEXT | TAKES_NUMBER);
        json_end_object(w);
    }
    if (key->takes & TAKES_OBJECTS) {
        json_begin_object(w, NULL);
        put_object(w, key->path, key->rows, key->row_count);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void put_map(struct json_writer *w, const struct stack_key *key)
{
    json_put_string(w, "type", "object");
    json_begin_object(w, "additionalProperties");
    json_begin_array(w, "oneOf");
    json_begin_object(w, NULL);
    put_types(w, key->takes & TAKES_PAIRS ? TAKES_TEXT | TAKES_NUMBER | TAKES_BOOL : 0);
    json_end_object(w);
    if (key->takes & TAKES_MAP) {
        json_begin_object(w, NULL);
        put_object(w, key->path, key->rows, key->row_count);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void put_key(struct json_writer *w, const char *above, const struct field *f)
{
    char path[PATH_BYTES], below[PATH_BYTES + 2];
    (void)snprintf(path, sizeof(path), "%s%s%s", above, *above ? "." : "", f->key);
    struct stack_key key = stack_reference_key(path, f);
    (void)snprintf(below, sizeof(below), "%s%s", path, stack_reference_step(&key));
    key.path = below;
    json_begin_object(w, f->key);
    json_put_string(w, "description", f->doc ? f->doc : "");
    if (f->kind == FIELD_ACCEPTED)
        json_put_bool(w, "deprecated", true);
    if (f->kind == FIELD_REFUSED) {
        json_begin_object(w, "not");
        json_end_object(w);
    } else if (key.takes) {
        json_begin_array(w, "oneOf");
        json_begin_object(w, NULL);
        put_scalar(w, &key);
        json_end_object(w);
        if (key.takes & (TAKES_LIST | TAKES_OBJECTS)) {
            json_begin_object(w, NULL);
            put_list(w, &key);
            json_end_object(w);
        }
        if (key.takes & (TAKES_MAP | TAKES_PAIRS)) {
            json_begin_object(w, NULL);
            put_map(w, &key);
            json_end_object(w);
        }
        if (key.takes & TAKES_OBJECT) {
            json_begin_object(w, NULL);
            put_object(w, key.path, key.rows, key.row_count);
            json_end_object(w);
        }
        json_end_array(w);
    }
    json_end_object(w);
}

/* One of ours may be written with "x-" instead. */
static void put_needs(struct json_writer *w, const struct field *rows, size_t count)
{
    bool has_needs = false;
    for (size_t i = 0; i < count; i++)
        has_needs |= (rows[i].flags & (FIELD_NEED | FIELD_OURS)) == FIELD_NEED;
    if (!has_needs)
        return;
    json_begin_array(w, "required");
    for (size_t i = 0; i < count; i++)
        if ((rows[i].flags & (FIELD_NEED | FIELD_OURS)) == FIELD_NEED)
            json_put_string(w, NULL, rows[i].key);
    json_end_array(w);
}

/* Recursion is as deep as the tables are. */
static void put_object(struct json_writer *w, const char *path, const struct field *rows,
                       size_t count)
{
    json_put_string(w, "type", "object");
    if (!count)
        return;
    json_begin_object(w, "properties");
    for (size_t i = 0; i < count; i++)
        put_key(w, path, &rows[i]);
    if (!*path)
        put_key(w, path, &stack_include_field);
    json_end_object(w);
    json_begin_object(w, "patternProperties");
    json_begin_object(w, "^x-");
    json_end_object(w);
    json_end_object(w);
    json_put_bool(w, "additionalProperties", false);
    put_needs(w, rows, count);
}

void stack_schema_write(struct buf *to)
{
    struct json_writer w;
    json_writer_init(&w, to, INDENT);
    json_begin_object(&w, NULL);
    json_put_string(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_put_string(&w, "title", "stack file of svc");
    put_object(&w, "", stack_top_table.rows, stack_top_table.count);
    json_end_object(&w);
}
