/* The keeper with real processes. Its engine is this program too (`@engine`): a stand-in that hands
 * its end of the channel to the test over its standard input and waits to be killed, so that the
 * test itself speaks as the engine. */
#include "supervisor/keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    PATIENCE_MS = 20000
};

struct world {
    pid_t keeper;
    int control; /* the stand-ins arrive here */
    int lifeline;
    pid_t engine;
    int channel;
};

static int engine_stand_in(void)
{
    pid_t pid = getpid();
    int channel = KEEPER_CHANNEL_FD;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fd_send(STDIN_FILENO, &pid, sizeof(pid), &channel, 1) < 0)
        return 1;
    close(channel);
    for (;;)
        pause();
}

static void wait_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static void meet_engine(struct world *w)
{
    size_t count = 0;
    wait_readable(w->control);
    assert_int_equal(fd_recv(w->control, &w->engine, sizeof(w->engine), &w->channel, 1, &count),
                     sizeof(w->engine));
    assert_int_equal(count, 1);
}

static void kill_engine(struct world *w)
{
    fd_close(&w->channel);
    kill(w->engine, SIGKILL);
}

static struct keeper_message receive(struct world *w, int *fd)
{
    struct keeper_message m;
    struct err e = { 0 };
    int got = -1;
    wait_readable(w->channel);
    if (keeper_receive(w->channel, &m, &got, &e) != 1)
        fail_msg("receive: %s", e.what);
    if (fd)
        *fd = got;
    else
        fd_close(&got);
    return m;
}

static struct keeper_message expect(struct world *w, enum keeper_type type)
{
    struct keeper_message m = receive(w, NULL);
    assert_int_equal(m.type, type);
    return m;
}

static pid_t spawn_sh(struct world *w, uint64_t tag, const char *script, const int *fds, size_t n)
{
    const char *argv[] = { "/bin/sh", "-c", script, NULL };
    const char *envp[] = { "PATH=/usr/bin:/bin", "MARK=yes", NULL };
    struct err e;
    assert_int_equal(keeper_spawn(w->channel, tag, argv, envp, fds, n, &e), 0);
    struct keeper_message m = expect(w, KEEPER_SPAWNED);
    assert_int_equal(m.tag, tag);
    assert_int_equal(m.errnum, 0);
    return m.pid;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    int control[2], lifeline[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
    assert_int_equal(pipe2(lifeline, O_CLOEXEC), 0);
    w->keeper = fork();
    if (w->keeper == 0) {
        char life[16];
        dup2(control[1], STDIN_FILENO);
        if (fd_set_cloexec(lifeline[0], false) < 0)
            _exit(126);
        (void)snprintf(life, sizeof(life), "%d", lifeline[0]);
        (void)signal(SIGCHLD, SIG_IGN); /* as a careless parent may leave it */
        int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(quiet, STDERR_FILENO);
        execl("/proc/self/exe", "svc", "@keeper", "/tmp", life, "-1", (char *)NULL);
        _exit(126);
    }
    close(control[1]);
    close(lifeline[0]);
    w->control = control[0];
    w->lifeline = lifeline[1];
    w->channel = -1;
    meet_engine(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    fd_close(&w->channel);
    if (w->keeper) {
        kill(w->keeper, SIGKILL);
        waitpid(w->keeper, NULL, 0);
    }
    fd_close(&w->control);
    fd_close(&w->lifeline);
    free(w);
    return 0;
}

/* The keeper's exit code; it must end by itself. */
static int wait_keeper(struct world *w)
{
    int status = 0;
    assert_int_equal(waitpid(w->keeper, &status, 0), w->keeper);
    w->keeper = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_spawn_and_exit(void **state)
{
    struct world *w = *state;
    assert_int_equal(expect(w, KEEPER_READY).code, 0);
    pid_t pid = spawn_sh(w, 42, "exit 7", NULL, 0);
    struct keeper_message m = expect(w, KEEPER_EXITED);
    assert_int_equal(m.pid, pid);
    assert_int_equal(m.tag, 42);
    assert_int_equal(m.seq, 1);
    assert_true(WIFEXITED(m.status) && WEXITSTATUS(m.status) == 7);
    assert_true(m.when_ns > 0);
}

static void test_child_is_clean(void **state)
{
    struct world *w = *state;
    expect(w, KEEPER_READY);
    int out[2], in[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(write(in[1], "ping\n", 5), 5);
    /* 3 and 4 are the interesting targets: the keeper receives fds at such numbers. */
    const int fds[] = { in[0], out[1], out[1], in[0], out[1] };
    spawn_sh(
        w, 1,
        "read word <&3; echo $word $MARK >&4; ls -x -w 200 /proc/$$/fd;"
        "ps -o sid= -p $$ | grep -qw $$ && echo leader; exec grep -E 'SigBlk|SigIgn' /proc/self/status",
        fds, ARRAY_LEN(fds));
    close(out[1]);
    close(in[0]);
    expect(w, KEEPER_EXITED);
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(fd_read_all(out[0], &b), 0);
    assert_string_equal(b.data, "ping yes\n0  1  2  3  4\nleader\nSigBlk:\t0000000000000000\n"
                                "SigIgn:\t0000000000000000\n");
    buf_done(&b);
    close(out[0]);
    close(in[1]);
}

static void test_missing_fds_are_null(void **state)
{
    struct world *w = *state;
    expect(w, KEEPER_READY);
    spawn_sh(w, 1, "for n in 0 1 2; do [ /proc/self/fd/$n -ef /dev/null ] || exit 1; done", NULL,
             0);
    assert_int_equal(expect(w, KEEPER_EXITED).status, 0);
}

static void test_program_missing(void **state)
{
    struct world *w = *state;
    expect(w, KEEPER_READY);
    const char *argv[] = { "/nowhere/program", NULL };
    struct err e;
    assert_int_equal(keeper_spawn(w->channel, 9, argv, NULL, NULL, 0, &e), 0);
    struct keeper_message m = expect(w, KEEPER_SPAWNED);
    assert_int_equal(m.errnum, ENOENT);
    assert_int_equal(m.tag, 9);
}

static void test_arguments_too_long(void **state)
{
    struct world *w = *state;
    expect(w, KEEPER_READY);
    auto_free char *big = calloc(1, KEEPER_ARGS_MAX + 1);
    memset(big, 'x', KEEPER_ARGS_MAX);
    const char *argv[] = { "/bin/true", big, NULL };
    struct err e;
    assert_int_equal(keeper_spawn(w->channel, 9, argv, NULL, NULL, 0, &e), -1);
    assert_string_equal(e.what, "start /bin/true: arguments and environment are over 32768 bytes");
}

static void test_replay_to_new_engine(void **state)
{
    struct world *w = *state;
    struct err e;
    int kept[2], other[2];
    expect(w, KEEPER_READY);
    assert_int_equal(pipe2(kept, O_CLOEXEC), 0);
    assert_int_equal(pipe2(other, O_CLOEXEC), 0);
    assert_int_equal(keeper_hold(w->channel, "log/web/1", other[0], &e), 0);
    assert_int_equal(keeper_hold(w->channel, "gone", other[0], &e), 0);
    assert_int_equal(keeper_hold(w->channel, "log/web/1", kept[0], &e), 0); /* replaces */
    assert_int_equal(keeper_drop(w->channel, "gone", &e), 0);
    spawn_sh(w, 1, "exit 1", NULL, 0);
    uint64_t known = expect(w, KEEPER_EXITED).seq;
    assert_int_equal(keeper_ack(w->channel, known, &e), 0);
    /* These two end when the gate's other side closes: without an engine, in order. */
    spawn_sh(w, 2, "read x; exit 2", (const int[]){ kept[0] }, 1);
    spawn_sh(w, 3, "read x; read x; exit 3", (const int[]){ other[0] }, 1);
    assert_int_equal(keeper_hold(w->channel, "last words", other[1], &e), 0);
    kill_engine(w);
    assert_int_equal(write(kept[1], "\n", 1), 1);
    meet_engine(w);

    int fd = -1;
    struct keeper_message m = receive(w, &fd);
    assert_int_equal(m.type, KEEPER_HELD);
    assert_string_equal(m.name, "log/web/1");
    struct stat a, b;
    fstat(fd, &a);
    fstat(kept[0], &b);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    m = expect(w, KEEPER_HELD);
    assert_string_equal(m.name, "last words");
    bool is_alive = false; /* 2 may end before or after it is told of */
    while ((m = receive(w, NULL)).type == KEEPER_SPAWNED)
        is_alive |= m.tag == 3 && m.pid > 0;
    assert_true(is_alive);
    bool is_ready_first = m.type == KEEPER_READY; /* 2 may end a little after the start */
    if (is_ready_first)
        m = receive(w, NULL);
    assert_int_equal(m.type, KEEPER_EXITED);
    assert_int_equal(m.tag, 2);
    assert_int_equal(m.seq, known + 1);
    if (!is_ready_first)
        m = expect(w, KEEPER_READY);

    /* Not acknowledged: comes again, before READY, and the next one after it. */
    kill_engine(w);
    meet_engine(w);
    expect(w, KEEPER_HELD);
    expect(w, KEEPER_HELD);
    assert_int_equal(expect(w, KEEPER_SPAWNED).tag, 3);
    assert_int_equal(expect(w, KEEPER_EXITED).tag, 2);
    assert_int_equal(expect(w, KEEPER_READY).code, 2);
    assert_int_equal(write(other[1], "\n\n", 2), 2);
    m = expect(w, KEEPER_EXITED);
    assert_int_equal(m.tag, 3);
    assert_int_equal(m.seq, known + 2);
    assert_int_equal(WEXITSTATUS(m.status), 3);
    for (int i = 0; i < 2; i++) {
        close(kept[i]);
        close(other[i]);
    }
}

static void test_dead_engine_keeps_but_does_not_start(void **state)
{
    struct world *w = *state;
    struct err e;
    expect(w, KEEPER_READY);
    char path[] = "/tmp/svc-keeper-test-XXXXXX";
    int mark = mkstemp(path);
    assert_true(mark >= 0);
    auto_free char *script = str_printf("rm %s", path);
    const char *argv[] = { "/bin/sh", "-c", script, NULL };
    /* Stopped, so that the requests are surely read after the engine's death. */
    kill(w->keeper, SIGSTOP);
    int status;
    assert_int_equal(waitpid(w->keeper, &status, WUNTRACED), w->keeper);
    int engine = (int)syscall(SYS_pidfd_open, w->engine, 0);
    kill(w->engine, SIGKILL);
    wait_readable(engine);
    close(engine);
    /* 64 requests are one turn of the keeper; the exit is seen after the first. */
    for (int i = 0; i < 64; i++)
        assert_int_equal(keeper_hold(w->channel, "kept", mark, &e), 0);
    assert_int_equal(keeper_spawn(w->channel, 5, argv, NULL, NULL, 0, &e), 0);
    fd_close(&w->channel);
    kill(w->keeper, SIGCONT);
    meet_engine(w);
    assert_string_equal(expect(w, KEEPER_HELD).name, "kept");
    expect(w, KEEPER_READY);
    assert_int_equal(access(path, F_OK), 0);
    close(mark);
    unlink(path);
}

static void test_orphans_are_adopted(void **state)
{
    struct world *w = *state;
    expect(w, KEEPER_READY);
    int gate[2];
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    pid_t parent =
        spawn_sh(w, 11, "(read x; exit 5) <&3 & exit 0", (const int[]){ 0, 1, 2, gate[0] }, 4);
    close(gate[0]);
    struct keeper_message m = expect(w, KEEPER_EXITED);
    assert_int_equal(m.pid, parent);
    assert_int_equal(m.tag, 11);
    close(gate[1]);
    m = expect(w, KEEPER_EXITED);
    assert_int_equal(m.tag, 0);
    assert_int_equal(WEXITSTATUS(m.status), 5);
}

static void test_signals_and_lifeline(void **state)
{
    struct world *w = *state;
    expect(w, KEEPER_READY);
    kill(w->keeper, SIGINT);
    assert_int_equal(expect(w, KEEPER_SIGNAL).code, SIGINT);
    kill(w->keeper, SIGINT);
    assert_int_equal(expect(w, KEEPER_SIGNAL).code, SIGINT);
    fd_close(&w->lifeline);
    assert_int_equal(expect(w, KEEPER_SIGNAL).code, SIGTERM);
    /* A stop that was asked for outlives the engine, once. */
    kill_engine(w);
    meet_engine(w);
    expect(w, KEEPER_READY);
    assert_int_equal(expect(w, KEEPER_SIGNAL).code, SIGINT);
    /* Engines that cannot stop the stack do not keep the keeper for ever. */
    kill_engine(w);
    meet_engine(w);
    kill_engine(w);
    assert_int_equal(wait_keeper(w), 70);
}

static void test_quit(void **state)
{
    struct world *w = *state;
    struct err e;
    expect(w, KEEPER_READY);
    int gate[2];
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    pid_t left = spawn_sh(w, 1, "read x", (const int[]){ gate[0] }, 1);
    assert_int_equal(keeper_quit(w->channel, 3, &e), 0);
    kill_engine(w);
    assert_int_equal(wait_keeper(w), 3);
    assert_int_equal(kill(left, 0), -1);
    close(gate[0]);
    close(gate[1]);
}

static void test_engine_that_sends_without_reading(void **state)
{
    struct world *w = *state;
    enum {
        COUNT = 700
    };
    struct err e;
    const char *argv[] = { "/nowhere", NULL };
    for (uint64_t i = 1; i <= COUNT; i++)
        assert_int_equal(keeper_spawn(w->channel, i, argv, NULL, NULL, 0, &e), 0);
    expect(w, KEEPER_READY);
    for (uint64_t i = 1; i <= COUNT; i++)
        assert_int_equal(expect(w, KEEPER_SPAWNED).tag, i);
}

static void test_engine_that_closes_its_channel(void **state)
{
    struct world *w = *state;
    pid_t first = w->engine;
    fd_close(&w->channel);
    meet_engine(w);
    assert_int_not_equal(w->engine, first);
    assert_int_equal(expect(w, KEEPER_READY).code, 1);
}

static void test_receive_without_message(void **state)
{
    struct world *w = *state;
    struct keeper_message m;
    struct err e;
    int fd;
    expect(w, KEEPER_READY);
    assert_int_equal(keeper_receive(w->channel, &m, &fd, &e), -1);
    assert_int_equal(e.errnum, EAGAIN);
    kill(w->keeper, SIGKILL);
    assert_int_equal(waitpid(w->keeper, NULL, 0), w->keeper);
    w->keeper = 0;
    wait_readable(w->channel);
    assert_int_equal(keeper_receive(w->channel, &m, &fd, &e), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && str_eq(argv[1], "@keeper"))
        return keeper_main(argc, argv);
    if (argc > 1 && str_eq(argv[1], "@engine"))
        return engine_stand_in();
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_spawn_and_exit),
        CASE(test_child_is_clean),
        CASE(test_missing_fds_are_null),
        CASE(test_program_missing),
        CASE(test_arguments_too_long),
        CASE(test_replay_to_new_engine),
        CASE(test_dead_engine_keeps_but_does_not_start),
        CASE(test_orphans_are_adopted),
        CASE(test_signals_and_lifeline),
        CASE(test_quit),
        CASE(test_engine_that_sends_without_reading),
        CASE(test_engine_that_closes_its_channel),
        CASE(test_receive_without_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
