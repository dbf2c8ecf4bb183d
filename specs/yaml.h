#pragma once
/* YAML into the positioned tree of json.h: what Compose files are written in. libyaml reads the
 * grammar (yaml.c only); aliases and merge keys ("<<") are resolved here, unquoted words by
 * yaml_scalar.h. A value that an alias brings keeps the place where it was written.
 *
 * Refused, with the place: more than one document, keys that are no scalars, keys given twice,
 * aliases to what they stand in, tags other than YAML's own and Compose's !reset and !override
 * (struct json `tag`). The limits are those of json.h: what an alias brings counts as if it were
 * written again, so that "a billion laughs" is too many values. Pure; threads: none. */
#include "specs/problem.h"

enum {
    YAML_ANCHORS_MAX = 250
};

/* What YAML 1.1 readers would take for something else is a warning in PROBLEMS. Errors are
 * ERR_INPUT without place; *at is where. */
must_check int yaml_parse_placed(struct arena *a, const char *file, const char *text, size_t len,
                                 struct stack_problems *problems, struct json **out,
                                 struct json_place *at, struct err *e);
