#pragma once
/* The query part of a request target: "service=a&service=b&tail=10". Percent-decoded on reading;
 * '+' is itself, so that a time with a zone needs no encoding. Pure. */
#include <stddef.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"
#include "runtime/base/mem.h"

enum {
    CTL_QUERY_MAX = 64 /* parameters of one request */
};

struct ctl_query {
    struct {
        const char *name;
        const char *value; /* "" when there was no '=' */
    } items[CTL_QUERY_MAX];
    size_t count;
};

/* TEXT (LEN bytes, may be NULL when LEN is 0) is copied into A. ERR_INPUT for a broken percent
 * sign, a zero byte, or too many parameters. */
must_check int ctl_query_parse(struct arena *a, const char *text, size_t len, struct ctl_query *out,
                               struct err *e);
/* The INDEX-th value of NAME; NULL when there are not so many. */
const char *ctl_query_find(const struct ctl_query *q, const char *name, size_t index);
/* Appends NAME=VALUE to a target, percent-encoded, with the right '?' or '&' in front. */
void ctl_query_add(struct buf *target, const char *name, const char *value);
