#include "specs/compile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "specs/json.h"
#include "specs/stack_load.h"

#define GOLDEN "tests/unit/specs/compile_golden.json"

static const char stack_text[] =
    "{\"name\": \"notes\", \"services\": {"
    "\"redis\": {\"rootfs\": \"host\", \"command\": [\"redis-server\", \"--save\", \"\"], \"volumes\":"
    " [\"data:/data\", \"/etc/ssl:/certs:ro\"], \"tmpfs\": \"/cache:size=1m\", \"mem_limit\": \"128m\", \"cpus\": 0.5,"
    " \"environment\": {\"A\": \"b\"}, \"ulimits\": {\"nofile\": 1024}, \"init\": true},"
    "\"app\": {\"rootfs\": {\"path\": \"/srv/app\", \"read_only\": true}, \"entrypoint\": \"run\", \"command\": \"me now\","
    " \"user\": \"1000:1000\", \"cap_add\": [\"NET_RAW\"], \"cap_drop\": [\"CHOWN\"], \"working_dir\": \"/app\", \"hostname\":"
    " \"app\", \"pids_limit\": -1, \"environment\": [\"PATH=/bin\", \"HOME=/home/me\"], \"volumes\": [\"data:/tmp\"]},"
    "\"raw\": {\"rootfs\": \"host\", \"command\": \"x\", \"userns_mode\": \"host\", \"security_opt\": [\"seccomp=unconfined\","
    " \"no-new-privileges:false\"], \"cap_drop\": [\"ALL\"], \"cap_add\": [\"NET_BIND_SERVICE\"], \"tmpfs\": \"/var\"},"
    "\"all\": {\"rootfs\": \"host\", \"command\": \"x\", \"cap_add\": [\"ALL\"], \"cap_drop\": [\"SYS_ADMIN\"]},"
    "\"admin\": {\"rootfs\": \"host\", \"command\": \"x\", \"cap_add\": [\"SYS_ADMIN\"]}},"
    "\"volumes\": {\"data\": {}}}";

static const char *const volume_paths[] = { "/var/lib/svc/volumes/notes_data" };

struct fixture {
    struct stack *stack;
    struct arena arena;
    struct buf text;
    struct json *config;
};

static struct compile_facts facts_of(const char *id)
{
    return (struct compile_facts){
        .container_id = id,
        .replica = 1,
        .id_base = 1000000,
        .id_count = 65536,
        .home = "/root",
        .cgroups_path = "/svc/notes/x",
        .root_path = "/run/svc/notes/view",
        .upper_dir = "/u",
        .work_dir = "/w",
        .hosts_path = "/run/svc/notes/c/x/hosts",
        .hostname_path = "/run/svc/notes/c/x/hostname",
        .resolv_path = "/run/svc/notes/c/x/resolv.conf",
        .volume_paths = volume_paths,
    };
}

static void compile(struct fixture *f, const char *service, const struct compile_facts *facts)
{
    struct stack_load_options options = { .is_saved_copy = true };
    struct stack_problems problems = { 0 };
    struct err e = { 0 };
    memset(f, 0, sizeof(*f));
    assert_int_equal(stack_load_text("s", "/", stack_text, sizeof(stack_text) - 1, &options,
                                     &f->stack, &problems),
                     0);
    stack_problems_done(&problems);
    buf_init(&f->text, 1 << 20);
    assert_int_equal(
        compile_config(f->stack, stack_find_service(f->stack, service), facts, &f->text, &e), 0);
    assert_int_equal(
        json_parse(&f->arena, "config.json", f->text.data, f->text.len, &f->config, &e), 0);
}

static void done(struct fixture *f)
{
    stack_free(f->stack);
    arena_done(&f->arena);
    buf_done(&f->text);
}

/* A path of keys by dots. */
static const struct json *at(const struct fixture *f, const char *path)
{
    const struct json *node = f->config;
    char key[64];
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, ".");
        (void)snprintf(key, sizeof(key), "%.*s", (int)len, p);
        node = json_find(node, key);
        p += len + (p[len] == '.');
    }
    return node;
}

static const struct json *mount_at(const struct fixture *f, const char *destination)
{
    const struct json *mounts = at(f, "mounts"), *found = NULL;
    for (size_t i = 0; i < mounts->item_count; i++)
        if (str_eq(json_find_string(mounts->items[i], "destination", ""), destination)) {
            assert_null(found); /* each place once */
            found = mounts->items[i];
        }
    return found;
}

static bool has_item(const struct json *list, const char *text)
{
    for (size_t i = 0; list && i < list->item_count; i++)
        if (str_eq(list->items[i]->text, text))
            return true;
    return false;
}

static bool has_option(const struct fixture *f, const char *destination, const char *option)
{
    return has_item(json_find(mount_at(f, destination), "options"), option);
}

static bool has_namespace(const struct fixture *f, const char *type)
{
    const struct json *list = at(f, "linux.namespaces");
    for (size_t i = 0; i < list->item_count; i++)
        if (str_eq(json_find_string(list->items[i], "type", ""), type))
            return true;
    return false;
}

/* The limit of further user namespaces; NULL when none is set. */
static const char *max_user_namespaces(const struct fixture *f)
{
    return json_find_string(at(f, "linux.sysctl"), "user.max_user_namespaces", NULL);
}

/* All of it but the seccomp profile, which has a test and a table of its own. The golden file is
 * rewritten with UPDATE_GOLDEN=1. */
static void a_small_service_is_the_golden_file(void **state)
{
    (void)state;
    struct fixture f;
    struct compile_facts facts = facts_of("notes-redis-1");
    compile(&f, "redis", &facts);
    struct json *linux_part = (struct json *)(uintptr_t)at(&f, "linux");
    size_t kept = 0;
    for (size_t i = 0; i < linux_part->item_count; i++)
        if (strcmp(linux_part->items[i]->key, "seccomp") != 0)
            linux_part->items[kept++] = linux_part->items[i];
    assert_int_equal(kept, linux_part->item_count - 1);
    linux_part->item_count = kept;
    auto_buf struct buf text = { 0 }, golden = { 0 };
    struct json_writer w;
    struct err e = { 0 };
    buf_init(&text, 1 << 20);
    buf_init(&golden, 1 << 20);
    json_writer_init(&w, &text, 2);
    json_put_tree(&w, NULL, f.config);
    buf_add_char(&text, '\n');
    if (getenv("UPDATE_GOLDEN"))
        assert_int_equal(fd_write_file(-100, GOLDEN, text.data, text.len, 0644, false, &e), 0);
    assert_int_equal(fd_read_file(-100, GOLDEN, &golden, &e), 0);
    assert_string_equal(text.data, golden.data);
    done(&f);
}

static void root_uses_what_it_may_have(void **state)
{
    (void)state;
    struct fixture f;
    struct compile_facts facts = facts_of("notes-redis-1");
    compile(&f, "redis", &facts);
    assert_int_equal(at(&f, "process.capabilities.bounding")->item_count, 11);
    assert_int_equal(at(&f, "process.capabilities.effective")->item_count, 11);
    assert_int_equal(at(&f, "process.capabilities.permitted")->item_count, 11);
    assert_int_equal(at(&f, "process.capabilities.inheritable")->item_count, 0);
    assert_int_equal(at(&f, "process.capabilities.ambient")->item_count, 0);
    assert_false(has_item(at(&f, "process.capabilities.bounding"), "CAP_NET_RAW"));
    assert_true(at(&f, "process.noNewPrivileges")->boolean);
    assert_string_equal(max_user_namespaces(&f), "0");
    assert_true(at(&f, "linux.seccomp.syscalls")->item_count > 3);
    assert_string_equal(json_find_string(at(&f, "linux.seccomp"), "defaultAction", ""),
                        "SCMP_ACT_ERRNO");
    assert_false(has_namespace(&f, "time"));
    done(&f);
    compile(&f, "all", &facts);
    assert_int_equal(at(&f, "process.capabilities.effective")->item_count, 40);
    assert_false(has_item(at(&f, "process.capabilities.effective"), "CAP_SYS_ADMIN"));
    assert_string_equal(max_user_namespaces(&f), "0");
    done(&f);
    compile(&f, "admin", &facts);
    assert_true(has_item(at(&f, "process.capabilities.bounding"), "CAP_SYS_ADMIN"));
    assert_null(max_user_namespaces(&f));
    done(&f);
}

static void others_begin_with_what_was_added(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t groups[] = { 44, 7 };
    struct compile_facts facts = facts_of("notes-app-1");
    facts.uid = facts.gid = 1000;
    facts.groups = groups;
    facts.group_count = 2;
    compile(&f, "app", &facts);
    assert_int_equal(at(&f, "process.capabilities.bounding")->item_count, 11);
    assert_false(has_item(at(&f, "process.capabilities.bounding"), "CAP_CHOWN"));
    assert_int_equal(at(&f, "process.capabilities.effective")->item_count, 1);
    assert_true(has_item(at(&f, "process.capabilities.ambient"), "CAP_NET_RAW"));
    assert_string_equal(at(&f, "process.user.uid")->text, "1000");
    assert_int_equal(at(&f, "process.user.additionalGids")->item_count, 2);
    done(&f);
}

static void a_directory_is_an_overlay(void **state)
{
    (void)state;
    struct fixture f;
    struct compile_facts facts = facts_of("notes-app-1");
    facts.root_path = "/srv/app";
    compile(&f, "app", &facts);
    assert_string_equal(json_find_string(mount_at(&f, "/"), "type", ""), "overlay");
    assert_true(has_option(&f, "/", "lowerdir=/srv/app"));
    assert_true(has_option(&f, "/", "upperdir=/u"));
    assert_true(has_option(&f, "/", "workdir=/w"));
    assert_true(has_option(&f, "/", "idmap"));
    assert_true(at(&f, "root.readonly")->boolean);
    assert_null(mount_at(&f, "/usr"));
    assert_null(mount_at(&f, "/run"));
    assert_string_equal(json_find_string(mount_at(&f, "/tmp"), "type", ""), "bind");
    assert_string_equal(at(&f, "process.cwd")->text, "/app");
    assert_int_equal(at(&f, "process.args")->item_count, 3);
    assert_string_equal(at(&f, "process.args")->items[2]->text, "now");
    assert_true(has_item(at(&f, "process.env"), "PATH=/bin"));
    assert_true(has_item(at(&f, "process.env"), "HOSTNAME=app"));
    assert_int_equal(at(&f, "process.env")->item_count, 3);
    assert_string_equal(at(&f, "linux.resources.pids.limit")->text, "-1");
    assert_null(at(&f, "linux.resources.memory"));
    done(&f);
}

static void the_host_user_namespace_has_no_maps(void **state)
{
    (void)state;
    struct fixture f;
    struct compile_facts facts = facts_of("notes-raw-1");
    compile(&f, "raw", &facts);
    assert_null(max_user_namespaces(&f)); /* it would be the machine's limit */
    assert_false(has_namespace(&f, "user"));
    assert_true(has_namespace(&f, "network"));
    assert_null(at(&f, "linux.uidMappings"));
    assert_null(strstr(f.text.data, "\"idmap\""));
    assert_null(at(&f, "linux.seccomp"));
    assert_false(at(&f, "process.noNewPrivileges")->boolean);
    assert_int_equal(at(&f, "process.capabilities.bounding")->item_count, 1);
    assert_string_equal(at(&f, "process.capabilities.effective")->items[0]->text,
                        "CAP_NET_BIND_SERVICE");
    assert_true(has_option(&f, "/var", "mode=1777")); /* the service's own, not the standard one */
    done(&f);
}

static void swap_is_limited_where_it_can_be(void **state)
{
    (void)state;
    struct fixture f;
    struct compile_facts facts = facts_of("notes-redis-1");
    compile(&f, "redis", &facts);
    assert_null(at(&f, "linux.resources.memory.swap"));
    done(&f);
    facts.can_limit_swap = true;
    compile(&f, "redis", &facts);
    assert_string_equal(at(&f, "linux.resources.memory.swap")->text, "268435456");
    done(&f);
}

static void long_ids_give_valid_hostnames(void **state)
{
    (void)state;
    struct fixture f;
    char id[101];
    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    struct compile_facts facts = facts_of(id);
    compile(&f, "redis", &facts);
    assert_int_equal(at(&f, "hostname")->text_len, 63);
    done(&f);
}

/* What is written is what svc-runtime reads. */
static void the_runtime_understands_it(void **state)
{
    (void)state;
    static const char *const services[] = { "redis", "app", "raw", "all" };
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        struct fixture f;
        struct oci_config config = { 0 };
        struct err e = { 0 };
        struct compile_facts facts = facts_of("notes-x-1");
        compile(&f, services[i], &facts);
        if (oci_config_decode(&f.arena, f.config, &config, &e) < 0)
            fail_msg("%s: %s", services[i], e.what);
        assert_int_equal(config.namespaces[OCI_NS_USER].is_wanted, strcmp(services[i], "raw") != 0);
        assert_int_equal(config.seccomp.is_set, strcmp(services[i], "raw") != 0);
        assert_true(config.mount_count > 8);
        assert_true(config.resources.pids_limit.is_set);
        assert_string_equal(config.cgroups_path, "/svc/notes/x");
        done(&f);
    }
}

static void errors_name_the_service(void **state)
{
    (void)state;
    struct stack_service s = { .name = "web" };
    struct stack stack = { .name = "t" };
    struct compile_facts facts = facts_of("t-web-1");
    struct err e = { 0 };
    const char *bad = "NOSUCH", *words[] = { "x", NULL };
    auto_buf struct buf text = { 0 };
    buf_init(&text, 1 << 20);
    assert_int_equal(compile_config(&stack, &s, &facts, &text, &e), -1);
    assert_string_equal(e.what, "service \"web\" has no command");
    s.command = (struct strings){ words, 1 };
    s.cap_add = (struct strings){ &bad, 1 };
    assert_int_equal(compile_config(&stack, &s, &facts, &text, &e), -1);
    assert_string_equal(e.what, "service \"web\": \"NOSUCH\" is not a capability");
    s.cap_add.count = 0;
    auto_buf struct buf small = { 0 };
    buf_init(&small, 100);
    assert_int_equal(compile_config(&stack, &s, &facts, &small, &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_service_is_the_golden_file),
        cmocka_unit_test(root_uses_what_it_may_have),
        cmocka_unit_test(others_begin_with_what_was_added),
        cmocka_unit_test(a_directory_is_an_overlay),
        cmocka_unit_test(the_host_user_namespace_has_no_maps),
        cmocka_unit_test(swap_is_limited_where_it_can_be),
        cmocka_unit_test(long_ids_give_valid_hostnames),
        cmocka_unit_test(the_runtime_understands_it),
        cmocka_unit_test(errors_name_the_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
