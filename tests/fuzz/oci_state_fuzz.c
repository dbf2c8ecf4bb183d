/* Any bytes as a state.json. What is accepted must be writable, and read back as the same state. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "specs/oci_state.h"

enum {
    TEXT_MAX = 4 << 20
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const struct oci_state *s, struct buf *to)
{
    struct json_writer w;
    json_writer_init(&w, to, 0);
    oci_state_put_record(&w, s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct oci_state first, second;
    auto_buf struct buf text = { 0 }, again = { 0 };
    buf_init(&text, TEXT_MAX);
    buf_init(&again, TEXT_MAX);
    if (oci_state_decode(&a, (const char *)data, size, &first, &e) < 0) {
        if (e.kind != ERR_INPUT || !e.what[0])
            abort();
        arena_done(&a);
        return 0;
    }
    if (!first.id[0] || first.pid < 0)
        abort();
    put(&first, &text);
    if (!text.overflow) {
        if (oci_state_decode(&a, text.data, text.len, &second, &e) < 0)
            abort();
        put(&second, &again);
        if (again.len != text.len || memcmp(again.data, text.data, text.len) != 0)
            abort();
    }
    arena_done(&a);
    return 0;
}
