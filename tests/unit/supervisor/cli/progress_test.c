#include "supervisor/cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void event(struct cli_progress *p, const char *text, uint64_t now_ms)
{
    struct arena a = { 0 };
    struct json *node;
    struct err e;
    assert_int_equal(json_parse(&a, NULL, text, strlen(text), &node, &e), 0);
    cli_progress_on_event(p, node, now_ms);
    arena_done(&a);
}

static void check_file(int fd, const char *want)
{
    char text[8192] = "";
    assert_true(lseek(fd, 0, SEEK_SET) == 0);
    assert_true(read(fd, text, sizeof(text) - 1) >= 0);
    assert_string_equal(text, want);
}

static void test_age(void **state)
{
    static const struct {
        uint64_t ms;
        const char *want;
    } cases[] = {
        { 0, "0.0s" },         { 1250, "1.2s" },          { 9999, "9.9s" },
        { 10000, "10s" },      { 59999, "59s" },          { 60000, "1m00s" },
        { 3599000, "59m59s" }, { 3600000, "1h00m" },      { 86399000, "23h59m" },
        { 86400000, "1d00h" }, { 8640000000, "100d00h" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char age[32];
        cli_progress_age(cases[i].ms, age, sizeof(age));
        assert_string_equal(age, cases[i].want);
    }
}

static void test_plain(void **state)
{
    struct cli_term term = { 0 };
    struct cli_progress p;
    FILE *file = tmpfile();
    (void)state;
    cli_progress_init(&p, &term, fileno(file), 0);
    cli_progress_expect(&p, "web", 1, true);
    event(&p, "{\"event\":\"service.started\",\"service\":\"web\",\"replica\":1}", 5);
    event(&p,
          "{\"event\":\"service.unhealthy\",\"service\":\"web\",\"replica\":2,\"text\":\"HTTP "
          "500\\n\"}",
          5);
    event(&p, "{\"event\":\"stack.ready\"}", 6);
    event(&p, "{\"event\":\"service.levitating\",\"service\":\"web\",\"replica\":1}", 7);
    check_file(fileno(file), "web-1: started\nweb-2: unhealthy: HTTP 500?\nweb-1: levitating\n");
    assert_true(cli_progress_is_bad(&p, "web", false));
    assert_false(cli_progress_is_bad(&p, "we", false));
    event(&p, "{\"event\":\"service.finished\",\"service\":\"job\",\"replica\":1,\"exit_code\":0}",
          8);
    assert_false(cli_progress_is_bad(&p, "job", true));
    event(&p, "{\"event\":\"service.finished\",\"service\":\"job\",\"replica\":1,\"exit_code\":3}",
          9);
    assert_true(cli_progress_is_bad(&p, "job", false));
    event(&p, "{\"event\":\"service.started\",\"service\":\"db\",\"replica\":1}", 9);
    assert_false(cli_progress_is_bad(&p, "db", false));
    assert_true(cli_progress_is_bad(&p, "db", true));
    cli_progress_done(&p);
    (void)fclose(file);
}

static void test_live(void **state)
{
    struct cli_term term = { .is_live = true, .columns = 40, .rows = 24 };
    struct cli_progress p;
    FILE *file = tmpfile();
    (void)state;
    cli_progress_init(&p, &term, fileno(file), 1000);
    cli_progress_expect(&p, "web", 1, true);
    cli_progress_expect(&p, "job", 1, false);
    event(&p, "{\"event\":\"service.started\",\"service\":\"job\",\"replica\":1}", 1500);
    cli_progress_tick(&p, 1600); /* too early */
    event(
        &p,
        "{\"event\":\"service.failed\",\"service\":\"web\",\"replica\":1,\"text\":\"a long reason "
        "that does not fit\"}",
        2000);
    check_file(fileno(file), "\r\033[K · web-1  waiting     0.5s\n"
                             "\r\033[K ✔ job-1  started     0.5s\n"
                             "\033[2A"
                             "\r\033[K ✘ web-1  failed      1.0s    a long re…\n"
                             "\r\033[K ✔ job-1  started     0.5s\n");
    cli_progress_done(&p);
    (void)fclose(file);
}

/* More rows than the terminal has: lines instead of a block. */
static void test_small_terminal(void **state)
{
    struct cli_term term = { .is_live = true, .columns = 80, .rows = 2 };
    struct cli_progress p;
    FILE *file = tmpfile();
    (void)state;
    cli_progress_init(&p, &term, fileno(file), 0);
    cli_progress_expect(&p, "web", 1, true);
    event(&p, "{\"event\":\"service.started\",\"service\":\"web\",\"replica\":1}", 5);
    event(&p, "{\"event\":\"service.healthy\",\"service\":\"web\",\"replica\":1}", 5);
    assert_false(p.is_live);
    check_file(fileno(file), "web-1: started\nweb-1: healthy\n");
    cli_progress_done(&p);
    (void)fclose(file);
}

static void test_term(void **state)
{
    struct cli_term t;
    (void)state;
    cli_term_decide(&t, true, "xterm", NULL, NULL);
    assert_true(t.is_live && t.has_colour && t.columns);
    cli_term_decide(&t, true, "xterm", "1", NULL);
    assert_true(t.is_live && !t.has_colour);
    cli_term_decide(&t, true, "xterm", "", "");
    assert_true(t.is_live && t.has_colour); /* empty counts as unset, as no-color.org says */
    cli_term_decide(&t, true, "xterm", NULL, "true");
    assert_true(!t.is_live && t.has_colour);
    cli_term_decide(&t, true, "dumb", NULL, NULL);
    assert_true(!t.is_live && !t.has_colour);
    cli_term_decide(&t, false, "xterm", NULL, NULL);
    assert_true(!t.is_live && !t.has_colour && !t.columns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_age),  cmocka_unit_test(test_plain),
        cmocka_unit_test(test_live), cmocka_unit_test(test_small_terminal),
        cmocka_unit_test(test_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
