#include "supervisor/ctl/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/ctl/error.h"

static int parse(struct arena *a, const char *text, struct ctl_query *q, struct err *e)
{
    return ctl_query_parse(a, text, strlen(text), q, e);
}

static void test_parse(void **state)
{
    struct arena a = { 0 };
    struct ctl_query q;
    struct err e;
    (void)state;
    assert_int_equal(parse(&a, "service=a&service=b%20c&&flag&x=1=2&since=1+2", &q, &e), 0);
    assert_string_equal(ctl_query_find(&q, "service", 0), "a");
    assert_string_equal(ctl_query_find(&q, "service", 1), "b c");
    assert_null(ctl_query_find(&q, "service", 2));
    assert_string_equal(ctl_query_find(&q, "flag", 0), "");
    assert_string_equal(ctl_query_find(&q, "x", 0), "1=2");
    assert_string_equal(ctl_query_find(&q, "since", 0), "1+2");
    assert_null(ctl_query_find(&q, "nothing", 0));
    assert_int_equal(ctl_query_parse(&a, NULL, 0, &q, &e), 0);
    assert_int_equal(q.count, 0);
    arena_done(&a);
}

static void test_refused(void **state)
{
    static const char *const texts[] = { "a=%", "a=%4", "a=%zz", "a=%00", "%", "a=%4%41" };
    struct arena a = { 0 };
    struct ctl_query q;
    struct err e;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(parse(&a, texts[i], &q, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
    }
    assert_int_equal(ctl_query_parse(&a, "a\0b", 3, &q, &e), -1);
    char many[2 * (CTL_QUERY_MAX + 1) + 1];
    for (size_t i = 0; i <= CTL_QUERY_MAX; i++)
        memcpy(many + 2 * i, "a&", 3);
    assert_int_equal(parse(&a, many, &q, &e), -1);
    arena_done(&a);
}

static void test_round_trip(void **state)
{
    char all[256];
    struct arena a = { 0 };
    struct ctl_query q;
    struct buf target;
    struct err e;
    (void)state;
    for (int i = 1; i < 256; i++)
        all[i - 1] = (char)i;
    all[255] = '\0';
    buf_init(&target, 4096);
    (void)buf_add_str(&target, "/v1/logs");
    ctl_query_add(&target, "first", "1");
    ctl_query_add(&target, "all", all);
    assert_memory_equal(target.data, "/v1/logs?first=1&all=%01%02", 27);
    assert_int_equal(parse(&a, strchr(target.data, '?') + 1, &q, &e), 0);
    assert_string_equal(ctl_query_find(&q, "all", 0), all);
    buf_done(&target);
    arena_done(&a);
}

static void test_error(void **state)
{
    (void)state;
    for (int kind = ERR_INPUT; kind < ERR_KIND_COUNT_; kind++) {
        struct err e, back;
        struct arena a = { 0 };
        struct json_writer w;
        struct json *node;
        struct buf text;
        (void)err_set(&e, (enum err_kind)kind, "it \"broke\"");
        err_subject(&e, "web");
        err_hint(&e, "mend it");
        buf_init(&text, 4096);
        json_writer_init(&w, &text, 0);
        json_begin_object(&w, NULL);
        ctl_error_write(&w, "error", &e);
        json_end_object(&w);
        assert_int_equal(json_parse(&a, NULL, text.data, text.len, &node, &back), 0);
        ctl_error_read(json_find(node, "error"), &back);
        assert_int_equal(back.kind, e.kind);
        assert_string_equal(back.what, e.what);
        assert_string_equal(back.hint, e.hint);
        assert_string_equal(back.subject, e.subject);
        assert_in_range(ctl_error_status(&e), 400, 599);
        buf_done(&text);
        arena_done(&a);
    }
    struct err back;
    ctl_error_read(NULL, &back);
    assert_int_equal(back.kind, ERR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
