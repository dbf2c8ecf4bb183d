/* `kill`: sends a signal, by name or number, to the first process or (--all) to every one. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/names.h"
#include "runtime/options.h"
#include "runtime/verbs.h"
#include "specs/signal_names.h"

struct kill_options {
    const struct runtime *rt;
    int signo;
    bool all, is_regex;
};
static const struct options_row rows[] = {
    { 'a', "all", OPTIONS_FLAG, offsetof(struct kill_options, all),
      "to all processes of the container" },
    { 'r', "regex", OPTIONS_FLAG, offsetof(struct kill_options, is_regex),
      "to all containers whose id the extended regular expression ID finds" },
};

static int parse_signal(const char *text, int *out, struct err *e)
{
    int signo = str_eq(text, "0") ? 0 : signal_number(text); /* 0: does it live? (man 2 kill) */
    if (signo < 0)
        return err_input(e, "unknown signal \"%s\"", text);
    *out = signo;
    return 0;
}

/* A frozen process on v1 does not even die (freezer-subsystem.rst); on v2 it does. */
static void thaw_for_kill(const struct container *c)
{
    auto_(cgroup_free) struct cgroup *cg = NULL;
    bool is_frozen = false;
    struct err ignored; /* without a freezer nobody is frozen */
    if (container_open_cgroup(c, &cg, &ignored) == 0 &&
        cgroup_is_frozen(cg, &is_frozen, &ignored) == 0 && is_frozen)
        (void)!cgroup_thaw(cg, &ignored);
}

static int send_one(const struct container *c, int signo, struct err *e)
{
    auto_fd int pidfd = container_open_pidfd(c, e);
    if (pidfd < 0)
        return -1;
    if (syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0)
        return err_sys(e, errno, "send signal %d to container \"%s\"", signo, c->id);
    if (signo == SIGKILL)
        thaw_for_kill(c);
    return 0;
}

static int send_all(const struct container *c, int signo, struct err *e)
{
    auto_(cgroup_free) struct cgroup *cg = NULL;
    return container_open_cgroup(c, &cg, e) < 0 ? -1 : cgroup_signal_all(cg, signo, e);
}

static int kill_one(void *options, const char *id, struct err *e)
{
    const struct kill_options *o = options;
    struct container c = { .dir_fd = -1 };
    int result = container_open(o->rt, id, &c, e);
    if (result == 0)
        result = o->all && o->signo && c.state.cgroup[0] ? send_all(&c, o->signo, e)
                                                         : send_one(&c, o->signo, e);
    container_done(&c);
    return result;
}

int verb_kill(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct kill_options o = { .rt = rt, .signo = SIGTERM };
    int words = options_parse(rows, ARRAY_LEN(rows), OPTIONS_MIXED, argc - 1, argv + 1, &o, e);
    if (words < 0 || verb_check_words("kill", words, 1, 2, "ID [SIGNAL]", e) < 0)
        return -1;
    if (words == 2 && parse_signal(argv[2], &o.signo, e) < 0)
        return -1;
    return o.is_regex ? names_each_match(rt, argv[1], kill_one, &o, e) : kill_one(&o, argv[1], e);
}
