#pragma once
/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure. */
#include <stddef.h>

/* The length of the valid sequence at the start of S (LEN > 0), 0 when it is not one. */
size_t utf8_sequence(const char *s, size_t len);
/* Offset of the first byte that does not belong to a valid sequence; LEN when all is well. */
size_t utf8_check(const char *s, size_t len);
