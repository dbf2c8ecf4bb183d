#pragma once
/* What an engine that could not start said last: the error of its log as an err, so that a start
 * that failed is told in one line with the right exit code. Pure. */
#include <stdbool.h>

#include "runtime/base/err.h"

/* Looks in TEXT (lines of runtime/base/log.h) for the last line of level error that has a `what`.
 * False when there is none. */
bool cli_lastwords_find(const char *text, struct err *out);
