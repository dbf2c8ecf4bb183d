#include "runtime/sync.h"

#include <errno.h>

#include "runtime/base/fd.h"

static const char *const names[] = {
    [SYNC_PREPARED] = "prepared",
    [SYNC_READY] = "ready",
    [SYNC_RECORDED] = "recorded",
    [SYNC_FAILED] = "failed",
};

int sync_send(int sock, enum sync_type type, int fd, struct err *e)
{
    struct sync_message m = { .type = type };
    if (fd_send(sock, &m, sizeof(m), &fd, fd >= 0) < 0)
        return err_sys(e, errno, "tell the other side \"%s\"", names[type]);
    return 0;
}

void sync_send_failure(int sock, const struct err *cause)
{
    struct sync_message m = { .type = SYNC_FAILED, .err = *cause };
    (void)!fd_send(sock, &m, sizeof(m), NULL, 0); /* the parent is gone: nobody to tell */
}

int sync_expect(int sock, enum sync_type expected, int *fd, struct err *e)
{
    struct sync_message m;
    size_t count = 0;
    int got = -1;
    ssize_t n = fd_recv(sock, &m, sizeof(m), &got, 1, &count);
    if (n < 0)
        return err_sys(e, errno, "wait for \"%s\"", names[expected]);
    if (n == 0)
        return err_set(e, ERR_SYSTEM, "the process ended before it was \"%s\"", names[expected]);
    if (n != sizeof(m) || (m.type != expected && m.type != SYNC_FAILED)) {
        fd_close(&got);
        return err_internal(e, "expected \"%s\", got message %d of %zd bytes", names[expected],
                            (int)m.type, n);
    }
    if (m.type == SYNC_FAILED) {
        fd_close(&got);
        *e = m.err;
        return -1;
    }
    if (fd)
        *fd = count ? got : -1;
    else
        fd_close(&got);
    return 0;
}
