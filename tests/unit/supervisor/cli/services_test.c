#include "supervisor/cli/services.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char answer_text[] =
    "{\"project\":\"p\",\"services\":["
    "{\"name\":\"api\",\"replicas\":["
    "{\"state\":\"running\",\"health\":\"healthy\"},{\"state\":\"running\",\"health\":\"starting\"}]},"
    "{\"name\":\"api-2\",\"replicas\":[{\"state\":\"running\",\"health\":\"none\"}]},"
    "{\"name\":\"web\",\"replicas\":["
    "{\"state\":\"stopped\",\"health\":\"none\"},{\"state\":\"backoff\",\"health\":\"none\"},"
    "{\"state\":\"running\",\"health\":\"none\"}]},"
    "{\"name\":\"job\",\"replicas\":["
    "{\"state\":\"exited\",\"health\":\"none\",\"exit\":{\"code\":0}}]},"
    "{\"name\":\"bad\",\"replicas\":["
    "{\"state\":\"exited\",\"health\":\"none\",\"exit\":{\"code\":3}}]}]}";

static struct json *parse(struct arena *a)
{
    struct json *answer;
    struct err e;
    assert_int_equal(json_parse(a, NULL, answer_text, strlen(answer_text), &answer, &e), 0);
    return answer;
}

static void test_choose(void **state)
{
    static const struct {
        const char *word, *service;
        int64_t replica;
    } rows[] = {
        { "api", "api", 0 },     { "api-1", "api", 1 },
        { "api-2", "api-2", 0 }, { "api-2-1", "api-2", 1 },
        { "web-3", "web", 3 },   { "p-web-2", "web", 2 },
        { "web-4", NULL, 0 },    { "web-0", NULL, 0 },
        { "web-", NULL, 0 },     { "web-1x", NULL, 0 },
        { "p-web", NULL, 0 },    { "-1", NULL, 0 },
        { "", NULL, 0 },         { "web-99999999999999999999", NULL, 0 },
    };
    (void)state;
    struct arena a = { 0 };
    struct json *answer = parse(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cli_choice choice = { 0 };
        struct err e = { 0 };
        int result = cli_services_choose(answer, rows[i].word, &choice, &e);
        if (!rows[i].service) {
            assert_int_equal(result, -1);
            assert_int_equal(err_exit_code(&e), 2);
            continue;
        }
        assert_int_equal(result, 0);
        assert_string_equal(choice.service, rows[i].service);
        assert_int_equal(choice.replica, rows[i].replica);
    }
    arena_done(&a);
}

static void test_judge(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct json *answer = parse(&a);
    const struct json *services = json_find(answer, "services");
    struct buf names;
    buf_init(&names, 4096);
    assert_int_equal(cli_services_judge(answer, &names), CLI_SERVICES_BAD);
    assert_string_equal(names.data,
                        "api-2 (starting), web-1 (stopped), web-2 (backoff), bad (exited)");
    assert_false(cli_services_is_down(services->items[0]));
    assert_true(cli_services_is_down(services->items[2]));
    assert_false(cli_services_is_down(services->items[3]));
    assert_true(cli_services_is_down(services->items[4]));
    buf_done(&names);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose),
        cmocka_unit_test(test_judge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
