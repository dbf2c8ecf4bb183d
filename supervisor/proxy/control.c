#include "supervisor/proxy/control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    /* Two rounds of everything, by what the kernel charges for a small message: man 7 socket
     * SO_SNDBUF doubles it. */
    CHANNEL_BYTES = (PROXY_LISTENERS_MAX + PROXY_DIRS_MAX + 1) * 2048,
};

void proxy_control_prepare(int channel)
{
    int bytes = CHANNEL_BYTES;
    if (setsockopt(channel, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
        (void)setsockopt(channel, SOL_SOCKET, SO_SNDBUF, &bytes,
                         sizeof(bytes)); /* what is allowed */
}

static int send_command(int channel, const struct proxy_command *c, int fd, struct err *e)
{
    if (fd_send(channel, c, sizeof(*c), &fd, fd >= 0 ? 1 : 0) < 0)
        return err_sys(e, errno, "send a command to the proxy");
    return 0;
}

int proxy_control_listen(int channel, const struct proxy_listener *l, int fd, struct err *e)
{
    struct proxy_command c = { .type = PROXY_COMMAND_LISTEN,
                               .id = l->id,
                               .kind = (uint32_t)l->kind };
    if (str_copy(c.upstream, sizeof(c.upstream), l->upstream ? l->upstream : "") < 0)
        return err_input(e, "the upstream name is too long: %s", l->upstream);
    return send_command(channel, &c, fd, e);
}

int proxy_control_dir(int channel, uint32_t id, int fd, struct err *e)
{
    return send_command(channel, &(struct proxy_command){ .type = PROXY_COMMAND_DIR, .id = id }, fd,
                        e);
}

int proxy_control_table(int channel, const struct proxy_table *t, struct err *e)
{
    auto_buf struct buf bytes;
    buf_init(&bytes, PROXY_TABLE_MAX);
    if (proxy_table_encode(t, &bytes, e) < 0)
        return -1;
    auto_fd int fd = memfd_create("proxy-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_sys(e, errno, "create a memfd");
    if (fd_write_all(fd, bytes.data, bytes.len) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return err_sys(e, errno, "write the proxy table");
    return send_command(
        channel, &(struct proxy_command){ .type = PROXY_COMMAND_TABLE, .table_bytes = bytes.len },
        fd, e);
}

int proxy_control_quit(int channel, uint32_t deadline_ms, struct err *e)
{
    return send_command(
        channel, &(struct proxy_command){ .type = PROXY_COMMAND_QUIT, .deadline_ms = deadline_ms },
        -1, e);
}

int proxy_control_receive(int channel, struct proxy_report *out, struct err *e)
{
    struct proxy_report r;
    int fd = -1;
    size_t fds = 0;
    ssize_t n = fd_recv(channel, &r, sizeof(r), &fd, 1, &fds);
    if (n == 0)
        return 0;
    if (n < 0)
        return err_sys(e, errno, "receive a report of the proxy");
    fd_close(&fd); /* a worker has none to give */
    if (n != sizeof(r) || r.type < PROXY_REPORT_HELLO || r.type >= PROXY_REPORT_TYPE_COUNT_)
        return err_internal(e, "the proxy sent a malformed report of %zd bytes", n);
    r.name[sizeof(r.name) - 1] = '\0';
    r.text[sizeof(r.text) - 1] = '\0';
    *out = r;
    return 1;
}

static bool wants_fd(uint32_t type)
{
    return type == PROXY_COMMAND_LISTEN || type == PROXY_COMMAND_DIR || type == PROXY_COMMAND_TABLE;
}

int proxy_control_next(int channel, struct proxy_command *out, int *fd, struct err *e)
{
    struct proxy_command c;
    auto_fd int got = -1;
    size_t fds = 0;
    ssize_t n = fd_recv(channel, &c, sizeof(c), &got, 1, &fds);
    if (n == 0)
        return 0;
    if (n < 0)
        return err_sys(e, errno, "receive a command");
    if (n != sizeof(c) || c.type < PROXY_COMMAND_LISTEN || c.type >= PROXY_COMMAND_TYPE_COUNT_ ||
        wants_fd(c.type) != (got >= 0) || c.kind >= PROXY_LISTEN_KIND_COUNT_)
        return err_input(e, "a command is malformed (%zd bytes, type %u)", n, n >= 4 ? c.type : 0);
    c.upstream[sizeof(c.upstream) - 1] = '\0';
    *out = c;
    *fd = take_fd(&got);
    return 1;
}

int proxy_control_read_table(int fd, uint64_t bytes, struct proxy_table **out, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, errno, "look at the proxy table");
    if (bytes > PROXY_TABLE_MAX || st.st_size < 0 || (uint64_t)st.st_size != bytes)
        return err_input(e, "the proxy table has %lld bytes, %llu were announced",
                         (long long)st.st_size, (unsigned long long)bytes);
    auto_free char *data = mem_alloc((size_t)bytes + 1);
    for (size_t at = 0; at < bytes;) {
        ssize_t n = pread(fd, data + at, (size_t)bytes - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_sys(e, n < 0 ? errno : EIO, "read the proxy table");
        at += (size_t)n;
    }
    return proxy_table_decode(data, (size_t)bytes, out, e);
}

int proxy_control_report(int channel, const struct proxy_report *r)
{
    return fd_send(channel, r, sizeof(*r), NULL, 0) < 0 ? -1 : 0;
}
