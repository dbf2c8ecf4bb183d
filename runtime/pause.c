/* `pause` and `resume`: all processes of a container at once, by the freezer. */
#include "runtime/options.h"
#include "runtime/verbs.h"

typedef int change_fn(const struct cgroup *cg, struct err *e);

static int change(const struct runtime *rt, int argc, char **argv, bool is_pause, change_fn *apply,
                  struct err *e)
{
    struct container c = { .dir_fd = -1 };
    auto_(cgroup_free) struct cgroup *cg = NULL;
    int words = options_parse(NULL, 0, OPTIONS_MIXED, argc - 1, argv + 1, NULL, e);
    if (words < 0 || verb_check_words(argv[0], words, 1, 1, "ID", e) < 0)
        return -1;
    int result = container_open(rt, argv[1], &c, e);
    enum container_status status = result == 0 ? container_status(&c) : CONTAINER_STOPPED;
    bool is_frozen = status == CONTAINER_PAUSED;
    /* One that waits to be started is paused as any other, and waits on when resumed. */
    if (result == 0 && (status == CONTAINER_STOPPED || is_frozen == is_pause))
        result = err_conflict(e, "container \"%s\" is %s, not %s", c.id,
                              container_status_name(status), is_pause ? "running" : "paused");
    if (result == 0 && container_open_cgroup(&c, &cg, e) < 0)
        result = -1;
    if (result == 0)
        result = apply(cg, e);
    container_done(&c);
    return result;
}

int verb_pause(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    return change(rt, argc, argv, true, cgroup_freeze, e);
}

int verb_resume(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    return change(rt, argc, argv, false, cgroup_thaw, e);
}
