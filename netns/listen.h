#pragma once
/* Listening TCP sockets of the host, opened by the engine in its own network namespace and handed
 * to the keeper and the proxy. Does not resolve names: addresses are literals. */
#include <stdint.h>

#include "runtime/base/err.h"

/* Opens a listener: close-on-exec, non-blocking, SO_REUSEADDR. ADDR is an IPv4 or IPv6 literal; ""
 * or NULL listens on all addresses of both families by one socket (IPv4 alone where the kernel has
 * no IPv6). PORT 0 takes a free one. Returns the fd, the caller's. ERR_INPUT: not an address.
 * ERR_CONFLICT: port in use, the hint names the process that holds it; or not an address of this
 * machine. ERR_HOST: a privileged port without the privilege. */
must_check int net_listen_tcp(const char *addr, uint16_t port, int backlog, struct err *e);
