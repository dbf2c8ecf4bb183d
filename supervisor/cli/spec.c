/* `svc spec`: the reference of the stack file, and its JSON Schema. */
#include <stdio.h>

#include "specs/stack_reference.h"
#include "supervisor/cli/cli.h"

enum {
    PAGE_BYTES = 4 * 1024 * 1024,
    TYPE_BYTES = 160
};

static void put_line(void *self, const struct stack_key *key)
{
    char type[TYPE_BYTES];
    stack_reference_type(key, type, sizeof(type));
    (void)buf_printf(self, "%s: %s%s%s\n    %s\n", key->path, type,
                     key->field->flags & FIELD_NEED ? ", needed" : "",
                     key->field->flags & FIELD_OURS ? ", ours" : "", key->field->doc);
}

static void put_record(void *self, const struct stack_key *key)
{
    struct json_writer *w = self;
    const struct field *f = key->field;
    char type[TYPE_BYTES];
    stack_reference_type(key, type, sizeof(type));
    json_begin_object(w, NULL);
    json_put_string(w, "key", key->path);
    json_put_string(w, "type", type);
    json_put_bool(w, "needed", f->flags & FIELD_NEED);
    json_put_bool(w, "ours", f->flags & FIELD_OURS);
    json_put_string(w, "support",
                    f->kind == FIELD_REFUSED    ? "refused"
                    : f->kind == FIELD_ACCEPTED ? "no effect"
                                                : "full");
    json_put_string(w, "doc", f->doc);
    json_end_object(w);
}

int cli_verb_spec(struct cli *cli, struct err *e)
{
    (void)e;
    auto_buf struct buf page;
    struct json_writer w;
    buf_init(&page, PAGE_BYTES);
    if (cli->args.schema) {
        stack_schema_write(&page);
    } else if (cli->args.json) {
        json_writer_init(&w, &page, 1);
        json_begin_array(&w, NULL);
        stack_reference_walk(put_record, &w);
        json_end_array(&w);
    } else {
        stack_reference_walk(put_line, &page);
    }
    (void)fwrite(page.data, 1, page.len, stdout);
    if (cli->args.schema || cli->args.json)
        (void)putchar('\n');
    return CLI_OK;
}
