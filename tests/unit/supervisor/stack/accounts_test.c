/* Users and groups from a root's own files: names, numbers, memberships, links that lead out. */
#include "supervisor/stack/accounts.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

struct root {
    char path[64];
    int fd;
};

static void put(const struct root *r, const char *name, const char *text)
{
    struct err e;
    assert_int_equal(fd_write_file(r->fd, name, text, strlen(text), 0644, false, &e), 0);
}

static int setup(void **state)
{
    struct root *r = calloc(1, sizeof(*r));
    assert_int_equal(str_copy(r->path, sizeof(r->path), "/tmp/accounts_test.XXXXXX"), 0);
    assert_non_null(mkdtemp(r->path));
    r->fd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(r->fd, "etc", 0755), 0);
    put(r, "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nbroken line\nweb:x:33:34::/srv/web:/bin/false\n"
        "bad:x:-1:0::/:/bin/sh\n");
    put(r, "etc/group", "root:x:0:\nweb:x:34:\nlogs:x:50:other,web\ntty:x:5:web\n");
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct root *r = *state;
    fd_close(&r->fd);
    assert_int_equal(fd_remove_tree(AT_FDCWD, r->path), 0);
    free(r);
    return 0;
}

static const struct strings no_groups = { 0 };

static void a_name_brings_its_groups_and_home(void **state)
{
    struct root *r = *state;
    struct account a;
    struct err e;
    assert_int_equal(account_resolve(r->fd, "web", &no_groups, &a, &e), 0);
    assert_int_equal(a.uid, 33);
    assert_int_equal(a.gid, 34);
    assert_int_equal(a.group_count, 2);
    assert_int_equal(a.groups[0], 50);
    assert_int_equal(a.groups[1], 5);
    assert_string_equal(a.home, "/srv/web");
}

static void nobody_named_is_root(void **state)
{
    struct root *r = *state;
    struct account a;
    struct err e;
    assert_int_equal(account_resolve(r->fd, NULL, &no_groups, &a, &e), 0);
    assert_int_equal(a.uid, 0);
    assert_string_equal(a.home, "/root");
}

static void a_number_needs_no_entry(void **state)
{
    struct root *r = *state;
    struct account a;
    struct err e;
    assert_int_equal(account_resolve(r->fd, "1234:56", &no_groups, &a, &e), 0);
    assert_int_equal(a.uid, 1234);
    assert_int_equal(a.gid, 56);
    assert_string_equal(a.home, "/");
    assert_int_equal(account_resolve(r->fd, "1234", &no_groups, &a, &e), 0);
    assert_int_equal(a.gid, 0);
}

static void a_group_may_be_named(void **state)
{
    struct root *r = *state;
    struct account a;
    struct err e;
    const char *names[] = { "tty", "99", NULL };
    struct strings extra = { names, 2 };
    assert_int_equal(account_resolve(r->fd, "web:logs", &extra, &a, &e), 0);
    assert_int_equal(a.gid, 50);
    assert_int_equal(a.group_count, 2);
    assert_int_equal(a.groups[1], 99);
}

static void what_is_not_there_is_named(void **state)
{
    struct root *r = *state;
    struct account a;
    struct err e;
    assert_int_equal(account_resolve(r->fd, "nobody-here", &no_groups, &a, &e), -1);
    assert_int_equal(e.kind, ERR_INPUT);
    assert_non_null(strstr(e.what, "nobody-here"));
    assert_int_equal(account_resolve(r->fd, "web:nogroup", &no_groups, &a, &e), -1);
    assert_non_null(strstr(e.what, "nogroup"));
    assert_int_equal(account_resolve(r->fd, "bad", &no_groups, &a, &e), -1);
}

static void a_link_stays_beneath_the_root(void **state)
{
    struct root *r = *state;
    struct account a;
    struct err e;
    assert_int_equal(unlinkat(r->fd, "etc/passwd", 0), 0);
    assert_int_equal(symlinkat("/etc/../../../etc/secret", r->fd, "etc/passwd"), 0);
    put(r, "etc/secret", "inner:x:7:7::/:/bin/sh\n");
    assert_int_equal(account_resolve(r->fd, "inner", &no_groups, &a, &e), 0);
    assert_int_equal(a.uid, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_brings_its_groups_and_home, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_named_is_root, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_needs_no_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(a_group_may_be_named, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_stays_beneath_the_root, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
