#pragma once
/* The terminal of a container: a pty of its own devpts, its master sent to whoever asked by
 * --console-socket. The slave is taken by TIOCGPTPEER, never by a path of the container
 * (CVE-2025-52565). The first three are for the child: no allocation, no stdio. */
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"

/* A new pty of /dev/pts beneath ROOT_FD (AT_FDCWD: of the own root). ROWS and COLUMNS 0: unset. */
must_check int terminal_open(int root_fd, uint16_t rows, uint16_t columns, int *master_fd,
                             int *slave_fd, struct err *e);
/* Binds the slave onto /dev/console beneath ROOT_FD, made when it is not there. ERR_HOST: it, or
 * /dev, is a link. */
must_check int terminal_bind_console(int root_fd, int slave_fd, struct err *e);
/* Makes the slave the controlling terminal and fds 0, 1, 2, owned by UID. The caller leads a
 * session. */
must_check int terminal_become(int slave_fd, uid_t uid, struct err *e);
/* One message with the fd; NAME is its payload. */
must_check int terminal_send(int socket_fd, int master_fd, const char *name, struct err *e);
/* The same inside of svc-runtime: a pair, of which FOR_CHILD is for terminal_send … */
must_check int terminal_pair(int *ours, int *for_child, struct err *e);
/* … and the master that came. */
must_check int terminal_receive(int socket_fd, int *master_fd, struct err *e);
/* The other fd that clients wait for on a socket: PIDFD, to the --pidfd-socket PATH. */
must_check int terminal_send_pidfd(const char *path, int pidfd, struct err *e);
/* Connects to a --console-socket. Returns the fd. */
must_check int terminal_connect(const char *path, struct err *e);
