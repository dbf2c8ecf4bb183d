/* The engine's side of the prober: requests made from a healthcheck, the channel. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "supervisor/health/prober.h"

static bool has_line_break(const char *s)
{
    return strpbrk(s, "\r\n") != NULL;
}

static int copy_text(char *to, size_t size, const char *from, const char *what, struct err *e)
{
    if (has_line_break(from) || str_copy(to, size, from) < 0)
        return err_input(e, "%s of a healthcheck has a line break or is over %zu bytes", what,
                         size - 1);
    return 0;
}

int probe_request_make(struct probe_request *out, const struct stack_healthcheck *check,
                       uint32_t ipv4, uint64_t id, struct err *e)
{
    struct probe_request q = { .id = id,
                               .kind = check->kind,
                               .ipv4 = ipv4,
                               .port = check->port,
                               .status_min = check->status_min,
                               .status_max = check->status_max,
                               .timeout_ms = check->timeout_ms };
    if (check->kind != STACK_PROBE_HTTP && check->kind != STACK_PROBE_TCP)
        return err_internal(e, "healthcheck kind %d for the prober", (int)check->kind);
    if (check->kind == STACK_PROBE_HTTP) {
        if (copy_text(q.path, sizeof(q.path), check->path ? check->path : "/", "path", e) < 0 ||
            copy_text(q.host, sizeof(q.host), check->host ? check->host : "localhost", "host", e) <
                0)
            return -1;
        size_t used = 0;
        for (size_t i = 0; i < check->headers.count; i++) {
            const struct stack_pair *h = &check->headers.items[i];
            int n = snprintf(q.headers + used, sizeof(q.headers) - used, "%s: %s\r\n", h->key,
                             h->value);
            if (has_line_break(h->key) || has_line_break(h->value) || n < 0 ||
                (size_t)n >= sizeof(q.headers) - used)
                return err_input(e,
                                 "header \"%s\" of a healthcheck has a line break, or the headers "
                                 "are over %d bytes",
                                 h->key, PROBE_HEADERS_MAX - 1);
            used += (size_t)n;
        }
    }
    *out = q;
    return 0;
}

int prober_send(int channel, const struct probe_request *request, struct err *e)
{
    ssize_t n;
    do
        n = send(channel, request, sizeof(*request), MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? err_sys(e, errno, "write to the prober") : 0;
}

int prober_receive(int channel, struct probe_reply *out, struct err *e)
{
    struct probe_reply reply;
    ssize_t n;
    do
        n = recv(channel, &reply, sizeof(reply), MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return 0;
    if (n < 0)
        return err_sys(e, errno, "read from the prober");
    if ((size_t)n != sizeof(reply))
        return err_internal(e, "message of %zd bytes from the prober", n);
    reply.text[sizeof(reply.text) - 1] = '\0';
    *out = reply;
    return 1;
}
