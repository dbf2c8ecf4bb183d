/* Paths and hosts, normalised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/http/target.h"

static struct http_text text(const char *s)
{
    return (struct http_text){ s, strlen(s) };
}

static const struct {
    const char *path, *decoded, *kept; /* NULL: refused */
} paths[] = {
    { "/", "/", "/" },
    { "/a/b", "/a/b", "/a/b" },
    { "/a//b///", "/a/b/", "/a/b/" },
    { "//", "/", "/" },
    { "/./a/.", "/a/", "/a/" },
    { "/x/../a", "/a", "/a" },
    { "/x/y/..", "/x/", "/x/" },
    { "/..", NULL, NULL },
    { "/a/../../b", NULL, NULL },
    { "/%2e%2e/a", NULL, NULL },
    { "/x/%2e%2E/a", NULL, NULL },
    { "/x/.%2e/a", NULL, NULL },
    { "/x/%2e/a", NULL, NULL },
    { "/a%2eb", "/a.b", "/a.b" },
    { "/x/..%2fa", NULL, "/x/..%2Fa" },
    { "/x%2f../a", NULL, "/x%2F../a" },
    { "/q/%2f/x", "/q/x", "/q/%2F/x" },
    { "/%00", NULL, NULL },
    { "/%zz", NULL, NULL },
    { "/%a", NULL, NULL },
    { "/%61%C3%a4", "/a\xc3\xa4", "/a\xc3\xa4" },
    { "/...", "/...", "/..." },
    { "", NULL, NULL },
    { "a", NULL, NULL },
};

static void check(const char *path, bool keep, const char *want)
{
    char to[64];
    long n = http_path_normalise(text(path), keep, to, sizeof(to));
    if (!want) {
        if (n >= 0)
            fail_msg("%s became %s", path, to);
        return;
    }
    if (n < 0 || strcmp(to, want) != 0 || (size_t)n != strlen(want))
        fail_msg("%s became %s, not %s", path, n < 0 ? "nothing" : to, want);
}

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        check(paths[i].path, false, paths[i].decoded);
        check(paths[i].path, true, paths[i].kept);
    }
}

static void test_path_that_does_not_fit(void **state)
{
    (void)state;
    char to[8];
    assert_int_equal(http_path_normalise(text("/123456789"), false, to, sizeof(to)), -1);
    assert_int_equal(http_path_encode("\x01\x02\x03", 3, to, sizeof(to)), -1);
}

static void test_plain_and_encode(void **state)
{
    (void)state;
    char to[64];
    assert_true(http_path_is_plain(text("/a//b/...")));
    assert_false(http_path_is_plain(text("/a/../b")));
    assert_false(http_path_is_plain(text("/a/.")));
    assert_true(http_path_has_encoded_slash(text("/a%2Fb")));
    assert_false(http_path_has_encoded_slash(text("/a%2")));
    assert_int_equal(http_path_encode("/a b\xc3?%", 7, to, sizeof(to)), 15);
    assert_string_equal(to, "/a%20b%C3%3F%25");
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const good[] = { "a",     "A.example", "a.",
                                        "a:80",  "a:",        "10.0.0.1:8080",
                                        "[::1]", "[::1]:80",  "my_svc" };
    static const char *const bad[] = { "",     ":80",    "a/b",  "u@a",     "a b",
                                       "a..b", ".a",     "a:8x", "a:70000", "[::1",
                                       "[]",   "[::1]x", "a,b",  "a\"",     "a%41" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!http_host_is_valid(text(good[i])))
            fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (http_host_is_valid(text(bad[i])))
            fail_msg("%s is accepted", bad[i]);
}

static void test_host_names(void **state)
{
    (void)state;
    static const struct {
        const char *host, *name;
    } hosts[] = {
        { "A.Example:80", "a.example" }, { "a.", "a" }, { "[::AB]:80", "[::ab]" }, { "", "" }
    };
    char to[32];
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        assert_int_equal(http_host_name(text(hosts[i].host), to, sizeof(to)),
                         (long)strlen(hosts[i].name));
        assert_string_equal(to, hosts[i].name);
    }
    assert_int_equal(http_host_name(text("abcdef"), to, 4), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_path_that_does_not_fit),
        cmocka_unit_test(test_plain_and_encode),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_host_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
