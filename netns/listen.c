#include "netns/listen.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    TABLE_BYTES_MAX = 4 * 1024 * 1024, /* of /proc/net/tcp: some 25,000 sockets */
    OWNER_MAX = 96,
    COMM_BYTES_MAX = 64,
    TCP_STATE_LISTEN = 10 /* TCP_LISTEN of the kernel's tcp_states.h, 0A in /proc/net/tcp */
};

struct place {
    struct sockaddr_storage sa;
    socklen_t len;
    bool is_any; /* all addresses of both families */
};

static int place_make(const char *addr, uint16_t port, struct place *out, struct err *e)
{
    struct place p = { 0 };
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&p.sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&p.sa;
    p.is_any = !addr || !*addr;
    if (p.is_any || inet_pton(AF_INET6, addr, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        p.len = sizeof *v6;
    } else if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        p.len = sizeof *v4;
    } else {
        (void)err_input(e, "listen on \"%.64s\": not an IPv4 or IPv6 address", addr);
        err_hint(e, "names are not resolved here; leave the address out to listen on all");
        return -1;
    }
    *out = p;
    return 0;
}

/* The inode of a listening socket on PORT, from one line of /proc/net/tcp or tcp6
 * (proc_net_tcp.rst: sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode); 0
 * when it is not one. */
static unsigned long line_inode(const char *line, uint16_t port)
{
    unsigned local_port;
    unsigned state;
    unsigned long inode;
    if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%4x %*[0-9A-Fa-f]:%*x %2x %*s %*s %*s %*u %*u %lu",
               &local_port, &state, &inode) != 3)
        return 0;
    return local_port == port && state == TCP_STATE_LISTEN ? inode : 0;
}

static unsigned long table_inode(const char *path, uint16_t port)
{
    struct err ignored; /* only a hint is lost */
    auto_buf struct buf table = { 0 };
    buf_init(&table, TABLE_BYTES_MAX);
    if (fd_read_file(AT_FDCWD, path, &table, &ignored) || !table.data)
        return 0;
    unsigned long inode = 0;
    char *rest = table.data;
    for (char *line; !inode && (line = strsep(&rest, "\n"));)
        inode = line_inode(line, port);
    return inode;
}

/* Whether one of the fds in /proc/PID/fd is the socket LINK ("socket:[INODE]"). */
static bool process_has(const char *pid, const char *link)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    bool found = false;
    for (struct dirent *d; !found && (d = readdir(dir));) {
        char target[64];
        ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = '\0';
        found = str_eq(target, link);
    }
    (void)closedir(dir);
    return found;
}

/* `"NAME" (pid N)` of the process that listens on PORT; -1 when it cannot be told. */
static int owner_find(uint16_t port, char owner[OWNER_MAX])
{
    unsigned long inode = table_inode("/proc/net/tcp", port);
    if (!inode)
        inode = table_inode("/proc/net/tcp6", port);
    DIR *proc = inode ? opendir("/proc") : NULL;
    if (!proc)
        return -1;
    char link[64];
    (void)snprintf(link, sizeof link, "socket:[%lu]", inode);
    int rc = -1;
    for (struct dirent *d; rc && (d = readdir(proc));) {
        uint64_t pid;
        if (str_to_u64(d->d_name, INT32_MAX, &pid) || !process_has(d->d_name, link))
            continue;
        char path[64];
        struct err ignored; /* it ended meanwhile: its pid is still worth telling */
        auto_buf struct buf comm = { 0 };
        buf_init(&comm, COMM_BYTES_MAX);
        (void)snprintf(path, sizeof path, "/proc/%.20s/comm", d->d_name);
        (void)!fd_read_file(AT_FDCWD, path, &comm, &ignored);
        int len = (int)strcspn(comm.data ? comm.data : "", "\n");
        (void)snprintf(owner, OWNER_MAX, "\"%.*s\" (pid %.20s)", len, comm.data ? comm.data : "",
                       d->d_name);
        rc = 0;
    }
    (void)closedir(proc);
    return rc;
}

static int bind_failed(int errnum, const char *addr, uint16_t port, struct err *e)
{
    char owner[OWNER_MAX];
    const char *shown = addr && *addr ? addr : "*";
    enum err_kind kind =
        errnum == EADDRINUSE || errnum == EADDRNOTAVAIL ? ERR_CONFLICT : ERR_SYSTEM;
    (void)err_sys(e, errnum, "listen on %.64s port %u", shown, port);
    if (kind == ERR_CONFLICT)
        e->kind = kind;
    if (errnum == EADDRINUSE && owner_find(port, owner) == 0)
        err_hint(e, "%s listens there: stop it, or choose another port", owner);
    else if (errnum == EADDRINUSE)
        err_hint(e, "`ss -ltnp` shows who listens there");
    else if (errnum == EADDRNOTAVAIL)
        err_hint(e, "that is not an address of this machine; `ip addr` lists them");
    else if (errnum == EACCES)
        err_hint(e, "ports below 1024 need root (or net.ipv4.ip_unprivileged_port_start)");
    return -1;
}

/* An IPv6 socket of which V6ONLY is off takes IPv4 as well. */
static int socket_open(const struct place *p, int backlog)
{
    const int on = 1;
    const int v6_only = !p->is_any;
    auto_fd int fd =
        socket(p->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on))
        return -1;
    if (p->sa.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only))
        return -1;
    if (bind(fd, (const struct sockaddr *)(const void *)&p->sa, p->len) || listen(fd, backlog))
        return -1;
    return take_fd(&fd);
}

int net_listen_tcp(const char *addr, uint16_t port, int backlog, struct err *e)
{
    struct place p;
    if (place_make(addr, port, &p, e))
        return -1;
    int fd = socket_open(&p, backlog);
    /* Without IPv6, built in (EAFNOSUPPORT) or switched on (EADDRNOTAVAIL), IPv4 is all. */
    if (fd < 0 && p.is_any && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        if (place_make("0.0.0.0", port, &p, e))
            return -1;
        fd = socket_open(&p, backlog);
    }
    return fd >= 0 ? fd : bind_failed(errno, addr, port, e);
}
