#include "supervisor/cli/project.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/base/limits.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/cli/stackfile.h"
#include "supervisor/ctl/paths.h"

enum {
    RUNNING_MAX = 256,
    LIST_BYTES = 128, /* of names in an error */
    PAUSE_MAX_MS = 50,
};

void cli_project_done(struct cli_project *p)
{
    free(p->name);
    free(p->run_dir);
    free(p->state_dir);
    *p = (struct cli_project){ 0 };
}

int cli_project_init(struct cli_project *p, const char *name, struct err *e)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    if (!name[0] || name[good] || name[0] == '-' || name[0] == '_' || good >= NAME_LIMIT)
        return err_input(e, "\"%.64s\" is not a stack name (lower case letters, digits, '_', '-')",
                         name);
    *p = (struct cli_project){ .name = str_dup(name),
                               .run_dir = ctl_run_dir(name),
                               .state_dir = ctl_state_dir(name) };
    return 0;
}

/* The lock, taken when nobody has it: the fd; -1 with errno, EWOULDBLOCK when somebody has. */
static int take_lock(const char *run_dir)
{
    auto_free char *path = str_printf("%s/%s", run_dir, CTL_LOCK_FILE);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -1;
    return take_fd(&fd);
}

bool cli_project_is_running(const struct cli_project *p)
{
    auto_fd int fd = take_lock(p->run_dir);
    return fd < 0 && errno == EWOULDBLOCK;
}

/* A keeper that was killed leaves these: containers may run, and only an engine can end them. */
static bool has_remains(const struct cli_project *p)
{
    static const char *const signs[] = { "state.json", "netns/stack" };
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        auto_free char *path = str_printf("%s/%s", p->run_dir, signs[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

int cli_project_wait_gone(const struct cli_project *p, int timeout_ms, struct err *e)
{
    for (int pause = 1;; pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS) {
        auto_fd int fd = take_lock(p->run_dir);
        if (fd < 0 && errno == ENOENT)
            return 0;
        if (fd >= 0) {
            if (has_remains(p)) {
                (void)err_conflict(e, "the keeper of %s was killed, its services may still run",
                                   p->name);
                err_hint(e, "`svc down -p %s` stops them", p->name);
                return -1;
            }
            if (fd_remove_tree(AT_FDCWD, p->run_dir) < 0)
                return err_sys(e, errno, "remove %s", p->run_dir);
            return 0;
        }
        if (errno != EWOULDBLOCK)
            return err_sys(e, errno, "open %s/%s", p->run_dir, CTL_LOCK_FILE);
        if (timeout_ms <= 0)
            return err_conflict(e, "the keeper of %s does not end", p->name);
        (void)poll(NULL, 0, pause);
        timeout_ms -= pause;
    }
}

/* Names of the stacks that run, up to RUNNING_MAX; the caller frees each. */
static size_t list_running(char **names)
{
    DIR *dir = opendir(ctl_run_root());
    size_t count = 0;
    if (!dir)
        return 0;
    for (struct dirent *d; count < RUNNING_MAX && (d = readdir(dir));) {
        auto_cli_project struct cli_project p = { 0 };
        struct err e;
        if (cli_project_init(&p, d->d_name, &e) == 0 && cli_project_is_running(&p))
            names[count++] = take_ptr(p.name);
    }
    (void)closedir(dir);
    return count;
}

static void hint_running(char *const *names, size_t count, struct err *e)
{
    char list[LIST_BYTES] = "";
    size_t len = 0;
    for (size_t i = 0; i < count && len < sizeof(list) - 1; i++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", names[i]);
    if (count)
        err_hint(e, "running: %s; choose one with -p NAME", list);
    else
        err_hint(e, "`svc up -d FILE` starts a stack");
}

static int choose(char *const *names, size_t count, struct cli_project *out, struct err *e)
{
    if (count == 1)
        return cli_project_init(out, names[0], e);
    (void)err_conflict(e, count ? "several stacks are running" : "no stack is running");
    hint_running(names, count, e);
    return -1;
}

/* There is no file here that names the stack. */
static int refuse_guess(struct err *e)
{
    char *names[RUNNING_MAX];
    size_t count = list_running(names);
    (void)err_input(e, "no stack is named, and there is no stack.json or compose.yaml here");
    if (count)
        hint_running(names, count, e);
    else
        err_hint(e, "name it: -p NAME or -f FILE");
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return -1;
}

static bool has_file_here(void)
{
    const struct cli_args none = { 0 };
    auto_cli_stackfile struct cli_stackfile f = { .count = 0 };
    struct err e;
    return cli_stackfile_find(&none, &f, &e) == 0;
}

int cli_project_find(const struct cli_args *args, enum cli_guess guess, struct cli_project *out,
                     struct err *e)
{
    if (args->project)
        return cli_project_init(out, args->project, e);
    auto_free char *here = NULL;
    if (cli_stackfile_name(args, &here, e) == 0)
        return cli_project_init(out, here, e);
    if (args->files.count)
        return -1;
    if (guess == CLI_GUESS_NEVER)
        return has_file_here() ? -1 : refuse_guess(e);
    char *names[RUNNING_MAX];
    size_t count = list_running(names);
    int result = choose(names, count, out, e);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return result;
}

int cli_project_find_running(const struct cli_args *args, enum cli_guess guess,
                             struct cli_project *out, struct err *e)
{
    if (cli_project_find(args, guess, out, e) < 0)
        return -1;
    auto_free char *lock = str_printf("%s/%s", out->run_dir, CTL_LOCK_FILE);
    if (cli_project_is_running(out) || (access(lock, F_OK) < 0 && errno == EACCES))
        return 0; /* or it cannot be seen from here: connecting to it says why */
    auto_free char *copy = str_printf("%s/%s", out->run_dir, CTL_STACK_FILE);
    if (access(copy, F_OK) == 0) {
        (void)err_conflict(e, "stack %s has lost its keeper", out->name);
        err_hint(e, "svc down -p %s cleans up, svc up starts it again", out->name);
        return -1;
    }
    char *names[RUNNING_MAX];
    size_t count = list_running(names);
    (void)err_conflict(e, "stack %s is not running", out->name);
    hint_running(names, count, e);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return -1;
}
