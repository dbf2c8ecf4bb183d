#include "supervisor/http/parse.h"

#include <string.h>
#include <strings.h>

#include "supervisor/http/target.h"

/* RFC 9110 5.6.2 tchar; '_' has a class of its own since it is dropped by gateways. */
enum {
    CHAR_TOKEN = 1,
    CHAR_UNDERSCORE = 2,
};

static const uint8_t char_class[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1,         ['\''] = 1,        ['*'] = 1,
    ['+'] = 1, ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1 | 2,     ['`'] = 1,         ['|'] = 1,
    ['~'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1,         ['4'] = 1,         ['5'] = 1,
    ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static const struct {
    uint16_t status;
    const char *text;
} errors[HTTP_ERROR_COUNT_] = {
    [HTTP_OK] = { 200, "no error" },
    [HTTP_ERR_BARE_LF] = { 400, "a line does not end with CR LF" },
    [HTTP_ERR_START_LINE] = { 400, "the first line is malformed" },
    [HTTP_ERR_METHOD] = { 400, "the method is not a token" },
    [HTTP_ERR_METHOD_LONG] = { 501, "the method is too long" },
    [HTTP_ERR_TARGET] = { 400, "the request target is malformed" },
    [HTTP_ERR_TARGET_LONG] = { 414, "the request target is too long" },
    [HTTP_ERR_VERSION] = { 400, "the protocol version is malformed" },
    [HTTP_ERR_VERSION_MAJOR] = { 505, "the protocol version is not HTTP/1" },
    [HTTP_ERR_HEAD_LARGE] = { 431, "the header section is too large" },
    [HTTP_ERR_FIELD_COUNT] = { 431, "there are too many header fields" },
    [HTTP_ERR_FIELD_NAME] = { 400, "a field name is malformed" },
    [HTTP_ERR_FIELD_VALUE] = { 400, "a field value has a control character" },
    [HTTP_ERR_OBS_FOLD] = { 400, "a header line is folded" },
    [HTTP_ERR_HOST_MISSING] = { 400, "the Host field is missing" },
    [HTTP_ERR_HOST_TWICE] = { 400, "there is more than one Host field" },
    [HTTP_ERR_HOST] = { 400, "the host is malformed" },
    [HTTP_ERR_LENGTH] = { 400, "Content-Length is not a number" },
    [HTTP_ERR_LENGTH_TWICE] = { 400, "there is more than one Content-Length field" },
    [HTTP_ERR_LENGTH_AND_TE] = { 400, "both Content-Length and Transfer-Encoding are set" },
    [HTTP_ERR_TE_TWICE] = { 400, "there is more than one Transfer-Encoding field" },
    [HTTP_ERR_TE_VERSION] = { 400, "Transfer-Encoding in an HTTP/1.0 message" },
    [HTTP_ERR_TE_CODING] = { 501, "the transfer coding is not \"chunked\" alone" },
    [HTTP_ERR_EXPECT] = { 417, "the expectation is not \"100-continue\"" },
    [HTTP_ERR_CONNECT] = { 405, "CONNECT is not for this server" },
    [HTTP_ERR_STATUS] = { 502, "the status is not a number between 100 and 599" },
    [HTTP_ERR_CHUNK_SIZE] = { 400, "a chunk size is malformed" },
    [HTTP_ERR_CHUNK_EXT] = { 400, "a chunk extension is malformed or too long" },
    [HTTP_ERR_CHUNK_END] = { 400, "a chunk does not end where it should" },
    [HTTP_ERR_TRAILER] = { 400, "the trailer section is malformed or too large" },
};

unsigned http_error_status(enum http_error e)
{
    return errors[e].status;
}

const char *http_error_text(enum http_error e)
{
    return errors[e].text;
}

/* Fields that end at this connection (RFC 9110 7.6.1), and Trailer since trailers are dropped. */
static bool is_hop_field(enum http_field f)
{
    return f == HTTP_CONNECTION || f == HTTP_KEEP_ALIVE || f == HTTP_PROXY_CONNECTION ||
           f == HTTP_TE || f == HTTP_TRAILER || f == HTTP_TRANSFER_ENCODING || f == HTTP_UPGRADE;
}

/* Fields that a Connection field cannot make disappear: that would strip what the next hop relies
 * on for framing, identity or routing. */
static bool is_kept_field(enum http_field f)
{
    return f == HTTP_HOST || f == HTTP_CONTENT_LENGTH || f == HTTP_CONTENT_TYPE ||
           f == HTTP_AUTHORIZATION || f == HTTP_COOKIE || f == HTTP_EXPECT || f == HTTP_FORWARDED ||
           f == HTTP_X_FORWARDED_FOR || f == HTTP_X_FORWARDED_HOST || f == HTTP_X_FORWARDED_PORT ||
           f == HTTP_X_FORWARDED_PROTO || f == HTTP_X_REAL_IP || f == HTTP_X_REQUEST_ID;
}

/* RFC 9110 5.5: visible bytes, obs-text, space and tab. Eight bytes at a time, a hit is looked at
 * again by byte since the trick also flags tabs. */
static bool is_value(const char *s, size_t len)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    while (len >= 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        uint64_t below_space = (w - ones * 0x20) & ~w & high;
        uint64_t del = w ^ (ones * 0x7f);
        uint64_t is_del = (del - ones) & ~del & high;
        if (below_space | is_del)
            break;
        s += 8;
        len -= 8;
    }
    for (; len; s++, len--) {
        unsigned char c = (unsigned char)*s;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static enum http_error parse_length(struct http_text v, uint64_t *out)
{
    uint64_t n = 0;
    if (v.len == 0 || v.len > 19)
        return HTTP_ERR_LENGTH;
    for (size_t i = 0; i < v.len; i++) {
        if (v.at[i] < '0' || v.at[i] > '9')
            return HTTP_ERR_LENGTH;
        n = n * 10 + (uint64_t)(v.at[i] - '0');
    }
    if (n > INT64_MAX)
        return HTTP_ERR_LENGTH;
    *out = n;
    return HTTP_OK;
}

/* Where lines end. Returns DONE with *end past the empty line, remembers in SCAN how far it
 * looked. */
static enum http_parsed find_end(const char *data, size_t len, size_t limit, struct http_scan *scan,
                                 size_t *end, enum http_error *error)
{
    size_t start = scan->skipped;
    for (;;) {
        if (scan->seen < start)
            scan->seen = start;
        const char *lf = memchr(data + scan->seen, '\n', len - scan->seen);
        if (!lf) {
            scan->seen = len;
            *error = HTTP_ERR_HEAD_LARGE;
            return len - start > limit ? HTTP_PARSE_ERROR : HTTP_PARSE_MORE;
        }
        size_t at = (size_t)(lf - data);
        *error = HTTP_ERR_BARE_LF;
        if (at == start || data[at - 1] != '\r')
            return HTTP_PARSE_ERROR;
        scan->seen = at + 1;
        *error = HTTP_ERR_HEAD_LARGE;
        if (scan->seen - start > limit)
            return HTTP_PARSE_ERROR;
        if (at - 1 == start || data[at - 2] == '\n') {
            *end = at + 1;
            return HTTP_PARSE_DONE;
        }
    }
}

static enum http_error parse_field_line(struct http_head *h, const char *line, size_t len)
{
    if (line[0] == ' ' || line[0] == '\t')
        return HTTP_ERR_OBS_FOLD;
    if (h->header_count == HTTP_FIELDS_MAX)
        return HTTP_ERR_FIELD_COUNT;
    uint8_t classes = 0;
    size_t n = 0;
    for (; n < len; n++) {
        uint8_t c = char_class[(unsigned char)line[n]];
        if (!c)
            break;
        classes |= c;
    }
    if (n == 0 || n == len || line[n] != ':')
        return HTTP_ERR_FIELD_NAME;
    struct http_text value = { line + n + 1, len - n - 1 };
    while (value.len && (value.at[0] == ' ' || value.at[0] == '\t')) {
        value.at++;
        value.len--;
    }
    while (value.len && (value.at[value.len - 1] == ' ' || value.at[value.len - 1] == '\t'))
        value.len--;
    if (!is_value(value.at, value.len))
        return HTTP_ERR_FIELD_VALUE;
    struct http_header *f = &h->headers[h->header_count++];
    f->name = (struct http_text){ line, n };
    f->value = value;
    f->line_len = (uint16_t)(len + 2);
    f->field = (uint8_t)http_field_of(f->name);
    f->is_hop = is_hop_field(f->field);
    f->has_underscore = (classes & CHAR_UNDERSCORE) != 0;
    if (f->field && !h->first[f->field])
        h->first[f->field] = (uint8_t)h->header_count;
    return HTTP_OK;
}
_Static_assert(HTTP_FIELDS_MAX < UINT8_MAX, "first[] holds an index and one");
_Static_assert(HTTP_HEAD_MAX < UINT16_MAX && HTTP_REPLY_MAX < UINT16_MAX, "line_len is 16 bits");

/* The lines from AT to the empty line, which ends at END. */
static enum http_error parse_fields(struct http_head *h, const char *at, const char *end)
{
    h->header_count = 0;
    memset(h->first, 0, sizeof(h->first));
    while (end - at > 2) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        enum http_error error = parse_field_line(h, at, (size_t)(lf - at) - 1);
        if (error)
            return error;
        at = lf + 1;
    }
    return HTTP_OK;
}

static void mark_named_by_connection(struct http_head *h, struct http_text name)
{
    for (size_t i = 0; i < h->header_count; i++) {
        struct http_header *f = &h->headers[i];
        if (f->name.len == name.len && !is_kept_field(f->field) &&
            strncasecmp(f->name.at, name.at, name.len) == 0)
            f->is_hop = true;
    }
}

/* Connection: close, keep-alive, upgrade, and the names of fields that end here. */
static void read_connection(struct http_head *h)
{
    bool has_upgrade = false;
    h->keep_alive = h->minor >= 1;
    h->wants_upgrade = false;
    for (size_t i = h->first[HTTP_CONNECTION]; i && i <= h->header_count; i++) {
        if (h->headers[i - 1].field != HTTP_CONNECTION)
            continue;
        bool has_close = false;
        struct http_text list = h->headers[i - 1].value, element;
        while (http_list_next(&list, &element)) {
            if (http_text_is(element, "close"))
                has_close = true;
            else if (http_text_is(element, "keep-alive"))
                h->keep_alive = true;
            else if (http_text_is(element, "upgrade"))
                has_upgrade = true;
            else
                mark_named_by_connection(h, element);
        }
        if (has_close) {
            h->keep_alive = false;
            break;
        }
    }
    /* h2c is never passed on: a request inside an upgraded connection would go past the routes. */
    h->wants_upgrade = has_upgrade && h->minor >= 1 && h->first[HTTP_UPGRADE] &&
                       !http_list_has(http_value(h, HTTP_UPGRADE), "h2c");
}

static size_t count_field(const struct http_head *h, enum http_field f)
{
    size_t n = 0;
    for (size_t i = h->first[f]; i && i <= h->header_count; i++)
        n += h->headers[i - 1].field == f;
    return n;
}

/* RFC 9112 6.3 for both directions; IS_RESPONSE: Transfer-Encoding overrides Content-Length. */
static enum http_error read_framing(struct http_head *h, bool is_response)
{
    h->framing = is_response ? HTTP_BODY_CLOSE : HTTP_BODY_NONE;
    h->content_length = 0;
    if (h->first[HTTP_CONTENT_LENGTH]) {
        if (count_field(h, HTTP_CONTENT_LENGTH) > 1)
            return HTTP_ERR_LENGTH_TWICE;
        enum http_error error =
            parse_length(http_value(h, HTTP_CONTENT_LENGTH), &h->content_length);
        if (error)
            return error;
        h->framing = HTTP_BODY_LENGTH;
    }
    if (!h->first[HTTP_TRANSFER_ENCODING])
        return HTTP_OK;
    if (count_field(h, HTTP_TRANSFER_ENCODING) > 1)
        return HTTP_ERR_TE_TWICE;
    if (h->minor == 0)
        return HTTP_ERR_TE_VERSION;
    if (h->first[HTTP_CONTENT_LENGTH] && !is_response)
        return HTTP_ERR_LENGTH_AND_TE;
    if (!http_text_is(http_value(h, HTTP_TRANSFER_ENCODING), "chunked"))
        return HTTP_ERR_TE_CODING;
    h->framing = HTTP_BODY_CHUNKED;
    return HTTP_OK;
}

/* "HTTP/1.1": RFC 9112 2.3. */
static enum http_error parse_version(const char *s, size_t len, uint8_t *minor)
{
    if (len != 8 || memcmp(s, "HTTP/", 5) != 0 || s[5] < '0' || s[5] > '9' || s[6] != '.' ||
        s[7] < '0' || s[7] > '9')
        return HTTP_ERR_VERSION;
    if (s[5] != '1')
        return HTTP_ERR_VERSION_MAJOR;
    *minor = s[7] == '0' ? 0 : 1;
    return HTTP_OK;
}

/* Visible bytes and obs-text; no fragment, which a client must not send, and no backslash, which
 * some upstreams take for a slash. */
static bool is_target(struct http_text t)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.at[i];
        if (c <= 0x20 || c == 0x7f || c == '#' || c == '\\')
            return false;
    }
    return t.len > 0;
}

static void split_query(struct http_request *r, struct http_text t)
{
    const char *mark = memchr(t.at, '?', t.len);
    r->path = (struct http_text){ t.at, mark ? (size_t)(mark - t.at) : t.len };
    r->query = (struct http_text){ NULL, 0 };
    if (mark)
        r->query = (struct http_text){ mark + 1, t.len - r->path.len - 1 };
}

/* http://host[:port][/path][?query] */
static enum http_error parse_absolute(struct http_request *r)
{
    struct http_text t = r->target;
    size_t scheme = t.len >= 7 && strncasecmp(t.at, "http://", 7) == 0    ? 7
                    : t.len >= 8 && strncasecmp(t.at, "https://", 8) == 0 ? 8
                                                                          : 0;
    if (!scheme)
        return HTTP_ERR_TARGET;
    t.at += scheme;
    t.len -= scheme;
    size_t n = 0;
    while (n < t.len && t.at[n] != '/' && t.at[n] != '?')
        n++;
    r->host = (struct http_text){ t.at, n };
    r->is_absolute = true;
    if (!http_host_is_valid(r->host))
        return HTTP_ERR_HOST;
    split_query(r, (struct http_text){ t.at + n, t.len - n });
    if (r->path.len == 0)
        r->path = r->method == HTTP_OPTIONS && !r->query.at ? HTTP_TEXT("*") : HTTP_TEXT("/");
    return HTTP_OK;
}

/* The four forms of RFC 9112 3.2. */
static enum http_error parse_target(struct http_request *r)
{
    r->host = (struct http_text){ "", 0 };
    r->is_absolute = false;
    if (r->target.len > HTTP_TARGET_MAX)
        return HTTP_ERR_TARGET_LONG;
    if (!is_target(r->target))
        return HTTP_ERR_TARGET;
    if (r->method == HTTP_CONNECT)
        return HTTP_ERR_CONNECT;
    if (r->target.at[0] == '/') {
        split_query(r, r->target);
        return HTTP_OK;
    }
    if (http_text_eq(r->target, "*") && r->method == HTTP_OPTIONS) {
        r->path = r->target;
        r->query = (struct http_text){ NULL, 0 };
        return HTTP_OK;
    }
    return parse_absolute(r);
}

static enum http_error parse_request_line(struct http_request *r, const char *line, size_t len)
{
    size_t n = 0;
    while (n < len && char_class[(unsigned char)line[n]])
        n++;
    if (n == 0 || n == len)
        return HTTP_ERR_START_LINE;
    if (line[n] != ' ')
        return HTTP_ERR_METHOD;
    if (n > HTTP_METHOD_MAX)
        return HTTP_ERR_METHOD_LONG;
    r->method_text = (struct http_text){ line, n };
    r->method = http_method_of(r->method_text);
    const char *last = memrchr(line + n, ' ', len - n);
    if (last == line + n) /* HTTP/0.9 has no version; it is not spoken here */
        return HTTP_ERR_START_LINE;
    const char *version = last + 1;
    enum http_error error = parse_version(version, len - (size_t)(version - line), &r->head.minor);
    if (error)
        return error;
    r->target = (struct http_text){ line + n + 1, (size_t)(last - line) - n - 1 };
    return parse_target(r);
}

static enum http_error read_host(struct http_request *r)
{
    const struct http_head *h = &r->head;
    if (!h->first[HTTP_HOST]) {
        if (h->minor >= 1)
            return HTTP_ERR_HOST_MISSING;
        return HTTP_OK;
    }
    if (count_field(h, HTTP_HOST) > 1)
        return HTTP_ERR_HOST_TWICE;
    struct http_text host = http_value(h, HTTP_HOST);
    if (!http_host_is_valid(host))
        return HTTP_ERR_HOST;
    if (!r->is_absolute) /* RFC 9112 3.2.2: the absolute form wins */
        r->host = host;
    return HTTP_OK;
}

static enum http_error read_expect(struct http_request *r)
{
    r->expect = HTTP_EXPECT_NONE;
    if (!r->head.first[HTTP_EXPECT] || r->head.minor == 0)
        return HTTP_OK;
    if (count_field(&r->head, HTTP_EXPECT) > 1 ||
        !http_text_is(http_value(&r->head, HTTP_EXPECT), "100-continue"))
        return HTTP_ERR_EXPECT;
    r->expect = HTTP_EXPECT_CONTINUE;
    return HTTP_OK;
}

/* Before the head is complete, what can be said about a request that will never be one. */
static enum http_error look_at_beginning(const char *data, size_t len, struct http_request *r)
{
    if (len && !char_class[(unsigned char)data[0]] && data[0] != '\r')
        return HTTP_ERR_METHOD;
    const char *lf = memchr(data, '\n', len);
    if (lf && lf - data >= 2)
        return parse_request_line(r, data, (size_t)(lf - data) - 1);
    if (!lf && len > HTTP_METHOD_MAX + HTTP_TARGET_MAX)
        return HTTP_ERR_TARGET_LONG;
    return HTTP_OK;
}

static void skip_empty_lines(const char *data, size_t len, struct http_scan *scan)
{
    while (scan->skipped < 2 * HTTP_EMPTY_LINES_MAX && len - scan->skipped >= 2 &&
           data[scan->skipped] == '\r' && data[scan->skipped + 1] == '\n')
        scan->skipped += 2;
}

static enum http_error parse_request_head(const char *start, const char *end,
                                          struct http_request *r)
{
    const char *lf = memchr(start, '\n', (size_t)(end - start));
    if (lf - start < 2)
        return HTTP_ERR_START_LINE;
    enum http_error error = parse_request_line(r, start, (size_t)(lf - start) - 1);
    if (!error)
        error = parse_fields(&r->head, lf + 1, end);
    if (!error)
        error = read_host(r);
    if (!error)
        error = read_framing(&r->head, false);
    if (!error)
        error = read_expect(r);
    if (!error)
        read_connection(&r->head);
    return error;
}

enum http_parsed http_parse_request(const char *data, size_t len, struct http_scan *scan,
                                    struct http_request *out, enum http_error *error)
{
    if (scan->seen <= 2 * HTTP_EMPTY_LINES_MAX)
        skip_empty_lines(data, len, scan);
    size_t end = 0;
    enum http_parsed found = find_end(data, len, HTTP_HEAD_MAX, scan, &end, error);
    const char *start = data + scan->skipped;
    if (found == HTTP_PARSE_MORE) {
        *error = look_at_beginning(start, len - scan->skipped, out);
        return *error ? HTTP_PARSE_ERROR : HTTP_PARSE_MORE;
    }
    if (found == HTTP_PARSE_ERROR) {
        /* A request line that is too long, or no HTTP/1 at all, has a better name. */
        enum http_error better = look_at_beginning(start, len - scan->skipped, out);
        if (*error == HTTP_ERR_HEAD_LARGE && better)
            *error = better;
        return HTTP_PARSE_ERROR;
    }
    *error = parse_request_head(start, data + end, out);
    *scan = (struct http_scan){ 0 };
    if (*error)
        return HTTP_PARSE_ERROR;
    out->head.head_bytes = end;
    return HTTP_PARSE_DONE;
}

static enum http_error parse_status_line(struct http_response *r, const char *line, size_t len)
{
    if (len < 12 || line[8] != ' ')
        return HTTP_ERR_START_LINE;
    enum http_error error = parse_version(line, 8, &r->head.minor);
    if (error)
        return error;
    unsigned status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return HTTP_ERR_STATUS;
        status = status * 10 + (unsigned)(line[i] - '0');
    }
    if (status < 100 || status > 599)
        return HTTP_ERR_STATUS;
    if (len > 12 && line[12] != ' ')
        return HTTP_ERR_START_LINE;
    r->status = (uint16_t)status;
    r->reason = len > 13 ? (struct http_text){ line + 13, len - 13 } : (struct http_text){ "", 0 };
    return is_value(r->reason.at, r->reason.len) ? HTTP_OK : HTTP_ERR_START_LINE;
}

enum http_parsed http_parse_response(const char *data, size_t len, struct http_scan *scan,
                                     enum http_method method, struct http_response *out,
                                     enum http_error *error)
{
    size_t end = 0;
    enum http_parsed found = find_end(data, len, HTTP_REPLY_MAX, scan, &end, error);
    if (found != HTTP_PARSE_DONE)
        return found;
    *scan = (struct http_scan){ 0 };
    const char *lf = memchr(data, '\n', end);
    *error = HTTP_ERR_START_LINE;
    if (lf - data < 2)
        return HTTP_PARSE_ERROR;
    *error = parse_status_line(out, data, (size_t)(lf - data) - 1);
    if (!*error)
        *error = parse_fields(&out->head, lf + 1, data + end);
    if (!*error)
        *error = read_framing(&out->head, true);
    if (*error)
        return HTTP_PARSE_ERROR;
    read_connection(&out->head);
    if (method == HTTP_HEAD || out->status < 200 || out->status == 204 || out->status == 304)
        out->head.framing = HTTP_BODY_NONE;
    out->head.head_bytes = end;
    return HTTP_PARSE_DONE;
}
