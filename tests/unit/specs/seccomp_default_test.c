/* The default profile beside the file that it takes its verdicts from: for every system call name
 * that either of them mentions, and every capability that either asks for, held or not. */
#include "specs/seccomp_default.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/buf.h"
#include "runtime/base/str.h"
#include "specs/capability_names.h"
#include "specs/json.h"

static const char file[] = "/usr/share/containers/seccomp.json";

#if defined(__x86_64__)
static const char machine[] = "amd64";
#else
static const char machine[] = "arm64";
#endif

/* ---- verdicts as text: "ERRNO(1)" or "ALLOW 0==16 2==9; ERRNO(22) …" ---- */

static const char *const action_names[OCI_SECCOMP_ACTION_COUNT_] = {
    [OCI_SECCOMP_ALLOW] = "ALLOW", [OCI_SECCOMP_ERRNO] = "ERRNO"
};
static const char *const op_names[OCI_SECCOMP_OP_COUNT_] = {
    [OCI_SECCOMP_NE] = "!=", [OCI_SECCOMP_EQ] = "=="
};

/* As libseccomp takes rules: the first without arguments decides, else all with arguments count,
 * else the default; a repeated one adds nothing. */
struct verdict {
    bool is_final;
    struct buf text;
};

static void add(struct verdict *v, const char *action, int64_t errno_ret, const char *args)
{
    char rule[128];
    if (v->is_final)
        return;
    (void)snprintf(rule, sizeof(rule), "%s(%lld)%s;", action, (long long)errno_ret, args);
    if (!*args) {
        buf_reset(&v->text);
        v->is_final = true;
    }
    if (!v->text.len || !strstr(v->text.data, rule))
        (void)buf_add_str(&v->text, rule);
}

static struct verdict ours(const struct oci_seccomp *p, const char *name)
{
    struct verdict v = { .is_final = false };
    buf_init(&v.text, 4096);
    for (size_t i = 0; i < p->rule_count; i++) {
        const struct oci_seccomp_rule *r = &p->rules[i];
        for (size_t j = 0; j < r->names.count; j++) {
            char args[96] = "";
            size_t used = 0;
            if (!str_eq(r->names.items[j], name))
                continue;
            for (size_t k = 0; k < r->arg_count; k++)
                used += (size_t)snprintf(args + used, sizeof(args) - used, " %u%s%llu",
                                         r->args[k].index, op_names[r->args[k].op],
                                         (unsigned long long)r->args[k].value);
            add(&v, action_names[r->action], r->errno_ret, args);
        }
    }
    return v;
}

/* ---- the file ---- */

static bool lists(const struct json *array, const char *word)
{
    for (size_t i = 0; array && i < array->item_count; i++)
        if (str_eq(array->items[i]->text, word))
            return true;
    return false;
}

static bool caps_held(const struct json *names, uint64_t caps, bool all)
{
    for (size_t i = 0; i < names->item_count; i++) {
        int number = capability_number(names->items[i]->text);
        assert_true(number >= 0);
        bool is_held = caps >> number & 1;
        if (is_held != all)
            return is_held;
    }
    return all;
}

/* containers-common setupSeccomp: all included capabilities must be held, no excluded one. */
static bool rule_holds(const struct json *rule, uint64_t caps)
{
    const struct json *in = json_find(rule, "includes"), *ex = json_find(rule, "excludes");
    const struct json *in_caps = json_find(in, "caps"), *ex_caps = json_find(ex, "caps");
    const struct json *archs = json_find(in, "arches");
    if (archs && archs->item_count && !lists(archs, machine))
        return false;
    if (lists(json_find(ex, "arches"), machine))
        return false;
    if (in_caps && !caps_held(in_caps, caps, true))
        return false;
    return !ex_caps || !caps_held(ex_caps, caps, false);
}

static void file_args(const struct json *rule, char *to, size_t size)
{
    const struct json *args = json_find(rule, "args");
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; args && i < args->item_count; i++) {
        int64_t index = -1, value = -1;
        const char *op = json_find_string(args->items[i], "op", "");
        assert_int_equal(json_to_i64(json_find(args->items[i], "index"), &index), 0);
        assert_int_equal(json_to_i64(json_find(args->items[i], "value"), &value), 0);
        used += (size_t)snprintf(to + used, size - used, " %lld%s%lld", (long long)index,
                                 str_eq(op, "SCMP_CMP_EQ")   ? "=="
                                 : str_eq(op, "SCMP_CMP_NE") ? "!="
                                                             : op,
                                 (long long)value);
    }
}

static struct verdict theirs(const struct json *root, const char *name, uint64_t caps)
{
    struct verdict v = { .is_final = false };
    const struct json *rules = json_find(root, "syscalls");
    buf_init(&v.text, 4096);
    for (size_t i = 0; i < rules->item_count; i++) {
        const struct json *r = rules->items[i];
        char args[96];
        int64_t errno_ret = 0;
        if (!lists(json_find(r, "names"), name) || !rule_holds(r, caps))
            continue;
        if (json_find(r, "errnoRet") && json_find(r, "errnoRet")->type == JSON_NUMBER)
            assert_int_equal(json_to_i64(json_find(r, "errnoRet"), &errno_ret), 0);
        file_args(r, args, sizeof(args));
        add(&v, json_find_string(r, "action", "") + strlen("SCMP_ACT_"), errno_ret, args);
    }
    return v;
}

static unsigned compare_name(const struct oci_seccomp *p, const struct json *root, const char *name,
                             uint64_t caps)
{
    struct verdict a = ours(p, name), b = theirs(root, name, caps);
    const char *x = a.text.len ? a.text.data : "", *y = b.text.len ? b.text.data : "";
    unsigned differs = !str_eq(x, y);
    if (differs)
        print_error("%s with %#llx: ours \"%s\", the file's \"%s\"\n", name,
                    (unsigned long long)caps, x, y);
    buf_done(&a.text);
    buf_done(&b.text);
    return differs;
}

static void compare(const struct json *root, uint64_t caps)
{
    struct arena a = { 0 };
    struct oci_seccomp p;
    unsigned differences = 0;
    const struct json *rules = json_find(root, "syscalls");
    seccomp_default_resolve(&a, caps, &p);
    for (size_t i = 0; i < p.rule_count; i++)
        for (size_t j = 0; j < p.rules[i].names.count; j++)
            differences += compare_name(&p, root, p.rules[i].names.items[j], caps);
    for (size_t i = 0; i < rules->item_count; i++) {
        const struct json *names = json_find(rules->items[i], "names");
        for (size_t j = 0; j < names->item_count; j++)
            differences += compare_name(&p, root, names->items[j]->text, caps);
    }
    assert_int_equal(differences, 0);
    arena_done(&a);
}

static void test_equals_the_file(void **state)
{
    (void)state;
    static const unsigned asked[] = { CAP_SYS_ADMIN, CAP_AUDIT_WRITE, CAP_DAC_READ_SEARCH,
                                      CAP_SYS_TIME };
    struct arena a = { 0 };
    struct json *root = NULL;
    struct err e;
    int64_t otherwise = 0;
    if (access(file, R_OK) < 0) {
        print_message("skipped: %s is not installed (golang-github-containers-common)\n", file);
        skip();
    }
    assert_int_equal(json_load(&a, AT_FDCWD, file, &root, &e), 0);
    assert_string_equal(json_find_string(root, "defaultAction", ""), "SCMP_ACT_ERRNO");
    assert_int_equal(json_to_i64(json_find(root, "defaultErrnoRet"), &otherwise), 0);
    assert_int_equal(otherwise, ENOSYS);
    compare(root, 0);
    compare(root, CAPABILITY_ALL);
    compare(root, capability_default_mask);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        compare(root, UINT64_C(1) << asked[i]);
    for (unsigned i = 0; i < CAPABILITY_COUNT; i += 5)
        compare(root, CAPABILITY_ALL & ~(UINT64_C(0x1f) << i));
    arena_done(&a);
}

static void test_shape(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct oci_seccomp p;
    seccomp_default_resolve(&a, capability_default_mask, &p);
    assert_true(p.is_set && p.has_default_errno);
    assert_int_equal(p.default_action, OCI_SECCOMP_ERRNO);
    assert_int_equal(p.default_errno_ret, ENOSYS);
    assert_true(p.architectures.count >= 2);
    assert_null(p.architectures.items[p.architectures.count]);
    for (size_t i = 0; i < 2; i++) {
        const struct oci_strings *names = &p.rules[i].names;
        assert_null(names->items[names->count]);
        for (size_t j = 1; j < names->count; j++)
            assert_true(strcmp(names->items[j - 1], names->items[j]) < 0);
    }
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_the_file),
        cmocka_unit_test(test_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
