#include "supervisor/http/body.h"

#include <string.h>

/* RFC 9112 7.1. A line end is always CR LF: a bare LF after a size or an extension is how requests
 * get smuggled past a front that reads on and a back that does not. */
enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXT,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER_START,
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_LAST_LF,
    CHUNK_DONE,
};

enum {
    CHUNK_DIGITS_MAX = 16
};

void http_body_init(struct http_body *b, const struct http_head *h)
{
    *b = (struct http_body){
        .framing = h->framing,
        .left = h->framing == HTTP_BODY_LENGTH  ? h->content_length
                : h->framing == HTTP_BODY_CLOSE ? UINT64_MAX
                                                : 0,
        .state = CHUNK_SIZE,
    };
}

bool http_body_is_done(const struct http_body *b)
{
    if (b->framing == HTTP_BODY_CHUNKED)
        return b->state == CHUNK_DONE;
    return b->framing == HTTP_BODY_NONE || b->left == 0;
}

uint64_t http_body_plain_left(const struct http_body *b)
{
    return b->framing == HTTP_BODY_LENGTH || b->framing == HTTP_BODY_CLOSE ? b->left : 0;
}

void http_body_skip(struct http_body *b, uint64_t n)
{
    if (b->framing == HTTP_BODY_LENGTH)
        b->left -= n < b->left ? n : b->left;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_text(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 0x20 && u != 0x7f) || u == '\t';
}

static enum http_error read_size(struct http_body *b, char c)
{
    int digit = hex_value(c);
    if (digit >= 0) {
        if (b->digits == CHUNK_DIGITS_MAX || b->left > (uint64_t)INT64_MAX >> 4)
            return HTTP_ERR_CHUNK_SIZE;
        b->digits++;
        b->left = b->left << 4 | (unsigned)digit;
        return HTTP_OK;
    }
    if (b->digits == 0)
        return HTTP_ERR_CHUNK_SIZE;
    b->spent = 0;
    if (c == '\r')
        b->state = CHUNK_SIZE_LF;
    else if (c == ';')
        b->state = CHUNK_EXT;
    else
        return HTTP_ERR_CHUNK_SIZE;
    return HTTP_OK;
}

static enum http_error read_ext(struct http_body *b, char c)
{
    if (c == '\r')
        b->state = CHUNK_SIZE_LF;
    else if (!is_text(c) || ++b->spent > HTTP_CHUNK_EXT_MAX)
        return HTTP_ERR_CHUNK_EXT;
    return HTTP_OK;
}

static enum http_error read_trailer(struct http_body *b, char c)
{
    if (++b->spent > HTTP_TRAILER_MAX)
        return HTTP_ERR_TRAILER;
    switch (b->state) {
    case CHUNK_TRAILER_START:
        if (c == '\r')
            b->state = CHUNK_LAST_LF;
        else if (is_text(c) && c != ' ' && c != '\t' && c != ':')
            b->state = CHUNK_TRAILER_NAME;
        else
            return HTTP_ERR_TRAILER;
        return HTTP_OK;
    case CHUNK_TRAILER_NAME:
        if (c == ':')
            b->state = CHUNK_TRAILER_VALUE;
        else if (!is_text(c) || c == ' ' || c == '\t')
            return HTTP_ERR_TRAILER;
        return HTTP_OK;
    case CHUNK_TRAILER_VALUE:
        if (c == '\r')
            b->state = CHUNK_TRAILER_LF;
        else if (!is_text(c))
            return HTTP_ERR_TRAILER;
        return HTTP_OK;
    default: /* CHUNK_TRAILER_LF, CHUNK_LAST_LF */
        if (c != '\n')
            return HTTP_ERR_TRAILER;
        b->state = b->state == CHUNK_LAST_LF ? CHUNK_DONE : CHUNK_TRAILER_START;
        return HTTP_OK;
    }
}

/* One byte that is not payload. */
static enum http_error read_framing_byte(struct http_body *b, char c)
{
    switch (b->state) {
    case CHUNK_SIZE: return read_size(b, c);
    case CHUNK_EXT: return read_ext(b, c);
    case CHUNK_SIZE_LF:
        if (c != '\n')
            return HTTP_ERR_CHUNK_END;
        b->spent = 0;
        b->state = b->left ? CHUNK_DATA : CHUNK_TRAILER_START;
        return HTTP_OK;
    case CHUNK_DATA_CR: b->state = CHUNK_DATA_LF; return c == '\r' ? HTTP_OK : HTTP_ERR_CHUNK_END;
    case CHUNK_DATA_LF:
        b->state = CHUNK_SIZE;
        b->digits = 0;
        b->left = 0;
        return c == '\n' ? HTTP_OK : HTTP_ERR_CHUNK_END;
    default: return read_trailer(b, c);
    }
}

static enum http_body_step read_chunked(struct http_body *b, const char *data, size_t len,
                                        size_t *used, struct http_text *payload,
                                        enum http_error *error)
{
    size_t n = 0;
    while (n < len && b->state != CHUNK_DONE) {
        if (b->state == CHUNK_DATA) {
            size_t take = len - n < b->left ? len - n : (size_t)b->left;
            *payload = (struct http_text){ data + n, take };
            b->left -= take;
            if (b->left == 0)
                b->state = CHUNK_DATA_CR;
            *used = n + take;
            return HTTP_BODY_DATA;
        }
        *error = read_framing_byte(b, data[n++]);
        if (*error)
            return HTTP_BODY_ERROR;
    }
    *used = n;
    return b->state == CHUNK_DONE ? HTTP_BODY_END : HTTP_BODY_MORE;
}

enum http_body_step http_body_read(struct http_body *b, const char *data, size_t len, size_t *used,
                                   struct http_text *payload, enum http_error *error)
{
    *used = 0;
    if (b->framing == HTTP_BODY_CHUNKED)
        return read_chunked(b, data, len, used, payload, error);
    if (http_body_is_done(b))
        return HTTP_BODY_END;
    if (len == 0)
        return HTTP_BODY_MORE;
    size_t take = len < b->left ? len : (size_t)b->left;
    *payload = (struct http_text){ data, take };
    *used = take;
    http_body_skip(b, take);
    return HTTP_BODY_DATA;
}

size_t http_chunk_head(char to[HTTP_CHUNK_HEAD_MAX], uint64_t len)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 1;
    for (uint64_t rest = len >> 4; rest; rest >>= 4)
        n++;
    for (size_t i = n; i > 0; i--, len >>= 4)
        to[i - 1] = digits[len & 15];
    to[n] = '\r';
    to[n + 1] = '\n';
    return n + 2;
}
