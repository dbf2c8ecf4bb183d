/* Files by fd: atomic writes, trees that are removed without following links, fds over sockets. */
#include "runtime/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct scratch {
    char path[32];
    int fd;
};

static int setup(void **state)
{
    struct scratch *s = calloc(1, sizeof(*s));
    memcpy(s->path, "/tmp/fd_test.XXXXXX", 20);
    assert_non_null(mkdtemp(s->path));
    s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scratch *s = *state;
    fd_close(&s->fd);
    assert_int_equal(fd_remove_tree(AT_FDCWD, s->path), 0);
    assert_int_equal(access(s->path, F_OK), -1);
    free(s);
    return 0;
}

static void a_file_is_whole_or_not_there(void **state)
{
    struct scratch *s = *state;
    struct err e;
    auto_buf struct buf text;
    buf_init(&text, 5);
    assert_int_equal(fd_write_file(s->fd, "f", "hello", 5, 0640, true, &e), 0);
    assert_int_equal(fd_read_file(s->fd, "f", &text, &e), 0);
    assert_string_equal(text.data, "hello");
    struct stat st;
    assert_int_equal(fstatat(s->fd, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(fd_write_file(s->fd, "f", "longer", 6, 0640, false, &e), 0);
    buf_reset(&text);
    assert_int_equal(fd_read_file(s->fd, "f", &text, &e), -1);
    assert_int_equal(e.kind, ERR_INPUT);
    assert_int_equal(fd_read_file(s->fd, "missing", &text, &e), -1);
    assert_int_equal(e.errnum, ENOENT);
    assert_int_equal(fd_write_file(s->fd, "no/dir", "x", 1, 0600, false, &e), -1);
}

static void a_tree_is_removed_but_not_what_it_links_to(void **state)
{
    struct scratch *s = *state;
    struct err e;
    assert_int_equal(fd_mkdir_all(s->fd, "kept", 0755), 0);
    assert_int_equal(fd_write_file(s->fd, "kept/file", "x", 1, 0600, false, &e), 0);
    assert_int_equal(fd_mkdir_all(s->fd, "gone/a/b/c", 0755), 0);
    assert_int_equal(fd_mkdir_all(s->fd, "gone/a/b/c", 0755), 0);
    assert_int_equal(symlinkat("../kept", s->fd, "gone/link"), 0);
    assert_int_equal(fd_write_file(s->fd, "gone/a/file", "x", 1, 0600, false, &e), 0);
    assert_int_equal(fd_remove_tree(s->fd, "gone"), 0);
    assert_int_equal(fd_remove_tree(s->fd, "gone"), 0); /* again: nothing to do */
    assert_int_equal(faccessat(s->fd, "gone", F_OK, 0), -1);
    assert_int_equal(faccessat(s->fd, "kept/file", F_OK, 0), 0);
    assert_int_equal(fd_mkdir_all(s->fd, "kept/file", 0755), -1);
    assert_int_equal(errno, ENOTDIR);
}

static void fds_cross_a_socket_and_a_surplus_is_closed(void **state)
{
    struct scratch *s = *state;
    int pair[2], got[4];
    size_t count;
    char byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    int two[2] = { s->fd, s->fd };
    assert_int_equal(fd_send(pair[0], "x", 1, two, 2), 1);
    assert_int_equal(fd_recv(pair[1], &byte, 1, got, 4, &count), 1);
    assert_int_equal(count, 2);
    assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
    fd_close(&got[0]);
    fd_close(&got[1]);
    int before = dup(s->fd);
    fd_close(&before);
    assert_int_equal(fd_send(pair[0], "x", 1, two, 2), 1);
    assert_int_equal(fd_recv(pair[1], &byte, 1, got, 1, &count), -1);
    assert_int_equal(errno, EMSGSIZE);
    int after = dup(s->fd);
    assert_int_equal(after, dup(s->fd) - 1); /* no hole was left, none was taken */
    close(after + 1);
    fd_close(&after);
    fd_close(&pair[0]);
    assert_int_equal(fd_recv(pair[1], &byte, 1, got, 1, &count), 0);
    fd_close(&pair[1]);
    fd_close(&pair[1]); /* idempotent */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_whole_or_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tree_is_removed_but_not_what_it_links_to, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fds_cross_a_socket_and_a_surplus_is_closed, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
