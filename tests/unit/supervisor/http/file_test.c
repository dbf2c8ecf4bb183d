/* Conditional and partial requests, as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/http/file.h"
#include "supervisor/http/parse.h"

#define ETAG  "\"2ebc98a1.0-a\""
#define MTIME "Sun, 06 Nov 1994 08:49:37 GMT"

static const struct {
    const char *method, *fields;
    struct http_file_answer want;
} cases[] = {
    { "GET", "", { 200, 0, 10 } },
    { "GET", "If-None-Match: " ETAG "\r\n", { 304, 0, 0 } },
    { "GET", "If-None-Match: W/" ETAG "\r\n", { 304, 0, 0 } },
    { "GET", "If-None-Match: \"a,b\", " ETAG "\r\n", { 304, 0, 0 } },
    { "GET", "If-None-Match: *\r\n", { 304, 0, 0 } },
    { "GET", "If-None-Match: \"x\"\r\n", { 200, 0, 10 } },
    { "GET", "If-None-Match: \"x\"\r\nIf-Modified-Since: " MTIME "\r\n", { 200, 0, 10 } },
    { "GET", "If-Modified-Since: " MTIME "\r\n", { 304, 0, 0 } },
    { "GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", { 200, 0, 10 } },
    { "GET", "If-Modified-Since: nonsense\r\n", { 200, 0, 10 } },
    { "GET", "If-Match: \"x\"\r\n", { 412, 0, 0 } },
    { "GET", "If-Match: W/" ETAG "\r\n", { 412, 0, 0 } },
    { "GET", "If-Match: " ETAG "\r\n", { 200, 0, 10 } },
    { "GET", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", { 412, 0, 0 } },
    { "GET", "Range: bytes=0-0\r\n", { 206, 0, 1 } },
    { "GET", "Range: bytes=9-\r\n", { 206, 9, 1 } },
    { "GET", "Range: bytes=-4\r\n", { 206, 6, 4 } },
    { "GET", "Range: bytes=0-18446744073709551615\r\n", { 200, 0, 10 } },
    { "GET", "Range: bytes=10-\r\n", { 416, 0, 0 } },
    { "GET", "Range: bytes=0-1,2-3\r\n", { 200, 0, 10 } },
    { "GET", "Range: bytes=-\r\n", { 200, 0, 10 } },
    { "GET", "Range: bytes=\r\n", { 200, 0, 10 } },
    { "GET", "Range: bytes=1-2\r\nIf-Range: " ETAG "\r\n", { 206, 1, 2 } },
    { "GET", "Range: bytes=1-2\r\nIf-Range: W/" ETAG "\r\n", { 200, 0, 10 } },
    { "GET", "Range: bytes=1-2\r\nIf-Range: " MTIME "\r\n", { 206, 1, 2 } },
    { "HEAD", "Range: bytes=1-2\r\n", { 200, 0, 10 } },
    { "GET", "Range: bytes=1-2\r\nIf-None-Match: " ETAG "\r\n", { 304, 0, 0 } },
};

static void test_cases(void **state)
{
    (void)state;
    const struct http_file f = { .size = 10, .mtime_s = 784111777 };
    char etag[HTTP_ETAG_MAX];
    http_file_etag(etag, &f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char head[512];
        struct http_scan scan = { 0 };
        struct http_request r;
        enum http_error error;
        int n = snprintf(head, sizeof(head), "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].method,
                         cases[i].fields);
        assert_int_equal(http_parse_request(head, (size_t)n, &scan, &r, &error), HTTP_PARSE_DONE);
        struct http_file_answer a;
        http_file_decide(&r, &f, etag, &a);
        if (a.status != cases[i].want.status || a.offset != cases[i].want.offset ||
            a.length != cases[i].want.length)
            fail_msg("%s: %u %llu+%llu", cases[i].fields, a.status, (unsigned long long)a.offset,
                     (unsigned long long)a.length);
    }
}

static void test_etag(void **state)
{
    (void)state;
    char etag[HTTP_ETAG_MAX];
    assert_string_equal(
        http_file_etag(etag, &(struct http_file){ .size = 10, .mtime_s = 784111777 }),
        "\"2ebc98a1.0-a\"");
    (void)http_file_etag(etag, &(struct http_file){ UINT64_MAX, -1, UINT32_MAX });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_etag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
