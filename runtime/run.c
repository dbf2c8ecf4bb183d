/* `run`: create, start, wait, delete. The exit code is the program's, 128 + signal when one ended
 * it. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/create_options.h"
#include "runtime/foreground.h"
#include "runtime/lifecycle.h"
#include "runtime/oom.h"
#include "runtime/verbs.h"

/* 137 alone does not say who killed it, and after the delete nobody can tell any more. */
static void tell_oom(const struct container *c, int code)
{
    char words[80];
    if (code == 128 + SIGKILL && oom_has_ended(c))
        (void)dprintf(STDERR_FILENO, "svc-runtime: container \"%s\" was killed: %s\n", c->id,
                      oom_words(c, words, sizeof(words)));
}

static int wait_for_end(const struct runtime *rt, const struct create_options *o,
                        struct container *c, int pidfd, int master_fd, int started_fd,
                        struct err *e)
{
    int code = 0;
    if (lifecycle_wait_started(c, started_fd, e) < 0 ||
        (!o->detach && foreground_wait(c->state.pid, pidfd, master_fd, &code, e) < 0)) {
        struct err ignored;
        (void)!lifecycle_delete(rt, c, &ignored); /* nobody would look after it any more */
        return -1;
    }
    if (!o->detach)
        tell_oom(c, code);
    if (!o->detach && !o->keep && lifecycle_delete(rt, c, e) < 0)
        return -1;
    return code;
}

int verb_run(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct create_options o = { 0 };
    struct container c = { .dir_fd = -1 };
    const char *id;
    auto_fd int pidfd = -1, master = -1, started = -1;
    if (create_options_parse(argc, argv, &o, &id, e) < 0)
        return -1;
    if (!o.detach)
        o.launch.master_fd = &master;
    o.launch.started_fd = &started;
    o.launch.holds_signals = !o.detach;
    int result = launch_create(rt, id, &o.launch, &c, &pidfd, e);
    if (result == 0)
        result = wait_for_end(rt, &o, &c, pidfd, master, started, e);
    container_done(&c);
    return result;
}
