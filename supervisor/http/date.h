#pragma once
/* HTTP dates (RFC 9110 5.6.7) and the types of files by extension. Pure. */
#include <stdint.h>

#include "supervisor/http/message.h"

enum {
    HTTP_DATE_MAX = 30
}; /* "Sun, 06 Nov 1994 08:49:37 GMT", NUL */

/* Writes the IMF-fixdate of UNIX seconds T; returns TO. */
char *http_date_format(char to[HTTP_DATE_MAX], int64_t t);
/* IMF-fixdate, RFC 850 and asctime forms. -1: not a date. */
must_check int http_date_parse(struct http_text text, int64_t *out);

/* "text/html; charset=utf-8" by the last extension of NAME, "application/octet-stream" else. */
const char *http_type_of_file(const char *name);
