#include "specs/oci_state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"

static struct oci_pair pair = { "k", "v \"q\"" };
static const struct oci_state sample = {
    .id = "c1",
    .pid = 42,
    .start_ticks = UINT64_MAX,
    .bundle = "/b",
    .rootfs = "/b/rootfs",
    .created = "2026-11-21T00:00:00Z",
    .cgroup = "/g",
    .annotations = { &pair, 1 },
    .owner_uid = 7,
    .has_later_hooks = true,
    .config = "{\n  \"a\": 1\n}\n",
    .config_len = 13,
};

struct dir {
    char path[32];
    int fd;
};

static void dir_open(struct dir *d)
{
    *d = (struct dir){ .path = "/tmp/oci_state.XXXXXX" };
    assert_non_null(mkdtemp(d->path));
    d->fd = open(d->path, O_DIRECTORY | O_CLOEXEC);
    assert_true(d->fd >= 0);
}

static void dir_close(struct dir *d)
{
    (void)close(d->fd);
    assert_int_equal(fd_remove_tree(AT_FDCWD, d->path), 0);
}

static void what_is_saved_is_loaded(void **state)
{
    (void)state;
    struct dir d;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct oci_state s;
    dir_open(&d);
    assert_int_equal(oci_state_prepare(d.fd, &sample, &e), 0);
    assert_int_equal(oci_state_load(&a, d.fd, &s, &e), -1);
    assert_int_equal(oci_state_publish(d.fd, &e), 0);
    assert_int_equal(oci_state_load(&a, d.fd, &s, &e), 0);
    assert_string_equal(s.id, sample.id);
    assert_int_equal(s.pid, 42);
    assert_true(s.start_ticks == UINT64_MAX);
    assert_string_equal(s.bundle, sample.bundle);
    assert_string_equal(s.rootfs, sample.rootfs);
    assert_string_equal(s.created, sample.created);
    assert_string_equal(s.cgroup, sample.cgroup);
    assert_int_equal(s.annotations.count, 1);
    assert_string_equal(s.annotations.items[0].key, "k");
    assert_string_equal(s.annotations.items[0].value, "v \"q\"");
    assert_int_equal(s.owner_uid, 7);
    assert_true(s.has_later_hooks);
    assert_int_equal(s.config_len, sample.config_len);
    assert_string_equal(s.config, sample.config);
    arena_done(&a);
    dir_close(&d);
}

/* Whatever moment a create was killed in, its cgroup can be found. */
static void the_cgroup_is_noted_before_and_after(void **state)
{
    (void)state;
    static const char noted[] = "/a \"b\"\n\\c";
    struct dir d;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct oci_state s;
    const char *path = "";
    bool is_claimed = true;
    dir_open(&d);
    assert_int_equal(oci_state_find_note(&a, d.fd, &path, &is_claimed, &e), 0);
    assert_null(path);
    assert_int_equal(oci_state_note(d.fd, noted, &e), 0);
    assert_int_equal(oci_state_find_note(&a, d.fd, &path, &is_claimed, &e), 0);
    assert_string_equal(path, noted);
    assert_false(is_claimed);
    assert_int_equal(oci_state_claim(d.fd, &e), 0);
    assert_int_equal(oci_state_prepare(d.fd, &sample, &e), 0);
    assert_int_equal(oci_state_find_note(&a, d.fd, &path, &is_claimed, &e), 0);
    assert_string_equal(path, noted);
    assert_int_equal(oci_state_publish(d.fd, &e), 0);
    assert_int_equal(oci_state_find_note(&a, d.fd, &path, &is_claimed, &e), 0);
    assert_string_equal(path, noted);
    assert_true(is_claimed);
    assert_int_equal(oci_state_load(&a, d.fd, &s, &e), 0);
    assert_string_equal(s.id, sample.id);
    assert_string_equal(s.config, sample.config);
    assert_int_equal(oci_state_remove(d.fd), 0);
    assert_int_equal(oci_state_load(&a, d.fd, &s, &e), -1);
    arena_done(&a);
    dir_close(&d);
}

static void a_note_that_was_cut_off_is_none(void **state)
{
    (void)state;
    static const char *const cut[] = { "", "\"", "\"/a", "\"/a\"" };
    for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
        struct dir d;
        struct arena a = { 0 };
        struct err e = { 0 };
        const char *path = "";
        bool is_claimed = true;
        dir_open(&d);
        assert_int_equal(
            fd_write_file(d.fd, "state.json.next", cut[i], strlen(cut[i]), 0600, false, &e), 0);
        assert_int_equal(oci_state_find_note(&a, d.fd, &path, &is_claimed, &e), 0);
        assert_null(path);
        arena_done(&a);
        dir_close(&d);
    }
}

static void one_that_is_replaced_has_nothing_of_an_update_that_was_killed(void **state)
{
    (void)state;
    struct dir d;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct oci_state s;
    dir_open(&d);
    assert_int_equal(fd_write_file(d.fd, "state.json.next", "{\"i", 3, 0600, false, &e), 0);
    assert_int_equal(oci_state_replace(d.fd, &sample, &e), 0);
    assert_int_equal(oci_state_load(&a, d.fd, &s, &e), 0);
    assert_string_equal(s.id, sample.id);
    arena_done(&a);
    dir_close(&d);
}

static void no_state_is_a_conflict(void **state)
{
    (void)state;
    struct dir d;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct oci_state s;
    dir_open(&d);
    assert_int_equal(oci_state_load(&a, d.fd, &s, &e), -1);
    assert_int_equal(e.kind, ERR_CONFLICT);
    arena_done(&a);
    dir_close(&d);
}

/* A damaged file must not pass for a container that has stopped. */
static void a_damaged_state_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       "{",
                                       "[]",
                                       "1",
                                       "{}",
                                       "{\"id\":1}",
                                       "{\"id\":\"\"}",
                                       "{\"id\":\"a\",\"pid\":-1}",
                                       "{\"id\":\"a\",\"pid\":\"1\"}" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct dir d;
        struct arena a = { 0 };
        struct err e = { 0 };
        struct oci_state s;
        dir_open(&d);
        assert_int_equal(fd_write_file(d.fd, "state.json", bad[i], strlen(bad[i]), 0600, false, &e),
                         0);
        if (oci_state_load(&a, d.fd, &s, &e) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_non_null(strstr(e.what, "state"));
        arena_done(&a);
        dir_close(&d);
    }
}

static void written(const char *status, const char *expected)
{
    auto_buf struct buf text;
    struct json_writer w;
    buf_init(&text, 4096);
    json_writer_init(&w, &text, 0);
    oci_state_write(&w, &sample, status);
    assert_string_equal(text.data, expected);
}

static void the_public_form_has_what_the_specification_asks_for(void **state)
{
    (void)state;
#define WITH(pid, status)                                                                  \
    "{\"ociVersion\":\"" OCI_VERSION "\",\"id\":\"c1\",\"pid\":" pid ",\"bundle\":\"/b\"," \
    "\"rootfs\":\"/b/rootfs\",\"created\":\"2026-11-21T00:00:00Z\","                       \
    "\"annotations\":{\"k\":\"v \\\"q\\\"\"},\"status\":\"" status "\",\"owner\":\"\"}"
    written("running", WITH("42", "running"));
    written("stopped", WITH("0", "stopped"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_loaded),
        cmocka_unit_test(the_cgroup_is_noted_before_and_after),
        cmocka_unit_test(a_note_that_was_cut_off_is_none),
        cmocka_unit_test(one_that_is_replaced_has_nothing_of_an_update_that_was_killed),
        cmocka_unit_test(no_state_is_a_conflict),
        cmocka_unit_test(a_damaged_state_is_refused),
        cmocka_unit_test(the_public_form_has_what_the_specification_asks_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
