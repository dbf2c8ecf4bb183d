#include "specs/stack_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

struct seen {
    size_t count;
    size_t service_rows; /* rows of the table of services that came by */
};

/* The reference is whole when each row says what it is for, and each decoder that is a function has
 * its shape in the registry. */
static void check_key(void *self, const struct stack_key *key)
{
    struct seen *seen = self;
    const struct field *f = key->field;
    seen->count++;
    if (!f->doc || !*f->doc || strchr(f->doc, '\n'))
        fail_msg("%s has no doc of one line", key->path);
    if (f->kind == FIELD_CALL && !key->takes)
        fail_msg("%s has no shape in stack_reference.c", key->path);
    if (f->kind == FIELD_CHOICE)
        assert_non_null(f->names);
    for (size_t i = 0; i < service_field_count; i++)
        seen->service_rows += f == &service_fields[i];
}

static void every_row_is_told(void **state)
{
    struct seen seen = { 0 };
    (void)state;
    stack_reference_walk(check_key, &seen);
    assert_int_equal(seen.service_rows, service_field_count);
    assert_true(seen.count > 250);
}

struct wanted {
    const char *path, *type;
    bool is_found;
};

static void check_wanted(void *self, const struct stack_key *key)
{
    struct wanted *wanted = self;
    char type[160];
    for (; wanted->path; wanted++) {
        if (!str_eq(wanted->path, key->path))
            continue;
        stack_reference_type(key, type, sizeof(type));
        assert_string_equal(type, wanted->type);
        wanted->is_found = true;
    }
}

static void types_in_words(void **state)
{
    struct wanted wanted[] = {
        { "services.*.ports", "list, list of objects", false },
        { "services.*.ports[].target", "number", false },
        { "services.*.healthcheck.interval", "duration", false },
        { "services.*.depends_on.*.condition",
          "service_started | service_healthy | service_completed_successfully", false },
        { "services.*.deploy.resources.limits.memory", "size", false },
        { "services.*.gpus", "not supported", false },
        { "services.*.pull_policy", "no effect", false },
        { "proxy.routes.*.timeouts.connect", "duration", false },
        { "include[].path", "text, list", false },
        { NULL, NULL, false },
    };
    (void)state;
    stack_reference_walk(check_wanted, wanted);
    for (size_t i = 0; wanted[i].path; i++)
        if (!wanted[i].is_found)
            fail_msg("%s is not in the reference", wanted[i].path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_told),
        cmocka_unit_test(types_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
