/* Ranges: one owner each, stable for the same owner, freed by owner and by project. */
#include "supervisor/stack/idrange.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/fd.h"

static void ranges_are_not_shared(void **state)
{
    (void)state;
    char path[] = "/tmp/idrange_test.XXXXXX";
    struct err e;
    uint32_t a, b, again, c;
    assert_non_null(mkdtemp(path));
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(idrange_take(root, "one/one-web-1", &a, &e), 0);
    assert_int_equal(idrange_take(root, "two/two-web-1", &b, &e), 0);
    assert_int_equal(idrange_take(root, "one/one-web-1", &again, &e), 0);
    assert_true(a >= 100000);
    assert_int_equal(b - a, IDRANGE_COUNT);
    assert_int_equal(a, again);
    idrange_release_project(root, "one");
    assert_int_equal(idrange_take(root, "onetwo/x", &c, &e), 0);
    assert_int_equal(c, a);
    idrange_release_project(root, "one"); /* "onetwo" is another project */
    assert_int_equal(idrange_take(root, "onetwo/x", &again, &e), 0);
    assert_int_equal(again, c);
    idrange_release(root, b);
    assert_int_equal(idrange_take(root, "three/y", &again, &e), 0);
    assert_int_equal(again, b);
    fd_close(&root);
    assert_int_equal(fd_remove_tree(AT_FDCWD, path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ranges_are_not_shared) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
