#include "runtime/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOG_LINE_MAX = 2048
};

static struct {
    int fd;
    enum log_level level;
    log_tell_fn *tell;
    const void *context;
} sink = { STDERR_FILENO, LOG_INFO, NULL, NULL };

static const char *const level_names[LOG_LEVEL_COUNT_] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

void log_open(int fd, enum log_level level)
{
    sink.fd = fd;
    sink.level = level;
}

void log_tell(log_tell_fn *fn, const void *context)
{
    sink.tell = fn;
    sink.context = context;
}

static size_t put_prefix(char *line, size_t size, enum log_level level, const char *service,
                         const char *event)
{
    struct timespec now;
    struct tm tm;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
    int m = snprintf(line + n, size - n, ".%03ldZ %s %s%s%s%s", now.tv_nsec / 1000000,
                     level_names[level], service ? "service=" : "", service ? service : "",
                     service ? " " : "", event);
    n += m < 0 ? 0 : (size_t)m;
    return n < size ? n : size - 1;
}

void log_event(enum log_level level, const char *service, const char *event, const char *fmt, ...)
{
    if (level > sink.level)
        return;
    char line[LOG_LINE_MAX];
    size_t n = put_prefix(line, sizeof(line) - 2, level, service, event);
    line[n++] = ' ';
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);
    va_end(ap);
    size_t room = sizeof(line) - 2 - n;
    n += m < 0 ? 0 : ((size_t)m < room ? (size_t)m : room);
    if (line[n - 1] == ' ')
        n--;
    line[n++] = '\n';
    (void)!write(sink.fd, line, n); /* nobody is left to tell */
    const char *text = strstr(line, event);
    line[n - 1] = '\0';
    if (sink.tell && level <= LOG_WARN && text)
        sink.tell(sink.context, text);
}

const char *log_quote(char *to, size_t size, const char *s)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    if (size < 3)
        return "";
    to[n++] = '"';
    for (const unsigned char *p = (const unsigned char *)s; *p && n + 6 < size; p++) {
        if (*p == '"' || *p == '\\') {
            to[n++] = '\\';
            to[n++] = (char)*p;
        } else if (*p < 0x20 || *p == 0x7f) {
            to[n++] = '\\';
            to[n++] = 'x';
            to[n++] = hex[*p >> 4];
            to[n++] = hex[*p & 15];
        } else {
            to[n++] = (char)*p;
        }
    }
    to[n++] = '"';
    to[n] = '\0';
    return to;
}

void log_err(enum log_level level, const char *service, const char *event, const struct err *e)
{
    char what[sizeof(e->what) * 2], hint[sizeof(e->hint) * 2];
    log_event(level, service, event, "kind=%s what=%s%s%s", err_kind_name(e->kind),
              log_quote(what, sizeof(what), e->what), e->hint[0] ? " hint=" : "",
              e->hint[0] ? log_quote(hint, sizeof(hint), e->hint) : "");
}
