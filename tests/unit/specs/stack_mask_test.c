#include "specs/stack_mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void names(void **state)
{
    static const char *const secret[] = { "PASSWORD", "db_password", "PGPASSWD",  "SECRET_KEY_BASE",
                                          "MyToken",  "API_KEY",     "apikey",    "aws.Credentials",
                                          "DB_PWD",   "KEY",         "SSH-KEY-1", "x_key_y" };
    static const char *const open[] = {
        "", "KEYBOARD", "MONKEYS", "USER", "PW", "KE", "PWDX", "_"
    };
    (void)state;
    for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++)
        if (!stack_mask_is_secret(secret[i]))
            fail_msg("%s is secret", secret[i]);
    for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
        if (stack_mask_is_secret(open[i]))
            fail_msg("%s is not secret", open[i]);
}

static void values(void **state)
{
    static const char *const pairs[][2] = {
        { "redis://:pw@h:1/0", "redis://:" STACK_MASK "@h:1/0" },
        { "a://u:p@q@h?x=y@z", "a://u:" STACK_MASK "@h?x=y@z" },
        { "a://h:80/u:p@x", "a://h:80/u:p@x" },
        { "a://u@h", "a://u@h" },
        { "a://u:@h", "a://u:@h" },
        { "u:p@h", "u:p@h" },
        { "://", "://" },
        { "", "" },
    };
    struct arena a = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
        assert_string_equal(stack_mask_value(&a, "URL", pairs[i][0]), pairs[i][1]);
    assert_string_equal(stack_mask_value(&a, "TOKEN", "x"), STACK_MASK);
    assert_string_equal(stack_mask_value(&a, "TOKEN", ""), "");
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names), cmocka_unit_test(values) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
