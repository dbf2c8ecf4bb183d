#pragma once
/* An err as JSON, the same in answers, in streams and in the journal: {"kind","what","hint",
 * "exit_code"}; "subject" when it has one. Pure. */
#include "runtime/base/err.h"
#include "specs/json.h"

/* Writes the object as member KEY. */
void ctl_error_write(struct json_writer *w, const char *key, const struct err *e);
/* The reverse; what cannot be read becomes ERR_INTERNAL. */
void ctl_error_read(const struct json *node, struct err *out);
/* The HTTP status for it. */
int ctl_error_status(const struct err *e);
