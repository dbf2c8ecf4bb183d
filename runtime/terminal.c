#include "runtime/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/rootfs.h"

#define PTMX_PATH    "/dev/pts/ptmx"
#define CONSOLE_PATH "/dev/console"

/* The directory first, and what it is: opening whatever an image calls ptmx could already do harm
 * (CVE-2025-52565 and its kin). In a devpts the name can be nothing else. */
static int open_ptmx(int root_fd, struct err *e)
{
    struct statfs fs;
    auto_fd int pts = rootfs_open(root_fd, "/dev/pts", O_PATH | O_DIRECTORY);
    if (pts < 0)
        return err_sys(e, errno, "process.terminal: open /dev/pts");
    if (fstatfs(pts, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
        return err_host(e, "process.terminal: /dev/pts is not a devpts");
    int master = fd_open_beneath(pts, "ptmx", O_RDWR | O_NOCTTY, 0,
                                 RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
    return master < 0 ? err_sys(e, errno, "process.terminal: open " PTMX_PATH) : master;
}

int terminal_open(int root_fd, uint16_t rows, uint16_t columns, int *master_fd, int *slave_fd,
                  struct err *e)
{
    auto_fd int master = open_ptmx(root_fd, e);
    if (master < 0)
        return -1;
    int unlock = 0;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return err_sys(e, errno, "process.terminal: unlock the terminal");
    auto_fd int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return err_sys(e, errno, "process.terminal: open the terminal");
    struct winsize size = { .ws_row = rows, .ws_col = columns };
    if (rows && columns && ioctl(slave, TIOCSWINSZ, &size) < 0)
        return err_sys(e, errno, "process.consoleSize: set");
    *master_fd = take_fd(&master);
    *slave_fd = take_fd(&slave);
    return 0;
}

/* As an image may call anything console, too: a link would lead the mount, and the file that is
 * made for it, to wherever something of the host is bound, or into /proc. */
static int make_console(int root_fd, struct err *e)
{
    auto_fd int dev = rootfs_make_unlinked(root_fd, "/dev", e);
    if (dev < 0)
        return err_wrap(e, "process.terminal");
    if (rootfs_make_entry(dev, "console", false) < 0) {
        int errnum = errno;
        (void)err_sys(e, errnum, "process.terminal: create " CONSOLE_PATH);
        rootfs_hint(e, errnum);
        return -1;
    }
    int fd = fd_open_beneath(dev, "console", O_PATH, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (fd >= 0)
        return fd;
    if (errno != ELOOP)
        return err_sys(e, errno, "process.terminal: open " CONSOLE_PATH);
    (void)err_host(e, "process.terminal: " CONSOLE_PATH " is a link in the root file system");
    err_hint(e, "remove it from the image, or mount a tmpfs on /dev");
    return -1;
}

int terminal_bind_console(int root_fd, int slave_fd, struct err *e)
{
    auto_fd int target = make_console(root_fd, e);
    if (target < 0)
        return -1;
    auto_fd int copy = open_tree(slave_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (copy < 0)
        return err_sys(e, errno, "process.terminal: bind the console");
    return rootfs_attach(copy, target, CONSOLE_PATH, e);
}

int terminal_become(int slave_fd, uid_t uid, struct err *e)
{
    if (fchown(slave_fd, uid, (gid_t)-1) < 0 || ioctl(slave_fd, TIOCSCTTY, 0) < 0)
        return err_sys(e, errno, "process.terminal: take the terminal");
    for (int fd = 0; fd < 3; fd++)
        if (dup3(slave_fd, fd, 0) < 0)
            return err_sys(e, errno, "process.terminal: use the terminal");
    return 0;
}

int terminal_send(int socket_fd, int master_fd, const char *name, struct err *e)
{
    if (fd_send(socket_fd, name, strlen(name), &master_fd, 1) < 0)
        return err_sys(e, errno, "--console-socket: send the terminal");
    return 0;
}

/* OPTION names PATH in messages. */
static int connect_to(const char *path, const char *option, struct err *e)
{
    int fd = fd_connect(path, SOCK_STREAM);
    return fd < 0 ? err_sys(e, errno, "%s: connect to %s", option, path) : fd;
}

int terminal_connect(const char *path, struct err *e)
{
    return connect_to(path, "--console-socket", e);
}

int terminal_send_pidfd(const char *path, int pidfd, struct err *e)
{
    static const char name[] = "pidfd"; /* a message needs a byte at least */
    auto_fd int fd = connect_to(path, "--pidfd-socket", e);
    if (fd < 0)
        return -1;
    if (fd_send(fd, name, strlen(name), &pidfd, 1) < 0)
        return err_sys(e, errno, "--pidfd-socket: send the pidfd");
    return 0;
}

int terminal_pair(int *ours, int *for_child, struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, errno, "make a socket pair");
    *ours = pair[0];
    *for_child = pair[1];
    return 0;
}

int terminal_receive(int socket_fd, int *master_fd, struct err *e)
{
    char name[64];
    int fd;
    size_t count;
    if (fd_recv(socket_fd, name, sizeof(name), &fd, 1, &count) <= 0 || count == 0)
        return err_internal(e, "the terminal did not arrive");
    *master_fd = fd;
    return 0;
}
