#include "supervisor/logs/logs.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

enum {
    BIG = 8 << 20
};

struct world {
    char path[64];
    int dir_fd;
    struct loop *loop;
    struct logs *logs;
    struct buf seen;  /* what the follower got */
    struct buf ended; /* what ended */
    struct logs_follower follower;
    bool unfollows;
};

static void on_end(void *self, const char *service, uint32_t replica, enum logs_stream stream)
{
    struct world *w = self;
    (void)buf_printf(&w->ended, "%s-%u/%d ", service, replica, (int)stream);
}

static void start(struct world *w)
{
    struct err e;
    assert_int_equal(loop_new(&w->loop, &e), 0);
    assert_int_equal(logs_new(&w->logs, w->loop, w->dir_fd, on_end, w, &e), 0);
}

static void stop(struct world *w)
{
    logs_free(w->logs);
    loop_free(w->loop);
}

static int set_up(void **state)
{
    struct world *w = mem_alloc(sizeof(*w));
    (void)snprintf(w->path, sizeof(w->path), "/tmp/svc-logs-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    w->dir_fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    buf_init(&w->seen, BIG);
    buf_init(&w->ended, 4096);
    start(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    stop(w);
    buf_done(&w->seen);
    buf_done(&w->ended);
    close(w->dir_fd);
    int done = fd_remove_tree(AT_FDCWD, w->path);
    free(w);
    return done;
}

static void on_line(void *self, const struct logs_line *line)
{
    struct world *w = self;
    (void)buf_printf(&w->seen, "%s-%u %s%s [%.*s]\n", line->service, line->replica,
                     line->stream == LOGS_STDERR ? "err" : "out", line->is_continued ? "+" : "",
                     (int)line->len, line->text);
    if (w->unfollows)
        logs_unfollow(w->logs, &w->follower);
}

static void follow(struct world *w, const char *service)
{
    w->follower = (struct logs_follower){ .service = service, .on_line = on_line, .self = w };
    logs_follow(w->logs, &w->follower);
}

/* The end to write to. */
static int attach(struct world *w, const char *service, uint32_t replica, enum logs_stream stream)
{
    int ends[2];
    struct err e;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(logs_attach(w->logs, service, replica, stream, ends[0], &e), 0);
    return ends[1];
}

static void put(int fd, const char *text)
{
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void ticks(struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        loop_tick(w->loop, 0);
}

/* All lines that a reader gives, as `service-replica text\n`. */
static void read_lines(struct world *w, const char *service, size_t tail, struct buf *b)
{
    auto_(logs_reader_free) struct logs_reader *r = NULL;
    struct logs_line line;
    struct err e;
    buf_init(b, BIG);
    (void)buf_add_str(b, "");
    assert_int_equal(logs_reader_new(&r, w->dir_fd, service, tail, &e), 0);
    while (logs_reader_next(r, &line, &e) == 1)
        (void)buf_printf(b, "%s-%u%s %.*s\n", line.service, line.replica,
                         line.is_continued ? "+" : "", (int)line.len, line.text);
}

static void assert_lines(struct world *w, const char *service, size_t tail, const char *expected)
{
    auto_buf struct buf b;
    read_lines(w, service, tail, &b);
    assert_string_equal(b.data, expected);
}

static void test_lines_arrive(void **state)
{
    struct world *w = *state;
    follow(w, NULL);
    int out = attach(w, "web", 1, LOGS_STDOUT);
    int err = attach(w, "web", 1, LOGS_STDERR);
    put(out, "one\ntwo\n\n");
    ticks(w, 1);
    put(err, "oh\n");
    ticks(w, 1);
    assert_string_equal(w->seen.data,
                        "web-1 out [one]\nweb-1 out [two]\nweb-1 out []\nweb-1 err [oh]\n");
    assert_lines(w, NULL, SIZE_MAX, "web-1 one\nweb-1 two\nweb-1 \nweb-1 oh\n");
    close(out);
    close(err);
}

static void test_follower_filter_and_unfollow(void **state)
{
    struct world *w = *state;
    follow(w, "db");
    w->unfollows = true;
    int web = attach(w, "web", 1, LOGS_STDOUT);
    int db = attach(w, "db", 1, LOGS_STDOUT);
    put(web, "not this\n");
    put(db, "this\nnot any more\n");
    ticks(w, 3);
    assert_string_equal(w->seen.data, "db-1 out [this]\n");
    close(web);
    close(db);
}

static void test_end_of_pipe(void **state)
{
    struct world *w = *state;
    int out = attach(w, "web", 1, LOGS_STDOUT);
    int err = attach(w, "web", 1, LOGS_STDERR);
    put(out, "last words\nwithout end");
    close(out);
    close(err);
    ticks(w, 5);
    assert_lines(w, NULL, SIZE_MAX, "web-1 last words\nweb-1 without end\n");
    assert_true(str_eq(w->ended.data, "web-1/0 web-1/1 ") ||
                str_eq(w->ended.data, "web-1/1 web-1/0 "));
}

static void test_end_after_unfinished_line(void **state)
{
    struct world *w = *state;
    int out = attach(w, "web", 1, LOGS_STDOUT);
    put(out, "Killed");
    ticks(w, 3);
    assert_lines(w, NULL, SIZE_MAX, "");
    close(out);
    ticks(w, 3);
    assert_lines(w, NULL, SIZE_MAX, "web-1 Killed\n");
    assert_string_equal(w->ended.data, "web-1/0 ");
}

/* An unfinished line costs no busy loop, stays in the pipe, and comes out whole. */
static void test_unfinished_line(void **state)
{
    struct world *w = *state;
    follow(w, NULL);
    int ends[2];
    struct err e;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int held = dup(ends[0]);
    assert_int_equal(logs_attach(w->logs, "web", 1, LOGS_STDOUT, ends[0], &e), 0);
    put(ends[1], "done\nhal");
    ticks(w, 5);
    assert_string_equal(w->seen.data, "web-1 out [done]\n");
    int left = 0;
    assert_int_equal(ioctl(held, FIONREAD, &left), 0);
    assert_int_equal(left, 3);
    for (int i = 0; i < 3; i++) {
        put(ends[1], "f");
        ticks(w, 5);
    }
    put(ends[1], "\nnext\n");
    ticks(w, 5);
    assert_string_equal(w->seen.data, "web-1 out [done]\nweb-1 out [halfff]\nweb-1 out [next]\n");
    close(ends[1]);
    close(held);
}

static void count_wait(void *self)
{
    (*(int *)self)++;
}

static void test_unfinished_line_does_not_spin(void **state)
{
    struct world *w = *state;
    int waits = 0;
    int out = attach(w, "web", 1, LOGS_STDOUT);
    put(out, "prompt> ");
    ticks(w, 3);
    loop_before_sleep(w->loop, count_wait, &waits);
    /* A busy source would end the wait at once; the timer is what ends it now. */
    struct loop_timer t;
    loop_timer_init(&t, (loop_fn *)count_wait, &waits, "end");
    uint64_t before = loop_now_ns(w->loop);
    loop_timer_in_ms(w->loop, &t, 30);
    loop_tick(w->loop, -1);
    assert_true(loop_now_ns(w->loop) - before >= 30000000);
    assert_int_equal(waits, 2);
    close(out);
}

/* The engine is killed: the next one, with a copy of the pipe, sees all and nothing twice. */
static void test_nothing_lost_over_a_restart(void **state)
{
    struct world *w = *state;
    int ends[2];
    struct err e;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int held = dup(ends[0]); /* the keeper's */
    assert_int_equal(logs_attach(w->logs, "web", 1, LOGS_STDOUT, ends[0], &e), 0);
    put(ends[1], "one\ntw");
    ticks(w, 3);
    stop(w);
    put(ends[1], "o\nthree\n");
    start(w);
    assert_int_equal(logs_attach(w->logs, "web", 1, LOGS_STDOUT, dup(held), &e), 0);
    ticks(w, 3);
    assert_lines(w, NULL, SIZE_MAX, "web-1 one\nweb-1 two\nweb-1 three\n");
    close(ends[1]);
    close(held);
}

/* A stand-in for the engine: reads PIPE_FD into the logs until it ends. */
static pid_t start_reader(struct world *w, int pipe_fd)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    struct err e;
    stop(w);
    start(w);
    if (logs_attach(w->logs, "web", 1, LOGS_STDOUT, pipe_fd, &e) < 0)
        _exit(1);
    while (!w->ended.len)
        loop_tick(w->loop, 1000);
    _exit(0);
}

static off_t log_bytes(const struct world *w)
{
    struct stat st;
    return fstatat(w->dir_fd, "web-1.log", &st, 0) < 0 ? 0 : st.st_size;
}

static void test_nothing_lost_when_killed(void **state)
{
    struct world *w = *state;
    enum {
        LINES = 100000,
        KILLS = 10,
    };
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t writer = fork();
    if (writer == 0) {
        close(ends[0]);
        FILE *f = fdopen(ends[1], "w");
        for (int i = 0; f && i < LINES; i++)
            (void)fprintf(f, "%08d\n", i);
        _exit(f && fclose(f) == 0 ? 0 : 1);
    }
    close(ends[1]);
    int status = -1;
    for (int i = 0; i < KILLS; i++) {
        off_t before = log_bytes(w);
        pid_t reader = start_reader(w, ends[0]);
        while (log_bytes(w) == before && waitpid(reader, &status, WNOHANG) == 0)
            (void)sched_yield();
        kill(reader, SIGKILL);
        (void)waitpid(reader, &status, 0);
    }
    assert_int_equal(waitpid(start_reader(w, ends[0]), &status, 0) > 0, 1);
    assert_int_equal(status, 0);
    close(ends[0]);
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);

    /* In order, none missing; for each kill some twice, the first of these perhaps without head. */
    auto_(logs_reader_free) struct logs_reader *r = NULL;
    struct logs_line line;
    struct err e;
    uint64_t next = 0;
    int fragments = 0;
    assert_int_equal(logs_reader_new(&r, w->dir_fd, "web", SIZE_MAX, &e), 0);
    while (logs_reader_next(r, &line, &e) == 1) {
        char text[9] = "";
        uint64_t number;
        assert_true(line.len < sizeof(text));
        memcpy(text, line.text, line.len);
        if (line.len < sizeof(text) - 1) {
            fragments++;
            continue;
        }
        assert_int_equal(str_to_u64(text, LINES, &number), 0);
        assert_true(number <= next);
        next = number + 1;
    }
    assert_int_equal(next, LINES);
    assert_true(fragments <= KILLS);
}

static void test_long_lines_are_split(void **state)
{
    struct world *w = *state;
    auto_free char *text = mem_alloc(3 * LOGS_LINE_MAX);
    memset(text, 'x', 3 * LOGS_LINE_MAX);
    int out = attach(w, "web", 1, LOGS_STDOUT);
    follow(w, NULL);
    /* Exactly the limit is one line. */
    text[LOGS_LINE_MAX] = '\n';
    assert_int_equal(fd_write_all(out, text, LOGS_LINE_MAX + 1), 0);
    ticks(w, 3);
    assert_int_equal(w->seen.len, LOGS_LINE_MAX + strlen("web-1 out []\n"));
    buf_reset(&w->seen);
    text[LOGS_LINE_MAX] = 'x';
    text[2 * LOGS_LINE_MAX + 5] = '\n';
    assert_int_equal(fd_write_all(out, text, 2 * LOGS_LINE_MAX + 6), 0);
    ticks(w, 5);
    close(out);
    auto_(logs_reader_free) struct logs_reader *r = NULL;
    struct logs_line line;
    struct err e;
    assert_int_equal(logs_reader_new(&r, w->dir_fd, "web", 3, &e), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(logs_reader_next(r, &line, &e), 1);
        assert_int_equal(line.len, i < 2 ? LOGS_LINE_MAX : 5);
        assert_int_equal(line.is_continued, i < 2);
    }
    assert_int_equal(logs_reader_next(r, &line, &e), 0);
}

/* A writer that ends no line must not wait for ever for room in a small pipe. */
static void test_full_pipe_without_line_feed(void **state)
{
    struct world *w = *state;
    int ends[2];
    struct err e;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t writer = fork();
    if (writer == 0) {
        char block[3000];
        memset(block, 'y', sizeof(block));
        for (int i = 0; i < 300; i++)
            if (write(ends[1], block, sizeof(block)) != sizeof(block))
                _exit(1);
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(logs_attach(w->logs, "web", 1, LOGS_STDOUT, ends[0], &e), 0);
    for (int i = 0; i < 2000 && !w->ended.len; i++)
        loop_tick(w->loop, 100);
    int status = -1;
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    auto_buf struct buf b;
    read_lines(w, "web", SIZE_MAX, &b);
    size_t count = 0;
    for (size_t i = 0; i < b.len; i++)
        count += b.data[i] == 'y';
    assert_int_equal(count, 300 * 3000);
}

/* Packet mode: each write is a unit of its own that a short read would cut. */
static void test_packet_mode_writer(void **state)
{
    struct world *w = *state;
    int ends[2];
    struct err e;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_DIRECT), 0);
    assert_int_equal(logs_attach(w->logs, "web", 1, LOGS_STDOUT, ends[0], &e), 0);
    put(ends[1], "one\ntw");
    ticks(w, 3);
    put(ends[1], "o\nth");
    put(ends[1], "ree\n");
    ticks(w, 3);
    assert_lines(w, NULL, SIZE_MAX, "web-1 one\nweb-1 two\nweb-1 three\n");
    close(ends[1]);
}

static void test_detach_writes_what_is_there(void **state)
{
    struct world *w = *state;
    int out = attach(w, "web", 1, LOGS_STDOUT);
    int other = attach(w, "web", 2, LOGS_STDOUT);
    put(out, "one\nunfinished");
    put(other, "stays");
    logs_detach(w->logs, "web", 1);
    ticks(w, 2);
    assert_lines(w, NULL, SIZE_MAX, "web-1 one\nweb-1 unfinished\n");
    assert_int_equal(w->ended.len, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(write(out, "x", 1), -1); /* nobody reads any more */
    close(out);
    close(other);
}

static void test_tail_and_merge(void **state)
{
    struct world *w = *state;
    int a = attach(w, "a", 1, LOGS_STDOUT);
    int b = attach(w, "b", 1, LOGS_STDOUT);
    for (int i = 0; i < 6; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d\n", i);
        put(i % 2 ? b : a, text);
        ticks(w, 1);
    }
    assert_lines(w, NULL, SIZE_MAX, "a-1 0\nb-1 1\na-1 2\nb-1 3\na-1 4\nb-1 5\n");
    assert_lines(w, NULL, 3, "b-1 3\na-1 4\nb-1 5\n");
    assert_lines(w, "a", 2, "a-1 2\na-1 4\n");
    assert_lines(w, "b", 100, "b-1 1\nb-1 3\nb-1 5\n");
    assert_lines(w, NULL, 0, "");
    assert_lines(w, "nobody", 5, "");
    close(a);
    close(b);
}

static void test_tail_over_rotated_files(void **state)
{
    struct world *w = *state;
    struct err e;
    static const struct {
        const char *name, *text;
    } files[] = {
        { "web-1.log.2", "2026-01-01T00:00:01.000000Z stdout 1\n"
                         "2026-01-01T00:00:02.000000Z stdout 2\n" },
        { "web-1.log.1", "2026-01-01T00:00:03.000000Z stdout 3\ntorn by a crash\n"
                         "2026-01-01T00:00:04.000000Z stdout+ 4\n" },
        { "web-1.log", "2026-01-01T00:00:05.000000Z stderr 5\n"
                       "2026-01-01T00:00:06.000000Z stderr not finis" },
        { "web-1.log.10", "2026-01-01T00:00:00.000000Z stdout not ours\n" },
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_int_equal(fd_write_file(w->dir_fd, files[i].name, files[i].text,
                                       strlen(files[i].text), 0600, false, &e),
                         0);
    assert_lines(w, "web", SIZE_MAX, "web-1 1\nweb-1 2\nweb-1 3\nweb-1+ 4\nweb-1 5\n");
    assert_lines(w, "web", 5, "web-1 2\nweb-1 3\nweb-1+ 4\nweb-1 5\n");
    assert_lines(w, "web", 2, "web-1+ 4\nweb-1 5\n");
    assert_lines(w, "web", 1, "web-1 5\n");
}

/* Caught up, the reader goes on where it was, also when the file was rotated meanwhile. */
static void test_reader_goes_on(void **state)
{
    struct world *w = *state;
    auto_(logs_reader_free) struct logs_reader *r = NULL;
    struct logs_line line;
    struct err e;
    int out = attach(w, "web", 1, LOGS_STDOUT);
    put(out, "one\n");
    ticks(w, 1);
    assert_int_equal(logs_reader_new(&r, w->dir_fd, NULL, SIZE_MAX, &e), 0);
    assert_int_equal(logs_reader_next(r, &line, &e), 1);
    assert_int_equal(logs_reader_next(r, &line, &e), 0);
    put(out, "two\n");
    ticks(w, 1);
    logs_detach(w->logs, "web", 1);
    close(out);
    assert_int_equal(renameat(w->dir_fd, "web-1.log", w->dir_fd, "web-1.log.1"), 0);
    out = attach(w, "web", 1, LOGS_STDOUT);
    put(out, "three\n");
    ticks(w, 1);
    assert_int_equal(logs_reader_next(r, &line, &e), 1);
    assert_memory_equal(line.text, "two", 3);
    assert_int_equal(logs_reader_next(r, &line, &e), 1);
    assert_memory_equal(line.text, "three", 5);
    assert_int_equal(logs_reader_next(r, &line, &e), 0);
    close(out);
}

static void test_remove(void **state)
{
    struct world *w = *state;
    int web = attach(w, "web", 1, LOGS_STDOUT);
    int db = attach(w, "db", 1, LOGS_STDOUT);
    put(web, "x\n");
    put(db, "y\n");
    ticks(w, 1);
    logs_remove(w->logs, "web");
    assert_int_equal(faccessat(w->dir_fd, "web-1.log", F_OK, 0), -1);
    assert_lines(w, NULL, SIZE_MAX, "db-1 y\n");
    logs_remove(w->logs, NULL);
    assert_lines(w, NULL, SIZE_MAX, "");
    close(web);
    close(db);
}

static void test_bad_service_name(void **state)
{
    struct world *w = *state;
    struct err e;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(logs_attach(w->logs, "no/such", 1, LOGS_STDOUT, ends[0], &e), -1);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1); /* it was ours to close */
    close(ends[1]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_lines_arrive),
        CASE(test_follower_filter_and_unfollow),
        CASE(test_end_of_pipe),
        CASE(test_end_after_unfinished_line),
        CASE(test_unfinished_line),
        CASE(test_unfinished_line_does_not_spin),
        CASE(test_nothing_lost_over_a_restart),
        CASE(test_nothing_lost_when_killed),
        CASE(test_long_lines_are_split),
        CASE(test_full_pipe_without_line_feed),
        CASE(test_packet_mode_writer),
        CASE(test_detach_writes_what_is_there),
        CASE(test_tail_and_merge),
        CASE(test_tail_over_rotated_files),
        CASE(test_reader_goes_on),
        CASE(test_remove),
        CASE(test_bad_service_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
