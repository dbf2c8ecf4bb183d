#include "supervisor/stack/runtime_call.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "supervisor/ctl/paths.h"
#include "supervisor/stack/journal.h"
#include "supervisor/stack/prepare.h"

enum {
    ARGS_MAX = 256,
    LOG_BYTES_MAX = 256 * 1024
};

static const char *const verb_names[RUNTIME_VERB_COUNT_] = {
    [RUNTIME_CREATE] = "create", [RUNTIME_START] = "start",   [RUNTIME_SIGNAL] = "kill",
    [RUNTIME_KILL] = "kill",     [RUNTIME_DELETE] = "delete",
};

static const char *const environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL
};

struct args {
    const char *items[ARGS_MAX];
    size_t count;
};

static void add(struct args *a, const char *s)
{
    assert(a->count + 1 < ARGS_MAX);
    a->items[a->count++] = s;
    a->items[a->count] = NULL;
}

static char *in_bundle(const struct replica *r, const char *name)
{
    char bundle[PATH_LIMIT];
    prepare_bundle_path(r, bundle, sizeof(bundle));
    return str_printf("%s/%s%s%s", r->project->run_dir, bundle, name[0] ? "/" : "", name);
}

static void add_globals(struct args *a, const struct replica *r, const char *root,
                        const char *log_path)
{
    add(a, r->project->runtime_path);
    add(a, "--root");
    add(a, root);
    add(a, "--log");
    add(a, log_path);
    add(a, "--log-format");
    add(a, "json");
}

int runtime_call(struct replica *r, enum runtime_verb verb, int out_fd, int err_fd, child_fn *fn,
                 struct err *e)
{
    struct project *p = r->project;
    auto_free char *root = str_printf("%s/" CTL_RUNTIME_DIR, p->run_dir);
    auto_free char *log_path = in_bundle(r, "runtime.log");
    auto_free char *bundle = in_bundle(r, "");
    auto_free char *pid_file = in_bundle(r, "pid");
    char signal_number[16];
    (void)snprintf(signal_number, sizeof(signal_number), "%d", r->service->stop_signal);
    struct args a = { 0 };
    add_globals(&a, r, root, log_path);
    add(&a, verb_names[verb]);
    if (verb == RUNTIME_CREATE) {
        add(&a, "--bundle");
        add(&a, bundle);
        add(&a, "--pid-file");
        add(&a, pid_file);
    }
    if (verb == RUNTIME_DELETE)
        add(&a, "--force");
    add(&a, r->id);
    if (verb == RUNTIME_SIGNAL)
        add(&a, signal_number);
    if (verb == RUNTIME_KILL)
        add(&a, "KILL");
    (void)unlink(log_path);
    int fds[3] = { p->null_fd, out_fd < 0 ? p->null_fd : out_fd, err_fd < 0 ? p->null_fd : err_fd };
    r->call_tag = children_next_tag(p->children);
    if (journal_save(p, e) < 0)
        return -1;
    return children_spawn(p->children, r->call_tag, a.items, environment, fds, ARRAY_LEN(fds), fn,
                          r, e);
}

int runtime_exec(struct replica *r, const struct strings *argv, int out_fd, child_fn *fn,
                 struct err *e)
{
    struct project *p = r->project;
    auto_free char *root = str_printf("%s/" CTL_RUNTIME_DIR, p->run_dir);
    auto_free char *log_path = in_bundle(r, "exec.log");
    struct args a = { 0 };
    if (argv->count + 16 > ARGS_MAX)
        return err_input(e, "the healthcheck has more than %d words", ARGS_MAX - 16);
    add_globals(&a, r, root, log_path);
    add(&a, "exec");
    add(&a, r->id);
    for (size_t i = 0; i < argv->count; i++)
        add(&a, argv->items[i]);
    int fds[3] = { p->null_fd, out_fd, out_fd };
    r->probe_tag = children_next_tag(p->children);
    return children_spawn(p->children, r->probe_tag, a.items, environment, fds, ARRAY_LEN(fds), fn,
                          r, e);
}

/* The `msg` of the last line with level "error"; go-runc reads it the same way. */
static bool read_log(const struct replica *r, struct arena *a, const char **msg)
{
    char path[PATH_LIMIT];
    prepare_bundle_path(r, path, sizeof(path) - 16);
    strncat(path, "/runtime.log", 13);
    auto_buf struct buf text;
    buf_init(&text, LOG_BYTES_MAX);
    struct err ignored;
    if (fd_read_file(r->project->run_fd, path, &text, &ignored) < 0)
        return false;
    bool found = false;
    for (char *line = text.data; line && *line;) {
        char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) : strlen(line);
        struct json *node;
        if (len && json_parse(a, NULL, line, len, &node, &ignored) == 0 &&
            str_eq(json_find_string(node, "level", ""), "error")) {
            *msg = json_find_string(node, "msg", "");
            found = true;
        }
        line = end ? end + 1 : NULL;
    }
    return found;
}

int runtime_call_error(const struct replica *r, const struct child_end *end, struct err *e)
{
    struct arena a = { 0 };
    const char *msg;
    int result;
    if (end->status == CHILD_NOT_STARTED)
        result = err_sys(e, end->errnum, "run %s", r->project->runtime_path);
    else if (read_log(r, &a, &msg))
        result = err_set(e, ERR_SYSTEM, "%s", msg);
    else if (WIFSIGNALED(end->status))
        result = err_internal(e, "svc-runtime was killed by signal %d", WTERMSIG(end->status));
    else
        result =
            err_internal(e, "svc-runtime exited %d without a reason", WEXITSTATUS(end->status));
    arena_done(&a);
    return result;
}

int runtime_read_pid(const struct replica *r, pid_t *pid, struct err *e)
{
    char path[PATH_LIMIT];
    prepare_bundle_path(r, path, sizeof(path) - 16);
    strncat(path, "/pid", 5);
    auto_buf struct buf text;
    buf_init(&text, 32);
    if (fd_read_file(r->project->run_fd, path, &text, e) < 0)
        return -1;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\n')
            text.data[i] = '\0';
    uint64_t n;
    if (!text.data || str_to_u64(text.data, INT32_MAX, &n) < 0 || n == 0)
        return err_internal(e, "the pid file of %s holds no pid", r->id);
    *pid = (pid_t)n;
    return 0;
}
