#include "runtime/idmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct oci_idmap ranges[] = { { 0, 0, 1 }, { 1, 2, 1000 } };
static const struct oci_idmaps container = { ranges, 2 };

struct parsed {
    struct arena arena;
    struct oci_idmaps uids, gids;
    struct err err;
};

static int parse(struct parsed *p, const char *text)
{
    memset(p, 0, sizeof(*p));
    return idmap_parse(&p->arena, text, "/d", &container, &container, &p->uids, &p->gids, &p->err);
}

static void test_to_host(void **state)
{
    (void)state;
    uint32_t id = 7;
    assert_true(idmap_to_host(&container, 0, &id) && id == 0);
    assert_true(idmap_to_host(&container, 1000, &id) && id == 1001);
    assert_false(idmap_to_host(&container, 1001, &id));
}

static void test_ranges(void **state)
{
    (void)state;
    struct parsed p;
    assert_int_equal(parse(&p, "uids=0-1-10#10-11-10;gids=0-100-10"), 0);
    assert_int_equal(p.uids.count, 2);
    assert_int_equal(p.uids.items[1].container_id, 10);
    assert_int_equal(p.uids.items[1].host_id, 11);
    assert_int_equal(p.uids.items[1].size, 10);
    assert_int_equal(p.gids.count, 1);
    assert_int_equal(p.gids.items[0].host_id, 100);
    arena_done(&p.arena);
}

static void test_relative_to_the_container(void **state)
{
    (void)state;
    struct parsed p;
    assert_int_equal(parse(&p, "uids=@1-3-10;gids=@0-0-1"), 0);
    assert_int_equal(p.uids.items[0].container_id, 1);
    assert_int_equal(p.uids.items[0].host_id, 4);
    assert_int_equal(p.gids.items[0].host_id, 0);
    arena_done(&p.arena);
}

static void test_bad_ones(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       "uids=0-1-10",
                                       "gids=0-1-10",
                                       "uids=0-1;gids=0-1-1",
                                       "uids=0-1-1-1;gids=0-1-1",
                                       "uids=-1-1-1;gids=0-1-1",
                                       "uids=0-1-4294967296;gids=0-1-1",
                                       "uids=@0-5000-1;gids=0-1-1",
                                       "uids=0-1-1#;gids=0-1-1",
                                       "uids=0-1-1;gids=0-1-1x",
                                       "sids=0-1-1;gids=0-1-1" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct parsed p;
        if (parse(&p, bad[i]) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(p.err.kind, ERR_INPUT);
        assert_non_null(strstr(p.err.what, "/d"));
        arena_done(&p.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_host),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_relative_to_the_container),
        cmocka_unit_test(test_bad_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
