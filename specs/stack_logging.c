/* logging: which files of what a service writes are kept. */
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"
#include "specs/units.h"

enum {
    LOG_FILE_MIN = 16 * 1024, /* a line of the longest kind */
    LOG_FILES_MAX = 10        /* supervisor/logs */
};

struct logging_draft {
    struct stack_logging l;
    const char *driver;
    const struct json *options;
};

static void keep_options(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_OBJECT)
        field_type_error(ctx, node, "an object");
    else
        ((struct logging_draft *)base)->options = node;
}

static const struct field logging_fields[] = {
    { "driver", FIELD_STRING, offsetof(struct logging_draft, driver),
      .doc = "local or json-file: files of svc's own; none" },
    { "options", FIELD_CALL, .call = keep_options, .doc = "max-size and max-file" },
};
const struct field_table stack_logging_table = FIELD_TABLE(logging_fields);
/* Both drivers are svc's files, so that their formats have no options. */
static const struct field option_fields[] = {
    { "max-size", FIELD_SIZE, offsetof(struct logging_draft, l.max_bytes), .min = LOG_FILE_MIN,
      .doc = "bytes of a file before a new one begins, 10m" },
    { "max-file", FIELD_U32, offsetof(struct logging_draft, l.max_files), .min = 1,
      .max = LOG_FILES_MAX, .doc = "files that are kept of a replica, 3" },
    { "compress", FIELD_ACCEPTED, .doc = "log files are not compressed" },
    { "mode", FIELD_ACCEPTED, .doc = "a service waits for its log in any case" },
    { "max-buffer-size", FIELD_ACCEPTED, .doc = "a service waits for its log in any case" },
    { "labels", FIELD_ACCEPTED, .doc = "lines have no attributes" },
    { "labels-regex", FIELD_ACCEPTED, .doc = "lines have no attributes" },
    { "env", FIELD_ACCEPTED, .doc = "lines have no attributes" },
    { "env-regex", FIELD_ACCEPTED, .doc = "lines have no attributes" },
    { "tag", FIELD_ACCEPTED, .doc = "lines have no attributes" },
};
const struct field_table stack_logging_option_table = FIELD_TABLE(option_fields);

void decode_logging_of(struct field_ctx *ctx, const struct json *node, struct stack_logging *out)
{
    struct logging_draft ld = { 0 };
    if (field_decode(ctx, node, logging_fields, ARRAY_LEN(logging_fields), &ld) < 0)
        return;
    const struct json *driver = json_find(node, "driver");
    ld.l.is_off = ld.driver && strcmp(ld.driver, "none") == 0;
    if (ld.driver && !ld.l.is_off && strcmp(ld.driver, "json-file") != 0 &&
        strcmp(ld.driver, "local") != 0) {
        field_error(ctx, driver->place, "the log driver \"%.40s\" is not supported", ld.driver);
        field_hint(ctx, "local, json-file or none");
        return;
    }
    if (ld.options && !ld.l.is_off) {
        size_t mark = field_enter(ctx, "options");
        (void)field_decode(ctx, ld.options, option_fields, ARRAY_LEN(option_fields), &ld);
        field_leave(ctx, mark);
    }
    *out = ld.l;
}

void decode_logging(struct field_ctx *ctx, const struct json *node, void *base)
{
    decode_logging_of(ctx, node, &((struct service_draft *)base)->s.logging);
}
