#pragma once
/* A command line as one string → its words, as a POSIX shell splits it and no more: quotes and
 * backslashes, no expansion (Compose does the same). Pure. */
#include "specs/stack.h"

/* Words live in A. Errors are ERR_INPUT: a quote without end, a backslash at the end. */
must_check int words_split(struct arena *a, const char *text, struct strings *out, struct err *e);
