#include "supervisor/http/target.h"

#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%XX" at P stands for, -1: not two digits. */
static int percent_byte(const char *p, const char *end)
{
    if (end - p < 3)
        return -1;
    int high = hex_digit(p[1]), low = hex_digit(p[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_dots(const char *s, size_t len)
{
    return (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.');
}

struct segment_writer {
    char *to;
    size_t len;   /* written, the '/' of the present segment included */
    size_t start; /* of the present segment */
    size_t size;
    bool is_encoded; /* the present segment had an escape */
};

/* Ends the present segment: drops it when empty or dots. False: refused. */
static bool end_segment(struct segment_writer *w, bool is_last)
{
    size_t len = w->len - w->start;
    if (is_dots(w->to + w->start, len)) {
        if (w->is_encoded)
            return false;
        w->len = w->start;
        if (len == 2) {
            if (w->start < 2) /* above the root */
                return false;
            w->len = w->start - 1;
            while (w->len && w->to[w->len - 1] != '/')
                w->len--;
        }
    } else if (len > 0 && !is_last) {
        w->to[w->len++] = '/';
    }
    w->start = w->len;
    w->is_encoded = false;
    return true;
}

long http_path_normalise(struct http_text path, bool keep_slashes, char *to, size_t size)
{
    if (path.len == 0 || path.at[0] != '/' || size < 2)
        return -1;
    struct segment_writer w = { .to = to, .len = 1, .start = 1, .size = size };
    to[0] = '/';
    const char *end = path.at + path.len;
    for (const char *p = path.at + 1; p < end; p++) {
        if (w.len + 5 > size)
            return -1;
        int c = (unsigned char)*p;
        bool is_slash = c == '/';
        if (c == '%') {
            c = percent_byte(p, end);
            if (c <= 0)
                return -1;
            p += 2;
            is_slash = c == '/' && !keep_slashes;
            /* The escape may make a dot segment in the eyes of whoever decodes slashes too. */
            w.is_encoded |= c == '.' || c == '/';
            if (c == '/' && keep_slashes) {
                memcpy(to + w.len, "%2F", 3);
                w.len += 3;
                continue;
            }
        }
        if (is_slash) {
            if (!end_segment(&w, false))
                return -1;
            w.is_encoded = *p != '/';
        } else {
            to[w.len++] = (char)c;
        }
    }
    if (!end_segment(&w, true))
        return -1;
    to[w.len] = '\0';
    return (long)w.len;
}

bool http_path_is_plain(struct http_text path)
{
    const char *p = path.at, *end = path.at + path.len;
    while (p < end) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        const char *stop = slash ? slash : end;
        if (is_dots(p, (size_t)(stop - p)))
            return false;
        p = stop + 1;
    }
    return true;
}

bool http_path_has_encoded_slash(struct http_text path)
{
    const char *end = path.at + path.len;
    for (const char *p = path.at; (p = memchr(p, '%', (size_t)(end - p))) != NULL; p++)
        if (percent_byte(p, end) == '/')
            return true;
    return false;
}

/* pchar of RFC 3986 3.3, and '/'. */
static bool is_path_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

long http_path_encode(const char *path, size_t len, char *to, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)path[i];
        if (n + 4 > size)
            return -1;
        if (is_path_char(c)) {
            to[n++] = (char)c;
        } else {
            to[n++] = '%';
            to[n++] = digits[c >> 4];
            to[n++] = digits[c & 15];
        }
    }
    if (n >= size)
        return -1;
    to[n] = '\0';
    return (long)n;
}

static bool is_port(const char *s, size_t len)
{
    unsigned port = 0;
    if (len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        port = port * 10 + (unsigned)(s[i] - '0');
    }
    return port <= 65535; /* "host:" is allowed by the grammar */
}

/* "[…]" with the bytes that an address literal may have; returns its length, 0: none. */
static size_t literal_length(struct http_text host)
{
    const char *close = memchr(host.at, ']', host.len);
    size_t len = close ? (size_t)(close - host.at) + 1 : 0;
    if (len < 4 || len > 48)
        return 0;
    for (size_t i = 1; i + 1 < len; i++)
        if (hex_digit(host.at[i]) < 0 && host.at[i] != ':' && host.at[i] != '.')
            return 0;
    return len;
}

/* Letters, digits, '-', '.', '_' and no empty label: names that a client can have resolved.
 * RFC 3986 reg-name allows more, which only ever served to confuse two parsers. */
static size_t name_length(struct http_text host)
{
    size_t n = 0;
    for (; n < host.len; n++) {
        char c = host.at[n];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_')
            continue;
        if (c != '.' || n == 0 || host.at[n - 1] == '.')
            break;
    }
    return n;
}

bool http_host_is_valid(struct http_text host)
{
    if (host.len == 0 || host.len >= HTTP_HOST_MAX)
        return false;
    size_t n = host.at[0] == '[' ? literal_length(host) : name_length(host);
    if (n == 0 || n > 254)
        return false;
    return n == host.len || (host.at[n] == ':' && is_port(host.at + n + 1, host.len - n - 1));
}

long http_host_name(struct http_text host, char *to, size_t size)
{
    size_t n = host.len;
    if (n && host.at[0] == '[') {
        const char *close = memchr(host.at, ']', n);
        n = close ? (size_t)(close - host.at) + 1 : 0;
    } else {
        const char *colon = memchr(host.at, ':', n);
        n = colon ? (size_t)(colon - host.at) : n;
        if (n && host.at[n - 1] == '.')
            n--;
    }
    if (n >= size)
        return -1;
    for (size_t i = 0; i < n; i++) {
        char c = host.at[i];
        to[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    to[n] = '\0';
    return (long)n;
}
