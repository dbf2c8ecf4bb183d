#include "runtime/sync.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const names[] = {
    [SYNC_MAPPED] = "mapped",       [SYNC_ENTERED] = "entered",   [SYNC_PREPARED] = "prepared",
    [SYNC_READY] = "ready",         [SYNC_RECORDED] = "recorded", [SYNC_LISTENER] = "listener",
    [SYNC_DELIVERED] = "delivered", [SYNC_FAILED] = "failed",     [SYNC_LAST_WORDS] = "last words",
};

/* 0: end of file. A peer that ended before it read all that we sent resets us, and what it had sent
 * comes after the reset; when there is nothing, the reset is what counts. */
static ssize_t receive(int sock, struct sync_message *m, struct sync_fds *fds)
{
    struct sync_fds none = { .count = 0 };
    struct sync_fds *to = fds ? fds : &none;
    size_t cap = fds ? FD_PASS_MAX : 0;
    ssize_t n = fd_recv(sock, m, sizeof(*m), to->items, cap, &to->count);
    if (n >= 0 || errno != ECONNRESET)
        return n;
    n = fd_recv(sock, m, sizeof(*m), to->items, cap, &to->count);
    if (n != 0)
        return n;
    errno = ECONNRESET;
    return -1;
}

/* Of a peer that has ended: the reason that it gave before. */
static bool take_reason(int sock, struct err *e)
{
    struct sync_message m;
    while (receive(sock, &m, NULL) == sizeof(m))
        if (m.type == SYNC_FAILED) {
            *e = m.err;
            return true;
        }
    return false;
}

int sync_send(int sock, enum sync_type type, const struct sync_fds *fds, struct err *e)
{
    struct sync_message m = { .type = type };
    if (fd_send(sock, &m, sizeof(m), fds ? fds->items : NULL, fds ? fds->count : 0) >= 0)
        return 0;
    int errnum = errno;
    if ((errnum == EPIPE || errnum == ECONNRESET) && take_reason(sock, e))
        return -1;
    return err_sys(e, errnum, "tell the other side \"%s\"", names[type]);
}

void sync_send_failure(int sock, const struct err *cause)
{
    struct sync_message m = { .type = SYNC_FAILED, .err = *cause };
    (void)!fd_send(sock, &m, sizeof(m), NULL, 0); /* the parent is gone: nobody to tell */
}

static void close_all(struct sync_fds *fds)
{
    for (size_t i = 0; fds && i < fds->count; i++)
        fd_close(&fds->items[i]);
}

int sync_expect(int sock, enum sync_type expected, struct sync_fds *fds, struct err *e)
{
    struct sync_message m;
    ssize_t n = receive(sock, &m, fds);
    if (n < 0)
        return err_sys(e, errno, "wait for \"%s\"", names[expected]);
    if (n == 0)
        return err_set(e, ERR_SYSTEM, "the process ended before it was \"%s\"", names[expected]);
    if (n == sizeof(m) && m.type == expected)
        return 0;
    close_all(fds);
    if (n != sizeof(m) || m.type != SYNC_FAILED)
        return err_internal(e, "expected \"%s\", got message %d of %zd bytes", names[expected],
                            (int)m.type, n);
    *e = m.err;
    return -1;
}

struct err *sync_offer_last_words(int sock, struct err *e)
{
    auto_fd int fd = memfd_create("last-words", MFD_CLOEXEC);
    struct err *words = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof(*words)) == 0)
        words = mmap(NULL, sizeof(*words), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (words == MAP_FAILED) {
        (void)err_sys(e, errno, "make a file for last words");
        return NULL;
    }
    const struct sync_fds fds = { { fd }, 1 };
    return sync_send(sock, SYNC_LAST_WORDS, &fds, e) < 0 ? NULL : words;
}

static int read_last_words(int fd, struct err *e)
{
    struct err words;
    if (fd < 0 || pread(fd, &words, sizeof(words), 0) != sizeof(words) || words.kind == ERR_NONE)
        return 0;
    *e = words;
    return -1;
}

int sync_expect_exec(int sock, int *listener_fd, int *words_fd, struct err *e)
{
    struct sync_message m;
    struct sync_fds fds = { .count = 0 };
    ssize_t n = receive(sock, &m, &fds);
    if (n == sizeof(m) && m.type == SYNC_LAST_WORDS && fds.count == 1 && *words_fd < 0) {
        *words_fd = fds.items[0];
        fds.count = 0;
        n = receive(sock, &m, &fds);
    }
    if (n == 0)
        return read_last_words(*words_fd, e);
    if (n < 0)
        return err_sys(e, errno, "wait for the program");
    if (n == sizeof(m) && m.type == SYNC_LISTENER && fds.count == 1) {
        *listener_fd = fds.items[0];
        return 1;
    }
    close_all(&fds);
    if (n != sizeof(m) || m.type != SYNC_FAILED)
        return err_internal(e, "unexpected message of %zd bytes from the container", n);
    *e = m.err;
    return -1;
}
