#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/proxy/worker.h"

void outgoing_done(struct outgoing *o)
{
    free(o->data);
    *o = (struct outgoing){ 0 };
}

static ssize_t send_pieces(int fd, struct iovec *pieces, int count)
{
    struct msghdr msg = { .msg_iov = pieces, .msg_iovlen = (size_t)count };
    ssize_t n;
    do
        n = count == 1 ? send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL)
                       : sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

int outgoing_flush(struct outgoing *o, int fd)
{
    while (o->at < o->len) {
        ssize_t n = send(fd, o->data + o->at, o->len - o->at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        o->at += (uint32_t)n;
    }
    outgoing_done(o);
    return 0;
}

/* Appends the pieces after the first SKIP bytes of them. */
static int keep_pieces(struct outgoing *o, const struct iovec *pieces, int count, size_t skip)
{
    size_t more = 0;
    for (int i = 0; i < count; i++)
        more += pieces[i].iov_len;
    more -= skip;
    size_t pending = o->len - o->at;
    if (more == 0)
        return 0;
    if (pending + more > UINT32_MAX / 2) {
        errno = ENOBUFS;
        return -1;
    }
    char *data = malloc(pending + more);
    if (!data)
        return -1;
    if (pending)
        memcpy(data, o->data + o->at, pending);
    char *to = data + pending;
    for (int i = 0; i < count; i++) {
        size_t len = pieces[i].iov_len;
        size_t drop = skip < len ? skip : len;
        skip -= drop;
        if (len > drop)
            memcpy(to, (const char *)pieces[i].iov_base + drop, len - drop);
        to += len - drop;
    }
    free(o->data);
    *o = (struct outgoing){ .data = data, .len = (uint32_t)(pending + more) };
    return 0;
}

int outgoing_write(struct outgoing *o, int fd, struct iovec *pieces, int count, size_t *sent)
{
    ssize_t n = 0;
    *sent = 0;
    if (outgoing_is_empty(o)) {
        n = send_pieces(fd, pieces, count);
        if (n < 0 && errno != EAGAIN)
            return -1;
        if (n < 0)
            n = 0;
        *sent = (size_t)n;
    }
    return keep_pieces(o, pieces, count, (size_t)n);
}

int outgoing_keep(struct outgoing *o, const void *data, size_t len)
{
    struct iovec piece = { (void *)(uintptr_t)data, len };
    return keep_pieces(o, &piece, 1, 0);
}
