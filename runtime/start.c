/* `start`: the second phase. */
#include <stdio.h>

#include "runtime/lifecycle.h"
#include "runtime/options.h"
#include "runtime/verbs.h"

int verb_start(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct container c = { .dir_fd = -1 };
    int words = options_parse(NULL, 0, OPTIONS_MIXED, argc - 1, argv + 1, NULL, e);
    if (words < 0 || verb_check_words("start", words, 1, 1, "ID", e) < 0)
        return -1;
    int result = container_open(rt, argv[1], &c, e);
    if (result == 0)
        result = lifecycle_start(rt, &c, e);
    container_done(&c);
    return result;
}
