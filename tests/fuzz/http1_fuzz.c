/* The HTTP/1 parser on bytes from a stranger, as a request and as a response, body included.
 *
 * Held: what is parsed lies inside the input; a head that arrives in pieces gives the same verdict
 * as the whole; a body gives out only bytes that it got, and consumes what it says; a normalised
 * path has no dot segment left. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "supervisor/http/body.h"
#include "supervisor/http/parse.h"
#include "supervisor/http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PATH_BYTES_MAX = HTTP_TARGET_MAX + 1
};

struct input {
    const char *data;
    size_t len;
};

static void inside(const struct input *in, struct http_text t)
{
    assert(t.len == 0 || (t.at >= in->data && t.at + t.len <= in->data + in->len));
}

static void check_head(const struct input *in, const struct http_head *h)
{
    assert(h->head_bytes > 0 && h->head_bytes <= in->len && h->header_count <= HTTP_FIELDS_MAX);
    for (size_t i = 0; i < h->header_count; i++) {
        inside(in, h->headers[i].name);
        inside(in, h->headers[i].value);
        assert(memchr(h->headers[i].value.at, '\n', h->headers[i].value.len) == NULL);
    }
    for (size_t f = 0; f < HTTP_FIELD_COUNT_; f++)
        assert(h->first[f] <= h->header_count);
}

static void check_body(const struct input *in, const struct http_head *h)
{
    struct http_body body;
    size_t at = h->head_bytes;
    http_body_init(&body, h);
    while (!http_body_is_done(&body)) {
        size_t used = 0;
        struct http_text payload = { 0 };
        enum http_error error = HTTP_OK;
        enum http_body_step step =
            http_body_read(&body, in->data + at, in->len - at, &used, &payload, &error);
        assert(used <= in->len - at);
        at += used;
        if (step == HTTP_BODY_ERROR)
            assert(error != HTTP_OK);
        if (step != HTTP_BODY_DATA)
            break;
        assert(payload.len <= used);
        inside(in, payload);
    }
}

static void check_path(struct http_text path)
{
    char to[PATH_BYTES_MAX];
    if (path.len == 0 || path.at[0] != '/')
        return;
    long len = http_path_normalise(path, false, to, sizeof(to));
    if (len < 0)
        return;
    assert(to[0] == '/' && to[len] == '\0' && strlen(to) == (size_t)len);
    assert(strstr(to, "/../") == NULL && strstr(to, "/./") == NULL && strstr(to, "//") == NULL);
    assert(len < 3 || strcmp(to + len - 3, "/..") != 0);
}

/* The same head in pieces of STEP bytes. */
static enum http_parsed in_pieces(const struct input *in, size_t step, enum http_error *error)
{
    struct http_scan scan = { 0 };
    struct http_request request;
    for (size_t have = 0;;) {
        have = have + step < in->len ? have + step : in->len;
        enum http_parsed got = http_parse_request(in->data, have, &scan, &request, error);
        if (got != HTTP_PARSE_MORE || have == in->len)
            return got;
    }
}

static void check_request(const struct input *in)
{
    struct http_scan scan = { 0 };
    struct http_request request;
    enum http_error error = HTTP_OK, late = HTTP_OK;
    enum http_parsed got = http_parse_request(in->data, in->len, &scan, &request, &error);
    enum http_parsed slow = in_pieces(in, in->len > 256 ? 61 : 1, &late);
    assert(got == slow); /* which of two errors is named may depend on what came first */
    if (got == HTTP_PARSE_ERROR)
        assert(http_error_status(error) >= 400 && http_error_text(error)[0] != '\0');
    if (got != HTTP_PARSE_DONE)
        return;
    check_head(in, &request.head);
    inside(in, request.target);
    inside(in, request.method_text);
    inside(in, request.host);
    assert(request.host.len == 0 || http_host_is_valid(request.host));
    /* one framing only: what request smuggling lives on */
    assert(
        !(request.head.first[HTTP_CONTENT_LENGTH] && request.head.first[HTTP_TRANSFER_ENCODING]));
    check_body(in, &request.head);
    check_path(request.path);
}

static void check_response(const struct input *in, enum http_method method)
{
    struct http_scan scan = { 0 };
    struct http_response response;
    enum http_error error = HTTP_OK;
    if (http_parse_response(in->data, in->len, &scan, method, &response, &error) != HTTP_PARSE_DONE)
        return;
    check_head(in, &response.head);
    assert(response.status >= 100 && response.status <= 599);
    check_body(in, &response.head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { (const char *)data, size };
    check_request(&in);
    check_response(&in, HTTP_GET);
    check_response(&in, HTTP_HEAD);
    return 0;
}
