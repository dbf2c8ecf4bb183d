#pragma once
/* Lists of numbers as the kernel writes them, "0-3,7", as bits: CPUs and memory nodes. Pure. */
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"

enum {
    NUMBER_LIST_BITS = 1024,
    NUMBER_LIST_WORDS = NUMBER_LIST_BITS / 64
};

struct number_list {
    uint64_t words[NUMBER_LIST_WORDS]; /* number N is bit N % 64 of word N / 64 */
    size_t count;                      /* of numbers in it */
};

/* ERR_INPUT names FIELD ("process.execCPUAffinity.initial"). Empty text is an empty list. */
must_check int number_list_parse(const char *text, const char *field, struct number_list *out,
                                 struct err *e);
