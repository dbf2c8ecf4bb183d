#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/limits.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/project.h"
#include "supervisor/cli/services.h"
#include "supervisor/ctl/client.h"
#include "supervisor/ctl/paths.h"

enum {
    FIXED_ARGS = 16
};

#define RUNTIME "svc-runtime"

/* The container id of the replica, into A. */
static int find_id(const struct cli_args *args, const struct cli_project *project, struct arena *a,
                   const char **id, struct err *e)
{
    struct ctl_call call = { .run_dir = project->run_dir, .method = "GET", .target = "/v1/ps" };
    struct json *answer;
    int64_t wanted = args->index.is_set ? (int64_t)args->index.value : 0;
    if (ctl_client_call(&call, a, &answer, e) < 0)
        return -1;
    const struct json *services = json_find(answer, "services");
    struct cli_choice choice;
    if (cli_services_choose(answer, args->words[0], &choice, e) < 0)
        return -1;
    if (choice.replica && wanted && wanted != choice.replica)
        return err_input(e, "\"%s\" and --index %lld contradict each other", args->words[0],
                         (long long)wanted);
    wanted = choice.replica ? choice.replica : wanted;
    for (size_t s = 0; services && s < services->item_count; s++) {
        const struct json *replicas = json_find(services->items[s], "replicas");
        if (!str_eq(json_find_string(services->items[s], "name", ""), choice.service))
            continue;
        for (size_t r = 0; replicas && r < replicas->item_count; r++) {
            const struct json *replica = replicas->items[r];
            const struct json *number = json_find(replica, "replica");
            const struct json *pid = json_find(replica, "pid");
            int64_t n = 0, p = 0;
            if (number && json_to_i64(number, &n) == 0 && (!wanted || n == wanted) && pid &&
                pid->type == JSON_NUMBER && json_to_i64(pid, &p) == 0 && p > 0) {
                *id = json_find_string(replica, "id", "");
                return 0;
            }
        }
    }
    (void)err_conflict(e, "service \"%s\" has no running replica", choice.service);
    if (wanted)
        (void)err_conflict(e, "replica %lld of service \"%s\" is not running", (long long)wanted,
                           choice.service);
    err_hint(e, "svc ps --all shows why");
    return -1;
}

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* SVC_RUNTIME, beside svc itself, or where programs are installed. The caller frees. */
static char *find_runtime(void)
{
    static const char *const installed[] = { "/usr/local/bin/" RUNTIME, "/usr/bin/" RUNTIME };
    const char *named = getenv("SVC_RUNTIME");
    if (named && named[0])
        return str_dup(named);
    char self[PATH_LIMIT];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n > 0) {
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        auto_free char *beside = str_printf("%s/%s", self, RUNTIME);
        if (is_program(beside))
            return take_ptr(beside);
    }
    for (size_t i = 0; i < ARRAY_LEN(installed); i++) {
        if (is_program(installed[i]))
            return str_dup(installed[i]);
    }
    return NULL;
}

static bool wants_terminal(const struct cli_args *args)
{
    if (args->no_tty)
        return false;
    return args->tty || (isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1);
}

/* The argument vector of svc-runtime; what is printed into it lives in A. */
static const char **make_argv(const struct cli_args *args, const struct cli_project *project,
                              const char *id, struct arena *a)
{
    size_t cap = FIXED_ARGS + 2 * args->env.count + args->word_count;
    const char **argv = arena_alloc(a, cap * sizeof(*argv));
    size_t n = 0;
    argv[n++] = RUNTIME;
    argv[n++] = "--root";
    argv[n++] = arena_printf(a, "%s/%s", project->run_dir, CTL_RUNTIME_DIR);
    argv[n++] = "exec";
    if (wants_terminal(args))
        argv[n++] = "--tty";
    if (args->user) {
        argv[n++] = "--user";
        argv[n++] = args->user;
    }
    if (args->workdir) {
        argv[n++] = "--cwd";
        argv[n++] = args->workdir;
    }
    for (size_t i = 0; i < args->env.count; i++) {
        argv[n++] = "--env";
        argv[n++] = args->env.items[i];
    }
    argv[n++] = id;
    for (size_t i = 1; i < args->word_count; i++)
        argv[n++] = args->words[i];
    argv[n] = NULL;
    return argv;
}

/* A variable without a value is taken from here, as docker exec does. */
static void complete_env(struct cli_args *args, struct arena *a)
{
    for (size_t i = 0; i < args->env.count; i++) {
        const char *name = args->env.items[i];
        if (!strchr(name, '=')) {
            const char *value = getenv(name);
            args->env.items[i] = arena_printf(a, "%s=%s", name, value ? value : "");
        }
    }
}

/* Without a terminal of its own the program must not get ours, which it could go on reading after
 * the command is over: what was typed for somebody else. Input is nothing (-i: ours, read only), a
 * screen can be written to only. Files and pipes are given on as they are. */
static int hide_terminal(const struct cli_args *args, struct err *e)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (isatty(fd) != 1)
            continue;
        char own[32];
        (void)snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
        bool is_input = fd == STDIN_FILENO;
        const char *path = is_input && !args->interactive ? "/dev/null" : own;
        int mode = is_input ? O_RDONLY : O_WRONLY;
        auto_fd int anew = open(path, mode | O_NOCTTY | O_CLOEXEC);
        if (anew < 0 || dup2(anew, fd) < 0)
            return err_sys(e, errno, "open %s", path);
    }
    return 0;
}

static int run_command(struct cli_args *args, struct arena *a, struct err *e)
{
    auto_cli_project struct cli_project project = { 0 };
    const char *id;
    if (args->tty && args->no_tty)
        return err_input(e, "--tty and --no-tty contradict each other");
    if (cli_project_find_running(args, CLI_GUESS_ONLY, &project, e) < 0 ||
        find_id(args, &project, a, &id, e) < 0)
        return -1;
    auto_free char *runtime = find_runtime();
    if (!runtime) {
        (void)err_host(e, "%s is not there", RUNTIME);
        err_hint(e, "it belongs beside svc; or set SVC_RUNTIME");
        return -1;
    }
    complete_env(args, a);
    const char **argv = make_argv(args, &project, id, a);
    if (!wants_terminal(args) && hide_terminal(args, e) < 0)
        return -1;
    (void)fflush(NULL);
    (void)execv(runtime, (char *const *)(uintptr_t)argv);
    return err_sys(e, errno, "run %s", runtime);
}

int cli_verb_exec(struct cli *cli, struct err *e)
{
    struct arena a = { 0 };
    int code = run_command(&cli->args, &a, e);
    arena_done(&a);
    return code;
}
