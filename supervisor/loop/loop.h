#pragma once
/* The event loop: epoll, level-triggered, one thread. Owns the epoll fd, the timer heap and the
 * signalfd; the sources below live in their owners' memory and must stay there until removed.
 *
 * A callback may remove and free anything, its own source included, if memory is released through
 * loop_later: events already fetched for a removed source are dropped, and later calls run at the
 * end of the tick. Times are CLOCK_BOOTTIME in ns, read once per tick
 * (loop_now_ns); tests set a fake clock. Blocking: only in loop_run's wait. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "runtime/base/auto.h"
#include "runtime/base/err.h"

struct loop;

typedef void loop_fd_fn(void *self, uint32_t events);
typedef void loop_fn(void *self);
typedef void loop_signal_fn(void *self, int signo);

struct loop_fd {
    int fd; /* borrowed; -1: not added */
    uint32_t events;
    loop_fd_fn *on_event;
    void *self;
    const char *name; /* in traces */
};

struct loop_timer {
    loop_fn *on_expire;
    void *self;
    const char *name;
    uint64_t deadline_ns;
    uint32_t heap_index; /* 0: not armed */
};

must_check int loop_new(struct loop **out, struct err *e);
void loop_free(struct loop *loop);
DEFINE_AUTO(loop_free, struct loop *);

/* Runs until loop_stop. Returns the code given to loop_stop. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int code);
/* One tick, waiting at most TIMEOUT_MS (-1: until an event); for tests and drains. Not from a
 * callback, but for those of loop_before_sleep. */
void loop_tick(struct loop *loop, int timeout_ms);

uint64_t loop_now_ns(const struct loop *loop);
/* A fake clock: *NOW is read instead of the system's; NULL restores. The caller owns it. */
void loop_set_clock(struct loop *loop, const uint64_t *now);

must_check int loop_add_fd(struct loop *loop, struct loop_fd *source, int fd, uint32_t events,
                           loop_fd_fn *on_event, void *self, const char *name, struct err *e);
/* Changing to the same events costs no system call. */
void loop_set_events(struct loop *loop, struct loop_fd *source, uint32_t events);
/* Does not close the fd. Idempotent. */
void loop_remove_fd(struct loop *loop, struct loop_fd *source);

void loop_timer_init(struct loop_timer *t, loop_fn *on_expire, void *self, const char *name);
/* Arms, or moves when armed. */
void loop_timer_set(struct loop *loop, struct loop_timer *t, uint64_t deadline_ns);
void loop_timer_in_ms(struct loop *loop, struct loop_timer *t, uint64_t delay_ms);
void loop_timer_cancel(struct loop *loop, struct loop_timer *t);

/* Blocks SIGNO for the process and delivers it here. */
must_check int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *on_signal, void *self,
                               struct err *e);

/* FN(SELF) once, at the end of this tick, after all events. */
void loop_later(struct loop *loop, loop_fn *fn, void *self);
/* FN(SELF) before every wait: flush what a tick gathered. */
void loop_before_sleep(struct loop *loop, loop_fn *fn, void *self);
