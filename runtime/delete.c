/* `delete`: removes a container that is stopped, or any with --force (then one that is not there
 * is success: clients call it to be sure). */
#include <stdio.h>

#include "runtime/lifecycle.h"
#include "runtime/names.h"
#include "runtime/options.h"
#include "runtime/verbs.h"

struct delete_options {
    const struct runtime *rt;
    bool force, is_regex;
};
static const struct options_row rows[] = {
    { 'f', "force", OPTIONS_FLAG, offsetof(struct delete_options, force),
      "kill it first when it runs" },
    { 'r', "regex", OPTIONS_FLAG, offsetof(struct delete_options, is_regex),
      "all whose id the extended regular expression ID finds" },
};

static int delete_one(void *options, const char *id, struct err *e)
{
    const struct delete_options *o = options;
    const struct runtime *rt = o->rt;
    bool force = o->force;
    struct container c = { .dir_fd = -1 };
    int result = container_open(rt, id, &c, e);
    enum container_status status = result == 0 ? container_status(&c) : CONTAINER_STOPPED;
    if (result == 0 && !force && status != CONTAINER_STOPPED) {
        result = err_conflict(e, "container \"%s\" is %s, not stopped", id,
                              container_status_name(status));
        err_hint(e, "kill it, or use delete --force");
    } else if (result == 0) {
        result = lifecycle_delete(rt, &c, e);
    } else if (force && c.dir_fd >= 0) {
        /* Without a state: a create that was killed. What it left is removed. */
        result = lifecycle_clean(rt, &c, e);
    } else if (force && e->kind == ERR_CONFLICT) {
        result = 0; /* not there */
    }
    container_done(&c);
    return result;
}

int verb_delete(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct delete_options o = { .rt = rt };
    int words = options_parse(rows, ARRAY_LEN(rows), OPTIONS_MIXED, argc - 1, argv + 1, &o, e);
    if (words < 0 || verb_check_words("delete", words, 1, 1, "ID", e) < 0)
        return -1;
    return o.is_regex ? names_each_match(rt, argv[1], delete_one, &o, e)
                      : delete_one(&o, argv[1], e);
}
