/* The engine's side of the keeper's protocol. */
#include <errno.h>
#include <poll.h>

#include "runtime/base/str.h"
#include "supervisor/keeper/keeper.h"

static int send_named(int channel, const struct keeper_message *m, const int *fd, struct err *e)
{
    if (fd_send(channel, m, sizeof(*m), fd, fd ? 1 : 0) < 0)
        return err_sys(e, errno, "write to the keeper");
    return 0;
}

/* Appends the strings of LIST; the number of them, or -1 when there is no room. */
static int add_strings(char *args, uint32_t *used, const char *const *list)
{
    int count = 0;
    for (; list && list[count]; count++) {
        size_t len = strlen(list[count]) + 1;
        if (len > KEEPER_ARGS_MAX - *used)
            return -1;
        memcpy(args + *used, list[count], len);
        *used += (uint32_t)len;
    }
    return count;
}

int keeper_spawn(int channel, uint64_t tag, const char *const *argv, const char *const *envp,
                 const int *fds, size_t fd_count, struct err *e)
{
    struct {
        struct keeper_message head;
        char args[KEEPER_ARGS_MAX];
    } m;
    m.head = (struct keeper_message){ .type = KEEPER_SPAWN, .tag = tag };
    uint32_t used = 0;
    int argc = add_strings(m.args, &used, argv);
    int envc = argc < 0 ? -1 : add_strings(m.args, &used, envp);
    if (envc < 0)
        return err_input(e, "start %s: arguments and environment are over %d bytes",
                         argv[0] ? argv[0] : "a program", KEEPER_ARGS_MAX);
    if (fd_count > FD_PASS_MAX)
        return err_internal(e, "start %s with %zu file descriptors", argv[0], fd_count);
    m.head.arg_count = (uint32_t)argc;
    m.head.env_count = (uint32_t)envc;
    m.head.args_len = used;
    if (fd_send(channel, &m, sizeof(m.head) + used, fds, fd_count) < 0)
        return err_sys(e, errno, "ask the keeper to start %s", argv[0]);
    return 0;
}

int keeper_hold(int channel, const char *name, int fd, struct err *e)
{
    struct keeper_message m = { .type = KEEPER_HOLD };
    if (str_copy(m.name, sizeof(m.name), name) < 0 || !name[0])
        return err_internal(e, "name of a held file descriptor \"%s\"", name);
    return send_named(channel, &m, &fd, e);
}

int keeper_drop(int channel, const char *name, struct err *e)
{
    struct keeper_message m = { .type = KEEPER_DROP };
    if (str_copy(m.name, sizeof(m.name), name) < 0)
        return err_internal(e, "name of a held file descriptor \"%s\"", name);
    return send_named(channel, &m, NULL, e);
}

int keeper_ack(int channel, uint64_t seq, struct err *e)
{
    const struct keeper_message m = { .type = KEEPER_ACK, .seq = seq };
    return send_named(channel, &m, NULL, e);
}

int keeper_quit(int channel, int code, struct err *e)
{
    const struct keeper_message m = { .type = KEEPER_QUIT, .code = code };
    return send_named(channel, &m, NULL, e);
}

int keeper_receive(int channel, struct keeper_message *out, int *fd, struct err *e)
{
    /* The engine's end is a blocking socket, so that its sends wait; reads must not. */
    struct pollfd p = { .fd = channel, .events = POLLIN };
    int ready = poll(&p, 1, 0);
    if (ready <= 0) {
        int errnum = ready < 0 ? errno : EAGAIN;
        return err_sys(e, errnum, "read from the keeper");
    }
    int received = -1;
    size_t fd_count = 0;
    struct keeper_message m;
    ssize_t n = fd_recv(channel, &m, sizeof(m), &received, 1, &fd_count);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return 0;
    if (n < 0)
        return err_sys(e, errno, "read from the keeper");
    if ((size_t)n != sizeof(m)) {
        fd_close(&received);
        return err_internal(e, "message of %zd bytes from the keeper", n);
    }
    m.name[sizeof(m.name) - 1] = '\0';
    *out = m;
    *fd = fd_count ? received : -1;
    return 1;
}
