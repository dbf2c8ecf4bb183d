#pragma once
/* Inside specs only: what an unquoted word of YAML is. The core schema of YAML 1.2.2 (§10.3.2), and
 * what Compose's own reader takes beyond it: 0777 is octal, 0b11 binary, 1_000 a number. Numbers
 * leave as JSON writes them. Pure. */
#include "specs/json.h"

enum {
    YAML_NUMBER_MAX = 64 /* a longer one is text */
};

struct yaml_scalar {
    enum json_type type; /* null, boolean, number or string */
    bool boolean;
    char number[YAML_NUMBER_MAX + 4];
    const char *older; /* what YAML 1.1 readers take it for ("false", "a number in base 60"); NULL:
                          the same */
};

void yaml_scalar_resolve(const char *text, size_t len, struct yaml_scalar *out);
