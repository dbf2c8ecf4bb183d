#include "supervisor/stack/events.h"

#include <time.h>

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"

enum {
    EVENT_LINE_MAX = 4096
};

struct kept {
    uint64_t seq;
    char *line;
    size_t len;
};

struct subscriber {
    uint64_t ticket; /* 0: free slot */
    struct ctl_stream *stream;
};

struct events {
    uint64_t seq;
    uint64_t next_ticket;
    struct kept ring[EVENTS_KEPT]; /* at seq % EVENTS_KEPT */
    struct subscriber *subscribers;
    size_t subscriber_cap;
};

struct events *events_new(uint64_t last_seq)
{
    struct events *ev = mem_alloc(sizeof(*ev));
    ev->seq = last_seq;
    return ev;
}

void events_free(struct events *ev)
{
    if (!ev)
        return;
    for (size_t i = 0; i < ev->subscriber_cap; i++)
        if (ev->subscribers[i].ticket)
            ctl_stream_end(ev->subscribers[i].stream);
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        free(ev->ring[i].line);
    free(ev->subscribers);
    free(ev);
}

uint64_t events_last_seq(const struct events *ev)
{
    return ev->seq;
}

static void write_line(struct buf *to, uint64_t seq, const struct event *event)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct json_writer w;
    json_writer_init(&w, to, 0);
    json_begin_object(&w, NULL);
    json_put_u64(&w, "seq", seq);
    json_put_i64(&w, "time_ms", now.tv_sec * 1000 + now.tv_nsec / 1000000);
    json_put_string(&w, "event", event->name);
    if (event->service) {
        json_put_string(&w, "service", event->service);
        json_put_u64(&w, "replica", event->replica);
    }
    json_put_string(&w, "cause", event->cause);
    if (event->text && event->text[0])
        json_put_string(&w, "text", event->text);
    if (event->exit_code >= 0)
        json_put_i64(&w, "exit_code", event->exit_code);
    json_end_object(&w);
}

static void log_line(const struct event *event)
{
    char quoted[EVENT_LINE_MAX];
    bool has_text = event->text && event->text[0];
    log_event(LOG_INFO, event->service, event->name, "replica=%u cause=%s%s%s", event->replica,
              event->cause, has_text ? " text=" : "",
              has_text ? log_quote(quoted, sizeof(quoted), event->text) : "");
}

void events_emit(struct events *ev, const struct event *event)
{
    auto_buf struct buf line;
    buf_init(&line, EVENT_LINE_MAX);
    write_line(&line, ++ev->seq, event);
    log_line(event);
    struct kept *k = &ev->ring[ev->seq % EVENTS_KEPT];
    free(k->line);
    *k = (struct kept){ .seq = ev->seq, .len = line.len };
    k->line = buf_take(&line);
    for (size_t i = 0; i < ev->subscriber_cap; i++)
        if (ev->subscribers[i].ticket)
            ctl_stream_send(ev->subscribers[i].stream, k->line, k->len);
}

static void on_gone(void *self, struct ctl_stream *stream)
{
    struct events *ev = self;
    for (size_t i = 0; i < ev->subscriber_cap; i++)
        if (ev->subscribers[i].ticket && ev->subscribers[i].stream == stream)
            ev->subscribers[i] = (struct subscriber){ 0 };
}

static uint64_t subscribe(struct events *ev, struct ctl_stream *stream)
{
    size_t i = 0;
    while (i < ev->subscriber_cap && ev->subscribers[i].ticket)
        i++;
    ev->subscribers =
        mem_grow(ev->subscribers, &ev->subscriber_cap, i + 1, sizeof(*ev->subscribers));
    ev->subscribers[i] = (struct subscriber){ ++ev->next_ticket, stream };
    return ev->next_ticket;
}

uint64_t events_subscribe(struct events *ev, struct ctl_request *r)
{
    return subscribe(ev, ctl_stream_begin(r, on_gone, ev));
}

void events_on_request(struct events *ev, struct ctl_request *r)
{
    uint64_t since;
    struct err e;
    if (ctl_request_query_u64(r, "since", 0, UINT64_MAX, &since, &e) < 0) {
        ctl_reply_err(r, &e);
        return;
    }
    struct ctl_stream *stream = ctl_stream_begin(r, on_gone, ev);
    uint64_t first = ev->seq >= EVENTS_KEPT ? ev->seq - EVENTS_KEPT + 1 : 1;
    for (uint64_t seq = since >= first ? since + 1 : first; seq <= ev->seq; seq++) {
        const struct kept *k = &ev->ring[seq % EVENTS_KEPT];
        if (k->line && k->seq == seq)
            ctl_stream_send(stream, k->line, k->len);
    }
    if (ctl_request_query_flag(r, "follow"))
        (void)subscribe(ev, stream);
    else
        ctl_stream_end(stream);
}

void events_finish(struct events *ev, uint64_t ticket, const struct err *e)
{
    static const char done[] = "{\"event\":\"done\"}";
    for (size_t i = 0; ticket && i < ev->subscriber_cap; i++) {
        if (ev->subscribers[i].ticket != ticket)
            continue;
        struct ctl_stream *stream = ev->subscribers[i].stream;
        ev->subscribers[i] = (struct subscriber){ 0 };
        if (e) {
            ctl_stream_fail(stream, e);
        } else {
            ctl_stream_send(stream, done, sizeof(done) - 1);
            ctl_stream_end(stream);
        }
        return;
    }
}
