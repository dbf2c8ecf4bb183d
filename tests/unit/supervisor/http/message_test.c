/* Tables, lists, the writer and the reader of whole messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/http/exchange.h"
#include "supervisor/http/write.h"

static struct http_text text(const char *s)
{
    return (struct http_text){ s, strlen(s) };
}

static void test_every_field_is_found(void **state)
{
    (void)state;
    static const char *const names[HTTP_FIELD_COUNT_] = {
        [HTTP_ACCEPT] = "Accept",
        [HTTP_AUTHORIZATION] = "Authorization",
        [HTTP_CONNECTION] = "Connection",
        [HTTP_CONTENT_LENGTH] = "Content-Length",
        [HTTP_CONTENT_TYPE] = "Content-Type",
        [HTTP_COOKIE] = "Cookie",
        [HTTP_DATE] = "Date",
        [HTTP_EXPECT] = "Expect",
        [HTTP_FORWARDED] = "Forwarded",
        [HTTP_HOST] = "Host",
        [HTTP_IF_MATCH] = "If-Match",
        [HTTP_IF_MODIFIED_SINCE] = "If-Modified-Since",
        [HTTP_IF_NONE_MATCH] = "If-None-Match",
        [HTTP_IF_RANGE] = "If-Range",
        [HTTP_IF_UNMODIFIED_SINCE] = "If-Unmodified-Since",
        [HTTP_KEEP_ALIVE] = "Keep-Alive",
        [HTTP_LOCATION] = "Location",
        [HTTP_PROXY_CONNECTION] = "Proxy-Connection",
        [HTTP_RANGE] = "Range",
        [HTTP_REFERER] = "Referer",
        [HTTP_SERVER] = "Server",
        [HTTP_TE] = "TE",
        [HTTP_TRAILER] = "Trailer",
        [HTTP_TRANSFER_ENCODING] = "Transfer-Encoding",
        [HTTP_UPGRADE] = "Upgrade",
        [HTTP_USER_AGENT] = "User-Agent",
        [HTTP_VIA] = "Via",
        [HTTP_X_FORWARDED_FOR] = "X-Forwarded-For",
        [HTTP_X_FORWARDED_HOST] = "X-Forwarded-Host",
        [HTTP_X_FORWARDED_PORT] = "X-Forwarded-Port",
        [HTTP_X_FORWARDED_PROTO] = "X-Forwarded-Proto",
        [HTTP_X_REAL_IP] = "X-Real-IP",
        [HTTP_X_REQUEST_ID] = "X-Request-Id",
    };
    for (enum http_field f = HTTP_FIELD_OTHER + 1; f < HTTP_FIELD_COUNT_; f++) {
        assert_non_null(names[f]);
        assert_int_equal(http_field_of(text(names[f])), f);
    }
    assert_int_equal(http_field_of(text("Hosts")), HTTP_FIELD_OTHER);
    assert_int_equal(http_field_of(text("X-A-Field-That-Nobody-Knows")), HTTP_FIELD_OTHER);
}

static void test_lists(void **state)
{
    (void)state;
    assert_true(http_list_has(text(" close , Upgrade"), "upgrade"));
    assert_true(http_list_has(text(",,close,"), "close"));
    assert_false(http_list_has(text("closed, keep"), "close"));
    assert_false(http_list_has(text(""), "close"));
}

static void test_methods_and_statuses(void **state)
{
    (void)state;
    assert_int_equal(http_method_of(text("PATCH")), HTTP_PATCH);
    assert_int_equal(http_method_of(text("get")), HTTP_METHOD_OTHER);
    assert_false(http_method_is_idempotent(HTTP_POST) || http_method_is_idempotent(HTTP_PATCH));
    assert_string_equal(http_status_name(507), "Insufficient Storage");
    assert_string_equal(http_status_name(100), "Continue");
    assert_string_equal(http_status_name(299), "Unknown");
}

static void test_writer(void **state)
{
    (void)state;
    char data[256];
    struct http_out o = http_out_on(data, sizeof(data));
    http_put_request(&o, "POST", "/v1/x", "svc", (const char *const[]){ "A", "b", NULL }, 0);
    assert_false(o.overflow);
    data[o.len] = '\0';
    assert_string_equal(data,
                        "POST /v1/x HTTP/1.1\r\nHost: svc\r\nA: b\r\nContent-Length: 0\r\n\r\n");
    o = http_out_on(data, sizeof(data));
    http_put_field(&o, "Location", "/a\r\nSet-Cookie: evil");
    assert_true(o.overflow);
    o = http_out_on(data, 8);
    http_put_response(&o, 200, "text/plain", NULL, 3);
    assert_true(o.overflow && o.len <= 8);
}

static void test_reader_of_requests(void **state)
{
    (void)state;
    static const struct {
        const char *data, *path, *body;
    } cases[] = {
        { "POST /a HTTP/1.1\r\nHost: s\r\nContent-Length: 3\r\n\r\nabcGET /x HTTP/1.1\r\n", "/a",
          "abc" },
        { "PUT /b HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n",
          "/b", "de" },
    };
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(cases[i].data);
        for (size_t step = 1; step <= len; step++) {
            struct http_reader r;
            http_reader_init_request(&r, 16);
            enum http_parsed got = HTTP_PARSE_MORE;
            for (size_t at = 0; got == HTTP_PARSE_MORE && at < len; at += step)
                got = http_reader_feed(&r, cases[i].data + at, len - at < step ? len - at : step);
            assert_int_equal(got, HTTP_PARSE_DONE);
            assert_true(http_text_eq(r.request.path, cases[i].path));
            assert_string_equal(r.body.data, cases[i].body);
            http_reader_done(&r);
        }
    }
}

static void test_reader_of_responses(void **state)
{
    (void)state;
    struct http_reader r;
    http_reader_init_response(&r, HTTP_GET, 8);
    const char *data = "HTTP/1.1 103 Early\r\n\r\nHTTP/1.0 200 OK\r\n\r\nabc";
    assert_int_equal(http_reader_feed(&r, data, strlen(data)), HTTP_PARSE_MORE);
    assert_int_equal(r.response.status, 200);
    assert_int_equal(http_reader_end(&r), HTTP_PARSE_DONE);
    assert_string_equal(r.body.data, "abc");
    http_reader_done(&r);

    http_reader_init_response(&r, HTTP_GET, 8);
    data = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789";
    assert_int_equal(http_reader_feed(&r, data, strlen(data)), HTTP_PARSE_ERROR);
    assert_true(r.body_too_large);
    http_reader_done(&r);

    http_reader_init_response(&r, HTTP_GET, 8);
    data = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n123";
    assert_int_equal(http_reader_feed(&r, data, strlen(data)), HTTP_PARSE_MORE);
    assert_int_equal(http_reader_end(&r), HTTP_PARSE_ERROR);
    http_reader_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_found), cmocka_unit_test(test_lists),
        cmocka_unit_test(test_methods_and_statuses), cmocka_unit_test(test_writer),
        cmocka_unit_test(test_reader_of_requests),   cmocka_unit_test(test_reader_of_responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
