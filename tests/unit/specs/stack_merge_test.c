#include "specs/stack_merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "specs/yaml.h"

struct fixture {
    struct arena arena;
    struct stack_problems problems;
};

static const struct json *tree(struct fixture *f, const char *file, const char *text)
{
    struct json *root = NULL;
    struct json_place at = { 0 };
    struct err e = { 0 };
    if (yaml_parse_placed(&f->arena, file, text, strlen(text), &f->problems, &root, &at, &e) < 0)
        fail_msg("%s:%u:%u: %s", file, at.line, at.column, e.what);
    return root;
}

static void done(struct fixture *f)
{
    arena_done(&f->arena);
    stack_problems_done(&f->problems);
}

/* What is below "services: {web: …}" of both, merged. */
static void merges(const char *base, const char *over, const char *want)
{
    struct fixture f = { 0 };
    auto_buf struct buf b = { 0 }, one = { 0 }, two = { 0 };
    struct json_writer w;
    buf_init(&b, 1 << 16);
    buf_init(&one, 1 << 16);
    buf_init(&two, 1 << 16);
    (void)buf_printf(&one, "services: { web: { %s } }", base);
    (void)buf_printf(&two, "services: { web: { %s } }", over);
    const struct json *merged =
        stack_merge(&f.arena, tree(&f, "one", one.data), tree(&f, "two", two.data), &f.problems);
    merged = stack_merge_finish(&f.arena, merged);
    assert_int_equal(f.problems.error_count, 0);
    json_writer_init(&w, &b, 0);
    json_put_tree(&w, NULL, json_find(json_find(merged, "services"), "web"));
    assert_string_equal(b.data, want);
    done(&f);
}

static void maps_go_deep_and_scalars_are_replaced(void **state)
{
    (void)state;
    merges("a: 1, b: {c: 1, d: 2}", "b: {d: 3, e: 4}, f: 5",
           "{\"a\":1,\"b\":{\"c\":1,\"d\":3,\"e\":4},\"f\":5}");
    merges("a: 1", "a: null", "{\"a\":1}");
    merges("a: null", "a: {b: 1}", "{\"a\":{\"b\":1}}");
    merges("security_opt: [a]", "security_opt: [a, b]", "{\"security_opt\":[\"a\",\"a\",\"b\"]}");
    merges("image: x", "image: y", "{\"image\":\"y\"}");
}

static void command_lines_are_replaced(void **state)
{
    (void)state;
    merges("command: [a, b]", "command: c", "{\"command\":\"c\"}");
    merges("entrypoint: a", "entrypoint: []", "{\"entrypoint\":[]}");
    merges("command: [a]", "command: null", "{\"command\":null}");
    merges("healthcheck: {test: [CMD, a], retries: 1}", "healthcheck: {test: b}",
           "{\"healthcheck\":{\"test\":\"b\",\"retries\":1}}");
}

static void pairs_are_one_form(void **state)
{
    (void)state;
    merges("environment: {A: 1, B: two, C: }", "environment: [B=3, D]",
           "{\"environment\":[\"A=1\",\"B=3\",\"C\",\"D\"]}");
    merges("labels: [a=1]", "labels: {a: true, b: x=y}", "{\"labels\":[\"a=true\",\"b=x=y\"]}");
    merges("sysctls: {a: 1}", "sysctls: {a: 2}", "{\"sysctls\":[\"a=2\"]}");
    merges("env_file: a", "env_file: [b, a, {path: b}]", "{\"env_file\":[\"a\",{\"path\":\"b\"}]}");
    merges("dns: 1.1.1.1", "dns: [8.8.8.8, 1.1.1.1]", "{\"dns\":[\"1.1.1.1\",\"8.8.8.8\"]}");
    merges("extra_hosts: ['a:1.1.1.1']", "extra_hosts: ['a:1.1.1.2', 'a:1.1.1.1']",
           "{\"extra_hosts\":[\"a:1.1.1.1\",\"a:1.1.1.2\"]}");
}

static void names_become_maps(void **state)
{
    (void)state;
    merges("depends_on: [a, b]", "depends_on: {b: {condition: service_healthy}}",
           "{\"depends_on\":{\"a\":null,\"b\":{\"condition\":\"service_healthy\"}}}");
    merges("networks: [x]", "networks: {x: {aliases: [n]}, y: }",
           "{\"networks\":{\"x\":{\"aliases\":[\"n\"]},\"y\":null}}");
    merges("build: .", "build: {target: t}", "{\"build\":{\"context\":\".\",\"target\":\"t\"}}");
}

static void what_is_mounted_at_one_target_is_one(void **state)
{
    (void)state;
    merges("volumes: ['./a:/data', 'v:/v']", "volumes: ['b:/data:ro', {type: tmpfs, target: /v}]",
           "{\"volumes\":[\"b:/data:ro\",{\"type\":\"tmpfs\",\"target\":\"/v\"}]}");
    merges("devices: ['/dev/a:/dev/x']", "devices: ['/dev/b:/dev/x:r']",
           "{\"devices\":[\"/dev/b:/dev/x:r\"]}");
    merges("tmpfs: /run", "tmpfs: ['/run:size=1m']", "{\"tmpfs\":[\"/run:size=1m\"]}");
    merges("secrets: [s]", "secrets: [{source: s, mode: 256}]",
           "{\"secrets\":[{\"source\":\"s\",\"mode\":256}]}");
    merges("ports: ['80:80']", "ports: ['80:80', '81:80']", "{\"ports\":[\"80:80\",\"81:80\"]}");
    merges("ports: [{target: 80, published: '80'}]",
           "ports: [{target: 80, published: '80', name: w}, {target: 80, published: '81'}]",
           "{\"ports\":[{\"target\":80,\"published\":\"80\",\"name\":\"w\"},"
           "{\"target\":80,\"published\":\"81\"}]}");
}

static void logging_options_belong_to_their_driver(void **state)
{
    (void)state;
    merges("logging: {driver: a, options: {x: 1}}", "logging: {options: {y: 2}}",
           "{\"logging\":{\"driver\":\"a\",\"options\":{\"x\":1,\"y\":2}}}");
    merges("logging: {driver: a, options: {x: 1}}", "logging: {driver: b}",
           "{\"logging\":{\"driver\":\"b\"}}");
}

static void tags_reset_and_override(void **state)
{
    (void)state;
    merges("ports: ['1:1'], a: 1", "ports: !reset []", "{\"a\":1}");
    merges("ports: ['1:1']", "ports: !override ['2:2']", "{\"ports\":[\"2:2\"]}");
    merges("environment: {A: 1, B: 2}", "environment: {A: !reset null}",
           "{\"environment\":[\"B=2\"]}");
    merges("a: !reset 1, b: 2", "c: 3", "{\"b\":2,\"c\":3}");
}

static void what_cannot_be_merged_is_said(void **state)
{
    (void)state;
    struct fixture f = { 0 };
    const struct json *base = tree(&f, "one", "services:\n  web:\n    deploy: {a: 1}\n");
    const struct json *over = tree(&f, "two", "services:\n  web:\n    deploy: [a]\n");
    (void)stack_merge(&f.arena, base, over, &f.problems);
    char line[ERR_LINE_MAX];
    assert_int_equal(f.problems.count, 1);
    stack_problem_line(&f.problems.items[0], line, sizeof(line));
    assert_string_equal(line,
                        "two:3:13: services.web.deploy: array here, and object in one:3: they "
                        "cannot be merged");
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_go_deep_and_scalars_are_replaced),
        cmocka_unit_test(command_lines_are_replaced),
        cmocka_unit_test(pairs_are_one_form),
        cmocka_unit_test(names_become_maps),
        cmocka_unit_test(what_is_mounted_at_one_target_is_one),
        cmocka_unit_test(logging_options_belong_to_their_driver),
        cmocka_unit_test(tags_reset_and_override),
        cmocka_unit_test(what_cannot_be_merged_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
