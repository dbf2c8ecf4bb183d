/* `events`: statistics at every interval and OOM kills as they happen, one JSON line each, in the
 * words of go-runc's Event; ends when the container does. `--stats`: one line now. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/options.h"
#include "runtime/verbs.h"
#include "specs/units.h"

enum {
    LINE_BYTES_MAX = 1024 * 1024,
    INTERVAL_MAX_MS = 24 * 3600 * 1000,
};

struct events_options {
    const char *interval;
    bool stats;
};
static const struct options_row rows[] = {
    { 0, "interval", OPTIONS_STRING, offsetof(struct events_options, interval),
      "time between two statistics, 500ms or 1m30s; default 5s" },
    { 0, "stats", OPTIONS_FLAG, offsetof(struct events_options, stats),
      "print the statistics once" },
};

struct watch {
    const struct container *container;
    struct cgroup *cgroup;
    int pidfd; /* the first process: its end is the container's */
    int oom_fd;
    short oom_events;
    uint64_t oom_kills;
};

static int print_event(const struct watch *w, const char *type, struct err *e)
{
    auto_buf struct buf text;
    struct json_writer j;
    buf_init(&text, LINE_BYTES_MAX);
    json_writer_init(&j, &text, 0);
    json_begin_object(&j, NULL);
    json_put_string(&j, "type", type);
    json_put_string(&j, "id", w->container->id);
    if (str_eq(type, "stats")) {
        json_begin_object(&j, "data");
        cgroup_stats_write(w->cgroup, &j);
        json_end_object(&j);
    }
    json_end_object(&j);
    (void)buf_add_char(&text, '\n');
    if (text.overflow)
        return err_internal(e, "an event of more than %d bytes", LINE_BYTES_MAX);
    if (fd_write_all(STDOUT_FILENO, text.data, text.len) < 0)
        return err_sys(e, errno, "write the event");
    return 0;
}

/* v1's eventfd tells of every time without memory, before the kill: with the OOM killer off nobody
 * is killed, and who listens can do something. It tells of the cgroup's removal too, which only
 * comes after the end. v2 tells of every change of memory.events. */
static int tell_oom(struct watch *w, bool has_ended, struct err *e)
{
    uint64_t kills = cgroup_oom_kills(w->cgroup);
    bool is_told = (w->oom_events == POLLIN && !has_ended) || kills > w->oom_kills;
    cgroup_oom_again(w->oom_fd);
    w->oom_kills = kills;
    return is_told ? print_event(w, "oom", e) : 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int watch_until_end(struct watch *w, uint64_t interval_ms, struct err *e)
{
    int64_t next = now_ms() + (int64_t)interval_ms;
    for (;;) {
        int64_t left = next - now_ms();
        struct pollfd fds[] = {
            { .fd = w->pidfd, .events = POLLIN },
            { .fd = w->oom_fd, .events = w->oom_events },
        };
        if (poll(fds, ARRAY_LEN(fds), left > 0 ? (int)left : 0) < 0 && errno != EINTR)
            return err_sys(e, errno, "wait for events");
        bool has_ended = fds[0].revents;
        if (fds[1].revents && tell_oom(w, has_ended, e) < 0)
            return -1;
        if (has_ended)
            return 0;
        if (now_ms() < next)
            continue;
        if (print_event(w, "stats", e) < 0)
            return -1;
        next += (int64_t)interval_ms;
        if (next < now_ms()) /* we were stopped: no lines to catch up with */
            next = now_ms() + (int64_t)interval_ms;
    }
}

static int events_of(struct watch *w, bool is_once, uint64_t interval_ms, struct err *e)
{
    const struct container *c = w->container;
    if (container_open_cgroup(c, &w->cgroup, e) < 0)
        return -1;
    w->pidfd = container_open_pidfd(c, e);
    if (w->pidfd < 0)
        return -1;
    if (is_once)
        return print_event(w, "stats", e);
    struct err no_memory; /* a machine that does not count memory has statistics all the same */
    w->oom_fd = cgroup_oom_open(w->cgroup, &w->oom_events, &no_memory);
    w->oom_kills = cgroup_oom_kills(w->cgroup);
    return watch_until_end(w, interval_ms, e);
}

int verb_events(const struct runtime *rt, int argc, char **argv, struct err *e)
{
    struct events_options o = { .interval = "5s" };
    struct container c = { .dir_fd = -1 };
    struct watch w = { .container = &c, .pidfd = -1, .oom_fd = -1 };
    uint64_t interval_ms;
    int words = options_parse(rows, ARRAY_LEN(rows), OPTIONS_MIXED, argc - 1, argv + 1, &o, e);
    if (words < 0 || verb_check_words("events", words, 1, 1, "ID", e) < 0)
        return -1;
    if (units_duration_ms(o.interval, INTERVAL_MAX_MS, &interval_ms) < 0 || interval_ms == 0)
        return err_input(e, "events: --interval: \"%s\" is not a time above 0, like 5s",
                         o.interval);
    int result = container_open(rt, argv[1], &c, e);
    if (result == 0)
        result = events_of(&w, o.stats, interval_ms, e);
    fd_close(&w.pidfd);
    fd_close(&w.oom_fd);
    cgroup_free(w.cgroup);
    container_done(&c);
    return result;
}
