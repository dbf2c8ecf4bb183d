#pragma once
/* A tree as YAML: block style, two spaces a level. A string stands without quotes only when no
 * reader, of YAML 1.1 or 1.2, could take it for something else; all others are double quoted. Pure.
 */
#include "specs/json.h"

/* Appends ROOT to TO, with a line break at the end. */
void yaml_write(const struct json *root, struct buf *to);
