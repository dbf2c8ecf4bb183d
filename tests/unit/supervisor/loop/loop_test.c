#include "supervisor/loop/loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

enum {
    TIMERS = 500
};

struct world {
    struct loop *loop;
    uint64_t clock;
    char trace[256];
    struct loop_fd a, b;
    struct loop_timer t[3];
    int pipe_a[2], pipe_b[2];
    int calls;
};

static int set_up(void **state)
{
    struct world *w = mem_alloc(sizeof(*w));
    struct err e;
    assert_int_equal(loop_new(&w->loop, &e), 0);
    w->clock = 1000;
    loop_set_clock(w->loop, &w->clock);
    assert_int_equal(pipe(w->pipe_a), 0);
    assert_int_equal(pipe(w->pipe_b), 0);
    w->a.fd = w->b.fd = -1;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    loop_remove_fd(w->loop, &w->a);
    loop_remove_fd(w->loop, &w->b);
    loop_free(w->loop);
    for (int i = 0; i < 2; i++) {
        close(w->pipe_a[i]);
        close(w->pipe_b[i]);
    }
    free(w);
    return 0;
}

static void trace(struct world *w, const char *word)
{
    size_t n = strlen(w->trace);
    (void)snprintf(w->trace + n, sizeof(w->trace) - n, "%s ", word);
}

static void on_t0(void *self)
{
    trace(self, "t0");
}
static void on_t1(void *self)
{
    trace(self, "t1");
}
static void on_t2(void *self)
{
    trace(self, "t2");
}

static void test_timers_in_order(void **state)
{
    struct world *w = *state;
    loop_timer_init(&w->t[0], on_t0, w, "t0");
    loop_timer_init(&w->t[1], on_t1, w, "t1");
    loop_timer_init(&w->t[2], on_t2, w, "t2");
    loop_timer_set(w->loop, &w->t[0], 3000);
    loop_timer_set(w->loop, &w->t[1], 2000);
    loop_timer_set(w->loop, &w->t[2], 5000);
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "");
    w->clock = 2000; /* exactly due */
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "t1 ");
    loop_timer_set(w->loop, &w->t[2], 2500); /* moves an armed one */
    w->clock = 9000;
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "t1 t2 t0 ");
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "t1 t2 t0 ");
    loop_timer_in_ms(w->loop, &w->t[0], 1);
    w->clock += 999999;
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "t1 t2 t0 ");
    w->clock += 1;
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "t1 t2 t0 t0 ");
}

struct many {
    struct loop_timer timer;
    uint64_t *last;
    size_t *fired;
};

static void on_many(void *self)
{
    struct many *m = self;
    assert_true(m->timer.deadline_ns >= *m->last);
    *m->last = m->timer.deadline_ns;
    (*m->fired)++;
}

static void test_heap_keeps_order(void **state)
{
    struct world *w = *state;
    static struct many many[TIMERS];
    uint64_t last = 0;
    size_t fired = 0;
    uint32_t seed = 12345;
    for (size_t i = 0; i < TIMERS; i++) {
        many[i] = (struct many){ .last = &last, .fired = &fired };
        loop_timer_init(&many[i].timer, on_many, &many[i], "many");
        seed = seed * 1664525 + 1013904223;
        loop_timer_set(w->loop, &many[i].timer, 2000 + seed % 1000);
    }
    for (size_t i = 0; i < TIMERS; i += 3)
        loop_timer_cancel(w->loop, &many[i].timer);
    loop_timer_cancel(w->loop, &many[0].timer); /* twice is fine */
    for (size_t i = 1; i < TIMERS; i += 6) {
        seed = seed * 1664525 + 1013904223;
        loop_timer_set(w->loop, &many[i].timer, 1500 + seed % 2000);
    }
    w->clock = 100000;
    loop_tick(w->loop, 0);
    assert_int_equal(fired, TIMERS - (TIMERS + 2) / 3);
}

static void on_again(void *self)
{
    struct world *w = self;
    w->calls++;
    loop_timer_set(w->loop, &w->t[0], 0);
}

static void on_a(void *self, uint32_t events)
{
    (void)events;
    trace(self, "a");
}

static void add(struct world *w, struct loop_fd *source, int fd, loop_fd_fn *fn)
{
    struct err e;
    assert_int_equal(loop_add_fd(w->loop, source, fd, EPOLLIN, fn, w, "test", &e), 0);
}

/* A timer that is always due neither starves file descriptors nor keeps the tick from ending. */
static void test_due_timer_does_not_starve(void **state)
{
    struct world *w = *state;
    loop_timer_init(&w->t[0], on_again, w, "again");
    loop_timer_set(w->loop, &w->t[0], 1);
    add(w, &w->a, w->pipe_a[0], on_a);
    assert_int_equal(write(w->pipe_a[1], "x", 1), 1);
    loop_tick(w->loop, 0);
    assert_int_equal(w->calls, 1);
    assert_string_equal(w->trace, "a ");
    w->clock++;
    loop_tick(w->loop, 0);
    assert_int_equal(w->calls, 2);
}

static void on_cancel_other(void *self)
{
    struct world *w = self;
    trace(w, "cancels");
    loop_timer_cancel(w->loop, &w->t[1]);
}

static void test_timer_cancelled_by_earlier_one(void **state)
{
    struct world *w = *state;
    loop_timer_init(&w->t[0], on_cancel_other, w, "t0");
    loop_timer_init(&w->t[1], on_t1, w, "t1");
    loop_timer_set(w->loop, &w->t[0], 1001);
    loop_timer_set(w->loop, &w->t[1], 1002);
    w->clock = 5000;
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "cancels ");
}

static void drop_both(void *self, uint32_t events)
{
    struct world *w = self;
    (void)events;
    w->calls++;
    loop_remove_fd(w->loop, &w->a);
    loop_remove_fd(w->loop, &w->b);
    loop_remove_fd(w->loop, &w->b); /* idempotent */
}

/* Both are ready in the same tick; whichever comes first removes the other. */
static void test_removal_drops_fetched_events(void **state)
{
    struct world *w = *state;
    add(w, &w->a, w->pipe_a[0], drop_both);
    add(w, &w->b, w->pipe_b[0], drop_both);
    assert_int_equal(write(w->pipe_a[1], "x", 1), 1);
    assert_int_equal(write(w->pipe_b[1], "x", 1), 1);
    loop_tick(w->loop, 0);
    assert_int_equal(w->calls, 1);
    loop_tick(w->loop, 0);
    assert_int_equal(w->calls, 1);
}

static void replace_both(void *self, uint32_t events)
{
    struct world *w = self;
    drop_both(w, events);
    /* Same sources, fds with nothing to read: an event of before must not reach them. */
    add(w, &w->a, w->pipe_a[0], on_a);
    add(w, &w->b, w->pipe_b[0], on_a);
}

static void test_readded_source_gets_no_old_event(void **state)
{
    struct world *w = *state;
    add(w, &w->a, w->pipe_a[0], replace_both);
    add(w, &w->b, w->pipe_b[0], replace_both);
    assert_int_equal(write(w->pipe_a[1], "x", 1), 1);
    assert_int_equal(write(w->pipe_b[1], "x", 1), 1);
    loop_tick(w->loop, 0);
    assert_int_equal(w->calls, 1);
    assert_string_equal(w->trace, "");
}

struct owner {
    struct world *world;
    struct loop_fd source;
};

static void free_owner(void *self)
{
    struct owner *o = self;
    trace(o->world, "freed");
    free(o);
}

static void on_owner(void *self, uint32_t events)
{
    struct owner *o = self;
    (void)events;
    loop_remove_fd(o->world->loop, &o->source);
    loop_later(o->world->loop, free_owner, o);
    trace(o->world, "later");
}

static void test_owner_frees_itself_later(void **state)
{
    struct world *w = *state;
    struct err e;
    struct owner *o = mem_alloc(sizeof(*o));
    o->world = w;
    assert_int_equal(
        loop_add_fd(w->loop, &o->source, w->pipe_a[0], EPOLLIN, on_owner, o, "owner", &e), 0);
    assert_int_equal(write(w->pipe_a[1], "x", 1), 1);
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "later freed ");
}

static void later_once_more(void *self)
{
    struct world *w = self;
    trace(w, "one");
    loop_later(w->loop, on_t0, w);
}

static void test_later_of_later_is_next_tick(void **state)
{
    struct world *w = *state;
    loop_later(w->loop, later_once_more, w);
    loop_tick(w->loop, -1); /* does not wait */
    assert_string_equal(w->trace, "one ");
    loop_tick(w->loop, -1);
    assert_string_equal(w->trace, "one t0 ");
}

static void test_pending_later_runs_at_free(void **state)
{
    struct world *w = *state;
    struct loop *loop = NULL;
    struct err e;
    assert_int_equal(loop_new(&loop, &e), 0);
    loop_later(loop, on_t0, w);
    loop_free(loop);
    assert_string_equal(w->trace, "t0 ");
}

static void read_one(void *self, uint32_t events)
{
    struct world *w = self;
    char c;
    (void)events;
    assert_int_equal(read(w->a.fd, &c, 1), 1);
    w->calls++;
}

static void test_set_events(void **state)
{
    struct world *w = *state;
    add(w, &w->a, w->pipe_a[0], read_one);
    assert_int_equal(write(w->pipe_a[1], "xy", 2), 2);
    loop_tick(w->loop, 0);
    loop_set_events(w->loop, &w->a, 0);
    loop_tick(w->loop, 0);
    assert_int_equal(w->calls, 1);
    loop_set_events(w->loop, &w->a, EPOLLIN);
    loop_tick(w->loop, 0);
    assert_int_equal(w->calls, 2);
}

/* More ready fds than one tick takes: all get their turn. */
static void test_fairness(void **state)
{
    struct world *w = *state;
    enum {
        COUNT = 300
    };
    static struct loop_fd sources[COUNT];
    static int fds[COUNT];
    struct err e;
    assert_int_equal(write(w->pipe_a[1], "x", 1), 1);
    struct world worlds[COUNT];
    memset(worlds, 0, sizeof(worlds));
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dup(w->pipe_a[0]);
        assert_int_equal(
            loop_add_fd(w->loop, &sources[i], fds[i], EPOLLIN, on_a, &worlds[i], "many", &e), 0);
    }
    for (int tick = 0; tick < 3; tick++)
        loop_tick(w->loop, 0);
    for (int i = 0; i < COUNT; i++) {
        assert_string_equal(worlds[i].trace[0] ? "a" : "nothing", "a");
        loop_remove_fd(w->loop, &sources[i]);
        close(fds[i]);
    }
}

static void on_signal(void *self, int signo)
{
    trace(self, signo == SIGUSR1 ? "usr1" : signo == SIGUSR2 ? "usr2" : "?");
}

static void test_signals(void **state)
{
    struct world *w = *state;
    struct err e;
    assert_int_equal(loop_add_signal(w->loop, SIGUSR1, on_signal, w, &e), 0);
    assert_int_equal(loop_add_signal(w->loop, SIGUSR2, on_signal, w, &e), 0);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "usr1 usr2 "); /* the kernel's order: lowest first */
}

static void test_before_sleep(void **state)
{
    struct world *w = *state;
    loop_before_sleep(w->loop, on_t0, w);
    loop_later(w->loop, on_t1, w);
    loop_tick(w->loop, 0);
    loop_tick(w->loop, 0);
    assert_string_equal(w->trace, "t0 t1 t0 ");
}

static void drain(void *self)
{
    struct world *w = self;
    if (w->calls++ == 0)
        loop_tick(w->loop, 0);
}

static void test_tick_within_before_sleep(void **state)
{
    struct world *w = *state;
    loop_before_sleep(w->loop, drain, w);
    loop_later(w->loop, on_t0, w);
    loop_tick(w->loop, 0);
    assert_int_equal(w->calls, 2);
    assert_string_equal(w->trace, "t0 ");
}

static void stop(void *self)
{
    struct world *w = self;
    loop_stop(w->loop, 3);
}

static void test_run_and_stop(void **state)
{
    struct world *w = *state;
    loop_set_clock(w->loop, NULL); /* the real clock: the wait must end with the timer */
    uint64_t start = loop_now_ns(w->loop);
    loop_timer_init(&w->t[0], stop, w, "stop");
    loop_timer_in_ms(w->loop, &w->t[0], 20);
    assert_int_equal(loop_run(w->loop), 3);
    assert_true(loop_now_ns(w->loop) - start >= 20000000);
}

static void test_bad_fd_is_an_error(void **state)
{
    struct world *w = *state;
    struct err e;
    assert_int_equal(loop_add_fd(w->loop, &w->a, 9999, EPOLLIN, on_a, w, "nothing", &e), -1);
    assert_string_equal(e.what, "watch the file descriptor of nothing: bad file descriptor");
    loop_remove_fd(w->loop, &w->a); /* nothing happens */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_timers_in_order),
        CASE(test_heap_keeps_order),
        CASE(test_due_timer_does_not_starve),
        CASE(test_timer_cancelled_by_earlier_one),
        CASE(test_removal_drops_fetched_events),
        CASE(test_readded_source_gets_no_old_event),
        CASE(test_owner_frees_itself_later),
        CASE(test_later_of_later_is_next_tick),
        CASE(test_pending_later_runs_at_free),
        CASE(test_set_events),
        CASE(test_fairness),
        CASE(test_signals),
        CASE(test_before_sleep),
        CASE(test_tick_within_before_sleep),
        CASE(test_run_and_stop),
        CASE(test_bad_fd_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
