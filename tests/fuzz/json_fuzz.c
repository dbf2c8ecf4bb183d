/* Any bytes through the JSON reader, then through the decoder of stack files. What the reader
 * accepts must be writable, and what was written must read back as the same text; so must a stack.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "specs/stack_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(const struct json *n)
{
    if (n->place.line == 0 || n->place.column == 0)
        abort();
    for (size_t i = 0; i < n->item_count; i++) {
        if ((n->type == JSON_OBJECT) != (n->items[i]->key != NULL))
            abort();
        check_places(n->items[i]);
    }
}

static struct stack *load(const char *text, size_t len)
{
    char set[] = "SET=value", empty[] = "EMPTY=", *environment[] = { set, empty, NULL };
    struct stack_load_options options = { .environ = environment, .is_saved_copy = true };
    struct stack_problems problems = { 0 };
    struct stack *s = NULL;
    int rc = stack_load_text("fuzz", "/srv", text, len, &options, &s, &problems);
    if ((rc < 0) != (problems.error_count > 0) || (rc == 0) != (s != NULL))
        abort();
    char line[ERR_LINE_MAX];
    for (size_t i = 0; i < problems.count; i++)
        stack_problem_line(&problems.items[i], line, sizeof(line));
    stack_problems_done(&problems);
    return s;
}

static void check_stack(const char *text, size_t len)
{
    auto_(stack_free) struct stack *first = load(text, len);
    auto_buf struct buf b = { 0 }, again = { 0 };
    buf_init(&b, 64 << 20);
    buf_init(&again, 64 << 20);
    if (!first)
        return;
    stack_write_json(first, &b, 0);
    if (b.overflow)
        return;
    auto_(stack_free) struct stack *second = load(b.data, b.len);
    if (!second)
        abort();
    stack_write_json(second, &again, 0);
    if (strcmp(b.data, again.data) != 0)
        abort();
    for (size_t i = 0; i < first->service_count; i++)
        if (strcmp(first->services[i].hash, second->services[i].hash) != 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_stack((const char *)data, size);
    struct arena a = { .limit_bytes = 64 << 20 };
    struct err e = { 0 };
    struct json *root = NULL, *again = NULL;
    auto_buf struct buf first = { 0 }, second = { 0 };
    buf_init(&first, 16 << 20);
    buf_init(&second, 16 << 20);
    if (json_parse(&a, "fuzz", (const char *)data, size, &root, &e) < 0) {
        if (e.kind != ERR_INPUT || strncmp(e.what, "fuzz:", 5) != 0)
            abort();
        arena_done(&a);
        return 0;
    }
    check_places(root);
    struct json_writer w;
    json_writer_init(&w, &first, size % 2 ? 0 : 2);
    json_put_tree(&w, NULL, root);
    if (!first.overflow && json_parse(&a, NULL, first.data, first.len, &again, &e) == 0) {
        json_writer_init(&w, &second, size % 2 ? 0 : 2);
        json_put_tree(&w, NULL, again);
        if (second.overflow || strcmp(first.data, second.data) != 0)
            abort();
    } else if (!first.overflow && !strstr(e.what, "bytes of memory")) {
        abort();
    }
    arena_done(&a);
    return 0;
}
