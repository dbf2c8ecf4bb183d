/* Keys that give a service something of the stack or of the machine: from the file to the model,
 * back to a file, and to config.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/str.h"
#include "specs/compile.h"
#include "specs/json.h"
#include "specs/stack_load.h"

#define SERVICE(body, extra)                                                                     \
    "{\"name\": \"t\", \"services\": {\"web\": {\"rootfs\": \"host\", \"command\": \"w\", " body \
    "}, \"db\": {\"rootfs\": \"host\", \"command\": \"d\"}}" extra "}"

struct fixture {
    struct stack *stack;
    const struct stack_service *web;
    struct arena arena;
    struct json *config;
};

static struct stack *load(const char *text, char **environ, bool is_saved_copy)
{
    struct stack_load_options options = { .environ = environ, .is_saved_copy = is_saved_copy };
    struct stack_problems problems = { 0 };
    struct stack *stack = NULL;
    int rc = stack_load_text("stack.json", "/srv", text, strlen(text), &options, &stack, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        char line[ERR_LINE_MAX];
        stack_problem_line(&problems.items[i], line, sizeof(line));
        if (!problems.items[i].is_warning)
            print_message("%s\n", line);
    }
    stack_problems_done(&problems);
    assert_int_equal(rc, 0);
    return stack;
}

/* Loads TEXT, holds what is written of it against what is read back, and compiles "web". */
static void make(struct fixture *f, const char *text, struct compile_facts *facts, char **environ)
{
    auto_buf struct buf first = { 0 }, second = { 0 }, config = { 0 };
    struct err e = { 0 };
    memset(f, 0, sizeof(*f));
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    buf_init(&config, 1 << 20);
    f->stack = load(text, environ, environ == NULL);
    stack_write_json(f->stack, &first, 2);
    auto_(stack_free) struct stack *again = load(first.data, NULL, true);
    stack_write_json(again, &second, 2);
    assert_string_equal(first.data, second.data);
    f->web = &f->stack->services[0];
    assert_string_equal(f->web->hash, again->services[0].hash);
    facts->container_id = "t-web-1";
    facts->replica = 1;
    facts->id_base = 1000000;
    facts->id_count = 65536;
    facts->cgroups_path = "/svc/t/x";
    facts->root_path = "/view";
    assert_int_equal(compile_config(f->stack, f->web, facts, &config, &e), 0);
    assert_int_equal(json_parse(&f->arena, "config.json", config.data, config.len, &f->config, &e),
                     0);
    struct oci_config oci = { 0 };
    if (oci_config_decode(&f->arena, f->config, &oci, &e) < 0)
        fail_msg("%s", e.what);
}

static void done(struct fixture *f)
{
    stack_free(f->stack);
    arena_done(&f->arena);
}

static const struct json *at(const struct fixture *f, const char *a, const char *b, const char *c)
{
    const struct json *node = json_find(f->config, a);
    node = b ? json_find(node, b) : node;
    return c ? json_find(node, c) : node;
}

static const struct json *item_with(const struct json *list, const char *key, const char *text)
{
    for (size_t i = 0; list && i < list->item_count; i++)
        if (str_eq(json_find_string(list->items[i], key, ""), text))
            return list->items[i];
    return NULL;
}

static void secrets_and_configs(void **state)
{
    (void)state;
    struct fixture f;
    static const char *const paths[] = { "/b/0", "/b/1", "/b/2", "/b/3" };
    struct compile_facts facts = { .grant_paths = paths };
    char token[] = "TOKEN=a$b", *environ[] = { token, NULL };
    make(&f,
         SERVICE("\"configs\": [\"site\"], \"secrets\": [\"token\", {\"source\": \"token\","
                 " \"target\": \"t/../x\", \"uid\": \"103\", \"gid\": 5, \"mode\": \"0640\"},"
                 " {\"source\": \"token\", \"target\": \"/etc/t\", \"mode\": 288}]",
                 ", \"secrets\": {\"token\": {\"environment\": \"TOKEN\"}},"
                 " \"configs\": {\"site\": {\"content\": \"a = $$b\", \"name\": \"n\"}}"),
         &facts, environ);
    assert_string_equal(f.stack->secrets[0].text, "a$b");
    assert_string_equal(f.stack->secrets[0].variable, "TOKEN");
    assert_string_equal(f.stack->secrets[0].name, "t_token");
    assert_string_equal(f.stack->configs[0].text, "a = $b");
    assert_string_equal(f.stack->configs[0].name, "n");
    assert_int_equal(f.web->grant_count, 4);
    const struct stack_grant *g = f.web->grants;
    assert_string_equal(g[0].target, "/run/secrets/token");
    assert_true(g[0].uid == -1 && g[0].gid == -1 && g[0].mode == 0444);
    assert_string_equal(g[1].target, "/run/secrets/x");
    assert_true(g[1].uid == 103 && g[1].gid == 5 && g[1].mode == 0440);
    assert_int_equal(g[2].mode, 0440); /* YAML's 0440 */
    assert_true(g[3].is_config);
    assert_string_equal(g[3].target, "/site");
    const struct json *bind = item_with(at(&f, "mounts", NULL, NULL), "destination", "/etc/t");
    assert_string_equal(json_find_string(bind, "source", ""), "/b/2");
    assert_string_equal(json_find(bind, "options")->items[1]->text, "ro");
    assert_null(strstr(json_find(bind, "options")->items[0]->text, "rbind"));
    done(&f);
}

/* Another value is another service, although only its name stands there. */
static void contents_are_of_the_hash(void **state)
{
    (void)state;
    static const char text[] = SERVICE("\"secrets\": [\"s\"]", ", \"secrets\": {\"s\": {"
                                                               "\"environment\": \"S\"}}");
    char one[] = "S=1", two[] = "S=2", *env1[] = { one, NULL }, *env2[] = { two, NULL };
    auto_(stack_free) struct stack *a = load(text, env1, false);
    auto_(stack_free) struct stack *b = load(text, env2, false);
    assert_string_not_equal(a->services[0].hash, b->services[0].hash);
    assert_string_equal(a->services[1].hash, b->services[1].hash);
}

static void names(void **state)
{
    (void)state;
    struct fixture f;
    struct compile_facts facts = { 0 };
    make(
        &f,
        SERVICE("\"extra_hosts\": {\"a\": \"192.0.2.1\", \"b\": [\"2001:db8::1\", \"192.0.2.2\"]},"
                " \"dns\": \"192.0.2.53\", \"dns_search\": [\"x.test\", \"y.test\"],"
                " \"dns_opt\": [\"ndots:2\"], \"domainname\": \"x.test\", \"links\": [\"db:store\","
                " \"db\"]",
                ""),
        &facts, NULL);
    assert_int_equal(f.web->extra_hosts.count, 3);
    assert_string_equal(f.web->extra_hosts.items[1].value, "2001:db8::1");
    assert_string_equal(f.web->dns.items[0], "192.0.2.53");
    assert_int_equal(f.web->dns_search.count, 2);
    assert_string_equal(json_find_string(f.config, "domainname", ""), "x.test");
    assert_int_equal(f.web->link_count, 2);
    assert_string_equal(f.web->links[0].alias, "store");
    assert_int_equal(f.web->depends_count, 1); /* once, for both */
    assert_int_equal(f.web->depends_on[0].service, 1);
    done(&f);
    static const char *const forms[] = { "a=192.0.2.1", "a:192.0.2.1", "a=host-gateway", "a=[::1]",
                                         "a:::1" };
    static const char *const wanted[] = { "192.0.2.1", "192.0.2.1", "host-gateway", "::1", "::1" };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        auto_free char *text = str_printf(SERVICE("\"extra_hosts\": [\"%s\"]", ""), forms[i]);
        auto_(stack_free) struct stack *s = load(text, NULL, true);
        assert_string_equal(s->services[0].extra_hosts.items[0].key, "a");
        assert_string_equal(s->services[0].extra_hosts.items[0].value, wanted[i]);
    }
}

static void machine(void **state)
{
    (void)state;
    struct fixture f;
    static const struct compile_device devices[] = { { 'c', 10, 229, 0660, 0, 44 },
                                                     { 'b', 8, 1, 0600, 0, 6 } };
    struct compile_facts facts = { .devices = devices };
    make(&f,
         SERVICE("\"devices\": [\"/dev/fuse\", {\"source\": \"/dev/sda1\", \"target\": \"/dev/d\","
                 " \"permissions\": \"r\"}], \"device_cgroup_rules\": [\"c 188:* rw\"],"
                 " \"sysctls\": [\"net.core.somaxconn=99\","
                 " \"net.ipv4.ip_unprivileged_port_start=1024\"], \"oom_score_adj\": 0,"
                 " \"shm_size\": \"1g\", \"annotations\": {\"org.example\": \"x\"}",
                 ""),
         &facts, NULL);
    assert_true(f.web->devices[0].read && f.web->devices[0].write && f.web->devices[0].mknod);
    assert_false(f.web->devices[1].write || f.web->devices[1].mknod);
    const struct json *node = item_with(at(&f, "linux", "devices", NULL), "path", "/dev/d");
    assert_string_equal(json_find_string(node, "type", ""), "b");
    assert_string_equal(json_find(node, "major")->text, "8");
    const struct json *rules = at(&f, "linux", "resources", "devices");
    size_t n = rules->item_count;
    assert_string_equal(json_find_string(rules->items[n - 2], "access", ""), "r");
    assert_string_equal(json_find_string(rules->items[n - 1], "access", ""), "rw");
    assert_string_equal(json_find(rules->items[n - 1], "major")->text, "188");
    assert_null(json_find(rules->items[n - 1], "minor"));
    const struct json *sysctl = at(&f, "linux", "sysctl", NULL);
    assert_string_equal(json_find_string(sysctl, "net.core.somaxconn", ""), "99");
    assert_string_equal(json_find_string(sysctl, "net.ipv4.ip_unprivileged_port_start", ""),
                        "1024");
    assert_string_equal(at(&f, "process", "oomScoreAdj", NULL)->text, "0");
    assert_string_equal(json_find_string(at(&f, "annotations", NULL, NULL), "org.example", ""),
                        "x");
    const struct json *shm = item_with(at(&f, "mounts", NULL, NULL), "destination", "/dev/shm");
    const struct json *options = json_find(shm, "options");
    assert_string_equal(options->items[options->item_count - 1]->text, "size=1073741824");
    done(&f);
}

static void network_modes(void **state)
{
    (void)state;
    struct fixture f;
    struct compile_facts facts = { .netns_path = "/proc/7/ns/net" };
    make(&f, SERVICE("\"network_mode\": \"none\"", ""), &facts, NULL);
    assert_int_equal(f.web->network_count, 0);
    assert_non_null(item_with(at(&f, "linux", "namespaces", NULL), "type", "network"));
    assert_non_null(json_find(at(&f, "linux", "sysctl", NULL), "net.ipv4.ping_group_range"));
    done(&f);
    make(&f, SERVICE("\"network_mode\": \"host\"", ""), &facts, NULL);
    assert_null(item_with(at(&f, "linux", "namespaces", NULL), "type", "network"));
    assert_null(json_find(at(&f, "linux", "sysctl", NULL), "net.ipv4.ping_group_range"));
    done(&f);
    make(&f,
         SERVICE("\"network_mode\": \"service:db\", \"depends_on\": {\"db\": {\"condition\":"
                 " \"service_completed_successfully\"}}",
                 ""),
         &facts, NULL);
    const struct json *joined = item_with(at(&f, "linux", "namespaces", NULL), "type", "network");
    assert_string_equal(json_find_string(joined, "path", ""), "/proc/7/ns/net");
    assert_int_equal(f.web->depends_count, 1);
    assert_int_equal(f.web->depends_on[0].condition, STACK_DEP_COMPLETED); /* as it says */
    done(&f);
}

static void logging(void **state)
{
    (void)state;
    struct fixture f;
    struct compile_facts facts = { 0 };
    make(&f,
         SERVICE("\"logging\": {\"driver\": \"json-file\", \"options\": {\"max-size\": \"1m\","
                 " \"max-file\": \"7\"}}",
                 ", \"logging\": {\"driver\": \"none\"}"),
         &facts, NULL);
    assert_false(f.web->logging.is_off);
    assert_int_equal(f.web->logging.max_bytes, 1 << 20);
    assert_int_equal(f.web->logging.max_files, 7);
    assert_true(f.stack->services[1].logging.is_off); /* the stack's */
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_and_configs),
        cmocka_unit_test(contents_are_of_the_hash),
        cmocka_unit_test(names),
        cmocka_unit_test(machine),
        cmocka_unit_test(network_modes),
        cmocka_unit_test(logging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
