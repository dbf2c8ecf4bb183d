#include "specs/stack_load.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

struct fixture {
    struct stack *stack;
    struct stack_problems problems;
    struct err e;
};

/* A stack file of one service "web" with BODY in it and EXTRA behind "services". */
#define WEB(body, extra)                                                                       \
    "{\"name\": \"t\", \"services\": {\"web\": {\"rootfs\": \"host\", \"command\": \"w\"" body \
    "}}" extra "}"

static void load_with(struct fixture *f, const char *text, const struct stack_load_options *options)
{
    memset(f, 0, sizeof(*f));
    int rc =
        stack_load_text("stack.json", "/tmp", text, strlen(text), options, &f->stack, &f->problems);
    for (size_t i = 0; i < f->problems.count; i++)
        if (!f->problems.items[i].is_warning) {
            char line[ERR_LINE_MAX];
            stack_problem_line(&f->problems.items[i], line, sizeof(line));
            print_message("%s\n", line);
        }
    assert_int_equal(rc, 0);
    assert_non_null(f->stack);
}

static void load(struct fixture *f, const char *text)
{
    struct stack_load_options options = { .is_saved_copy = true };
    load_with(f, text, &options);
}

static void done(struct fixture *f)
{
    stack_free(f->stack);
    stack_problems_done(&f->problems);
}

static void warns(const char *text, const char *line_wanted)
{
    struct fixture f;
    char line[ERR_LINE_MAX];
    load(&f, text);
    assert_int_equal(f.problems.count, 1);
    assert_true(f.problems.items[0].is_warning);
    stack_problem_line(&f.problems.items[0], line, sizeof(line));
    assert_string_equal(line, line_wanted);
    done(&f);
}

static void defaults_are_filled_in(void **state)
{
    (void)state;
    struct fixture f;
    load(&f, WEB("", ""));
    const struct stack_service *s = &f.stack->services[0];
    assert_string_equal(f.stack->name, "t");
    assert_string_equal(f.stack->file, "stack.json");
    assert_string_equal(f.stack->dir, "/tmp");
    assert_int_equal(f.stack->service_count, 1);
    assert_ptr_equal(stack_find_service(f.stack, "web"), s);
    assert_null(stack_find_service(f.stack, "db"));
    assert_int_equal(s->rootfs.kind, STACK_ROOTFS_HOST);
    assert_true(s->has_command && !s->has_entrypoint);
    assert_string_equal(s->command.items[0], "w");
    assert_int_equal(s->replicas, 1);
    assert_int_equal(s->restart, STACK_RESTART_NO);
    assert_int_equal(s->on_unhealthy, STACK_UNHEALTHY_RESTART);
    assert_int_equal(s->stop_signal, SIGTERM);
    assert_int_equal(s->stop_grace_ms, 10000);
    assert_true(s->no_new_privileges);
    assert_int_equal(s->healthcheck.kind, STACK_PROBE_NONE);
    assert_int_equal(s->network_count, 1);
    assert_int_equal(f.stack->network_count, 1);
    assert_string_equal(f.stack->networks[0].key, "default");
    assert_string_equal(f.stack->networks[0].name, "t_default");
    assert_int_equal(strlen(s->hash), 16);
    assert_false(f.stack->proxy.is_set);
    done(&f);
}

static void project_names_have_an_order(void **state)
{
    (void)state;
    struct fixture f;
    char from_env[] = "COMPOSE_PROJECT_NAME=env", *environment[] = { from_env, NULL };
    struct stack_load_options options = { .project = "flag", .environ = environment };
    options.is_saved_copy = true;
    load_with(&f, WEB("", ""), &options);
    assert_string_equal(f.stack->name, "flag");
    done(&f);
    options.project = NULL;
    load_with(&f, WEB("", ""), &options);
    assert_string_equal(f.stack->name, "env");
    done(&f);
    const char *unnamed = "{\"services\": {\"a\": {\"rootfs\": \"host\", \"command\": \"a\"}}}";
    options.environ = NULL;
    assert_int_equal(stack_load_text("x", "/srv/My.App_1", unnamed, strlen(unnamed), &options,
                                     &f.stack, &f.problems),
                     0);
    assert_string_equal(f.stack->name, "myapp_1");
    stack_free(f.stack);
    assert_int_equal(
        stack_load_text("x", "/", unnamed, strlen(unnamed), &options, &f.stack, &f.problems), 0);
    assert_string_equal(f.stack->name, "stack");
    stack_free(f.stack);
}

static void mounts_are_canonical_and_sorted(void **state)
{
    (void)state;
    struct fixture f;
    load(
        &f,
        WEB(", \"volumes\": [\"data:/srv/data/deep\", \"./app/../app:/srv/\", \"/anon/x\","
            " {\"type\": \"tmpfs\", \"target\": \"/t\", \"tmpfs\": {\"size\": \"1m\", \"mode\": \"700\"}}],"
            " \"tmpfs\": \"/u:size=2m,mode=0755\"",
            ", \"volumes\": {\"data\": {\"name\": \"shared\", \"external\": true}}"));
    const struct stack_service *s = &f.stack->services[0];
    assert_int_equal(s->mount_count, 5);
    assert_string_equal(s->mounts[0].target, "/srv");
    assert_string_equal(s->mounts[0].source, "/tmp/app");
    assert_int_equal(s->mounts[0].kind, STACK_MOUNT_BIND);
    assert_string_equal(s->mounts[1].target, "/t");
    assert_int_equal(s->mounts[1].size_bytes, 1 << 20);
    assert_int_equal(s->mounts[1].mode, 0700);
    assert_string_equal(s->mounts[2].target, "/u");
    assert_int_equal(s->mounts[2].mode, 0755);
    assert_string_equal(s->mounts[3].target, "/anon/x");
    assert_int_equal(s->mounts[3].kind, STACK_MOUNT_VOLUME);
    assert_string_equal(s->mounts[3].source, "web-anon-x");
    assert_string_equal(s->mounts[4].target, "/srv/data/deep");
    assert_string_equal(s->mounts[4].source, "data");
    assert_int_equal(f.stack->volume_count, 2);
    assert_string_equal(f.stack->volumes[0].name, "shared");
    assert_true(f.stack->volumes[0].is_external);
    assert_string_equal(f.stack->volumes[1].name, "t_web-anon-x");
    done(&f);
}

static void ports_are_expanded(void **state)
{
    (void)state;
    struct fixture f;
    load(&f,
         WEB(", \"ports\": [80, \"8080:81\", \"127.0.0.1:9000-9001:90-91/tcp\", \"[::1]:7:70\","
             " \"0.0.0.0::71\", {\"target\": \"72\", \"published\": 8072, \"host_ip\": \"::1\"}],"
             " \"expose\": [\"1-3/tcp\", 5]",
             ""));
    static const struct {
        const char *ip;
        unsigned published, target;
    } wanted[] = {
        { "", 0, 80 },
        { "", 8080, 81 },
        { "127.0.0.1", 9000, 90 },
        { "127.0.0.1", 9001, 91 },
        { "::1", 7, 70 },
        { "0.0.0.0", 0, 71 },
        { "::1", 8072, 72 },
    };
    const struct stack_service *s = &f.stack->services[0];
    assert_int_equal(s->port_count, ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_string_equal(s->ports[i].host_ip, wanted[i].ip);
        assert_int_equal(s->ports[i].published, wanted[i].published);
        assert_int_equal(s->ports[i].target, wanted[i].target);
    }
    assert_int_equal(s->expose_count, 4);
    assert_int_equal(s->expose[2], 3);
    done(&f);
}

static void environment_is_resolved(void **state)
{
    (void)state;
    struct fixture f;
    char given[] = "GIVEN=outer", *environment[] = { given, NULL };
    struct stack_load_options options = { .environ = environment, .is_saved_copy = true };
    load_with(
        &f,
        WEB(", \"environment\": [\"A=1=2\", \"EMPTY=\", \"GIVEN\", \"ABSENT\", \"D=${X:-True}\"]",
            ""),
        &options);
    const struct stack_pairs *env = &f.stack->services[0].environment;
    assert_int_equal(env->count, 4);
    assert_string_equal(env->items[0].value, "1=2");
    assert_string_equal(env->items[1].value, "");
    assert_string_equal(env->items[2].value, "outer");
    assert_string_equal(env->items[3].value, "True");
    done(&f);
    load_with(
        &f,
        WEB(", \"environment\": {\"N\": 1.50, \"B\": true, \"GIVEN\": null, \"ABSENT\": null}", ""),
        &options);
    env = &f.stack->services[0].environment;
    assert_int_equal(env->count, 3);
    assert_string_equal(env->items[0].value, "1.50");
    assert_string_equal(env->items[1].value, "true");
    assert_string_equal(env->items[2].value, "outer");
    done(&f);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    struct err e = { 0 };
    char path[PATH_LIMIT];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(fd_write_file(-100, path, text, strlen(text), 0644, false, &e), 0);
}

static void files_have_their_precedence(void **state)
{
    (void)state;
    char dir[] = "/tmp/svc-stack-load-XXXXXX", path[PATH_LIMIT];
    assert_non_null(mkdtemp(dir));
    write_file(dir, ".env", "FROM_DOTENV=dotenv\nBOTH=dotenv\n");
    write_file(dir, "one.env", "A=one\nB=one\nC=$FROM_DOTENV\n");
    write_file(dir, "raw.env", "B='$raw'\n");
    write_file(dir, "stack.json",
               WEB(", \"environment\": {\"A\": \"${BOTH}\"}, \"env_file\": [\"one.env\","
                   " {\"path\": \"raw.env\", \"format\": \"raw\"},"
                   " {\"path\": \"none.env\", \"required\": false}]",
                   ""));
    char both[] = "BOTH=process", *environment[] = { both, NULL };
    struct stack_load_options options = { .environ = environment };
    struct fixture f = { 0 };
    (void)snprintf(path, sizeof(path), "%s/stack.json", dir);
    assert_int_equal(stack_load(&(const char *){ path }, 1, &options, &f.stack, &f.problems, &f.e),
                     0);
    const struct stack_pairs *env = &f.stack->services[0].environment;
    assert_int_equal(env->count, 3);
    assert_string_equal(env->items[0].value, "process");
    assert_string_equal(env->items[1].value, "'$raw'");
    assert_string_equal(env->items[2].value, "dotenv");
    done(&f);
    const char *missing = "/nonexistent/stack.json";
    assert_int_equal(stack_load(&missing, 1, &options, &f.stack, &f.problems, &f.e), -1);
    assert_int_equal(f.problems.count, 0);
    assert_string_equal(f.e.what, "open /nonexistent/stack.json: not found");
    assert_int_equal(fd_remove_tree(-100, dir), 0);
}

static void healthchecks(void **state)
{
    (void)state;
    struct fixture f;
    load(
        &f,
        "{\"name\": \"t\", \"services\": {"
        "\"a\": {\"rootfs\": \"host\", \"command\": \"a\", \"healthcheck\": {\"test\": \"exit 0\"}},"
        "\"b\": {\"rootfs\": \"host\", \"command\": \"b\", \"healthcheck\": {\"test\": [\"CMD\", \"x\", \"y\"],"
        " \"interval\": \"1s\", \"timeout\": \"2s\", \"retries\": 9, \"start_period\": \"1m\", \"start_interval\": \"100ms\"}},"
        "\"c\": {\"rootfs\": \"host\", \"command\": \"c\", \"healthcheck\": {\"x-http\": \"8000/health/?a=b\"}},"
        "\"d\": {\"rootfs\": \"host\", \"command\": \"d\", \"healthcheck\": {\"http\": {\"port\": 80, \"status\": 204,"
        " \"forwarded_proto\": \"https\", \"headers\": [\"X-A=1\"]}}},"
        "\"e\": {\"rootfs\": \"host\", \"command\": \"e\", \"healthcheck\": {\"tcp\": 5432}},"
        "\"f\": {\"rootfs\": \"host\", \"command\": \"f\", \"healthcheck\": {\"test\": [\"NONE\"]}},"
        "\"g\": {\"rootfs\": \"host\", \"command\": \"g\", \"healthcheck\": {\"tcp\": 1, \"disable\": true}}}}");
    const struct stack_service *s = f.stack->services;
    assert_int_equal(s[0].healthcheck.kind, STACK_PROBE_CMD);
    assert_string_equal(s[0].healthcheck.test.items[0], "/bin/sh");
    assert_string_equal(s[0].healthcheck.test.items[2], "exit 0");
    assert_int_equal(s[0].healthcheck.interval_ms, 30000);
    assert_int_equal(s[0].healthcheck.timeout_ms, 30000);
    assert_int_equal(s[0].healthcheck.retries, 3);
    assert_int_equal(s[0].healthcheck.start_period_ms, 0);
    assert_int_equal(s[0].healthcheck.start_interval_ms, 5000);
    assert_int_equal(s[1].healthcheck.test.count, 2);
    assert_null(s[1].healthcheck.test.items[2]);
    assert_int_equal(s[1].healthcheck.start_period_ms, 60000);
    assert_int_equal(s[1].healthcheck.start_interval_ms, 100);
    assert_int_equal(s[2].healthcheck.kind, STACK_PROBE_HTTP);
    assert_int_equal(s[2].healthcheck.port, 8000);
    assert_string_equal(s[2].healthcheck.path, "/health/?a=b");
    assert_int_equal(s[2].healthcheck.status_max, 399);
    assert_string_equal(s[3].healthcheck.path, "/");
    assert_int_equal(s[3].healthcheck.status_min, 204);
    assert_int_equal(s[3].healthcheck.headers.count, 2);
    assert_string_equal(s[3].healthcheck.headers.items[1].key, "X-Forwarded-Proto");
    assert_int_equal(s[4].healthcheck.kind, STACK_PROBE_TCP);
    assert_int_equal(s[4].healthcheck.port, 5432);
    assert_int_equal(s[5].healthcheck.kind, STACK_PROBE_NONE);
    assert_int_equal(s[6].healthcheck.kind, STACK_PROBE_NONE);
    done(&f);
}

static void limits_and_rights(void **state)
{
    (void)state;
    struct fixture f;
    load(
        &f,
        WEB(", \"deploy\": {\"replicas\": 3, \"resources\": {\"limits\": {\"cpus\": \"0.5\", \"memory\": \"64m\","
            " \"pids\": 7}, \"reservations\": {\"memory\": \"32m\"}}, \"restart_policy\":"
            " {\"condition\": \"on-failure\", \"max_attempts\": 4}}, \"restart\": \"always\", \"cap_add\": [\"cap_sys_time\"],"
            " \"cap_drop\": [\"all\"], \"security_opt\": [\"no-new-privileges:false\", \"seccomp=unconfined\"],"
            " \"ulimits\": {\"nofile\": 10, \"core\": {\"soft\": 0, \"hard\": -1}}, \"stop_signal\": \"int\","
            " \"userns_mode\": \"host\", \"user\": 1000, \"group_add\": [\"video\", 7], \"init\": \"true\"",
            ""));
    const struct stack_service *s = &f.stack->services[0];
    assert_int_equal(s->replicas, 3);
    assert_int_equal(s->cpu_millis, 500);
    assert_int_equal(s->memory_bytes, 64 << 20);
    assert_int_equal(s->memory_reservation_bytes, 32 << 20);
    assert_int_equal(s->pids_limit, 7);
    assert_int_equal(s->restart, STACK_RESTART_ON_FAILURE);
    assert_int_equal(s->restart_max, 4);
    assert_string_equal(s->cap_add.items[0], "SYS_TIME");
    assert_string_equal(s->cap_drop.items[0], "ALL");
    assert_false(s->no_new_privileges);
    assert_true(s->seccomp_unconfined && s->userns_host && s->init);
    assert_int_equal(s->ulimits[0].hard, 10);
    assert_true(s->ulimits[1].hard == UINT64_MAX);
    assert_int_equal(s->stop_signal, SIGINT);
    assert_string_equal(s->user, "1000");
    assert_string_equal(s->group_add.items[1], "7");
    done(&f);
}

static void networks_are_those_in_use(void **state)
{
    (void)state;
    struct fixture f;
    load(
        &f,
        "{\"name\": \"t\", \"services\": {"
        "\"a\": {\"rootfs\": \"host\", \"command\": \"a\", \"networks\": [\"back\"], \"container_name\": \"old\"},"
        "\"b\": {\"rootfs\": \"host\", \"command\": \"b\", \"networks\": {\"front\": {\"aliases\": [\"x\"]}, \"back\":"
        " {\"ipv4_address\": \"10.1.2.3\"}}, \"depends_on\": {\"a\": {\"condition\": \"service_started\","
        " \"required\": false, \"restart\": true}}}},"
        "\"networks\": {\"idle\": {}, \"front\": {\"name\": \"public\"}, \"back\": {\"internal\": true, \"ipam\":"
        " {\"config\": [{\"subnet\": \"10.1.0.0/16\", \"gateway\": \"10.1.0.254\"}]}}}}");
    const struct stack *s = f.stack;
    assert_int_equal(s->network_count, 2);
    assert_string_equal(s->networks[0].name, "public");
    assert_string_equal(s->networks[1].name, "t_back");
    assert_true(s->networks[1].is_internal && s->networks[1].has_subnet);
    assert_int_equal(s->networks[1].subnet, 0x0A010000);
    assert_int_equal(s->networks[1].prefix, 16);
    assert_int_equal(s->networks[1].gateway, 0x0A0100FE);
    assert_int_equal(s->services[0].networks[0].network, 1);
    assert_string_equal(s->services[0].networks[0].aliases.items[0], "old");
    assert_int_equal(s->services[1].networks[0].network, 0);
    assert_int_equal(s->services[1].networks[1].ipv4, 0x0A010203);
    assert_int_equal(s->services[1].depends_on[0].service, 0);
    assert_false(s->services[1].depends_on[0].required);
    assert_true(s->services[1].depends_on[0].restart);
    assert_int_equal(f.problems.count, 1); /* container_name */
    done(&f);
}

static void proxy_forms(void **state)
{
    (void)state;
    struct fixture f;
    load(
        &f,
        WEB(", \"expose\": [8000]",
            ", \"volumes\": {\"v\": {}}, \"x-proxy\": {\"listen\": [80, \"127.0.0.1:81\", \"[::1]:82\", {\"port\": 83}],"
            " \"timeouts\": {\"idle\": \"5s\"}, \"limits\": {\"body\": \"1g\"}, \"routes\": {\"/\": \"web\", \"=/x\":"
            " \"web:9\", \"/s/\": \"./static\", \"/v/\": {\"files\": {\"volume\": \"v\", \"index\": \"i.html\","
            " \"expires\": \"30d\"}}, \"/api/\": {\"to\": \"web\", \"strip\": true, \"host\": \"*.a.example\","
            " \"timeouts\": {\"connect\": \"1s\"}}}}"));
    const struct stack_proxy *p = &f.stack->proxy;
    assert_true(p->is_set);
    assert_int_equal(p->listen_count, 4);
    assert_string_equal(p->listens[0].address, "");
    assert_string_equal(p->listens[1].address, "127.0.0.1");
    assert_string_equal(p->listens[2].address, "::1");
    assert_int_equal(p->listens[3].port, 83);
    assert_true(p->body_max_bytes == UINT64_C(1) << 30);
    assert_int_equal(p->route_count, 5);
    assert_int_equal(p->routes[0].port, 8000);
    assert_int_equal(p->routes[0].idle_timeout_ms, 5000);
    assert_int_equal(p->routes[0].response_timeout_ms, 120000);
    assert_true(p->routes[1].is_exact);
    assert_string_equal(p->routes[1].path, "/x");
    assert_string_equal(p->routes[2].dir, "/tmp/static");
    assert_string_equal(p->routes[2].index, "index.html");
    assert_null(p->routes[2].expires);
    assert_string_equal(p->routes[3].volume, "v");
    assert_string_equal(p->routes[3].expires, "2592000");
    assert_true(p->routes[4].strip_prefix);
    assert_string_equal(p->routes[4].host, "*.a.example");
    assert_int_equal(p->routes[4].connect_timeout_ms, 1000);
    done(&f);
}

static void warnings_do_not_stop(void **state)
{
    (void)state;
    warns(WEB("", ", \"version\": \"3.8\""),
          "stack.json:1:72: warning: version: has no meaning any more and can be removed");
    warns(WEB(", \"pull_policy\": \"always\"", ""),
          "stack.json:1:70: warning: services.web.pull_policy: is accepted and has no effect here: "
          "there are no images yet");
    struct stack_load_options options = { .is_saved_copy = true, .total_memory_bytes = 1 << 30 };
    struct fixture f;
    load_with(&f, WEB(", \"mem_limit\": \"600m\", \"scale\": 2", ""), &options);
    char line[ERR_LINE_MAX];
    assert_int_equal(f.problems.count, 1);
    stack_problem_line(&f.problems.items[0], line, sizeof(line));
    assert_string_equal(line,
                        "stack.json:1:28: warning: services: the memory limits add up to 1200 "
                        "MiB, this machine has 1024 MiB");
    done(&f);
}

/* A string command is not for a shell; what is quoted is nobody's mistake. */
static void shell_operators_are_pointed_at(void **state)
{
    (void)state;
    static const struct {
        const char *command, *warning; /* NULL: none */
    } rows[] = { { "cd /x", "there is no program \"cd\"" },
                 { "a && b", "\"&&\"" },
                 { "a || b", "\"||\"" },
                 { "a | b", "\"|\"" },
                 { "a; b", "\";\"" },
                 { "a >>f", "\">>\"" },
                 { "a <f", "\"<\"" },
                 { "a 'b && c' \\\";\\\" \\\\| ", NULL },
                 { "get http://h/?a=1&b=2", NULL },
                 { "cdrecord x", NULL } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[300];
        struct fixture f;
        (void)snprintf(text, sizeof(text), WEB(", \"entrypoint\": \"%s\"", ""), rows[i].command);
        load(&f, text);
        assert_int_equal(f.problems.count, rows[i].warning != NULL);
        if (rows[i].warning) {
            assert_true(f.problems.items[0].is_warning);
            assert_non_null(strstr(f.problems.items[0].what, rows[i].warning));
        }
        done(&f);
    }
}

/* The file of a full stack: the fuzzer's seed has every feature. */
static void written_stacks_read_back_the_same(void **state)
{
    (void)state;
    auto_buf struct buf text = { 0 }, first = { 0 }, second = { 0 };
    struct err e = { 0 };
    struct fixture f, again;
    buf_init(&text, 1 << 20);
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    assert_int_equal(fd_read_file(-100, "tests/fuzz/corpus/json/full.json", &text, &e), 0);
    char home[] = "HOME=/home/u", set[] = "SET=$x ${y}", *environment[] = { home, set, NULL };
    struct stack_load_options options = { .environ = environment, .is_saved_copy = true };
    load_with(&f, text.data, &options);
    stack_write_json(f.stack, &first, 2);
    load(&again, first.data);
    assert_int_equal(again.problems.count, 0);
    stack_write_json(again.stack, &second, 2);
    assert_string_equal(first.data, second.data);
    assert_int_equal(f.stack->service_count, again.stack->service_count);
    for (size_t i = 0; i < f.stack->service_count; i++)
        assert_string_equal(f.stack->services[i].hash, again.stack->services[i].hash);
    assert_string_equal(f.stack->services[0].environment.items[0].value, "$x ${y}");
    assert_string_equal(again.stack->services[0].environment.items[0].value, "$x ${y}");
    done(&f);
    done(&again);
}

static void hash_is_of_what_matters(void **state)
{
    (void)state;
    struct fixture a, b;
    load(&a, WEB("", ""));
    static const char *const same[] = { WEB(", \"deploy\": {\"replicas\": 5}", ""),
                                        WEB(", \"x-note\": 1, \"environment\": {}", ""),
                                        WEB("", ", \"proxy\": {\"listen\": 1, \"routes\": {}}") };
    static const char *const other[] = { WEB(", \"environment\": [\"A=1\"]", ""),
                                         WEB(", \"mem_limit\": \"64m\"", ""),
                                         WEB(", \"user\": \"1\"", "") };
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        load(&b, same[i]);
        assert_string_equal(a.stack->services[0].hash, b.stack->services[0].hash);
        done(&b);
    }
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        load(&b, other[i]);
        assert_string_not_equal(a.stack->services[0].hash, b.stack->services[0].hash);
        done(&b);
    }
    done(&a);
}

#define TWO_PROFILES(required)                                                                  \
    "{\"services\": {\"a\": {\"rootfs\": \"host\", \"command\": \"a\", \"depends_on\": {\"b\":" \
    " {\"condition\": \"service_started\", \"required\": " required "}}},"                      \
    " \"b\": {\"rootfs\": \"host\", \"command\": \"b\", \"profiles\": [\"debug\", \"test\"]}}}"

static void profiles_choose_services(void **state)
{
    (void)state;
    static const char *const none[] = { NULL }, *const test[] = { "test", NULL },
                             *const all[] = { "*", NULL };
    char by_environment[] = "COMPOSE_PROFILES=x,debug", *environment[] = { by_environment, NULL };
    const struct {
        const char *const *profiles;
        char **environ;
        size_t services;
    } cases[] = {
        { none, NULL, 1 }, { test, NULL, 2 }, { all, NULL, 2 }, { NULL, environment, 2 }
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        struct stack_load_options options = { .is_saved_copy = true,
                                              .profiles = cases[i].profiles,
                                              .environ = cases[i].environ };
        load_with(&f, TWO_PROFILES("false"), &options);
        assert_int_equal(f.stack->service_count, cases[i].services);
        assert_int_equal(f.stack->services[0].depends_count, cases[i].services - 1);
        done(&f);
    }
    struct fixture f = { 0 };
    struct stack_load_options options = { .is_saved_copy = true };
    const char *needed = TWO_PROFILES("true");
    assert_int_equal(
        stack_load_text("x", "/", needed, strlen(needed), &options, &f.stack, &f.problems), -1);
    assert_string_equal(f.problems.items[0].what,
                        "the service \"b\" takes part only with the profile \"debug\"");
    stack_problems_done(&f.problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(profiles_choose_services),
        cmocka_unit_test(project_names_have_an_order),
        cmocka_unit_test(mounts_are_canonical_and_sorted),
        cmocka_unit_test(ports_are_expanded),
        cmocka_unit_test(environment_is_resolved),
        cmocka_unit_test(files_have_their_precedence),
        cmocka_unit_test(healthchecks),
        cmocka_unit_test(limits_and_rights),
        cmocka_unit_test(networks_are_those_in_use),
        cmocka_unit_test(proxy_forms),
        cmocka_unit_test(warnings_do_not_stop),
        cmocka_unit_test(shell_operators_are_pointed_at),
        cmocka_unit_test(written_stacks_read_back_the_same),
        cmocka_unit_test(hash_is_of_what_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
