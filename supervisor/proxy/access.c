#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "supervisor/proxy/worker.h"

/* The combined log format that every tool reads, then what it lacks, as key=value:
 *
 *   10.0.0.9 - - [21/Nov/2026:04:05:06 +0000] "GET / HTTP/1.1" 200 512 "-" "curl/7.88.1"
 *       host=shop.example upstream=web:8000 endpoint=10.89.0.3:8000 time=0.004 id=9f…  (one line)
 *
 * Lines gather in a buffer and leave together: after LOG_FLUSH_MS, or when there are enough. The
 * pipe is never waited for; lines that find the buffer full are counted and dropped. */
enum {
    LOG_LINE_MAX = 4096,
    LOG_TEXT_MAX = 1024, /* bytes kept of one client-given text */
};

static void on_flush(void *self)
{
    access_flush(self);
}

int access_init(struct worker *w, struct err *e)
{
    w->log.data = mem_alloc(LOG_BUFFER_BYTES);
    loop_timer_init(&w->log.timer, on_flush, w, "access log");
    if (fd_set_nonblock(STDOUT_FILENO) < 0)
        return err_sys(e, errno, "make the access log non-blocking");
    return 0;
}

void access_done(struct worker *w)
{
    access_flush(w);
    free(w->log.data);
    w->log.data = NULL;
}

void access_flush(struct worker *w)
{
    struct access_log *log = &w->log;
    loop_timer_cancel(w->loop, &log->timer);
    while (log->len) {
        ssize_t n = write(STDOUT_FILENO, log->data, log->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (errno != EAGAIN)
                log->len = 0; /* nobody reads: nothing to keep it for */
            break;
        }
        log->len -= (size_t)n;
        memmove(log->data, log->data + n, log->len);
    }
    if (log->len)
        loop_timer_in_ms(w->loop, &log->timer, LOG_FLUSH_MS);
}

/* A text of a client inside double quotes: no quote, backslash or control byte stays as it is, so
 * that a line cannot be forged. */
static char *put_quoted(char *to, struct http_text t)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = t.len < LOG_TEXT_MAX ? t.len : LOG_TEXT_MAX;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)t.at[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            *to++ = (char)c;
        } else {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    return to;
}

static char *put_bytes(char *to, const char *s, size_t len)
{
    memcpy(to, s, len);
    return to + len;
}

static size_t quoted_room(struct http_text t)
{
    return (t.len < LOG_TEXT_MAX ? t.len : LOG_TEXT_MAX) * 4;
}

static struct record *new_record(struct worker *w, const char *address, size_t text)
{
    static const char hex[] = "0123456789abcdef";
    struct record *rec = malloc(sizeof(*rec) + text + PROXY_NAME_MAX);
    if (!rec)
        return NULL;
    *rec = (struct record){ .start_ns = loop_now_ns(w->loop) };
    memcpy(rec->address, address, sizeof(rec->address));
    /* splitmix64: unique and well spread is all that an id has to be */
    uint64_t z = w->id_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    for (int i = 0; i < REQUEST_ID_LEN; i++, z >>= 4)
        rec->id[i] = hex[z & 15];
    return rec;
}

struct record *record_new(struct worker *w, const char *address, const struct http_request *r)
{
    struct http_text referer = http_value(&r->head, HTTP_REFERER);
    struct http_text agent = http_value(&r->head, HTTP_USER_AGENT);
    struct http_text dash = HTTP_TEXT("-");
    size_t room = quoted_room(r->method_text) + quoted_room(r->target) + quoted_room(referer) +
                  quoted_room(agent) + quoted_room(r->host) + 64;
    struct record *rec = new_record(w, address, room);
    if (!rec)
        return NULL;
    char *p = put_quoted(rec->text, r->method_text);
    *p++ = ' ';
    p = put_quoted(p, r->target);
    p = put_bytes(p, r->head.minor ? " HTTP/1.1" : " HTTP/1.0", 9);
    *p++ = '\0';
    rec->fields = p;
    *p++ = '"';
    p = put_quoted(p, referer.len ? referer : dash);
    p = put_bytes(p, "\" \"", 3);
    p = put_quoted(p, agent.len ? agent : dash);
    p = put_bytes(p, "\" host=", 7);
    p = put_quoted(p, r->host.len ? r->host : dash);
    *p++ = '\0';
    rec->upstream = p;
    *p = '\0';
    return rec;
}

struct record *record_new_tcp(struct worker *w, const char *address, const char *upstream)
{
    struct record *rec = new_record(w, address, 32 + PROXY_NAME_MAX);
    if (!rec)
        return NULL;
    int n = snprintf(rec->text, 32 + PROXY_NAME_MAX, "TCP %s", upstream);
    rec->fields = rec->text + n + 1;
    (void)snprintf(rec->fields, 8, "\"-\" \"-\"");
    rec->upstream = rec->fields + 8;
    record_set_upstream(rec, upstream);
    return rec;
}

void record_set_upstream(struct record *rec, const char *name)
{
    (void)snprintf(rec->upstream, PROXY_NAME_MAX, "%s", name);
}

static const char *log_time(struct worker *w)
{
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct timespec now;
    struct tm tm;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != w->log.second) {
        w->log.second = now.tv_sec;
        (void)gmtime_r(&now.tv_sec, &tm);
        (void)snprintf(w->log.time, sizeof(w->log.time), "%02u/%s/%04u:%02u:%02u:%02u +0000",
                       (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12],
                       ((unsigned)tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                       (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    }
    return w->log.time;
}

static void put_endpoint(struct http_out *o, const struct proxy_endpoint *ep)
{
    http_put_str(o, " endpoint=");
    for (int shift = 24; shift >= 0; shift -= 8) {
        http_put_u64(o, ep->ipv4 >> shift & 255);
        http_put_str(o, shift ? "." : ":");
    }
    http_put_u64(o, ep->port);
}

static void put_seconds(struct http_out *o, uint64_t ns)
{
    uint64_t ms = ns / 1000000;
    char fraction[4] = { (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
                         (char)('0' + ms % 10), '\0' };
    http_put_u64(o, ms / 1000);
    http_put_str(o, ".");
    http_put_str(o, fraction);
}

static void put_line(struct http_out *o, struct worker *w, const struct record *rec)
{
    http_put_str(o, rec->address);
    http_put_str(o, " - - [");
    http_put_str(o, log_time(w));
    http_put_str(o, "] \"");
    http_put_str(o, rec->text);
    http_put_str(o, "\" ");
    http_put_u64(o, rec->status);
    http_put_str(o, " ");
    http_put_u64(o, rec->bytes_out);
    http_put_str(o, " ");
    http_put_str(o, rec->fields);
    if (rec->upstream[0]) {
        http_put_str(o, " upstream=");
        http_put_str(o, rec->upstream);
    }
    if (rec->endpoint.port)
        put_endpoint(o, &rec->endpoint);
    http_put_str(o, " time=");
    put_seconds(o, loop_now_ns(w->loop) - rec->start_ns);
    http_put_str(o, " id=");
    http_put_str(o, rec->id);
    if (rec->cause) {
        http_put_str(o, " cause=\"");
        http_put_str(o, rec->cause);
        http_put_str(o, "\"");
    }
    http_put_str(o, "\n");
}

void record_end(struct worker *w, struct record *owned_rec)
{
    struct access_log *log = &w->log;
    if (!owned_rec)
        return;
    if (LOG_BUFFER_BYTES - log->len < LOG_LINE_MAX)
        access_flush(w);
    size_t room = LOG_BUFFER_BYTES - log->len;
    struct http_out o = http_out_on(log->data + log->len, room);
    put_line(&o, w, owned_rec);
    free(owned_rec);
    if (o.overflow) {
        w->counters.log_drops++;
        return;
    }
    log->len += o.len;
    if (log->len >= LOG_FLUSH_BYTES && !log->timer.heap_index)
        access_flush(w);
    else if (log->len >= LOG_FLUSH_BYTES && log->len - o.len < LOG_FLUSH_BYTES)
        access_flush(w);
    else if (!log->timer.heap_index)
        loop_timer_in_ms(w->loop, &log->timer, LOG_FLUSH_MS);
}
