#include "supervisor/logs/tee.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "supervisor/logs/logs.h"

int logs_tee_init(struct logs_tee *t, struct err *e)
{
    int ends[2];
    t->read_fd = t->write_fd = -1;
    t->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (t->null_fd < 0)
        return err_sys(e, errno, "open /dev/null");
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        int saved = errno;
        logs_tee_done(t);
        return err_sys(e, saved, "make a pipe for logs");
    }
    t->read_fd = ends[0];
    t->write_fd = ends[1];
    /* tee(2) copies references, one slot each: with fewer slots than the source it sees less. */
    (void)fcntl(t->write_fd, F_SETPIPE_SZ, LOGS_PIPE_BYTES);
    return 0;
}

void logs_tee_done(struct logs_tee *t)
{
    fd_close(&t->read_fd);
    fd_close(&t->write_fd);
    fd_close(&t->null_fd);
}

ssize_t logs_tee_look(struct logs_tee *t, int pipe_fd, char *to, size_t size)
{
    ssize_t n;
    do
        n = tee(pipe_fd, t->write_fd, size, SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n;
    /* Several reads: a writer in packet mode (O_DIRECT, man 2 pipe) ends a read at each packet. */
    size_t got = 0;
    while (got < (size_t)n) {
        ssize_t part = read(t->read_fd, to + got, (size_t)n - got);
        if (part > 0)
            got += (size_t)part;
        else if (part == 0 || errno != EINTR)
            break;
    }
    return (ssize_t)got;
}

void logs_tee_take(struct logs_tee *t, int pipe_fd, size_t len)
{
    /* splice(2), since read(2) would throw away the rest of a packet. Where it is refused, reading
     * is what is left: bytes must go, or they would be written again for ever. */
    bool is_refused = false;
    while (len) {
        char ignored[4096];
        size_t most = len < sizeof(ignored) ? len : sizeof(ignored);
        ssize_t n = is_refused ? read(pipe_fd, ignored, most)
                               : splice(pipe_fd, NULL, t->null_fd, NULL, len, SPLICE_F_NONBLOCK);
        if (n > 0)
            len -= (size_t)n;
        else if (n == 0 || is_refused)
            return;
        else if (errno != EINTR)
            is_refused = true;
    }
}
