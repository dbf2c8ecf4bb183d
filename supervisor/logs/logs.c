#include "supervisor/logs/logs.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/logs/file.h"
#include "supervisor/logs/line.h"
#include "supervisor/logs/tee.h"

enum {
    CHUNK_BYTES = 32768, /* looked at in one tick, per pipe */
    OUT_BYTES = 65536,
    DETACH_CHUNKS_MAX = 64, /* a pipe that somebody keeps filling is left after this many */
};
_Static_assert((int)CHUNK_BYTES > (int)LOGS_LINE_MAX,
               "the longest line and what shows that it is longer");
_Static_assert((int)OUT_BYTES > (int)LOGS_LINE_MAX + (int)LOGS_HEAD_MAX, "at least one line");

/* One SERVICE-REPLICA.log, while something is attached to it. */
struct replica {
    struct replica *next;
    size_t refs;
    char service[NAME_LIMIT];
    uint32_t number;
    struct logs_file file;
    bool is_failing; /* the last write; said once */
    uint64_t dropped_bytes;
};

struct source {
    struct source *next;
    struct logs *logs;
    struct replica *replica;
    enum logs_stream stream;
    int fd; /* owned */
    size_t line_max;
    struct loop_fd watch;
};

struct logs {
    struct loop *loop;
    int dir_fd; /* borrowed */
    logs_end_fn *on_end;
    void *self;
    struct logs_tee tee;
    struct replica *replicas;
    struct source *sources;
    struct logs_follower *followers;
    struct logs_follower *follower_next; /* of the walk that is going on */
    char in[CHUNK_BYTES];
    char out[OUT_BYTES];
    size_t out_len;
};

int logs_new(struct logs **out, struct loop *loop, int dir_fd, logs_end_fn *on_end, void *self,
             struct err *e)
{
    struct logs *logs = mem_alloc(sizeof(*logs));
    if (logs_tee_init(&logs->tee, e) < 0) {
        free(logs);
        return -1;
    }
    logs->loop = loop;
    logs->dir_fd = dir_fd;
    logs->on_end = on_end;
    logs->self = self;
    *out = logs;
    return 0;
}

static void put_replica(struct logs *logs, struct replica *r)
{
    if (--r->refs)
        return;
    struct replica **at = &logs->replicas;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    logs_file_close(&r->file);
    free(r);
}

static void free_source(struct source *s)
{
    struct logs *logs = s->logs;
    struct source **at = &logs->sources;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    loop_remove_fd(logs->loop, &s->watch);
    fd_close(&s->fd);
    put_replica(logs, s->replica);
    free(s);
}

void logs_free(struct logs *logs)
{
    if (!logs)
        return;
    while (logs->sources)
        free_source(logs->sources);
    assert(!logs->replicas);
    logs_tee_done(&logs->tee);
    free(logs);
}

/* From bytes to lines */

static void flush_out(struct logs *logs, struct replica *r)
{
    struct err e;
    if (!logs->out_len)
        return;
    if (logs_file_append(&r->file, logs->out, logs->out_len, &e) < 0) {
        r->dropped_bytes += logs->out_len;
        if (!r->is_failing)
            log_err(LOG_ERROR, r->service, "logs.dropping", &e);
        r->is_failing = true;
    } else if (r->is_failing) {
        log_event(LOG_WARN, r->service, "logs.writing_again", "replica=%u dropped_bytes=%llu",
                  r->number, (unsigned long long)r->dropped_bytes);
        r->is_failing = false;
    }
    logs->out_len = 0;
}

static void emit(struct source *s, uint64_t time_ns, const char *text, size_t len,
                 bool is_continued)
{
    struct logs *logs = s->logs;
    char head[LOGS_HEAD_MAX];
    size_t head_len = logs_line_head(head, time_ns, s->stream, is_continued);
    if (head_len + len + 1 > sizeof(logs->out) - logs->out_len)
        flush_out(logs, s->replica);
    char *at = logs->out + logs->out_len;
    memcpy(at, head, head_len);
    memcpy(at + head_len, text, len);
    at[head_len + len] = '\n';
    logs->out_len += head_len + len + 1;
    const struct logs_line line = { .service = s->replica->service,
                                    .replica = s->replica->number,
                                    .stream = s->stream,
                                    .is_continued = is_continued,
                                    .time_ns = time_ns,
                                    .text = text,
                                    .len = len };
    for (struct logs_follower *f = logs->followers; f; f = logs->follower_next) {
        logs->follower_next = f->next;
        if (!f->service || str_eq(f->service, line.service))
            f->on_line(f->self, &line);
    }
    logs->follower_next = NULL;
}

/* Emits the whole lines of DATA, what is too long in pieces, and when IS_LAST the rest too; returns
 * how many bytes of DATA are done with. */
static size_t emit_lines(struct source *s, const char *data, size_t len, bool is_last)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    uint64_t time_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
    size_t done = 0;
    while (done < len) {
        size_t rest = len - done;
        size_t look = rest <= s->line_max ? rest : s->line_max + 1;
        const char *end = memchr(data + done, '\n', look);
        if (end) {
            size_t n = (size_t)(end - (data + done));
            emit(s, time_ns, data + done, n, false);
            done += n + 1;
        } else if (rest > s->line_max) {
            emit(s, time_ns, data + done, s->line_max, true);
            done += s->line_max;
        } else {
            if (is_last) {
                emit(s, time_ns, data + done, rest, false);
                done = len;
            }
            break;
        }
    }
    flush_out(s->logs, s->replica);
    return done;
}

enum progress {
    PROGRESS_MORE,       /* something was taken out: look again */
    PROGRESS_UNFINISHED, /* only the beginning of a line is there */
    PROGRESS_EMPTY,
    PROGRESS_END, /* empty, and nobody can write any more */
};

/* One chunk. The file has it before it leaves the pipe: dying in between writes it twice. */
static enum progress read_chunk(struct source *s, bool is_last)
{
    struct logs *logs = s->logs;
    ssize_t n = logs_tee_look(&logs->tee, s->fd, logs->in, sizeof(logs->in));
    if (n == 0)
        return PROGRESS_END;
    if (n < 0)
        return errno == EAGAIN ? PROGRESS_EMPTY : PROGRESS_END;
    size_t done = emit_lines(s, logs->in, (size_t)n, is_last);
    if (!done)
        return PROGRESS_UNFINISHED;
    logs_tee_take(&logs->tee, s->fd, done);
    return PROGRESS_MORE;
}

static void end_source(struct source *s)
{
    struct logs *logs = s->logs;
    struct replica *r = s->replica;
    enum logs_stream stream = s->stream;
    r->refs++; /* its name is needed */
    free_source(s);
    if (logs->on_end)
        logs->on_end(logs->self, r->service, r->number, stream);
    put_replica(logs, r);
}

static void on_pipe(void *self, uint32_t events)
{
    struct source *s = self;
    enum progress p = read_chunk(s, false);
    /* No writer is left, so what looks unfinished is the end. */
    if (p == PROGRESS_UNFINISHED && (events & (EPOLLHUP | EPOLLERR)))
        p = read_chunk(s, true);
    if (p == PROGRESS_END) {
        end_source(s);
        return;
    }
    /* The beginning of a line stays in the pipe, which is readable therefore: level-triggered, this
     * would be called again and again. An edge comes with every write, and with the change. */
    int left = 0;
    bool is_unfinished = p == PROGRESS_UNFINISHED && ioctl(s->fd, FIONREAD, &left) == 0 && left;
    loop_set_events(s->logs->loop, &s->watch, is_unfinished ? EPOLLIN | EPOLLET : EPOLLIN);
}

/* Attachments */

static int get_replica(struct logs *logs, const char *service, uint32_t number,
                       struct replica **out, struct err *e)
{
    for (struct replica *r = logs->replicas; r; r = r->next)
        if (r->number == number && str_eq(r->service, service)) {
            r->refs++;
            *out = r;
            return 0;
        }
    struct replica *r = mem_alloc(sizeof(*r));
    if (str_copy(r->service, sizeof(r->service), service) < 0 ||
        logs_file_open(&r->file, logs->dir_fd, service, number, e) < 0) {
        free(r);
        return err_wrap(e, "keep the logs of %s", service);
    }
    r->number = number;
    r->refs = 1;
    r->next = logs->replicas;
    logs->replicas = r;
    *out = r;
    return 0;
}

void logs_limit(struct logs *logs, const char *service, uint32_t replica, uint64_t file_bytes,
                unsigned files)
{
    for (struct replica *r = logs->replicas; r; r = r->next)
        if (r->number == replica && str_eq(r->service, service))
            logs_file_limit(&r->file, file_bytes, files);
}

/* A full pipe must always have a line or a piece in it, or reader and writer wait for each other.
 * Without CAP_SYS_RESOURCE pipes may be small: man 7 pipe, pipe-user-pages-soft. */
static size_t line_max_of(int pipe_fd)
{
    int capacity = fcntl(pipe_fd, F_SETPIPE_SZ, LOGS_PIPE_BYTES);
    if (capacity < 0)
        capacity = fcntl(pipe_fd, F_GETPIPE_SZ);
    size_t half = capacity > 0 ? (size_t)capacity / 2 : LOGS_LINE_MAX;
    return half < LOGS_LINE_MAX ? half : LOGS_LINE_MAX;
}

int logs_attach(struct logs *logs, const char *service, uint32_t replica, enum logs_stream stream,
                int owned_pipe_fd, struct err *e)
{
    auto_fd int fd = owned_pipe_fd;
    struct replica *r = NULL;
    if (get_replica(logs, service, replica, &r, e) < 0)
        return -1;
    struct source *s = mem_alloc(sizeof(*s));
    s->watch.fd = -1;
    if (loop_add_fd(logs->loop, &s->watch, fd, EPOLLIN, on_pipe, s, "logs", e) < 0) {
        free(s);
        put_replica(logs, r);
        return -1;
    }
    s->logs = logs;
    s->replica = r;
    s->stream = stream;
    s->line_max = line_max_of(fd);
    s->fd = take_fd(&fd);
    s->next = logs->sources;
    logs->sources = s;
    return 0;
}

static void drain(struct source *s)
{
    enum progress p = PROGRESS_MORE;
    for (int i = 0; i < DETACH_CHUNKS_MAX && p == PROGRESS_MORE; i++)
        p = read_chunk(s, false);
    if (p == PROGRESS_UNFINISHED)
        (void)read_chunk(s, true);
}

void logs_detach(struct logs *logs, const char *service, uint32_t replica)
{
    struct source *next;
    for (struct source *s = logs->sources; s; s = next) {
        next = s->next;
        if (s->replica->number != replica || !str_eq(s->replica->service, service))
            continue;
        drain(s);
        free_source(s);
    }
}

void logs_remove(struct logs *logs, const char *service)
{
    struct source *next;
    for (struct source *s = logs->sources; s; s = next) {
        next = s->next;
        if (!service || str_eq(s->replica->service, service))
            free_source(s);
    }
    int fd = openat(logs->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        fd_close(&fd);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char of[NAME_LIMIT];
        uint32_t replica;
        unsigned age;
        if (logs_file_parse_name(entry->d_name, of, &replica, &age) &&
            (!service || str_eq(of, service)))
            (void)unlinkat(logs->dir_fd, entry->d_name, 0); /* gone is gone */
    }
    (void)closedir(dir);
}

void logs_follow(struct logs *logs, struct logs_follower *f)
{
    f->next = logs->followers;
    logs->followers = f;
}

void logs_unfollow(struct logs *logs, struct logs_follower *f)
{
    if (logs->follower_next == f)
        logs->follower_next = f->next;
    for (struct logs_follower **at = &logs->followers; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            return;
        }
}
