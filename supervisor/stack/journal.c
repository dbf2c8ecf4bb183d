#include "supervisor/stack/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

#define JOURNAL_FILE "state.json"

enum {
    JOURNAL_BYTES_MAX = 4 * 1024 * 1024
};

/* The numbers of a replica that survive, by name: one table writes and reads them. */
#define NUMBER(field)                                                                 \
    {                                                                                 \
#        field, offsetof(struct replica, field), sizeof(((struct replica *)0)->field) \
    }
static const struct {
    const char *name;
    size_t offset, size;
} numbers[] = {
    NUMBER(state),       NUMBER(goal),        NUMBER(pid),
    NUMBER(call_tag),    NUMBER(id_base),     NUMBER(generation),
    NUMBER(restarts),    NUMBER(failures),    NUMBER(backoff_ms),
    NUMBER(started_ns),  NUMBER(since_ns),    NUMBER(started_unix_ms),
    NUMBER(exit_status), NUMBER(probe_tag),   NUMBER(unhealthy_streak),
    NUMBER(account.uid), NUMBER(account.gid),
};

static int64_t get_number(const struct replica *r, size_t i)
{
    const char *at = (const char *)r + numbers[i].offset;
    int32_t small;
    int64_t large;
    if (numbers[i].size == sizeof(small)) {
        memcpy(&small, at, sizeof(small));
        return small;
    }
    memcpy(&large, at, sizeof(large));
    return large;
}

static void set_number(struct replica *r, size_t i, int64_t value)
{
    char *at = (char *)r + numbers[i].offset;
    int32_t small = (int32_t)value;
    if (numbers[i].size == sizeof(small))
        memcpy(at, &small, sizeof(small));
    else
        memcpy(at, &value, sizeof(value));
}

static void write_replica(struct json_writer *w, const struct replica *r)
{
    json_begin_object(w, NULL);
    json_put_string(w, "id", r->id);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        json_put_i64(w, numbers[i].name, get_number(r, i));
    json_put_bool(w, "has_exit", r->has_exit);
    json_put_bool(w, "was_oom", r->was_oom);
    json_put_bool(w, "start_failed", r->start_failed);
    json_put_bool(w, "wants_replacement", r->wants_replacement);
    json_put_string(w, "why", r->why);
    json_end_object(w);
}

int journal_save(struct project *p, struct err *e)
{
    auto_buf struct buf text;
    buf_init(&text, JOURNAL_BYTES_MAX);
    struct json_writer w;
    json_writer_init(&w, &text, 0);
    json_begin_object(&w, NULL);
    json_put_u64(&w, "last_seq", events_last_seq(p->events));
    json_put_u64(&w, "front_generation", p->front_generation);
    json_put_u64(&w, "proxy_tag", p->proxy.tag);
    json_put_u64(&w, "prober_tag", p->prober.tag);
    json_put_bool(&w, "was_started", p->was_started);
    json_put_bool(&w, "was_ready", p->was_ready);
    json_put_bool(&w, "has_failed", p->has_failed);
    json_put_bool(&w, "is_going_down", p->is_going_down);
    json_put_bool(&w, "removes_volumes", p->removes_volumes);
    json_begin_array(&w, "replicas");
    EACH_REPLICA(p, r) write_replica(&w, r);
    json_end_array(&w);
    json_end_object(&w);
    if (text.overflow)
        return err_internal(e, "the journal is larger than %d bytes", JOURNAL_BYTES_MAX);
    if (fd_write_file(p->run_fd, JOURNAL_FILE, text.data, text.len, 0600, false, e) < 0)
        return -1;
    p->journal_dirty = false;
    return 0;
}

static bool read_flag(const struct json *obj, const char *key)
{
    const struct json *node = json_find(obj, key);
    return node && node->type == JSON_BOOL && node->boolean;
}

static uint64_t read_number(const struct json *obj, const char *key)
{
    int64_t n = 0;
    const struct json *node = json_find(obj, key);
    if (!node || json_to_i64(node, &n) < 0)
        return 0;
    return (uint64_t)n;
}

static void read_replica(struct project *p, const struct json *node)
{
    struct replica *r = project_find_replica(p, json_find_string(node, "id", ""));
    if (!r)
        return;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        set_number(r, i, (int64_t)read_number(node, numbers[i].name));
    r->has_exit = read_flag(node, "has_exit");
    r->was_oom = read_flag(node, "was_oom");
    r->start_failed = read_flag(node, "start_failed");
    r->wants_replacement = read_flag(node, "wants_replacement");
    (void)snprintf(r->why, sizeof(r->why), "%s", json_find_string(node, "why", ""));
}

int journal_load(struct project *p, uint64_t *last_seq, struct err *e)
{
    if (faccessat(p->run_fd, JOURNAL_FILE, F_OK, 0) < 0)
        return 0;
    struct arena a = { 0 };
    struct json *doc;
    if (json_load(&a, p->run_fd, JOURNAL_FILE, &doc, e) < 0) {
        arena_done(&a);
        return -1;
    }
    *last_seq = read_number(doc, "last_seq");
    p->front_generation = read_number(doc, "front_generation");
    p->proxy.tag = read_number(doc, "proxy_tag");
    p->prober.tag = read_number(doc, "prober_tag");
    p->was_started = read_flag(doc, "was_started");
    p->was_ready = read_flag(doc, "was_ready");
    p->has_failed = read_flag(doc, "has_failed");
    p->is_going_down = read_flag(doc, "is_going_down");
    p->removes_volumes = read_flag(doc, "removes_volumes");
    const struct json *list = json_find(doc, "replicas");
    for (size_t i = 0; list && i < list->item_count; i++)
        read_replica(p, list->items[i]);
    arena_done(&a);
    return 1;
}
