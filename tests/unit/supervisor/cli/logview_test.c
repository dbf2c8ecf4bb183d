#include "supervisor/cli/logview.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void add(struct cli_logview *v, const char *text, struct buf *out)
{
    struct arena a = { 0 };
    struct json *line;
    struct err e;
    assert_int_equal(json_parse(&a, NULL, text, strlen(text), &line, &e), 0);
    cli_logview_add(v, line, out);
    arena_done(&a);
}

static void check(struct buf *out, const char *want)
{
    assert_string_equal(out->len ? out->data : "", want);
    buf_reset(out);
}

static const char first[] =
    "{\"service\":\"web\",\"replica\":1,\"time\":\"2026-11-21T04:00:00.000001Z\","
    "\"line\":\"one\"}";
static const char second[] = "{\"service\":\"redis\",\"replica\":2,"
                             "\"time\":\"2026-11-21T04:00:00.000002Z\",\"line\":\"two\"}";
static const char third[] =
    "{\"service\":\"web\",\"replica\":1,\"time\":\"2026-11-21T04:00:01.000000Z\","
    "\"line\":\"three\"}";

static void test_prefix(void **state)
{
    struct cli_logview v;
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    cli_logview_init(&v, false, true, false);
    cli_logview_expect(&v, "redis", 2);
    add(&v, first, &out);
    add(&v, second, &out);
    check(&out, "web-1   | one\nredis-2 | two\n");
    cli_logview_done(&v);

    cli_logview_init(&v, false, false, true);
    add(&v, first, &out);
    check(&out, "2026-11-21T04:00:00.000001Z one\n");
    cli_logview_done(&v);

    cli_logview_init(&v, true, true, false);
    add(&v, first, &out);
    add(&v, second, &out);
    check(&out, "\033[36mweb-1 |\033[0m one\n\033[33mredis-2 |\033[0m two\n");
    cli_logview_done(&v);
    buf_done(&out);
}

/* A stream that is opened again brings old lines once more. */
static void test_resume(void **state)
{
    struct cli_logview v;
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    cli_logview_init(&v, false, false, false);
    add(&v, first, &out);
    add(&v, first, &out); /* same microsecond: another line */
    check(&out, "one\none\n");
    cli_logview_resume(&v);
    add(&v, first, &out);
    add(&v, second, &out); /* of another replica, nothing of it was shown */
    add(&v, third, &out);
    check(&out, "two\nthree\n");
    cli_logview_done(&v);
    buf_done(&out);
}

static void test_since(void **state)
{
    struct cli_logview v;
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    cli_logview_init(&v, false, false, false);
    cli_logview_since(&v, 1795233600500); /* 2026-11-21T04:00:00.500Z */
    assert_string_equal(v.since, "2026-11-21T04:00:00.500");
    add(&v, first, &out);
    add(&v, third, &out);
    check(&out, "three\n");
    cli_logview_done(&v);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
