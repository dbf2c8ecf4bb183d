#include "supervisor/ctl/error.h"

#include <stdio.h>

#include "runtime/base/str.h"

void ctl_error_write(struct json_writer *w, const char *key, const struct err *e)
{
    json_begin_object(w, key);
    json_put_string(w, "kind", err_kind_name(e->kind));
    if (e->subject[0])
        json_put_string(w, "subject", e->subject);
    json_put_string(w, "what", e->what);
    if (e->hint[0])
        json_put_string(w, "hint", e->hint);
    json_put_i64(w, "exit_code", err_exit_code(e));
    json_end_object(w);
}

void ctl_error_read(const struct json *node, struct err *out)
{
    *out = (struct err){ .kind = ERR_INTERNAL };
    const char *kind = json_find_string(node, "kind", "");
    for (int k = ERR_INPUT; k < ERR_KIND_COUNT_; k++) {
        if (str_eq(kind, err_kind_name((enum err_kind)k)))
            out->kind = (enum err_kind)k;
    }
    const char *what = json_find_string(node, "what", "the engine sent an error without text");
    (void)snprintf(out->what, sizeof(out->what), "%s", what);
    (void)snprintf(out->subject, sizeof(out->subject), "%s", json_find_string(node, "subject", ""));
    (void)snprintf(out->hint, sizeof(out->hint), "%s", json_find_string(node, "hint", ""));
}

int ctl_error_status(const struct err *e)
{
    switch (e->kind) {
    case ERR_INPUT: return 400;
    case ERR_CONFLICT: return 409;
    default: return 500;
    }
}
