#include "supervisor/logs/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

struct world {
    char path[64];
    int dir_fd;
    struct logs_file file;
};

static int set_up(void **state)
{
    struct world *w = mem_alloc(sizeof(*w));
    (void)snprintf(w->path, sizeof(w->path), "/tmp/svc-logs-file-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    w->dir_fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    w->file.fd = -1;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    logs_file_close(&w->file);
    close(w->dir_fd);
    int done = fd_remove_tree(AT_FDCWD, w->path);
    free(w);
    return done;
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *service;
        uint32_t replica;
        unsigned age;
    } good[] = {
        { "web-1.log", "web", 1, 0 },     { "web-12.log.2", "web", 12, 2 },
        { "web-1-2.log", "web-1", 2, 0 }, { "a.log-b-3.log.1", "a.log-b", 3, 1 },
        { "a.log-4.log", "a.log", 4, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char service[NAME_LIMIT], name[LOGS_FILE_NAME_MAX];
        uint32_t replica;
        unsigned age;
        assert_true(logs_file_parse_name(good[i].name, service, &replica, &age));
        assert_string_equal(service, good[i].service);
        assert_int_equal(replica, good[i].replica);
        assert_int_equal(age, good[i].age);
        assert_int_equal(logs_file_name(name, service, replica, age), 0);
        assert_string_equal(name, good[i].name);
    }
    static const char *const bad[] = { "svc.log",     "web.log",      "web-.log",
                                       "-1.log",      "web-1.log.10", "web-1.log.0",
                                       "web-1.log.x", "web-1.logs",   "web-99999999999.log",
                                       "..",          "web-x.log",    "web-1" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char service[NAME_LIMIT];
        uint32_t replica;
        unsigned age;
        assert_false(logs_file_parse_name(bad[i], service, &replica, &age));
    }
    char name[LOGS_FILE_NAME_MAX], service[NAME_LIMIT + 1];
    memset(service, 'x', NAME_LIMIT);
    service[NAME_LIMIT] = '\0';
    assert_int_equal(logs_file_name(name, service, 1, 0), -1);
}

static off_t size_of(const struct world *w, const char *name)
{
    struct stat st;
    return fstatat(w->dir_fd, name, &st, 0) < 0 ? -1 : st.st_size;
}

static void test_rotation(void **state)
{
    struct world *w = *state;
    struct err e;
    enum {
        PIECE = 4 << 20 /* two fit into a file */
    };
    auto_free char *piece = mem_alloc(PIECE);
    memset(piece, 'x', PIECE);
    piece[PIECE - 1] = '\n';
    assert_int_equal(logs_file_open(&w->file, w->dir_fd, "web", 1, &e), 0);
    for (int i = 0; i < 9; i++) {
        piece[0] = (char)('0' + i);
        assert_int_equal(logs_file_append(&w->file, piece, PIECE, &e), 0);
    }
    assert_int_equal(size_of(w, "web-1.log"), PIECE);
    assert_int_equal(size_of(w, "web-1.log.1"), 2 * PIECE);
    assert_int_equal(size_of(w, "web-1.log.2"), 2 * PIECE);
    assert_int_equal(size_of(w, "web-1.log.3"), -1);
    char first;
    int fd = openat(w->dir_fd, "web-1.log.2", O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, &first, 1), 1);
    assert_int_equal(first, '4');
    close(fd);
    /* What is there when it is opened again counts. */
    logs_file_close(&w->file);
    assert_int_equal(logs_file_open(&w->file, w->dir_fd, "web", 1, &e), 0);
    assert_int_equal(w->file.size_bytes, PIECE);
}

static void test_limits_of_ones_own(void **state)
{
    struct world *w = *state;
    struct err e;
    assert_int_equal(logs_file_open(&w->file, w->dir_fd, "web", 1, &e), 0);
    logs_file_limit(&w->file, 10, 5);
    for (int i = 0; i < 8; i++)
        assert_int_equal(logs_file_append(&w->file, "12345678\n", 9, &e), 0);
    assert_int_equal(size_of(w, "web-1.log"), 9);
    assert_int_equal(size_of(w, "web-1.log.4"), 9);
    assert_int_equal(size_of(w, "web-1.log.5"), -1);
    /* Fewer from now on, and those beyond go. */
    logs_file_limit(&w->file, 10, 1);
    assert_int_equal(size_of(w, "web-1.log.1"), -1);
    assert_int_equal(size_of(w, "web-1.log.4"), -1);
    assert_int_equal(logs_file_append(&w->file, "new\nnew\n", 8, &e), 0);
    assert_int_equal(size_of(w, "web-1.log"), 8);
    assert_int_equal(size_of(w, "web-1.log.1"), -1);
    logs_file_limit(&w->file, 0, 0);
    assert_int_equal(w->file.max_bytes, LOGS_FILE_BYTES);
    assert_int_equal(w->file.max_files, LOGS_FILES);
}

static void test_torn_line_is_cut(void **state)
{
    struct world *w = *state;
    struct err e;
    assert_int_equal(fd_write_file(w->dir_fd, "web-1.log", "whole\ntorn", 10, 0600, false, &e), 0);
    assert_int_equal(logs_file_open(&w->file, w->dir_fd, "web", 1, &e), 0);
    assert_int_equal(logs_file_append(&w->file, "next\n", 5, &e), 0);
    auto_buf struct buf b;
    buf_init(&b, 100);
    assert_int_equal(fd_read_file(w->dir_fd, "web-1.log", &b, &e), 0);
    assert_string_equal(b.data, "whole\nnext\n");
}

static void test_symbolic_link_is_not_followed(void **state)
{
    struct world *w = *state;
    struct err e;
    assert_int_equal(symlinkat("/etc/hostname", w->dir_fd, "web-1.log"), 0);
    assert_int_equal(logs_file_open(&w->file, w->dir_fd, "web", 1, &e), -1);
    assert_string_equal(e.what, "open the log file web-1.log: too many levels of symbolic links");
}

static void test_full_disk_leaves_whole_lines(void **state)
{
    struct world *w = *state;
    struct err e;
    assert_int_equal(logs_file_open(&w->file, w->dir_fd, "web", 1, &e), 0);
    assert_int_equal(logs_file_append(&w->file, "one\n", 4, &e), 0);
    int real = w->file.fd;
    w->file.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (w->file.fd < 0) {
        w->file.fd = real;
        print_message("[  SKIPPED ] /dev/full is not there\n");
        skip();
    }
    assert_int_equal(logs_file_append(&w->file, "two\n", 4, &e), -1);
    assert_string_equal(e.what, "write the log file web-1.log: no space left on device");
    close(w->file.fd);
    w->file.fd = real;
    assert_int_equal(w->file.size_bytes, 4);
    assert_int_equal(logs_file_append(&w->file, "three\n", 6, &e), 0);
    assert_int_equal(size_of(w, "web-1.log"), 10);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_names),
        CASE(test_limits_of_ones_own),
        CASE(test_rotation),
        CASE(test_torn_line_is_cut),
        CASE(test_symbolic_link_is_not_followed),
        CASE(test_full_disk_leaves_whole_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
