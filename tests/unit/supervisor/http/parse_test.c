/* The probes that other proxies fail, and what a good head becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/http/parse.h"

#define HOST    "Host: a\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static const struct {
    const char *name, *head;
    enum http_error error; /* HTTP_OK: accepted */
} probes[] = {
    { "plain", "GET / HTTP/1.1\r\n" HOST "\r\n", HTTP_OK },
    { "bare LF", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", HTTP_ERR_BARE_LF },
    { "bare LF only", "GET / HTTP/1.1\nHost: a\n\n", HTTP_ERR_BARE_LF },
    { "CL and TE", "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n" CHUNKED "\r\n",
      HTTP_ERR_LENGTH_AND_TE },
    { "CL twice", "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
      HTTP_ERR_LENGTH_TWICE },
    { "CL twice equal", "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
      HTTP_ERR_LENGTH_TWICE },
    { "CL list", "POST / HTTP/1.1\r\n" HOST "Content-Length: 3,3\r\n\r\n", HTTP_ERR_LENGTH },
    { "CL sign", "POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n", HTTP_ERR_LENGTH },
    { "CL empty", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", HTTP_ERR_LENGTH },
    { "CL overflow", "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n",
      HTTP_ERR_LENGTH },
    { "TE xchunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n",
      HTTP_ERR_TE_CODING },
    { "TE list", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity, chunked\r\n\r\n",
      HTTP_ERR_TE_CODING },
    { "TE twice", "POST / HTTP/1.1\r\n" HOST CHUNKED CHUNKED "\r\n", HTTP_ERR_TE_TWICE },
    { "TE in 1.0", "POST / HTTP/1.0\r\n" HOST CHUNKED "\r\n", HTTP_ERR_TE_VERSION },
    { "TE in capitals", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: CHUNKED\r\n\r\n", HTTP_OK },
    { "space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", HTTP_ERR_FIELD_NAME },
    { "no colon", "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", HTTP_ERR_FIELD_NAME },
    { "no name", "GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", HTTP_ERR_FIELD_NAME },
    { "obs-fold", "GET / HTTP/1.1\r\n" HOST "X: y\r\n z\r\n\r\n", HTTP_ERR_OBS_FOLD },
    { "fold first", "GET / HTTP/1.1\r\n X: y\r\n\r\n", HTTP_ERR_OBS_FOLD },
    { "bare CR", "GET / HTTP/1.1\r\n" HOST "X: y\rz\r\n\r\n", HTTP_ERR_FIELD_VALUE },
    { "DEL late in a long value", "GET / HTTP/1.1\r\n" HOST "X: 0123456789abcdef\x7f\r\n\r\n",
      HTTP_ERR_FIELD_VALUE },
    { "control early in a long value",
      "GET / HTTP/1.1\r\n" HOST "X: 0\x01"
      "23456789abcdef\r\n\r\n",
      HTTP_ERR_FIELD_VALUE },
    { "tab and obs-text", "GET / HTTP/1.1\r\n" HOST "X: a\tb \xc3\xa4 cdefgh\r\n\r\n", HTTP_OK },
    { "no host", "GET / HTTP/1.1\r\n\r\n", HTTP_ERR_HOST_MISSING },
    { "no host 1.0", "GET / HTTP/1.0\r\n\r\n", HTTP_OK },
    { "two hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", HTTP_ERR_HOST_TWICE },
    { "host a/b", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", HTTP_ERR_HOST },
    { "host u@a", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", HTTP_ERR_HOST },
    { "host empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP_ERR_HOST },
    { "host port", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", HTTP_ERR_HOST },
    { "host IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", HTTP_OK },
    { "absolute", "GET http://b/ HTTP/1.1\r\n" HOST "\r\n", HTTP_OK },
    { "absolute with user", "GET http://u@b/ HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_HOST },
    { "other scheme", "GET ftp://b/ HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_TARGET },
    { "no form", "GET b HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_TARGET },
    { "CONNECT", "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_CONNECT },
    { "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", HTTP_OK },
    { "GET *", "GET * HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_TARGET },
    { "space in target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_TARGET },
    { "tab in target", "GET /a\tb HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_TARGET },
    { "fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_TARGET },
    { "backslash", "GET /a\\b HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_TARGET },
    { "HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", HTTP_OK },
    { "HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", HTTP_ERR_VERSION_MAJOR },
    { "HTTP/0.9", "GET /\r\n", HTTP_ERR_START_LINE },
    { "http/1.1", "GET / http/1.1\r\n" HOST "\r\n", HTTP_ERR_VERSION },
    { "HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", HTTP_ERR_VERSION },
    { "method get", "get / HTTP/1.1\r\n" HOST "\r\n", HTTP_OK },
    { "method (", "G(T / HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_METHOD },
    { "no method", " / HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_START_LINE },
    { "long method", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" HOST "\r\n",
      HTTP_ERR_METHOD_LONG },
    { "GET with body", "GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n", HTTP_OK },
    { "Expect", "POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\n\r\n", HTTP_OK },
    { "Expect: foo", "POST / HTTP/1.1\r\n" HOST "Expect: foo\r\n\r\n", HTTP_ERR_EXPECT },
    { "TLS", "\x16\x03\x01", HTTP_ERR_METHOD },
    { "three empty lines", "\r\n\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", HTTP_ERR_START_LINE },
    { "two empty lines", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", HTTP_OK },
};

static enum http_parsed parse(const char *data, size_t len, struct http_request *r,
                              enum http_error *error)
{
    struct http_scan scan = { 0 };
    return http_parse_request(data, len, &scan, r, error);
}

static void test_probes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        struct http_request r;
        enum http_error error = HTTP_OK;
        enum http_parsed got = parse(probes[i].head, strlen(probes[i].head), &r, &error);
        enum http_parsed want = probes[i].error ? HTTP_PARSE_ERROR : HTTP_PARSE_DONE;
        if (got != want || (want == HTTP_PARSE_ERROR && error != probes[i].error))
            fail_msg("%s: result %d, error %d (%s)", probes[i].name, got, error,
                     http_error_text(error));
    }
}

static void test_probes_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        struct http_request r;
        struct http_scan scan = { 0 };
        enum http_error error;
        enum http_parsed got = HTTP_PARSE_MORE;
        for (size_t n = 1; n <= strlen(probes[i].head) && got == HTTP_PARSE_MORE; n++)
            got = http_parse_request(probes[i].head, n, &scan, &r, &error);
        if (got != (probes[i].error ? HTTP_PARSE_ERROR : HTTP_PARSE_DONE))
            fail_msg("%s byte by byte: result %d", probes[i].name, got);
    }
}

static void test_nul_in_value(void **state)
{
    (void)state;
    static const char head[] = "GET / HTTP/1.1\r\n" HOST "X: y\0z\r\n\r\n";
    struct http_request r;
    enum http_error error;
    assert_int_equal(parse(head, sizeof(head) - 1, &r, &error), HTTP_PARSE_ERROR);
    assert_int_equal(error, HTTP_ERR_FIELD_VALUE);
}

static void test_limits(void **state)
{
    (void)state;
    static char head[2 * HTTP_HEAD_MAX];
    struct http_request r;
    enum http_error error;
    int n = snprintf(head, sizeof(head), "GET /");
    memset(head + n, 'a', HTTP_TARGET_MAX);
    assert_int_equal(parse(head, (size_t)n + HTTP_TARGET_MAX, &r, &error), HTTP_PARSE_MORE);
    (void)snprintf(head + n + HTTP_TARGET_MAX, 64, " HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(parse(head, strlen(head), &r, &error), HTTP_PARSE_ERROR);
    assert_int_equal(error, HTTP_ERR_TARGET_LONG);

    n = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\n" HOST "X: ");
    memset(head + n, 'a', HTTP_HEAD_MAX);
    assert_int_equal(parse(head, HTTP_HEAD_MAX + 1, &r, &error), HTTP_PARSE_ERROR);
    assert_int_equal(error, HTTP_ERR_HEAD_LARGE);
    assert_int_equal(parse(head, HTTP_HEAD_MAX, &r, &error), HTTP_PARSE_MORE);

    n = snprintf(head, sizeof(head), "GET / HTTP/1.1\r\n" HOST);
    for (int i = 1; i < HTTP_FIELDS_MAX; i++)
        n += snprintf(head + n, 16, "X: y\r\n");
    (void)snprintf(head + n, 16, "\r\n");
    assert_int_equal(parse(head, strlen(head), &r, &error), HTTP_PARSE_DONE);
    assert_int_equal(r.head.header_count, HTTP_FIELDS_MAX);
    (void)snprintf(head + n, 16, "X: y\r\n\r\n");
    assert_int_equal(parse(head, strlen(head), &r, &error), HTTP_PARSE_ERROR);
    assert_int_equal(error, HTTP_ERR_FIELD_COUNT);
    assert_int_equal(http_error_status(error), 431);
}

static const struct http_header *named(const struct http_head *h, const char *name)
{
    for (size_t i = 0; i < h->header_count; i++)
        if (http_text_eq(h->headers[i].name, name))
            return &h->headers[i];
    fail_msg("no field %s", name);
    return NULL;
}

static void test_what_a_head_says(void **state)
{
    (void)state;
    static const char head[] =
        "\r\nPOST http://B.example:81/p?q HTTP/1.1\r\n" HOST
        "Connection: X-Hop, upgrade, Host\r\nX-Hop: 1\r\nupgrade: websocket\r\n"
        "X_A:  1 \r\nContent-Length: 5\r\n\r\nhello";
    struct http_request r;
    enum http_error error;
    assert_int_equal(parse(head, sizeof(head) - 1, &r, &error), HTTP_PARSE_DONE);
    assert_int_equal(r.head.head_bytes, sizeof(head) - 1 - 5);
    assert_int_equal(r.method, HTTP_POST);
    assert_true(http_text_eq(r.host, "B.example:81") && r.is_absolute);
    assert_true(http_text_eq(r.path, "/p") && http_text_eq(r.query, "q"));
    assert_true(r.head.keep_alive && r.head.wants_upgrade);
    assert_int_equal(r.head.framing, HTTP_BODY_LENGTH);
    assert_int_equal(r.head.content_length, 5);
    assert_true(named(&r.head, "X-Hop")->is_hop);
    assert_false(http_find(&r.head, HTTP_HOST)->is_hop);
    const struct http_header *odd = named(&r.head, "X_A");
    assert_true(odd->has_underscore && http_text_eq(odd->value, "1"));
    assert_int_equal(odd->line_len, strlen("X_A:  1 \r\n"));
}

static void test_h2c_is_no_upgrade(void **state)
{
    (void)state;
    static const char head[] =
        "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    struct http_request r;
    enum http_error error;
    assert_int_equal(parse(head, sizeof(head) - 1, &r, &error), HTTP_PARSE_DONE);
    assert_false(r.head.wants_upgrade);
}

static const struct {
    const char *head;
    enum http_method method;
    enum http_error error;
    unsigned status;
    enum http_framing framing;
    bool keep_alive;
} responses[] = {
    { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP_GET, HTTP_OK, 200, HTTP_BODY_LENGTH,
      true },
    { "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", HTTP_GET, HTTP_OK,
      200, HTTP_BODY_CHUNKED, true },
    { "HTTP/1.0 200 OK\r\n\r\n", HTTP_GET, HTTP_OK, 200, HTTP_BODY_CLOSE, false },
    { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", HTTP_HEAD, HTTP_OK, 200, HTTP_BODY_NONE,
      true },
    { "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", HTTP_GET, HTTP_OK, 304,
      HTTP_BODY_NONE, true },
    { "HTTP/1.1 103 Early Hints\r\n\r\n", HTTP_GET, HTTP_OK, 103, HTTP_BODY_NONE, true },
    { "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", HTTP_GET, HTTP_OK, 200, HTTP_BODY_CLOSE,
      false },
    { "HTTP/1.1 600 Odd\r\n\r\n", HTTP_GET, HTTP_ERR_STATUS, 0, 0, false },
    { "HTTP/1.1 2x0 Odd\r\n\r\n", HTTP_GET, HTTP_ERR_STATUS, 0, 0, false },
    { "HTTP/2 200 OK\r\n\r\n", HTTP_GET, HTTP_ERR_START_LINE, 0, 0, false },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", HTTP_GET,
      HTTP_ERR_LENGTH_TWICE, 0, 0, false },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", HTTP_GET, HTTP_ERR_TE_CODING,
      0, 0, false },
    { "HTTP/1.1 200 OK\nX: y\n\n", HTTP_GET, HTTP_ERR_BARE_LF, 0, 0, false },
};

static void test_responses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(responses); i++) {
        struct http_scan scan = { 0 };
        struct http_response r;
        enum http_error error = HTTP_OK;
        enum http_parsed got = http_parse_response(responses[i].head, strlen(responses[i].head),
                                                   &scan, responses[i].method, &r, &error);
        if (responses[i].error) {
            assert_int_equal(got, HTTP_PARSE_ERROR);
            assert_int_equal(error, responses[i].error);
            continue;
        }
        assert_int_equal(got, HTTP_PARSE_DONE);
        assert_int_equal(r.status, responses[i].status);
        assert_int_equal(r.head.framing, responses[i].framing);
        assert_int_equal(r.head.keep_alive, responses[i].keep_alive);
    }
}

static void test_every_error_has_words(void **state)
{
    (void)state;
    for (enum http_error e = HTTP_OK; e < HTTP_ERROR_COUNT_; e++)
        assert_true(http_error_text(e) && http_error_status(e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes),           cmocka_unit_test(test_probes_byte_by_byte),
        cmocka_unit_test(test_nul_in_value),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_what_a_head_says), cmocka_unit_test(test_h2c_is_no_upgrade),
        cmocka_unit_test(test_responses),        cmocka_unit_test(test_every_error_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
