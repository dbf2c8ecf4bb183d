/* Dates both ways, file types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "supervisor/http/date.h"

static struct http_text text(const char *s)
{
    return (struct http_text){ s, strlen(s) };
}

static void test_format_as_libc(void **state)
{
    (void)state;
    for (int64_t t = 0; t < 7258118400; t += 86400 * 13 + 12345) {
        char ours[HTTP_DATE_MAX], theirs[64];
        struct tm tm;
        time_t seconds = (time_t)t;
        int64_t back = -1;
        (void)strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT",
                       gmtime_r(&seconds, &tm));
        assert_string_equal(http_date_format(ours, t), theirs);
        assert_int_equal(http_date_parse(text(ours), &back), 0);
        assert_int_equal(back, t);
    }
}

static void test_three_forms(void **state)
{
    (void)state;
    static const char *const forms[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
                                         "Sunday, 06-Nov-94 08:49:37 GMT",
                                         "Sun Nov  6 08:49:37 1994" };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        int64_t t = 0;
        assert_int_equal(http_date_parse(text(forms[i]), &t), 0);
        assert_int_equal(t, 784111777);
    }
}

static void test_no_dates(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       "0",
                                       "now",
                                       "Sun, 06 Nov 1994 08:49:37 PST",
                                       "Sun, 06 Nov 1994 25:49:37 GMT",
                                       "Sun, 32 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nox 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 08:49:37 GMT+1" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t t;
        if (http_date_parse(text(bad[i]), &t) == 0)
            fail_msg("%s is a date", bad[i]);
    }
}

static void test_types(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type;
    } files[] = {
        { "a.html", "text/html; charset=utf-8" },   { "A.JS", "text/javascript; charset=utf-8" },
        { "a.tar.gz", "application/gzip" },         { "a.woff2", "font/woff2" },
        { "a.7z", "application/x-7z-compressed" },  { "a.zst", "application/zstd" },
        { "a", "application/octet-stream" },        { "x.d/a", "application/octet-stream" },
        { "a.unknown", "application/octet-stream" }
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_string_equal(http_type_of_file(files[i].name), files[i].type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_as_libc),
        cmocka_unit_test(test_three_forms),
        cmocka_unit_test(test_no_dates),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
