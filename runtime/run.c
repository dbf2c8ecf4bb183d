/* `run`: create, start, wait, delete. The exit code is the program's, 128 + signal when one ended
 * it. */
#include <stdio.h>

#include "runtime/base/fd.h"
#include "runtime/create_options.h"
#include "runtime/foreground.h"
#include "runtime/verbs.h"

static int start_and_wait(const struct runtime *rt, const struct create_options *o,
                          struct container *c, int pidfd, int master_fd, struct err *e)
{
    int code = 0;
    if (!o->detach)
        foreground_hold_signals(); /* one that comes right after the start is for the program */
    if (launch_start(c, e) < 0) {
        struct err ignored;
        (void)!launch_delete(rt, c, &ignored); /* e says why it did not start */
        return -1;
    }
    if (o->detach)
        return 0;
    if (foreground_wait(c->state.pid, pidfd, master_fd, &code, e) < 0) {
        struct err ignored;
        (void)!launch_delete(rt, c, &ignored); /* nobody would look after it any more */
        return -1;
    }
    if (!o->keep && launch_delete(rt, c, e) < 0)
        return -1;
    return code;
}

int verb_run(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct create_options o = { 0 };
    struct container c = { .dir_fd = -1 };
    const char *id;
    auto_fd int pidfd = -1, master = -1;
    if (create_options_parse(argc, argv, &o, &id, e) < 0)
        return -1;
    if (!o.detach)
        o.launch.master_fd = &master;
    int result = launch_create(rt, id, &o.launch, &c, &pidfd, e);
    if (result == 0)
        result = start_and_wait(rt, &o, &c, pidfd, master, e);
    container_done(&c);
    return result;
}
