#pragma once
/* File descriptors: close, whole reads and writes, atomic files, fds over sockets, paths beneath a
 * directory. Everything opened here is close-on-exec. Blocking, unless said otherwise. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/buf.h"
#include "runtime/base/err.h"

/* Closes *fd when it is not negative, sets it to -1, keeps errno. */
void fd_close(int *fd);
/* Retry on EINTR and short counts; 0, or -1 with errno. */
must_check int fd_write_all(int fd, const void *data, size_t len);
/* Reads to the end of file or to LIMIT of b (then -1 with errno EFBIG). */
must_check int fd_read_all(int fd, struct buf *b);
/* Opens PATH beneath DIR_FD (AT_FDCWD for the current directory) and reads it whole. */
must_check int fd_read_file(int dir_fd, const char *path, struct buf *b, struct err *e);
/* Writes to a temporary name beside PATH, fsyncs when DURABLE, renames over PATH. */
must_check int fd_write_file(int dir_fd, const char *path, const void *data, size_t len,
                             mode_t mode, bool durable, struct err *e);

/* openat2(2). RESOLVE flags as in the manual page. Retries EAGAIN. */
must_check int fd_open_beneath(int dir_fd, const char *path, int flags, mode_t mode,
                               uint64_t resolve);
/* mkdir -p PATH beneath DIR_FD; existing directories are fine. -1 with errno. */
must_check int fd_mkdir_all(int dir_fd, const char *path, mode_t mode);
/* Removes the tree NAME beneath DIR_FD without following symbolic links and without crossing onto
 * another file system; ENOENT is success. -1 with errno of the first failure. */
must_check int fd_remove_tree(int dir_fd, const char *name);

/* Closes all from FIRST on but the COUNT of KEPT (-1 among them: none). */
void fd_close_others(unsigned first, const int *kept, size_t count);
must_check int fd_set_nonblock(int fd);
must_check int fd_set_cloexec(int fd, bool on);

/* Connects to the unix socket PATH, which may be longer than sun_path; TYPE: SOCK_STREAM, … The fd,
 * or -1 with errno. */
must_check int fd_connect(const char *path, int type);
/* Sends one message of LEN bytes (LEN > 0) with up to FD_PASS_MAX fds. -1 with errno. */
enum {
    FD_PASS_MAX = 32
};
must_check ssize_t fd_send(int sock, const void *data, size_t len, const int *fds, size_t fd_count);
/* Receives one message; fds received are close-on-exec and owned by the caller. *fd_count says how
 * many came. More than FD_CAP: the surplus is closed and errno is EMSGSIZE. 0 is end of file. */
must_check ssize_t fd_recv(int sock, void *data, size_t size, int *fds, size_t fd_cap,
                           size_t *fd_count);
