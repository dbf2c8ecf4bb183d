#include "supervisor/cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "specs/stack_load.h"
#include "supervisor/cli/lastwords.h"
#include "supervisor/ctl/client.h"
#include "supervisor/ctl/paths.h"

enum {
    COPY_BYTES = JSON_BYTES_MAX,
    START_TIMEOUT_MS = 10 * 1000, /* until the engine answers */
    STOP_TIMEOUT_MS = 3 * 1000,   /* of a keeper that could not start its engine */
    PAUSE_MAX_MS = 20,
    LOCK_TRIES = 100,
    LOG_TAIL_BYTES = 4096,
    LOG_BYTES_MAX = 1024 * 1024, /* then it starts anew, the old one is kept */
    EXIT_EXEC = 127,
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void cli_launch_done(struct cli_launch *l)
{
    fd_close(&l->lifeline_fd);
    fd_close(&l->keeper_fd);
    fd_close(&l->lock_fd);
}

/* ---- the run directory ---- */

static int make_dirs(const struct cli_project *p, struct err *e)
{
    if (fd_mkdir_all(AT_FDCWD, ctl_run_root(), 0755) < 0)
        return err_sys(e, errno, "make %s", ctl_run_root());
    if (mkdir(p->run_dir, 0700) < 0 && errno != EEXIST)
        return err_sys(e, errno, "make %s", p->run_dir);
    if (fd_mkdir_all(AT_FDCWD, p->state_dir, 0711) < 0)
        return err_sys(e, errno, "make %s", p->state_dir);
    return 0;
}

/* Takes the lock in DIR, whoever removes that directory meanwhile. -1 with e; e->errnum is
 * EWOULDBLOCK when somebody has it. */
static int take_lock(const struct cli_project *p, struct err *e)
{
    auto_free char *path = str_printf("%s/%s", p->run_dir, CTL_LOCK_FILE);
    for (int i = 0; i < LOCK_TRIES; i++) {
        struct stat there, mine;
        if (make_dirs(p, e) < 0)
            return -1;
        auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
            return err_sys(e, errno, "lock %s", path);
        if (stat(path, &there) == 0 && fstat(fd, &mine) == 0 && there.st_ino == mine.st_ino)
            return take_fd(&fd);
    }
    return err_conflict(e, "%s: somebody removes it again and again", p->run_dir);
}

static int write_copy(const struct cli_project *p, const struct buf *copy, struct err *e)
{
    auto_free char *path = str_printf("%s/%s", p->run_dir, CTL_STACK_FILE);
    return fd_write_file(AT_FDCWD, path, copy->data, copy->len, 0600, false, e);
}

static int write_options(const struct cli_project *p, const struct stack *stack, bool is_foreground,
                         struct err *e)
{
    auto_free char *path = str_printf("%s/%s", p->run_dir, CTL_OPTIONS_FILE);
    auto_free char *file = realpath(stack->file, NULL);
    auto_buf struct buf text;
    buf_init(&text, COPY_BYTES);
    struct json_writer w;
    json_writer_init(&w, &text, 0);
    json_begin_object(&w, NULL);
    json_put_bool(&w, "foreground", is_foreground);
    json_put_u64(&w, "owner_uid", getuid());
    json_put_string(&w, "file", file ? file : stack->file);
    json_end_object(&w);
    return fd_write_file(AT_FDCWD, path, text.data, text.len, 0600, false, e);
}

static bool is_same_stack(const struct cli_project *p, const struct buf *copy)
{
    auto_free char *path = str_printf("%s/%s", p->run_dir, CTL_STACK_FILE);
    auto_buf struct buf running;
    struct err e;
    buf_init(&running, COPY_BYTES);
    return fd_read_file(AT_FDCWD, path, &running, &e) == 0 && running.len == copy->len &&
           memcmp(running.data, copy->data, copy->len) == 0;
}

/* The file that the running stack was started with, as write_options kept it; NULL: not known. */
static char *running_file(const struct cli_project *p)
{
    auto_free char *path = str_printf("%s/%s", p->run_dir, CTL_OPTIONS_FILE);
    struct arena a = { 0 };
    struct json *options;
    struct err e;
    char *file = NULL;
    if (json_load(&a, AT_FDCWD, path, &options, &e) == 0 && json_find_string(options, "file", NULL))
        file = str_dup(json_find_string(options, "file", NULL));
    arena_done(&a);
    return file;
}

static int refuse_busy(const struct cli_project *p, const struct stack *stack, struct err *e)
{
    auto_free char *theirs = running_file(p);
    auto_free char *ours = realpath(stack->file, NULL);
    if (theirs && ours && str_eq(theirs, ours)) {
        (void)err_conflict(e, "stack %s runs with another version of this file", p->name);
        err_hint(e, "apply it with: svc down -p %s, then the same command again (volumes stay)",
                 p->name);
        return -1;
    }
    (void)err_conflict(e, "a stack %s is already running, from another file: %s", p->name,
                       theirs ? theirs : "?");
    err_hint(e, "svc down -p %s stops that one; -p NAME runs this one beside it", p->name);
    return -1;
}

/* ---- the keeper ---- */

static int open_log(struct cli_launch *l, struct err *e)
{
    auto_free char *path = str_printf("%s/%s", l->project->state_dir, CTL_LOG_FILE);
    auto_free char *old_path = str_printf("%s.1", path);
    struct stat there;
    if (stat(path, &there) == 0 && there.st_size > LOG_BYTES_MAX && rename(path, old_path) < 0)
        return err_sys(e, errno, "rename %s", path);
    auto_fd int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_sys(e, errno, "open %s", path);
    l->log_start = lseek(fd, 0, SEEK_END);
    return take_fd(&fd);
}

/* In the child: only async-signal-safe calls. All other fds, inherited ones too, close at exec. */
static void exec_keeper(const char *run_dir, int null_fd, int log_fd, int lifeline_fd, int lock_fd,
                        const char *lifeline_text, const char *lock_text)
{
    const char *argv[] = { "svc", "@keeper", run_dir, lifeline_text, lock_text, NULL };
    sigset_t none;
    (void)sigemptyset(&none);
    if (setsid() < 0 || dup2(null_fd, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0 ||
        sigprocmask(SIG_SETMASK, &none, NULL) < 0 || chdir("/") < 0 ||
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0 || fd_set_cloexec(lock_fd, false) < 0 ||
        (lifeline_fd >= 0 && fd_set_cloexec(lifeline_fd, false) < 0))
        _exit(EXIT_EXEC);
    (void)umask(022);
    (void)execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    _exit(EXIT_EXEC);
}

static int start_keeper(struct cli_launch *l, bool is_foreground, struct err *e)
{
    auto_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    auto_fd int log_fd = open_log(l, e);
    int ends[2] = { -1, -1 };
    if (log_fd < 0)
        return -1;
    if (null_fd < 0 || (is_foreground && pipe2(ends, O_CLOEXEC) < 0))
        return err_sys(e, errno, "prepare the keeper");
    l->lifeline_fd = ends[1];
    auto_fd int lifeline_fd = ends[0];
    char lifeline_text[16], lock_text[16];
    (void)snprintf(lifeline_text, sizeof(lifeline_text), "%d", lifeline_fd);
    (void)snprintf(lock_text, sizeof(lock_text), "%d", l->lock_fd);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    l->start_unix_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    (void)fflush(NULL);
    l->keeper = fork();
    if (l->keeper < 0)
        return err_sys(e, errno, "fork the keeper");
    if (l->keeper == 0)
        exec_keeper(l->project->run_dir, null_fd, log_fd, lifeline_fd, l->lock_fd, lifeline_text,
                    lock_text);
    l->keeper_fd = pidfd_open(l->keeper, 0);
    if (l->keeper_fd < 0)
        return err_sys(e, errno, "watch the keeper");
    return 0;
}

static bool has_ended(const struct cli_launch *l, int timeout_ms)
{
    struct pollfd p = { .fd = l->keeper_fd, .events = POLLIN };
    int n;
    do
        n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

int cli_launch_reap(struct cli_launch *l, int timeout_ms)
{
    int status = 0;
    fd_close(&l->lifeline_fd);
    if (l->keeper <= 0)
        return 0;
    if (!has_ended(l, timeout_ms))
        (void)kill(l->keeper, SIGKILL); /* our child, not reaped yet: the pid is its */
    while (waitpid(l->keeper, &status, 0) < 0 && errno == EINTR)
        ;
    l->keeper = 0;
    fd_close(&l->lock_fd);
    struct err e;
    if (cli_project_wait_gone(l->project, 0, &e) < 0)
        (void)cli_print_err(&e); /* continuing: the next start takes what stayed */
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What keeper and engine said since the start that failed: their error becomes E, otherwise their
 * last lines are shown. */
static void tell_why(const struct cli_launch *l, struct err *e)
{
    auto_free char *path = str_printf("%s/%s", l->project->state_dir, CTL_LOG_FILE);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    auto_free char *text = mem_alloc(LOG_TAIL_BYTES + 1);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from = end - LOG_TAIL_BYTES > l->log_start ? end - LOG_TAIL_BYTES : l->log_start;
    ssize_t n = pread(fd, text, LOG_TAIL_BYTES, from);
    if (n <= 0)
        return;
    text[n] = '\0';
    if (!cli_lastwords_find(text, e))
        (void)fputs(text, stderr);
}

static int wait_answer(const struct cli_launch *l, struct err *e)
{
    struct ctl_call call = { l->project->run_dir, "GET", "/v1/version", NULL, false };
    int64_t deadline_ms = now_ms() + START_TIMEOUT_MS;
    for (int pause = 1;; pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS) {
        struct arena a = { 0 };
        struct json *answer;
        int result = ctl_client_call(&call, &a, &answer, e);
        arena_done(&a);
        if (result == 0)
            return 0;
        if (has_ended(l, pause))
            return err_set(e, ERR_SYSTEM, "the engine of %s does not start", l->project->name);
        if (now_ms() >= deadline_ms)
            return err_wrap(e, "start the engine of %s", l->project->name);
    }
}

static int start(struct cli_launch *l, const struct stack *stack, const struct buf *copy,
                 bool is_foreground, struct err *e)
{
    auto_free char *sock = str_printf("%s/%s", l->project->run_dir, CTL_SOCKET_FILE);
    (void)unlink(sock); /* of a keeper that was killed: nobody may wait for it */
    if (write_copy(l->project, copy, e) < 0 ||
        write_options(l->project, stack, is_foreground, e) < 0 ||
        start_keeper(l, is_foreground, e) < 0)
        return -1;
    if (wait_answer(l, e) == 0)
        return 0;
    tell_why(l, e);
    err_hint(e, "all of it is in %s/%s", l->project->state_dir, CTL_LOG_FILE);
    return -1;
}

int cli_launch(const struct cli_project *project, const struct stack *stack, bool is_foreground,
               struct cli_launch *out, struct err *e)
{
    if (geteuid() != 0) {
        (void)err_host(e, "starting a stack needs root");
        err_hint(e, "try sudo");
        return -1;
    }
    struct cli_launch l = { .project = project, .keeper_fd = -1, .lifeline_fd = -1 };
    auto_buf struct buf copy;
    buf_init(&copy, COPY_BYTES);
    stack_write_json(stack, &copy, 2);
    bool was_there = access(project->run_dir, F_OK) == 0;
    l.lock_fd = take_lock(project, e);
    if (l.lock_fd < 0 && e->errnum == EWOULDBLOCK)
        return is_same_stack(project, &copy) ? CLI_LAUNCH_SAME : refuse_busy(project, stack, e);
    if (l.lock_fd < 0)
        return -1;
    if (start(&l, stack, &copy, is_foreground, e) == 0) {
        *out = l;
        return CLI_LAUNCH_STARTED;
    }
    if (l.keeper > 0)
        (void)kill(l.keeper, SIGTERM);
    fd_close(&l.lifeline_fd);
    if (l.keeper > 0)
        (void)cli_launch_reap(&l, STOP_TIMEOUT_MS);
    cli_launch_done(&l);
    struct err left;
    if (!was_there && cli_project_wait_gone(project, 0, &left) < 0)
        (void)cli_print_err(&left);
    return -1;
}
