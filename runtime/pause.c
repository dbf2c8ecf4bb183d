/* `pause` and `resume`: all processes of a container at once, by the freezer. */
#include "runtime/options.h"
#include "runtime/verbs.h"

typedef int change_fn(const struct cgroup *cg, struct err *e);

static int change(const struct runtime *rt, int argc, char **argv, enum container_status wanted,
                  change_fn *apply, struct err *e)
{
    struct container c = { .dir_fd = -1 };
    auto_(cgroup_free) struct cgroup *cg = NULL;
    int words = options_parse(NULL, 0, OPTIONS_MIXED, argc - 1, argv + 1, NULL, e);
    if (words < 0 || verb_check_words(argv[0], words, 1, 1, "ID", e) < 0)
        return -1;
    int result = container_open(rt, argv[1], &c, e);
    if (result == 0 && container_status(&c) != wanted)
        result = err_conflict(e, "container \"%s\" is %s, not %s", c.id,
                              container_status_name(container_status(&c)),
                              container_status_name(wanted));
    if (result == 0 && container_open_cgroup(&c, &cg, e) < 0)
        result = -1;
    if (result == 0)
        result = apply(cg, e);
    container_done(&c);
    return result;
}

int verb_pause(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    return change(rt, argc, argv, CONTAINER_RUNNING, cgroup_freeze, e);
}

int verb_resume(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    return change(rt, argc, argv, CONTAINER_PAUSED, cgroup_thaw, e);
}
