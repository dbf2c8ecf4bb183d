/* The table's binary form, against damage, and the lookup of routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/proxy/table.h"

static struct proxy_endpoint endpoints[] = { { 0x0a590003, 8000, 1, 77 },
                                             { 0x0a590004, 8000, 2, 78 } };
static struct proxy_upstream upstreams[] = {
    { "web:8000", "web", "", endpoints, 2 },
    { "api:80", "api", "starting", NULL, 0 },
};
static struct proxy_route routes[] = {
    { .path = "/", .upstream = 0, .body_max_bytes = 1 },
    { .path = "/api/", .upstream = 1, .strip_prefix = true },
    { .path = "/api/v1", .upstream = 0 },
    { .path = "/api/v1/exact", .is_exact = true, .upstream = 1 },
    { .path = "/", .host = "shop.example", .upstream = 1 },
    { .path = "/deep", .host = "*.shop.example", .upstream = 0 },
    { .path = "/", .host = "*.example", .upstream = 1 },
    { .path = "/static/", .kind = PROXY_ROUTE_FILES, .dir_id = 9, .index = "index.html" },
    { .path = "/api", .upstream = 0 },
};

static struct proxy_table *copy(void)
{
    struct proxy_table t = { .generation = 42,
                             .upstreams = upstreams,
                             .upstream_count = ARRAY_LEN(upstreams),
                             .routes = routes,
                             .route_count = ARRAY_LEN(routes) };
    struct err e;
    auto_buf struct buf b;
    buf_init(&b, PROXY_TABLE_MAX);
    assert_int_equal(proxy_table_encode(&t, &b, &e), 0);
    struct proxy_table *out = NULL;
    assert_int_equal(proxy_table_decode(b.data, b.len, &out, &e), 0);
    return out;
}

static void test_round_trip(void **state)
{
    (void)state;
    auto_(proxy_table_free) struct proxy_table *t = copy();
    assert_int_equal(t->generation, 42);
    assert_int_equal(t->upstream_count, 2);
    assert_memory_equal(t->upstreams[0].endpoints, endpoints, sizeof(endpoints));
    assert_string_equal(t->upstreams[1].why, "starting");
    assert_int_equal(t->route_count, ARRAY_LEN(routes));
    assert_int_equal(t->routes[7].dir_id, 9);
    assert_true(t->routes[1].strip_prefix && t->routes[3].is_exact);
    assert_ptr_equal(proxy_table_upstream(t, "api:80"), &t->upstreams[1]);
    assert_null(proxy_table_upstream(t, "none:1"));
}

static void test_find(void **state)
{
    (void)state;
    static const struct {
        const char *host, *path;
        int route;
    } cases[] = {
        { "x", "/", 0 },
        { "", "/", 0 },
        { "x", "/a/b", 0 },
        { "x", "/api", 1 }, /* before its equal, route 8 */
        { "x", "/api/", 1 },
        { "x", "/apix", 0 },
        { "x", "/api/v1", 2 },
        { "x", "/api/v1/", 2 },
        { "x", "/api/v1/exact", 3 },
        { "x", "/api/v1/exact/", 2 },
        { "x", "/api/v10", 1 },
        { "shop.example", "/", 4 },
        { "shop.example", "/api/v1", 4 },
        { "a.shop.example", "/deep/x", 5 },
        { "a.b.shop.example", "/deep", 5 },
        { "a.shop.example", "/", 6 },
        { "b.example", "/", 6 },
        { "example", "/", 0 },
        { "x", "/static", 7 },
        { "x", "/static/a", 7 },
    };
    auto_(proxy_table_free) struct proxy_table *t = copy();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct proxy_route *r = proxy_table_find(t, cases[i].host, strlen(cases[i].host),
                                                       cases[i].path, strlen(cases[i].path));
        if (r != &t->routes[cases[i].route])
            fail_msg("%s %s: route %td", cases[i].host, cases[i].path, r ? r - t->routes : -1);
    }
}

static void test_no_route(void **state)
{
    (void)state;
    struct proxy_route only = { .path = "/a", .upstream = 0 };
    struct proxy_table t = {
        .upstreams = upstreams, .upstream_count = 1, .routes = &only, .route_count = 1
    };
    struct err e;
    auto_buf struct buf b;
    buf_init(&b, PROXY_TABLE_MAX);
    assert_int_equal(proxy_table_encode(&t, &b, &e), 0);
    auto_(proxy_table_free) struct proxy_table *out = NULL;
    assert_int_equal(proxy_table_decode(b.data, b.len, &out, &e), 0);
    assert_null(proxy_table_find(out, "x", 1, "/", 1));
    assert_non_null(proxy_table_find(out, "x", 1, "/a", 2));
}

/* Cut anywhere, and each byte changed: refused or a table that can be used. */
static void test_damage(void **state)
{
    (void)state;
    struct proxy_table t = { .upstreams = upstreams,
                             .upstream_count = ARRAY_LEN(upstreams),
                             .routes = routes,
                             .route_count = ARRAY_LEN(routes) };
    struct err e;
    auto_buf struct buf b;
    buf_init(&b, PROXY_TABLE_MAX);
    assert_int_equal(proxy_table_encode(&t, &b, &e), 0);
    for (size_t n = 0; n < b.len; n++) {
        struct proxy_table *out = NULL;
        assert_int_equal(proxy_table_decode(b.data, n, &out, &e), -1);
        assert_int_equal(e.kind, ERR_INPUT);
    }
    for (size_t i = 0; i < b.len; i++) {
        static const unsigned char values[] = { 0, 1, 0x7f, 0xff };
        char kept = b.data[i];
        for (size_t v = 0; v < sizeof(values); v++) {
            auto_(proxy_table_free) struct proxy_table *out = NULL;
            b.data[i] = (char)values[v];
            if (proxy_table_decode(b.data, b.len, &out, &e) == 0)
                (void)proxy_table_find(out, "a.shop.example", 14, "/deep/x", 7);
        }
        b.data[i] = kept;
    }
}

static void test_refused_by_the_encoder(void **state)
{
    (void)state;
    struct err e;
    auto_buf struct buf b;
    buf_init(&b, PROXY_TABLE_MAX);
    struct proxy_route bad[] = { { .path = "x" }, { .path = "/", .upstream = 5 } };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct proxy_table t = {
            .upstreams = upstreams, .upstream_count = 2, .routes = &bad[i], .route_count = 1
        };
        assert_int_equal(proxy_table_encode(&t, &b, &e), -1);
    }
}

static void test_long_paths_are_cheap(void **state)
{
    (void)state;
    static char path[8000];
    auto_(proxy_table_free) struct proxy_table *t = copy();
    for (size_t i = 0; i < sizeof(path); i++)
        path[i] = i % 2 ? 'a' : '/';
    assert_ptr_equal(proxy_table_find(t, "x", 1, path, sizeof(path)), &t->routes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_no_route),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_refused_by_the_encoder),
        cmocka_unit_test(test_long_paths_are_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
