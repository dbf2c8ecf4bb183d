/* The text of the annotation. What the kernel makes of it: tests/runtime/test_landlock.py. */
#include "runtime/landlock.h"

#include <linux/landlock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct landlock_plan plan;

static void test_words(void **state)
{
    (void)state;
    struct err e = { 0 };
    assert_int_equal(
        landlock_parse("  rx:/usr rw:/my:data  x:/bin/true bind:80 connect:none", &plan, &e), 0);
    assert_int_equal(plan.path_count, 3);
    assert_string_equal(plan.text + plan.paths[0].path, "/usr");
    assert_int_equal(plan.paths[0].access, LANDLOCK_ACCESS_FS_READ_FILE |
                                               LANDLOCK_ACCESS_FS_READ_DIR |
                                               LANDLOCK_ACCESS_FS_EXECUTE);
    assert_string_equal(plan.text + plan.paths[1].path, "/my:data");
    assert_true(plan.paths[1].access & LANDLOCK_ACCESS_FS_MAKE_REG);
    assert_false(plan.paths[1].access & LANDLOCK_ACCESS_FS_EXECUTE);
    assert_int_equal(plan.paths[2].access, LANDLOCK_ACCESS_FS_EXECUTE);
    /* All that letters can name is refused elsewhere. */
    assert_int_equal(plan.handled_files, plan.paths[0].access | plan.paths[1].access);
    assert_int_equal(plan.port_count, 1);
    assert_int_equal(plan.ports[0].port, 80);
    assert_int_equal(plan.ports[0].access, 1);
    assert_int_equal(plan.handled_net, 3);
}

static void test_what_is_not_named_is_free(void **state)
{
    (void)state;
    struct err e = { 0 };
    assert_int_equal(landlock_parse("connect:443", &plan, &e), 0);
    assert_int_equal(plan.handled_files, 0);
    assert_int_equal(plan.handled_net, 2);
    assert_int_equal(landlock_parse("r:/", &plan, &e), 0);
    assert_int_equal(plan.handled_net, 0);
}

static void refused(const char *text, const char *what)
{
    struct err e = { 0 };
    assert_int_equal(landlock_parse(text, &plan, &e), -1);
    assert_int_equal(e.kind, ERR_INPUT);
    assert_string_equal(e.what, what);
}

static void test_mistakes_are_named(void **state)
{
    (void)state;
    static const char letters[] = "before the colon stand letters of \"rwx\", bind or connect";
    static const char *const bad_letters[] = { "rq:/a", "rr:/a", ":/a", "binds:80", "R:/a" };
    for (size_t i = 0; i < ARRAY_LEN(bad_letters); i++) {
        char what[256];
        (void)snprintf(what, sizeof(what), "annotation run.svc.landlock: \"%s\": %s",
                       bad_letters[i], letters);
        refused(bad_letters[i], what);
    }
    refused("", "annotation run.svc.landlock: it has no word");
    refused("   ", "annotation run.svc.landlock: it has no word");
    refused("r:/a /b", "annotation run.svc.landlock: \"/b\": a colon is missing");
    refused("r:a", "annotation run.svc.landlock: \"r:a\": the path is not absolute");
    refused("r:", "annotation run.svc.landlock: \"r:\": the path is not absolute");
    refused("bind:65536",
            "annotation run.svc.landlock: \"bind:65536\": after the colon stands a port or "
            "\"none\"");
    refused("connect:",
            "annotation run.svc.landlock: \"connect:\": after the colon stands a port or "
            "\"none\"");
}

static void test_there_are_limits(void **state)
{
    (void)state;
    char text[LANDLOCK_TEXT_MAX + 8] = "";
    for (size_t i = 0; i <= LANDLOCK_PATHS_MAX; i++)
        memcpy(text + i * 5, "r:/a ", 6);
    refused(text, "annotation run.svc.landlock: \"r:/a\": one path too many, 64 are possible");
    text[LANDLOCK_PATHS_MAX * 5] = '\0';
    struct err e = { 0 };
    assert_int_equal(landlock_parse(text, &plan, &e), 0);
    memset(text, 'r', LANDLOCK_TEXT_MAX);
    text[LANDLOCK_TEXT_MAX] = '\0';
    refused(text, "annotation run.svc.landlock: longer than 8191 bytes");
}

static void test_an_old_kernel_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int abi;
        const char *what; /* NULL: fine */
    } cases[] = {
        { "r:/", 0, "annotation run.svc.landlock: this kernel has no Landlock" },
        { "r:/", 2,
          "annotation run.svc.landlock: this kernel has version 2 of Landlock, 3 is needed" },
        { "r:/", 3, NULL },
        { "r:/ bind:1", 3,
          "annotation run.svc.landlock: this kernel has version 3 of Landlock, 4 is needed" },
        { "bind:1", 4, NULL },
        { "bind:1", 9, NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = { 0 };
        assert_int_equal(landlock_parse(cases[i].text, &plan, &e), 0);
        assert_int_equal(landlock_check(&plan, cases[i].abi, &e), cases[i].what ? -1 : 0);
        if (cases[i].what) {
            assert_int_equal(e.kind, ERR_HOST);
            assert_string_equal(e.what, cases[i].what);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_what_is_not_named_is_free),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_there_are_limits),
        cmocka_unit_test(test_an_old_kernel_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
