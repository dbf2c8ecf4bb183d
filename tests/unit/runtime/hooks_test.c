#include "runtime/hooks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char text[] = "{\"id\":\"c1\"}";
static const struct hooks_state given = { text, sizeof(text) - 1, "/tmp" };

/* Runs one hook, a line for the shell, with the state as its input. */
static int run(const char *script, unsigned timeout_s, struct err *e)
{
    const char *args[] = { "hook", "-c", script, NULL };
    const char *env[] = { "WORD=yes", NULL };
    struct oci_hook hook = {
        .path = "/bin/sh", .args = { args, 3 }, .env = { env, 1 }, .timeout_s = timeout_s
    };
    struct oci_hooks hooks = { &hook, 1 };
    *e = (struct err){ 0 };
    return hooks_run(&hooks, "poststart", &given, e);
}

static void runs(const char *script)
{
    struct err e;
    if (run(script, 0, &e) < 0)
        fail_msg("%s: %s", script, e.what);
}

static void fails(const char *script, unsigned timeout_s, const char *what)
{
    struct err e;
    assert_int_equal(run(script, timeout_s, &e), -1);
    assert_string_equal(e.what, what);
}

static void a_hook_gets_state_environment_and_nothing_else(void **state)
{
    (void)state;
    runs("test \"$(cat)\" = '{\"id\":\"c1\"}'");
    runs("test \"$WORD\" = yes && test -z \"$HOME\"");
    int fd = dup(STDOUT_FILENO);
    assert_true(fd > 2);
    runs("for fd in /proc/$$/fd/*; do case ${fd##*/} in [012]) ;; *) test ! -e $fd || exit 1 ;; "
         "esac; done");
    (void)close(fd);
}

static void a_hook_need_not_read(void **state)
{
    (void)state;
    runs("exec <&-; true");
    static char large[1 << 20];
    memset(large, ' ', sizeof(large));
    struct hooks_state state_of_1_mib = { large, sizeof(large), NULL };
    struct oci_hook hook = { .path = "/bin/true" };
    struct oci_hooks hooks = { &hook, 1 };
    struct err e;
    assert_int_equal(hooks_run(&hooks, "poststop", &state_of_1_mib, &e), 0);
}

static void a_hook_begins_in_the_bundle(void **state)
{
    (void)state;
    runs("test \"$(pwd)\" = /tmp");
}

/* config.md §POSIX-platform Hooks: env is optional, and other runtimes then lend theirs */
static void a_hook_without_env_has_ours(void **state)
{
    (void)state;
    const char *args[] = { "sh", "-c", "test \"$HOOKS_TEST\" = ours", NULL };
    const char *none[] = { NULL };
    struct oci_hook hook = { .path = "/bin/sh", .args = { args, 3 } };
    struct oci_hooks hooks = { &hook, 1 };
    struct err e;
    assert_int_equal(setenv("HOOKS_TEST", "ours", 1), 0);
    assert_int_equal(hooks_run(&hooks, "prestart", &given, &e), 0);
    hook.env.items = none; /* present, and empty */
    assert_int_equal(hooks_run(&hooks, "prestart", &given, &e), -1);
}

static void the_pid_takes_its_place(void **state)
{
    (void)state;
    char json[] =
        "{\"id\":\"c\",\"pid\":1000000000,\"annotations\":{\"a\":\"\\\"pid\\\":1000000000\"}}";
    struct hooks_state s = { json, sizeof(json) - 1, NULL };
    hooks_set_pid(&s, 42);
    assert_string_equal(
        json,
        "{\"id\":\"c\",\"pid\":        42,\"annotations\":{\"a\":\"\\\"pid\\\":1000000000\"}}");
    struct hooks_state none = { NULL, 0, NULL };
    hooks_set_pid(&none, 42);
}

static void failures_are_named(void **state)
{
    (void)state;
    fails("exit 3", 0, "hooks.poststart: /bin/sh exited with 3");
    fails("kill -9 $$", 0, "hooks.poststart: /bin/sh was killed by signal 9");
    fails("while :; do :; done", 1, "hooks.poststart: /bin/sh did not end within 1 s");
    struct oci_hook hook = { .path = "/nonexistent" };
    struct oci_hooks hooks = { &hook, 1 };
    struct err e = { 0 };
    assert_int_equal(hooks_run(&hooks, "prestart", &given, &e), -1);
    assert_string_equal(e.what, "hooks.prestart: execute /nonexistent: not found");
}

static void the_first_failure_ends_the_list(void **state)
{
    (void)state;
    const char *wrong[] = { "false", NULL };
    struct oci_hook list[] = { { .path = "/bin/true" },
                               { .path = "/bin/false", .args = { wrong, 1 } },
                               { .path = "/nonexistent" } };
    struct oci_hooks hooks = { list, 3 };
    struct err e = { 0 };
    assert_int_equal(hooks_run(&hooks, "prestart", &given, &e), -1);
    assert_string_equal(e.what, "hooks.prestart: /bin/false exited with 1");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* all were reaped */
    hooks.count = 0;
    assert_int_equal(hooks_run(&hooks, "prestart", &given, &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_gets_state_environment_and_nothing_else),
        cmocka_unit_test(a_hook_need_not_read),
        cmocka_unit_test(a_hook_begins_in_the_bundle),
        cmocka_unit_test(a_hook_without_env_has_ours),
        cmocka_unit_test(the_pid_takes_its_place),
        cmocka_unit_test(failures_are_named),
        cmocka_unit_test(the_first_failure_ends_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
