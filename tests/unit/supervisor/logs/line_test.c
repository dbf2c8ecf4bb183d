#include "supervisor/logs/line.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static const struct {
    uint64_t time_ns;
    enum logs_stream stream;
    bool is_continued;
    const char *head;
} heads[] = {
    { 0, LOGS_STDOUT, false, "1970-01-01T00:00:00.000000Z stdout " },
    { 951782399 * SECOND + 999999999, LOGS_STDERR, false, "2000-02-28T23:59:59.999999Z stderr " },
    { 951782400 * SECOND, LOGS_STDOUT, true, "2000-02-29T00:00:00.000000Z stdout+ " },
    { 1795233906 * SECOND + 789012000, LOGS_STDOUT, false, "2026-11-21T04:05:06.789012Z stdout " },
    { 4107542400 * SECOND, LOGS_STDERR, true, "2100-03-01T00:00:00.000000Z stderr+ " },
};

static void test_heads_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        char text[128];
        struct logs_line line;
        size_t n = logs_line_head(text, heads[i].time_ns, heads[i].stream, heads[i].is_continued);
        assert_string_equal(text, heads[i].head);
        assert_int_equal(n, strlen(text));
        memcpy(text + n, "a b", 3);
        assert_int_equal(logs_line_parse(text, n + 3, &line), 0);
        assert_int_equal(line.time_ns, heads[i].time_ns / 1000 * 1000);
        assert_int_equal(line.stream, heads[i].stream);
        assert_int_equal(line.is_continued, heads[i].is_continued);
        assert_int_equal(line.len, 3);
        assert_memory_equal(line.text, "a b", 3);
    }
}

static void test_every_day_round_trips(void **state)
{
    (void)state;
    for (uint64_t day = 0; day < 200 * 366; day++) {
        char text[LOGS_HEAD_MAX];
        struct logs_line line;
        size_t n = logs_line_head(text, day * 86400 * SECOND, LOGS_STDOUT, false);
        assert_int_equal(logs_line_parse(text, n, &line), 0);
        assert_int_equal(line.time_ns, day * 86400 * SECOND);
        assert_int_equal(line.len, 0);
    }
}

static void test_what_is_no_line(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "2026-11-21T04:05:06.789012Z",
        "2026-11-21T04:05:06.789012Z ",
        "2026-11-21T04:05:06.789012Z stdout",
        "2026-11-21T04:05:06.789012Z stdout+",
        "2026-11-21T04:05:06.789012Z stdoutx text",
        "2026-11-21T04:05:06.789012Z stdin text",
        "2026-11-21T04:05:06.78901xZ stdout text",
        "2026-13-21T04:05:06.789012Z stdout text",
        "1969-12-21T04:05:06.789012Z stdout text",
        "2026-11-21 04:05:06.789012Z stdout text",
        "torn 2026-11-21T04:05:06.789012Z stdout text",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct logs_line line;
        assert_int_equal(logs_line_parse(wrong[i], strlen(wrong[i]), &line), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads_both_ways),
        cmocka_unit_test(test_every_day_round_trips),
        cmocka_unit_test(test_what_is_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
