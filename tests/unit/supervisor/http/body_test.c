/* The chunked decoder: good bodies in pieces of every size, bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/buf.h"
#include "supervisor/http/body.h"

static struct http_body chunked(void)
{
    struct http_body b;
    static const struct http_head head = { .framing = HTTP_BODY_CHUNKED };
    http_body_init(&b, &head);
    return b;
}

static enum http_body_step read_all(struct http_body *b, const char *data, size_t len,
                                    struct buf *to, size_t *consumed, enum http_error *error)
{
    for (;;) {
        size_t used;
        struct http_text payload;
        enum http_body_step step =
            http_body_read(b, data + *consumed, len - *consumed, &used, &payload, error);
        *consumed += used;
        if (step != HTTP_BODY_DATA)
            return step;
        assert_int_equal(buf_add(to, payload.at, payload.len), 0);
    }
}

static void test_pieces_of_every_size(void **state)
{
    (void)state;
    static const char data[] =
        "3;a=b;c=\"d\"\r\nabc\r\n00000A\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\nGET";
    const size_t end = sizeof(data) - 1 - 3;
    for (size_t step = 1; step < sizeof(data); step++) {
        struct http_body b = chunked();
        auto_buf struct buf to;
        buf_init(&to, 64);
        size_t consumed = 0;
        enum http_body_step got = HTTP_BODY_MORE;
        enum http_error error;
        for (size_t have = step; got == HTTP_BODY_MORE; have += step)
            got = read_all(&b, data, have < sizeof(data) - 1 ? have : sizeof(data) - 1, &to,
                           &consumed, &error);
        assert_int_equal(got, HTTP_BODY_END);
        assert_int_equal(consumed, end);
        assert_string_equal(to.data, "abc0123456789");
        assert_true(http_body_is_done(&b));
    }
}

static const struct {
    const char *data;
    enum http_error error;
} bad[] = {
    { "3\nabc\r\n0\r\n\r\n", HTTP_ERR_CHUNK_SIZE },
    { "3;x\nabc\r\n0\r\n\r\n", HTTP_ERR_CHUNK_EXT },
    { "0x3\r\nabc\r\n", HTTP_ERR_CHUNK_SIZE },
    { "-3\r\nabc\r\n", HTTP_ERR_CHUNK_SIZE },
    { " 3\r\nabc\r\n", HTTP_ERR_CHUNK_SIZE },
    { "3 \r\nabc\r\n", HTTP_ERR_CHUNK_SIZE },
    { "\r\n", HTTP_ERR_CHUNK_SIZE },
    { ";x\r\n", HTTP_ERR_CHUNK_SIZE },
    { "10000000000000000\r\n", HTTP_ERR_CHUNK_SIZE },
    { "00000000000000001\r\n", HTTP_ERR_CHUNK_SIZE },
    { "ffffffffffffffff\r\n", HTTP_ERR_CHUNK_SIZE },
    { "3\rabc\r\n", HTTP_ERR_CHUNK_END },
    { "3\r\nabcd\r\n", HTTP_ERR_CHUNK_END },
    { "3\r\nabc\n0\r\n\r\n", HTTP_ERR_CHUNK_END },
    { "0\r\nX: y\n\r\n", HTTP_ERR_TRAILER },
    { "0\r\n folded\r\n\r\n", HTTP_ERR_TRAILER },
    { "0\r\nno colon\r\n\r\n", HTTP_ERR_TRAILER },
    { "0\r\n\n", HTTP_ERR_TRAILER },
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_body b = chunked();
        auto_buf struct buf to;
        buf_init(&to, 64);
        size_t consumed = 0;
        enum http_error error = HTTP_OK;
        if (read_all(&b, bad[i].data, strlen(bad[i].data), &to, &consumed, &error) !=
                HTTP_BODY_ERROR ||
            error != bad[i].error)
            fail_msg("%zu %s: error %d", i, bad[i].data, error);
    }
}

static void test_extension_and_trailer_have_limits(void **state)
{
    (void)state;
    static char data[HTTP_TRAILER_MAX + 64];
    const char *begins[] = { "3;", "0\r\nX:" };
    for (size_t i = 0; i < 2; i++) {
        struct http_body b = chunked();
        auto_buf struct buf to;
        buf_init(&to, 64);
        size_t consumed = 0;
        enum http_error error;
        int n = snprintf(data, sizeof(data), "%s", begins[i]);
        memset(data + n, 'x', sizeof(data) - (size_t)n);
        assert_int_equal(read_all(&b, data, sizeof(data), &to, &consumed, &error), HTTP_BODY_ERROR);
    }
}

static void test_length(void **state)
{
    (void)state;
    struct http_body b;
    const struct http_head head = { .framing = HTTP_BODY_LENGTH, .content_length = 5 };
    size_t used;
    struct http_text payload;
    enum http_error error;
    http_body_init(&b, &head);
    assert_int_equal(http_body_read(&b, "abc", 3, &used, &payload, &error), HTTP_BODY_DATA);
    assert_int_equal(http_body_plain_left(&b), 2);
    assert_int_equal(http_body_read(&b, "deGET", 5, &used, &payload, &error), HTTP_BODY_DATA);
    assert_int_equal(used, 2);
    assert_int_equal(http_body_read(&b, "GET", 3, &used, &payload, &error), HTTP_BODY_END);
    assert_int_equal(used, 0);
}

static void test_chunk_head(void **state)
{
    (void)state;
    static const struct {
        uint64_t len;
        const char *text;
    } heads[] = { { 1, "1\r\n" }, { 16, "10\r\n" }, { 0xabcdef, "abcdef\r\n" } };
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        char to[HTTP_CHUNK_HEAD_MAX];
        size_t n = http_chunk_head(to, heads[i].len);
        assert_int_equal(n, strlen(heads[i].text));
        assert_memory_equal(to, heads[i].text, n);
    }
    char to[HTTP_CHUNK_HEAD_MAX];
    assert_int_equal(http_chunk_head(to, UINT64_MAX), 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_every_size),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_extension_and_trailer_have_limits),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_chunk_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
