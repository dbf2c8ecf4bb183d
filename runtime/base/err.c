#include "runtime/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int exit_code;
} kinds[ERR_KIND_COUNT_] = {
    [ERR_NONE] = { "none", 0 },     [ERR_INPUT] = { "input", 2 },
    [ERR_HOST] = { "host", 3 },     [ERR_CONFLICT] = { "conflict", 4 },
    [ERR_SYSTEM] = { "system", 5 }, [ERR_INTERNAL] = { "internal", 70 },
};

void err_set_(struct err *e, enum err_kind kind, int errnum, const char *fmt, ...)
{
    *e = (struct err){ .kind = kind, .errnum = errnum };
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(e->what, sizeof(e->what), fmt, ap);
    va_end(ap);
}

/* strerror() may allocate for translation; these names are constant strings. Of a file that is not
 * there we have our own words: podman and Docker take the C library's, wherever they stand in an
 * error, for a program that a container does not have. */
static const char *words_of(int errnum)
{
    if (errnum == ENOENT)
        return "not found";
    const char *words = strerrordesc_np(errnum);
    return words ? words : "unknown error";
}

void err_sys_(struct err *e, int errnum, const char *fmt, ...)
{
    enum err_kind kind = ERR_SYSTEM;
    if (errnum == EPERM || errnum == EACCES || errnum == ENOSYS || errnum == EOPNOTSUPP)
        kind = ERR_HOST;
    *e = (struct err){ .kind = kind, .errnum = errnum };
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->what, sizeof(e->what), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(e->what))
        return;
    const char *words = words_of(errnum);
    size_t room = sizeof(e->what) - (size_t)n;
    (void)snprintf(e->what + n, room, ": %c%s", words[0] | 0x20, words + 1);
}

void err_wrap_(struct err *e, const char *fmt, ...)
{
    char inner[sizeof(e->what)];
    memcpy(inner, e->what, sizeof(inner));
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->what, sizeof(e->what), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(e->what))
        return;
    char *end = stpncpy(e->what + n, ": ", sizeof(e->what) - 1 - (size_t)n);
    (void)stpncpy(end, inner, (size_t)(e->what + sizeof(e->what) - 1 - end));
    e->what[sizeof(e->what) - 1] = '\0';
}

void err_hint(struct err *e, const char *fmt, ...)
{
    if (e->hint[0])
        return;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
    va_end(ap);
}

void err_subject(struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(e->subject, sizeof(e->subject), fmt, ap);
    va_end(ap);
}

int err_exit_code(const struct err *e)
{
    return e->kind < ERR_KIND_COUNT_ ? kinds[e->kind].exit_code : kinds[ERR_INTERNAL].exit_code;
}

const char *err_kind_name(enum err_kind kind)
{
    return kind < ERR_KIND_COUNT_ ? kinds[kind].name : kinds[ERR_INTERNAL].name;
}

char *err_line(const struct err *e, char *line, size_t size)
{
    (void)snprintf(line, size, "%s%s%s%s%s", e->subject, e->subject[0] ? ": " : "", e->what,
                   e->hint[0] ? " — " : "", e->hint);
    return line;
}
