#include "supervisor/stack/log_view.h"

#include <stdio.h>
#include <time.h>

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "specs/json.h"

enum {
    LINE_JSON_MAX = LOGS_LINE_MAX * 6 + 1024 /* every byte escaped */
};

struct source {
    char *service;
    struct logs_reader *reader; /* NULL: read to its end */
    struct logs_line line;
    bool has_line;
    uint64_t sent_us;  /* time of the last line that was sent, and… */
    size_t sent_count; /* …how many of that time were: one read gives many lines the same */
    size_t skip;       /* lines of the time view.from_us that were sent before */
};

struct log_view {
    struct log_view *next; /* in project->log_views */
    struct project *project;
    struct ctl_stream *stream;
    struct source *sources;
    size_t source_count;
    bool wants_follow;
    bool is_following;
    uint64_t from_us; /* lines before were sent already */
    struct logs_follower follower;
};

static void view_free(struct log_view *v)
{
    struct log_view **at = &v->project->log_views;
    while (*at && *at != v)
        at = &(*at)->next;
    if (*at)
        *at = v->next;
    if (v->is_following)
        logs_unfollow(v->project->logs, &v->follower);
    for (size_t i = 0; i < v->source_count; i++) {
        logs_reader_free(v->sources[i].reader);
        free(v->sources[i].service);
    }
    free(v->sources);
    free(v);
}

static void on_gone(void *self, struct ctl_stream *s)
{
    (void)s;
    view_free(self);
}

static void put_time(struct json_writer *w, uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / 1000000000u);
    struct tm tm;
    char day[32], text[48];
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text, sizeof(text), "%s.%06uZ", day, (unsigned)(time_ns % 1000000000u / 1000));
    json_put_string(w, "time", text);
}

static void send_line(struct log_view *v, const struct logs_line *line)
{
    auto_buf struct buf text;
    buf_init(&text, LINE_JSON_MAX);
    auto_free char *copy = str_ndup(line->text, line->len);
    for (size_t i = 0; i < line->len; i++)
        if (copy[i] == '\0')
            copy[i] = '?'; /* a JSON string of ours cannot hold it */
    struct json_writer w;
    json_writer_init(&w, &text, 0);
    json_begin_object(&w, NULL);
    json_put_string(&w, "service", line->service);
    json_put_u64(&w, "replica", line->replica);
    json_put_string(&w, "stream", line->stream == LOGS_STDERR ? "stderr" : "stdout");
    put_time(&w, line->time_ns);
    json_put_string(&w, "line", copy);
    json_end_object(&w);
    ctl_stream_send(v->stream, text.data, text.len);
}

static struct source *find_source(struct log_view *v, const char *service)
{
    for (size_t i = 0; i < v->source_count; i++)
        if (str_eq(v->sources[i].service, service))
            return &v->sources[i];
    return NULL;
}

static void send_from(struct log_view *v, struct source *s, const struct logs_line *line)
{
    uint64_t us = line->time_ns / 1000; /* what the files have */
    s->sent_count = us == s->sent_us ? s->sent_count + 1 : 1;
    s->sent_us = us;
    send_line(v, line);
}

static void pump(void *self, struct ctl_stream *stream);

/* The client reads slower than services write: go on from the files, as fast as it does. */
static void fall_behind(struct log_view *v, const struct logs_line *line)
{
    struct err e;
    logs_unfollow(v->project->logs, &v->follower);
    v->is_following = false;
    v->from_us = line->time_ns / 1000;
    for (size_t i = 0; i < v->source_count; i++) {
        struct source *s = &v->sources[i];
        logs_reader_free(s->reader);
        s->reader = NULL;
        s->has_line = false;
        s->skip = s->sent_us == v->from_us ? s->sent_count : 0;
        if (logs_reader_new(&s->reader, v->project->log_fd, s->service, SIZE_MAX, &e) < 0)
            log_err(LOG_WARN, s->service, "log.not_read", &e);
    }
    ctl_stream_on_room(v->stream, pump);
}

static void on_line(void *self, const struct logs_line *line)
{
    struct log_view *v = self;
    struct source *s = find_source(v, line->service);
    if (!s)
        return;
    if (ctl_stream_room(v->stream) > LINE_JSON_MAX)
        send_from(v, s, line);
    else
        fall_behind(v, line);
}

bool log_view_is_behind(const struct project *p)
{
    for (const struct log_view *v = p->log_views; v; v = v->next)
        if (!v->is_following)
            return true;
    return false;
}

static bool is_new(const struct log_view *v, struct source *s)
{
    uint64_t us = s->line.time_ns / 1000;
    if (us == v->from_us && s->skip) {
        s->skip--;
        return false;
    }
    return us >= v->from_us;
}

static struct source *earliest(struct log_view *v)
{
    struct source *best = NULL;
    for (size_t i = 0; i < v->source_count; i++) {
        struct source *s = &v->sources[i];
        struct err ignored;
        while (!s->has_line && s->reader && logs_reader_next(s->reader, &s->line, &ignored) == 1)
            s->has_line = is_new(v, s);
        if (s->has_line && (!best || s->line.time_ns < best->line.time_ns))
            best = s;
    }
    return best;
}

/* Sends what is in the files as far as the client has room, then follows or ends. */
static void pump(void *self, struct ctl_stream *stream)
{
    struct log_view *v = self;
    struct source *s;
    while (ctl_stream_room(stream) > LINE_JSON_MAX) {
        s = earliest(v);
        if (!s) {
            if (!v->wants_follow) {
                ctl_stream_end(stream);
                view_free(v);
                return;
            }
            /* Caught up, and nothing can be logged before we return to the loop. */
            logs_follow(v->project->logs, &v->follower);
            v->is_following = true;
            return;
        }
        send_from(v, s, &s->line);
        s->has_line = false;
    }
    ctl_stream_on_room(stream, pump);
}

static int add_source(struct log_view *v, const char *service, size_t tail, struct err *e)
{
    struct source *s = &v->sources[v->source_count++];
    s->service = str_dup(service);
    return logs_reader_new(&s->reader, v->project->log_fd, service, tail, e);
}

static int add_sources(struct log_view *v, const struct ctl_request *r, size_t tail, struct err *e)
{
    struct stack *stack = v->project->stack;
    size_t asked = 0;
    while (ctl_request_query_at(r, "service", asked))
        asked++;
    v->sources = mem_alloc((asked + stack->service_count + 1) * sizeof(*v->sources));
    for (size_t i = 0; i < asked; i++) {
        const char *name = ctl_request_query_at(r, "service", i);
        if (!stack_find_service(stack, name) && !str_eq(name, "proxy") && !str_eq(name, "prober"))
            return err_input(e, "no service \"%s\" in stack %s", name, stack->name);
        if (add_source(v, name, tail, e) < 0)
            return -1;
    }
    for (size_t i = 0; !asked && i < stack->service_count; i++)
        if (add_source(v, stack->services[i].name, tail, e) < 0)
            return -1;
    return asked ? 0 : add_source(v, "proxy", tail, e);
}

void log_view_begin(struct project *p, struct ctl_request *r)
{
    struct err e;
    uint64_t tail;
    struct log_view *v = mem_alloc(sizeof(*v));
    v->project = p;
    v->follower = (struct logs_follower){ .on_line = on_line, .self = v };
    v->wants_follow = ctl_request_query_flag(r, "follow");
    if (ctl_request_query_u64(r, "tail", SIZE_MAX, SIZE_MAX, &tail, &e) < 0 ||
        add_sources(v, r, tail, &e) < 0) {
        ctl_reply_err(r, &e);
        view_free(v);
        return;
    }
    v->next = p->log_views;
    p->log_views = v;
    v->stream = ctl_stream_begin(r, on_gone, v);
    pump(v, v->stream);
}
