#include "supervisor/loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

enum {
    LOOP_EVENTS_PER_TICK = 128, /* the rest stays ready: the kernel rotates its list */
    LOOP_SIGNALS_PER_TICK = 16,
    LOOP_SIGNAL_COUNT = 65, /* 1 … SIGRTMAX */
    LOOP_WAIT_MAX_MS = 1000 * 60 * 60,
};

struct loop_call {
    loop_fn *fn;
    void *self;
};

struct loop_signal {
    loop_signal_fn *on_signal;
    void *self;
};

struct loop {
    int epoll_fd;
    bool is_stopped;
    bool is_ticking;
    int stop_code;
    uint64_t now_ns;
    const uint64_t *fake_clock;

    /* Events of this tick that were not dispatched yet are [event_next, event_count). */
    struct epoll_event events[LOOP_EVENTS_PER_TICK];
    int event_next;
    int event_count;

    /* Binary heap, slot 0 unused so that a timer's heap_index 0 can mean "not armed". */
    struct loop_timer **heap;
    size_t heap_cap;
    uint32_t heap_count;
    bool is_firing;

    struct loop_call *later;
    size_t later_cap;
    size_t later_count;

    struct loop_call *sleepers;
    size_t sleeper_cap;
    size_t sleeper_count;

    int signal_fd;
    sigset_t signal_mask;
    struct loop_fd signal_source;
    struct loop_signal signals[LOOP_SIGNAL_COUNT];
};

static uint64_t loop_read_clock(const struct loop *loop)
{
    if (loop->fake_clock)
        return *loop->fake_clock;
    struct timespec ts;
    /* BOOTTIME so that deadlines mean wall time over a suspend. epoll_wait itself counts
     * MONOTONIC: a timer that was due during a suspend fires late by at most its own wait, once. */
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int loop_new(struct loop **out, struct err *e)
{
    auto_fd int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        return err_sys(e, errno, "create an epoll instance");
    struct loop *loop = mem_alloc(sizeof(*loop));
    loop->epoll_fd = take_fd(&epoll_fd);
    loop->signal_fd = -1;
    loop->signal_source.fd = -1;
    sigemptyset(&loop->signal_mask);
    loop->now_ns = loop_read_clock(loop);
    *out = loop;
    return 0;
}

static void loop_run_later(struct loop *loop)
{
    /* Calls that these calls add belong to the next tick. */
    size_t count = loop->later_count;
    if (!count)
        return;
    for (size_t i = 0; i < count; i++) {
        struct loop_call call = loop->later[i]; /* the array may move during the call */
        call.fn(call.self);
    }
    loop->later_count -= count;
    memmove(loop->later, loop->later + count, loop->later_count * sizeof(*loop->later));
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    assert(!loop->is_ticking);
    /* Pending calls are what releases their owners' memory. */
    while (loop->later_count)
        loop_run_later(loop);
    fd_close(&loop->signal_fd);
    fd_close(&loop->epoll_fd);
    free(loop->heap);
    free(loop->later);
    free(loop->sleepers);
    free(loop);
}

/* Timers */

static void heap_place(struct loop *loop, struct loop_timer *t, uint32_t at)
{
    loop->heap[at] = t;
    t->heap_index = at;
}

static void heap_up(struct loop *loop, struct loop_timer *t, uint32_t at)
{
    while (at > 1 && loop->heap[at / 2]->deadline_ns > t->deadline_ns) {
        heap_place(loop, loop->heap[at / 2], at);
        at /= 2;
    }
    heap_place(loop, t, at);
}

static void heap_down(struct loop *loop, struct loop_timer *t, uint32_t at)
{
    for (;;) {
        uint32_t child = at * 2;
        if (child > loop->heap_count)
            break;
        if (child < loop->heap_count &&
            loop->heap[child + 1]->deadline_ns < loop->heap[child]->deadline_ns)
            child++;
        if (loop->heap[child]->deadline_ns >= t->deadline_ns)
            break;
        heap_place(loop, loop->heap[child], at);
        at = child;
    }
    heap_place(loop, t, at);
}

/* Puts T, whose deadline changed, where it belongs, starting from slot AT. */
static void heap_fix(struct loop *loop, struct loop_timer *t, uint32_t at)
{
    if (at > 1 && loop->heap[at / 2]->deadline_ns > t->deadline_ns)
        heap_up(loop, t, at);
    else
        heap_down(loop, t, at);
}

void loop_timer_init(struct loop_timer *t, loop_fn *on_expire, void *self, const char *name)
{
    *t = (struct loop_timer){ .on_expire = on_expire, .self = self, .name = name };
}

void loop_timer_set(struct loop *loop, struct loop_timer *t, uint64_t deadline_ns)
{
    assert(t->on_expire);
    /* A callback that arms a timer for "now" gets it in the next tick: timers cannot starve fds. */
    if (loop->is_firing && deadline_ns <= loop->now_ns)
        deadline_ns = loop->now_ns + 1;
    t->deadline_ns = deadline_ns;
    if (t->heap_index) {
        heap_fix(loop, t, t->heap_index);
        return;
    }
    size_t want = (size_t)loop->heap_count + 2;
    if (want > loop->heap_cap)
        loop->heap = mem_grow(loop->heap, &loop->heap_cap, want, sizeof(*loop->heap));
    loop->heap_count++;
    heap_up(loop, t, loop->heap_count);
}

void loop_timer_in_ms(struct loop *loop, struct loop_timer *t, uint64_t delay_ms)
{
    loop_timer_set(loop, t, loop->now_ns + delay_ms * 1000000u);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *t)
{
    uint32_t at = t->heap_index;
    if (!at)
        return;
    assert(at <= loop->heap_count && loop->heap[at] == t);
    t->heap_index = 0;
    struct loop_timer *last = loop->heap[loop->heap_count];
    loop->heap_count--;
    if (last != t)
        heap_fix(loop, last, at);
}

static void loop_fire_timers(struct loop *loop)
{
    loop->is_firing = true;
    while (loop->heap_count && loop->heap[1]->deadline_ns <= loop->now_ns) {
        struct loop_timer *t = loop->heap[1];
        loop_timer_cancel(loop, t);
        t->on_expire(t->self);
    }
    loop->is_firing = false;
}

/* Milliseconds, rounded up so that a timer is due when the wait ends. */
static int loop_wait_ms(const struct loop *loop, int timeout_ms)
{
    if (loop->later_count || loop->is_stopped)
        return 0;
    if (!loop->heap_count)
        return timeout_ms;
    uint64_t now_ns = loop_read_clock(loop);
    uint64_t deadline_ns = loop->heap[1]->deadline_ns;
    if (deadline_ns <= now_ns)
        return 0;
    uint64_t ms = (deadline_ns - now_ns - 1) / 1000000u + 1;
    int until_timer = ms < LOOP_WAIT_MAX_MS ? (int)ms : LOOP_WAIT_MAX_MS;
    return timeout_ms >= 0 && timeout_ms < until_timer ? timeout_ms : until_timer;
}

/* File descriptors */

int loop_add_fd(struct loop *loop, struct loop_fd *source, int fd, uint32_t events,
                loop_fd_fn *on_event, void *self, const char *name, struct err *e)
{
    struct epoll_event ev = { .events = events, .data.ptr = source };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        int saved = errno;
        source->fd = -1;
        return err_sys(e, saved, "watch the file descriptor of %s", name);
    }
    *source = (struct loop_fd){
        .fd = fd, .events = events, .on_event = on_event, .self = self, .name = name
    };
    return 0;
}

void loop_set_events(struct loop *loop, struct loop_fd *source, uint32_t events)
{
    assert(source->fd >= 0);
    if (source->events == events)
        return;
    struct epoll_event ev = { .events = events, .data.ptr = source };
    /* Modifying a registration allocates nothing; it fails only for an fd closed behind our back.
     */
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &ev);
    assert(rc == 0);
    source->events = events;
}

void loop_remove_fd(struct loop *loop, struct loop_fd *source)
{
    if (source->fd < 0 || !source->on_event)
        return;
    /* Must come before the owner's close: a duplicate of the fd elsewhere (the keeper holds many)
     * would keep the registration alive, with a dangling pointer. man 7 epoll, Q&A 6. */
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    assert(rc == 0);
    source->fd = -1;
    for (int i = loop->event_next; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == source)
            loop->events[i].data.ptr = NULL;
}

static void loop_dispatch(struct loop *loop)
{
    while (loop->event_next < loop->event_count) {
        struct epoll_event *ev = &loop->events[loop->event_next++];
        struct loop_fd *source = ev->data.ptr;
        if (source)
            source->on_event(source->self, ev->events);
    }
    loop->event_next = loop->event_count = 0;
}

/* Signals */

static void loop_on_signal_fd(void *self, uint32_t events)
{
    struct loop *loop = self;
    (void)events;
    for (int i = 0; i < LOOP_SIGNALS_PER_TICK; i++) {
        struct signalfd_siginfo info;
        if (read(loop->signal_fd, &info, sizeof(info)) != sizeof(info))
            return;
        if (info.ssi_signo >= LOOP_SIGNAL_COUNT)
            continue;
        struct loop_signal *s = &loop->signals[info.ssi_signo];
        if (s->on_signal)
            s->on_signal(s->self, (int)info.ssi_signo);
    }
}

int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *on_signal, void *self,
                    struct err *e)
{
    assert(signo > 0 && signo < LOOP_SIGNAL_COUNT);
    sigset_t mask = loop->signal_mask;
    sigaddset(&mask, signo);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return err_sys(e, errno, "block signal %d", signo);
    int fd = signalfd(loop->signal_fd, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return err_sys(e, errno, "create a signalfd");
    if (loop->signal_fd < 0) {
        if (loop_add_fd(loop, &loop->signal_source, fd, EPOLLIN, loop_on_signal_fd, loop, "signals",
                        e) < 0) {
            close(fd);
            return -1;
        }
        loop->signal_fd = fd;
    }
    loop->signal_mask = mask;
    loop->signals[signo] = (struct loop_signal){ .on_signal = on_signal, .self = self };
    return 0;
}

/* The tick */

static void loop_call_add(struct loop_call **list, size_t *cap, size_t *count, loop_fn *fn,
                          void *self)
{
    if (*count == *cap)
        *list = mem_grow(*list, cap, *count + 1, sizeof(**list));
    (*list)[(*count)++] = (struct loop_call){ .fn = fn, .self = self };
}

void loop_later(struct loop *loop, loop_fn *fn, void *self)
{
    loop_call_add(&loop->later, &loop->later_cap, &loop->later_count, fn, self);
}

void loop_before_sleep(struct loop *loop, loop_fn *fn, void *self)
{
    loop_call_add(&loop->sleepers, &loop->sleeper_cap, &loop->sleeper_count, fn, self);
}

void loop_tick(struct loop *loop, int timeout_ms)
{
    assert(!loop->is_ticking);
    for (size_t i = 0; i < loop->sleeper_count; i++)
        loop->sleepers[i].fn(loop->sleepers[i].self);
    loop->is_ticking = true;

    int n = epoll_wait(loop->epoll_fd, loop->events, LOOP_EVENTS_PER_TICK,
                       loop_wait_ms(loop, timeout_ms));
    assert(n >= 0 || errno == EINTR);
    loop->event_next = 0;
    loop->event_count = n > 0 ? n : 0;
    loop->now_ns = loop_read_clock(loop);

    loop_fire_timers(loop);
    loop_dispatch(loop);
    loop_run_later(loop);
    loop->is_ticking = false;
}

int loop_run(struct loop *loop)
{
    while (!loop->is_stopped)
        loop_tick(loop, -1);
    loop->is_stopped = false;
    return loop->stop_code;
}

void loop_stop(struct loop *loop, int code)
{
    loop->is_stopped = true;
    loop->stop_code = code;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

void loop_set_clock(struct loop *loop, const uint64_t *now)
{
    loop->fake_clock = now;
    loop->now_ns = loop_read_clock(loop);
}
