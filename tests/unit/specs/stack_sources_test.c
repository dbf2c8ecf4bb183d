/* Several files as one stack, through stack_load. */
#include "specs/stack_sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "specs/stack_load.h"

struct fixture {
    char dir[40];
    struct stack *stack;
    struct stack_problems problems;
    struct err e;
    int rc;
};

static int setup(void **state)
{
    struct fixture *f = mem_alloc(sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/svc-stack-sources-XXXXXX");
    *state = f;
    return mkdtemp(f->dir) ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    stack_free(f->stack);
    stack_problems_done(&f->problems);
    int rc = fd_remove_tree(-100, f->dir);
    free(f);
    return rc;
}

static void file(const struct fixture *f, const char *name, const char *text)
{
    auto_free char *path = str_printf("%s/%s", f->dir, name);
    auto_free char *dir = str_ndup(path, (size_t)(strrchr(path, '/') - path));
    struct err e = { 0 };
    assert_int_equal(fd_mkdir_all(-100, dir, 0755), 0);
    assert_int_equal(fd_write_file(-100, path, text, strlen(text), 0644, false, &e), 0);
}

static void load(struct fixture *f, const char *first, const char *second)
{
    auto_free char *one = str_printf("%s/%s", f->dir, first);
    auto_free char *two = str_printf("%s/%s", f->dir, second ? second : "");
    const char *paths[] = { one, two };
    char set[] = "SET=environment", *environment[] = { set, NULL };
    struct stack_load_options options = { .environ = environment };
    f->rc = stack_load(paths, second ? 2 : 1, &options, &f->stack, &f->problems, &f->e);
}

static const struct stack_service *service(struct fixture *f, const char *name)
{
    char line[ERR_LINE_MAX];
    if (f->rc < 0)
        fail_msg("%s", f->problems.count
                           ? (stack_problem_line(&f->problems.items[0], line, sizeof(line)), line)
                           : f->e.what);
    return stack_find_service(f->stack, name);
}

static const char *variable(const struct stack_service *s, const char *name)
{
    for (size_t i = 0; i < s->environment.count; i++)
        if (str_eq(s->environment.items[i].key, name))
            return s->environment.items[i].value;
    return NULL;
}

static void refuses(struct fixture *f, const char *want)
{
    char line[ERR_LINE_MAX];
    assert_int_equal(f->rc, -1);
    assert_true(f->problems.count > 0);
    stack_problem_line(&f->problems.items[0], line, sizeof(line));
    /* Without the directory, which is another one each time. */
    const char *at = line;
    if (strncmp(line, f->dir, strlen(f->dir)) == 0)
        at += strlen(f->dir) + 1;
    assert_string_equal(at, want);
}

static void later_files_go_over_earlier_ones(void **state)
{
    struct fixture *f = *state;
    file(f, "a.yaml", "services: {web: {rootfs: host, command: a, environment: {X: 1, Y: 1}}}");
    file(f, "b.json",
         "{\"services\": {\"web\": {\"environment\": [\"Y=2\"]},"
         " \"db\": {\"rootfs\": \"host\", \"command\": \"db\"}}}");
    load(f, "a.yaml", "b.json");
    assert_string_equal(variable(service(f, "web"), "X"), "1");
    assert_string_equal(variable(service(f, "web"), "Y"), "2");
    assert_non_null(service(f, "db"));
}

static void services_extend_services(void **state)
{
    struct fixture *f = *state;
    file(f, "stack.yaml",
         "services:\n"
         "  web:\n"
         "    extends: {file: common/base.yaml, service: python}\n"
         "    environment: {B: own}\n"
         "  worker: {extends: web, command: work}\n");
    file(f, "common/base.yaml",
         "services:\n"
         "  root: {rootfs: host, environment: {A: root, B: root}}\n"
         "  python: {extends: root, command: [python, \"${SET}\"], volumes: ['./src:/src']}\n");
    file(f, "common/src/x", "");
    load(f, "stack.yaml", NULL);
    const struct stack_service *web = service(f, "web"), *worker = service(f, "worker");
    assert_string_equal(variable(web, "A"), "root");
    assert_string_equal(variable(web, "B"), "own");
    assert_string_equal(web->command.items[1], "environment");
    assert_string_equal(worker->command.items[0], "work");
    assert_string_equal(variable(worker, "B"), "own");
    /* Paths belong to the file that they stand in. */
    auto_free char *src = str_printf("%s/common/src", f->dir);
    assert_string_equal(web->mounts[0].source, src);
    assert_string_equal(worker->mounts[0].source, src);
}

static void cycles_of_extends_are_refused(void **state)
{
    struct fixture *f = *state;
    file(f, "s.yaml", "services:\n  a: {extends: b}\n  b: {extends: a}\n");
    load(f, "s.yaml", NULL);
    refuses(f, "s.yaml:2:16: services.a.extends: extends leads back to itself, or is longer than "
               "16 steps");
}

static void what_is_extended_must_be_there(void **state)
{
    struct fixture *f = *state;
    file(f, "s.yaml", "services:\n  web: {extends: {service: bas, file: o.yaml}}\n");
    file(f, "o.yaml", "services: {base: {rootfs: host}}\n");
    load(f, "s.yaml", NULL);
    assert_int_equal(f->rc, -1);
    assert_non_null(strstr(f->problems.items[0].what, "there is no service \"bas\" in "));
    assert_string_equal(f->problems.items[0].hint, "did you mean \"base\"?");
    assert_int_equal(f->problems.items[0].place.column, 18);
}

static void included_files_have_their_own_directory_and_variables(void **state)
{
    struct fixture *f = *state;
    file(f, "stack.yaml",
         "include: [parts/db.yaml]\n"
         "services: {web: {rootfs: host, command: w, depends_on: [db]}}\n");
    file(f, ".env", "OUTER=outer\nBOTH=outer\n");
    file(f, "parts/.env", "INNER=inner\nBOTH=inner\n");
    file(f, "parts/data/x", "");
    file(f, "parts/db.yaml",
         "services:\n"
         "  db:\n"
         "    rootfs: host\n"
         "    command: db\n"
         "    volumes: ['./data:/data']\n"
         "    environment: {O: \"$OUTER\", I: \"$INNER\", B: \"$BOTH\", S: \"$SET\"}\n");
    load(f, "stack.yaml", NULL);
    const struct stack_service *db = service(f, "db");
    auto_free char *data = str_printf("%s/parts/data", f->dir);
    assert_string_equal(db->mounts[0].source, data);
    assert_string_equal(variable(db, "O"), "outer");
    assert_string_equal(variable(db, "I"), "inner");
    assert_string_equal(variable(db, "B"), "outer");
    assert_string_equal(variable(db, "S"), "environment");
}

static void the_long_form_of_include(void **state)
{
    struct fixture *f = *state;
    file(f, "stack.yaml",
         "include:\n"
         "  - path: [parts/a.yaml, parts/over.yaml]\n"
         "    project_directory: elsewhere\n"
         "    env_file: parts/x.env\n"
         "services: {a: {environment: {T: top}}}\n");
    file(f, "parts/a.yaml",
         "services: {a: {rootfs: host, command: c, environment: {P: \"$P\", "
         "T: a}, volumes: ['./d:/d']}}\n");
    file(f, "parts/over.yaml", "services: {a: {command: over}}\n");
    file(f, "parts/x.env", "P=from file\n");
    file(f, "elsewhere/d/x", "");
    load(f, "stack.yaml", NULL);
    const struct stack_service *a = service(f, "a");
    auto_free char *d = str_printf("%s/elsewhere/d", f->dir);
    assert_string_equal(a->command.items[0], "over");
    assert_string_equal(variable(a, "P"), "from file");
    assert_string_equal(variable(a, "T"), "top");
    assert_string_equal(a->mounts[0].source, d);
}

static void cycles_of_include_are_refused(void **state)
{
    struct fixture *f = *state;
    file(f, "s.yaml", "include: [s.yaml]\nservices: {a: {rootfs: host, command: a}}\n");
    load(f, "s.yaml", NULL);
    assert_int_equal(f->rc, -1);
    assert_non_null(strstr(f->problems.items[0].what, "include leads back to itself"));
}

static void missing_files_are_named_where_they_are_wanted(void **state)
{
    struct fixture *f = *state;
    file(f, "s.yaml", "include:\n  - none.yaml\nservices: {a: {rootfs: host, command: a}}\n");
    load(f, "s.yaml", NULL);
    assert_int_equal(f->rc, -1);
    assert_int_equal(f->problems.items[0].place.line, 2);
    assert_non_null(strstr(f->problems.items[0].what, "none.yaml: not found"));
}

static void mistakes_are_told_in_their_own_file(void **state)
{
    struct fixture *f = *state;
    file(f, "s.yaml", "include: [i.yaml]\nservices: {a: {rootfs: host, command: a}}\n");
    file(f, "i.yaml", "services:\n  b: {rootfs: host, command: b, portz: 1}\n");
    load(f, "s.yaml", NULL);
    refuses(f, "i.yaml:2:33: services.b: unknown key \"portz\" (did you mean \"ports\"?)");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(later_files_go_over_earlier_ones),
        CASE(services_extend_services),
        CASE(cycles_of_extends_are_refused),
        CASE(what_is_extended_must_be_there),
        CASE(included_files_have_their_own_directory_and_variables),
        CASE(the_long_form_of_include),
        CASE(cycles_of_include_are_refused),
        CASE(missing_files_are_named_where_they_are_wanted),
        CASE(mistakes_are_told_in_their_own_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
