/* svc-runtime: global options, the table of verbs, and the one place where errors are told: on
 * stderr, and in the --log file the way clients read it (last line of level "error"). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "runtime/base/version.h"
#include "runtime/options.h"
#include "runtime/rootless.h"
#include "runtime/verbs.h"

#define ROOT_NAME    "/svc-runtime"
#define ROOT_DEFAULT "/run" ROOT_NAME
#define LOG_FLAGS    (O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC)

struct globals {
    const char *root, *log, *log_format, *log_level, *cgroup_manager, *criu, *rootless;
    bool debug, systemd_cgroup, version, help;
};

static const struct options_row rows[] = {
    { 0, "cgroup-manager", OPTIONS_STRING, offsetof(struct globals, cgroup_manager),
      "cgroupfs, or disabled: no cgroup, and no limits" },
    { 0, "criu", OPTIONS_STRING, offsetof(struct globals, criu), NULL },
    { 0, "debug", OPTIONS_FLAG, offsetof(struct globals, debug), "log more" },
    { 'h', "help", OPTIONS_FLAG, offsetof(struct globals, help), "this page" },
    { 0, "log", OPTIONS_STRING, offsetof(struct globals, log), "file for errors and warnings" },
    { 0, "log-format", OPTIONS_STRING, offsetof(struct globals, log_format), "text or json" },
    { 0, "log-level", OPTIONS_STRING, offsetof(struct globals, log_level),
      "error, warning or debug; default warning" },
    { 0, "root", OPTIONS_STRING, offsetof(struct globals, root),
      "directory of the containers' state; default " ROOT_DEFAULT
      ", an ordinary user's $XDG_RUNTIME_DIR" ROOT_NAME },
    { 0, "rootless", OPTIONS_STRING, offsetof(struct globals, rootless), NULL },
    { 0, "systemd-cgroup", OPTIONS_FLAG, offsetof(struct globals, systemd_cgroup), NULL },
    { 'v', "version", OPTIONS_FLAG, offsetof(struct globals, version), "version and features" },
};

static const struct verb {
    const char *name;
    verb_fn *run;
    const char *words; /* its arguments */
    const char *summary;
    int failure; /* exit code, as runc has it: clients look at the words */
    bool hides;  /* by itself, since it has processes inside of the container (self.h) */
} verbs[] = {
    { "checkpoint", verb_checkpoint, "ID", "not supported", 1, false },
    { "create", verb_create, "ID", "create a container that waits to be started", 1, true },
    { "delete", verb_delete, "ID", "remove a stopped container", 1, false },
    { "events", verb_events, "ID", "print statistics and OOM kills, as lines of JSON", 1, false },
    { "exec", verb_exec, "ID [PROGRAM ARGUMENT…]", "run one more process in a container", 255,
      true },
    { "features", verb_features, "", "what this runtime can, as JSON", 1, false },
    { "kill", verb_kill, "ID [SIGNAL]", "send a signal", 1, false },
    { "list", verb_list, "", "list the containers", 1, false },
    { "pause", verb_pause, "ID", "freeze all processes of a container", 1, false },
    { "ps", verb_ps, "ID [PS-OPTION…]", "list the processes of a container", 1, false },
    { "restore", verb_restore, "ID", "not supported", 1, false },
    { "resume", verb_resume, "ID", "thaw a paused container", 1, false },
    { "run", verb_run, "ID", "create, start, wait, delete", 1, true },
    { "spec", verb_spec, "", "write an example config.json", 1, false },
    { "start", verb_start, "ID", "start a created container", 1, false },
    { "state", verb_state, "ID", "print the state of a container, as JSON", 1, false },
    { "update", verb_update, "ID", "change the limits of a container", 1, false },
};

int verb_check_words(const char *verb, int count, int min, int max, const char *usage,
                     struct err *e)
{
    if (count >= min && count <= max)
        return 0;
    (void)err_input(e, "%s: expected %s", verb, usage);
    err_hint(e, "svc-runtime %s [OPTIONS] %s", verb, usage);
    return -1;
}

static void print_help(void)
{
    printf("svc-runtime " SVC_VERSION ", an OCI runtime for Linux\n\n"
           "Usage: svc-runtime [GLOBAL OPTIONS] VERB [OPTIONS] ID …\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    printf("\nGlobal options:\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].help)
            printf("  --%-15s %s\n", rows[i].name, rows[i].help);
}

/* go-runc takes the version from a first line that begins with "runc version ", and the rest from
 * lines that begin with these words. */
static void print_version(void)
{
    printf("runc version " SVC_VERSION "+svc-runtime\n"
#ifdef SVC_COMMIT
           "commit: " SVC_COMMIT "\n"
#endif
           "spec: " OCI_VERSION "\n"
           "+SECCOMP +CAP +EBPF +YAJL +CGROUP_V1 +CGROUP_V2\n");
}

/* `VERB --help`: the verb's own parser prints its options after this. */
static void print_verb_help(const struct verb *verb)
{
    printf("Usage: svc-runtime [GLOBAL OPTIONS] %s [OPTIONS] %s\n%s\n", verb->name, verb->words,
           verb->summary);
}

static const struct verb *find_verb(const char *name, struct err *e)
{
    const char *names[ARRAY_LEN(verbs)];
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (str_eq(verbs[i].name, name))
            return &verbs[i];
        names[i] = verbs[i].name;
    }
    const char *nearest = str_nearest(name, names, ARRAY_LEN(names));
    (void)err_input(e, "unknown verb \"%.40s\"", name);
    if (nearest)
        err_hint(e, "did you mean \"%s\"?", nearest);
    return NULL;
}

/* One line for the client; LEVEL as logrus names it. Errors of ours are never worth failing for. */
static void write_log(const struct runtime *rt, const char *level, const char *msg)
{
    auto_fd int fd = open(rt->log_path, LOG_FLAGS, 0644);
    if (fd < 0)
        return;
    char when[40];
    time_t now = time(NULL);
    struct tm tm;
    (void)gmtime_r(&now, &tm);
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    auto_buf struct buf line;
    buf_init(&line, 8192);
    if (rt->log_is_json) {
        struct json_writer w;
        json_writer_init(&w, &line, 0);
        json_begin_object(&w, NULL);
        json_put_string(&w, "level", level);
        json_put_string(&w, "msg", msg);
        json_put_string(&w, "time", when);
        json_end_object(&w);
    } else {
        (void)buf_printf(&line, "%s %s: %s", when, level, msg);
    }
    (void)buf_add_char(&line, '\n');
    (void)!fd_write_all(fd, line.data, line.len);
}

static void log_warning(const void *rt, const char *text)
{
    write_log(rt, "warning", text);
}

/* What a configuration says must not become lines of its own, nor commands of a terminal. */
static void make_one_line(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
}

static void report(const struct runtime *rt, const struct err *e)
{
    char text[ERR_LINE_MAX];
    err_line(e, text, sizeof(text));
    make_one_line(text);
    (void)dprintf(STDERR_FILENO, "svc-runtime: %s\n", text);
    if (rt->log_path)
        write_log(rt, "error", text);
}

/* A client that reads errors from the log must not miss one: before anything is done. */
static int check_log(struct runtime *rt, struct err *e)
{
    auto_fd int fd = rt->log_path ? open(rt->log_path, LOG_FLAGS, 0644) : -1;
    if (!rt->log_path || fd >= 0)
        return 0;
    (void)err_sys(e, errno, "--log: open %s", rt->log_path);
    rt->log_path = NULL;
    return -1;
}

/* Lives as long as the program. */
static const char *default_root(void)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");
    if (!dir || dir[0] != '/' || !rootless_has_own_root())
        return ROOT_DEFAULT;
    return str_printf("%s" ROOT_NAME, dir);
}

static int check_globals(const struct globals *g, struct runtime *rt, struct err *e)
{
    if (g->systemd_cgroup) {
        (void)err_host(e, "--systemd-cgroup: the systemd cgroup driver is not supported");
        err_hint(e, "use cgroupfs: cgroup_manager = \"cgroupfs\" (podman), "
                    "native.cgroupdriver=cgroupfs (docker), SystemdCgroup = false (containerd)");
        return -1;
    }
    if (g->cgroup_manager && !str_eq(g->cgroup_manager, "cgroupfs") &&
        !str_eq(g->cgroup_manager, "disabled"))
        return err_input(e, "--cgroup-manager: must be cgroupfs or disabled, not \"%s\"",
                         g->cgroup_manager);
    rt->no_cgroups = str_eq(g->cgroup_manager, "disabled");
    if (g->log_level && !str_eq(g->log_level, "error") && !str_eq(g->log_level, "warning") &&
        !str_eq(g->log_level, "debug"))
        return err_input(e, "--log-level: must be error, warning or debug, not \"%s\"",
                         g->log_level);
    if (g->log_format && !str_eq(g->log_format, "json") && !str_eq(g->log_format, "text"))
        return err_input(e, "--log-format: must be text or json, not \"%s\"", g->log_format);
    rt->root = g->root ? g->root : default_root();
    rt->log_path = g->log && str_starts(g->log, "file:") ? g->log + 5 : g->log;
    rt->log_is_json = str_eq(g->log_format, "json");
    rt->is_debug = g->debug || str_eq(g->log_level, "debug");
    return 0;
}

/* Closed standard fds are filled, so that no file of ours becomes one. What else the caller left
 * open must not reach hooks and containers (CVE-2024-21626): it is close-on-exec; what
 * --preserve-fds names is let through again right before execve. */
static void secure_fds(bool keeps_others)
{
    int fd;
    if (!keeps_others)
        (void)syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO && fd_set_cloexec(fd, false) == 0);
    fd_close(&fd);
}

/* A program that is not there, or cannot be executed, as every shell tells it, and `svc exec`; runc
 * has 255. Engines look at the words (README.md). */
static int failure_code(const struct verb *verb, const struct err *e)
{
    if (verb->run == verb_exec && e->kind == ERR_INPUT && e->errnum == ENOENT)
        return 127;
    if (verb->run == verb_exec && e->kind == ERR_INPUT && e->errnum == EACCES)
        return 126;
    return verb->failure;
}

static int call_verb(struct runtime *rt, int words, char **argv)
{
    struct err e;
    const struct verb *verb = find_verb(argv[0], &e);
    int code = -1;
    if (verb && words > 1 && (str_eq(argv[1], "--help") || str_eq(argv[1], "-h")))
        print_verb_help(verb); /* its options are its own to print */
    if (verb) {
        secure_fds(verb->hides);
        code = verb->run(rt, words, argv, &e);
    }
    if (code >= 0)
        return code;
    report(rt, &e);
    return verb ? failure_code(verb, &e) : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct globals g = { 0 };
    struct runtime rt = { .root = ROOT_DEFAULT };
    struct err e;
    /* Inherited as ignored it would reap our children before we do. The others stay: who ignores
     * SIGHUP (nohup) or SIGPIPE means us too; the program gets defaults in any case. */
    (void)signal(SIGCHLD, SIG_DFL);
    auto_free char **whole_argv = mem_alloc(((size_t)argc + 1) * sizeof(*argv));
    memcpy(whole_argv, argv, (size_t)argc * sizeof(*argv)); /* parsing moves words */
    int words =
        options_parse(rows, ARRAY_LEN(rows), OPTIONS_FIRST_STOPS, argc - 1, argv + 1, &g, &e);
    if (words < 0 || check_globals(&g, &rt, &e) < 0 || check_log(&rt, &e) < 0) {
        report(&rt, &e);
        return EXIT_FAILURE;
    }
    log_open(STDERR_FILENO, rt.is_debug                    ? LOG_DEBUG
                            : str_eq(g.log_level, "error") ? LOG_ERROR
                                                           : LOG_WARN);
    if (rt.log_path)
        log_tell(log_warning, &rt);
    if (g.version) {
        print_version();
        return 0;
    }
    if (g.help || words == 0) {
        print_help();
        return g.help ? 0 : 1;
    }
    rt.argv = whole_argv;
    return call_verb(&rt, words, argv + 1);
}
