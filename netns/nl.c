#include "netns/nl.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "netns/ns.h"
#include "runtime/base/buf.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

enum {
    NEST_MAX = 4,
    WHAT_MAX = 128,
    RECEIVE_TIMEOUT_S = 10,    /* the kernel answers within send(2): longer is a bug of ours */
    RECEIVE_BYTES = 200 * 1024 /* a failure per request of a batch must fit the socket's queue */
};

struct request {
    char what[WHAT_MAX];
    int allowed_errnum;
};

struct nl_channel {
    int fd;
    uint32_t next_seq;
    struct buf batch;       /* requests, the last one perhaps still being built */
    size_t last_at;         /* offset of the last request in `batch` */
    size_t nests[NEST_MAX]; /* offsets of the nests that are open */
    size_t nest_count;
    struct request requests[NL_BATCH_MAX];
    size_t count;
    uint32_t first_seq; /* of requests[0]; the others follow */
    char reply[NL_REPLY_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static int channel_connect(struct nl_channel *c, struct err *e)
{
    c->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)(const void *)&kernel, sizeof kernel))
        return err_sys(e, errno, "open an rtnetlink socket");
    const int bytes = RECEIVE_BYTES;
    const int on = 1;
    const struct timeval timeout = { .tv_sec = RECEIVE_TIMEOUT_S };
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    /* Only the words of the kernel get lost without these two. */
    (void)setsockopt(c->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    (void)setsockopt(c->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return 0;
}

int nl_open(int netns_fd, struct nl_channel **out, struct err *e)
{
    struct nl_channel *c = mem_alloc(sizeof *c);
    c->fd = -1;
    buf_init(&c->batch, NL_BATCH_BYTES);
    int home_fd = -1;
    int rc = netns_fd >= 0 ? ns_enter(netns_fd, &home_fd, e) : 0;
    if (!rc)
        rc = channel_connect(c, e);
    if (home_fd >= 0)
        ns_leave(&home_fd);
    if (rc) {
        nl_shut(c);
        return -1;
    }
    *out = c;
    return 0;
}

void nl_shut(struct nl_channel *c)
{
    if (!c)
        return;
    fd_close(&c->fd);
    buf_done(&c->batch);
    free(c);
}

/* Appends to the batch, which our own requests fit. */
static void append(struct nl_channel *c, const void *data, size_t len)
{
    static const char padding[NLMSG_ALIGNTO];
    int rc = buf_add(&c->batch, data, len);
    rc |= buf_add(&c->batch, padding, NLMSG_ALIGN(len) - len);
    assert(rc == 0);
}

/* Sets the length field of the request being built. */
static void request_end(struct nl_channel *c)
{
    assert(c->nest_count == 0);
    if (!c->count)
        return;
    uint32_t len = (uint32_t)(c->batch.len - c->last_at);
    memcpy(c->batch.data + c->last_at + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof len);
}

static void batch_reset(struct nl_channel *c)
{
    buf_reset(&c->batch);
    c->count = 0;
    c->nest_count = 0;
}

static void request_start(struct nl_channel *c, uint16_t type, uint16_t flags, const void *head,
                          size_t len)
{
    request_end(c);
    assert(c->count < NL_BATCH_MAX);
    c->requests[c->count++] = (struct request){ 0 };
    const struct nlmsghdr message = {
        .nlmsg_type = type,
        .nlmsg_flags = flags | NLM_F_REQUEST,
        .nlmsg_seq = c->next_seq++,
    };
    if (c->count == 1)
        c->first_seq = message.nlmsg_seq;
    c->last_at = c->batch.len;
    append(c, &message, sizeof message);
    append(c, head, len);
}

void nl_req(struct nl_channel *c, uint16_t type, uint16_t flags, const void *head, size_t len,
            const char *fmt, ...)
{
    request_start(c, type, flags, head, len);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(c->requests[c->count - 1].what, WHAT_MAX, fmt, args);
    va_end(args);
}

void nl_allow(struct nl_channel *c, int errnum)
{
    assert(c->count);
    c->requests[c->count - 1].allowed_errnum = errnum;
}

void nl_put(struct nl_channel *c, uint16_t attr, const void *data, size_t len)
{
    const struct nlattr head = { .nla_len = (uint16_t)(sizeof head + len), .nla_type = attr };
    append(c, &head, sizeof head);
    append(c, data, len);
}

void nl_put_str(struct nl_channel *c, uint16_t attr, const char *text)
{
    nl_put(c, attr, text, strlen(text) + 1);
}

void nl_put_u8(struct nl_channel *c, uint16_t attr, uint8_t value)
{
    nl_put(c, attr, &value, sizeof value);
}

void nl_put_u32(struct nl_channel *c, uint16_t attr, uint32_t value)
{
    nl_put(c, attr, &value, sizeof value);
}

void nl_put_addr(struct nl_channel *c, uint16_t attr, uint32_t addr)
{
    nl_put_u32(c, attr, htonl(addr));
}

void nl_put_raw(struct nl_channel *c, const void *data, size_t len)
{
    append(c, data, len);
}

void nl_nest(struct nl_channel *c, uint16_t attr)
{
    assert(c->nest_count < NEST_MAX);
    const struct nlattr head = { .nla_type = attr | NLA_F_NESTED }; /* the length comes last */
    c->nests[c->nest_count++] = c->batch.len;
    append(c, &head, sizeof head);
}

void nl_unnest(struct nl_channel *c)
{
    assert(c->nest_count);
    size_t at = c->nests[--c->nest_count];
    uint16_t len = (uint16_t)(c->batch.len - at);
    memcpy(c->batch.data + at + offsetof(struct nlattr, nla_len), &len, sizeof len);
}

/* The kernel's own words about a failure (NLMSGERR_ATTR_MSG), NULL when it said none. With
 * NETLINK_CAP_ACK nothing of the request stands between the header and the attributes. */
static const char *ack_words(const struct nlmsghdr *message)
{
    if (!(message->nlmsg_flags & NLM_F_ACK_TLVS) || !(message->nlmsg_flags & NLM_F_CAPPED))
        return NULL;
    size_t len;
    const char *text =
        nl_attr(message, sizeof(struct nlmsgerr), NLMSGERR_ATTR_MSG, sizeof(char), &len);
    return text && text[len - 1] == '\0' ? text : NULL;
}

/* Judges one NLMSG_ERROR: fills FIRST when it is the first failure. True at the batch's end. */
static bool take_ack(struct nl_channel *c, const struct nlmsghdr *message, struct err *first)
{
    const struct nlmsgerr *ack = NLMSG_DATA(message);
    uint32_t index = message->nlmsg_seq - c->first_seq;
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof *ack) || index >= c->count)
        return false; /* left by a batch that was given up */
    const struct request *r = &c->requests[index];
    int errnum = -ack->error;
    if (errnum && errnum != r->allowed_errnum && first->kind == ERR_NONE) {
        const char *words = ack_words(message);
        if (words)
            (void)err_sys(first, errnum, "%s (%.160s)", r->what, words);
        else
            (void)err_sys(first, errnum, "%s", r->what);
    }
    return index == c->count - 1;
}

/* One datagram into `reply`; its length, -1 with e. */
static int reply_receive(struct nl_channel *c, struct err *e)
{
    for (;;) {
        ssize_t n = recv(c->fd, c->reply, sizeof c->reply, MSG_TRUNC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, errno, "receive from rtnetlink");
        if (n == 0 || (size_t)n > sizeof c->reply)
            return err_internal(e, "rtnetlink answered with %zd bytes", n);
        return (int)n;
    }
}

/* LAST_FLAGS go to the last request only. */
static int batch_send(struct nl_channel *c, uint16_t last_flags, struct err *e)
{
    request_end(c);
    struct nlmsghdr *last = (struct nlmsghdr *)(void *)(c->batch.data + c->last_at);
    last->nlmsg_flags |= last_flags;
    ssize_t n;
    do {
        n = send(c->fd, c->batch.data, c->batch.len, 0);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)c->batch.len)
        return err_sys(e, n < 0 ? errno : EIO, "send to rtnetlink");
    return 0;
}

static int batch_receive(struct nl_channel *c, nl_on_reply *on_reply, void *self, struct err *e)
{
    struct err first = { 0 };
    for (bool is_done = false; !is_done;) {
        int left = reply_receive(c, e);
        if (left < 0)
            return -1;
        struct nlmsghdr *m = (struct nlmsghdr *)(void *)c->reply;
        for (unsigned n = (unsigned)left; NLMSG_OK(m, n); m = NLMSG_NEXT(m, n)) {
            if (m->nlmsg_type == NLMSG_ERROR)
                is_done |= take_ack(c, m, &first);
            else if (on_reply && m->nlmsg_seq - c->first_seq < c->count)
                on_reply(self, m);
        }
    }
    if (first.kind == ERR_NONE)
        return 0;
    *e = first;
    return -1;
}

int nl_commit(struct nl_channel *c, nl_on_reply *on_reply, void *self, struct err *e)
{
    int rc = 0;
    /* One acknowledgement ends the batch: failures are sent without being asked for. */
    if (c->count)
        rc = batch_send(c, NLM_F_ACK, e) || batch_receive(c, on_reply, self, e) ? -1 : 0;
    batch_reset(c);
    return rc;
}

/* Reads one dump to its end: 0, 1 when the kernel says that it changed meanwhile, -1. */
static int dump_receive(struct nl_channel *c, nl_on_reply *on_reply, void *self, struct err *e)
{
    bool is_torn = false;
    for (;;) {
        int left = reply_receive(c, e);
        if (left < 0)
            return -1;
        struct nlmsghdr *m = (struct nlmsghdr *)(void *)c->reply;
        for (unsigned n = (unsigned)left; NLMSG_OK(m, n); m = NLMSG_NEXT(m, n)) {
            if (m->nlmsg_seq != c->first_seq)
                continue;
            is_torn |= m->nlmsg_flags & NLM_F_DUMP_INTR;
            struct err failure = { 0 };
            if (m->nlmsg_type == NLMSG_DONE)
                return is_torn;
            if (m->nlmsg_type != NLMSG_ERROR)
                on_reply(self, m);
            else if (take_ack(c, m, &failure) && failure.kind != ERR_NONE) {
                *e = failure;
                return -1;
            }
        }
    }
}

int nl_list(struct nl_channel *c, uint16_t type, const void *head, size_t len,
            void (*on_restart)(void *self), nl_on_reply *on_reply, void *self, struct err *e)
{
    for (int i = 0; i < NL_DUMP_TRIES; i++) {
        on_restart(self);
        request_start(c, type, 0, head, len);
        (void)snprintf(c->requests[0].what, WHAT_MAX, "list rtnetlink objects of type %u", type);
        int rc = batch_send(c, NLM_F_DUMP, e) ? -1 : dump_receive(c, on_reply, self, e);
        batch_reset(c);
        if (rc <= 0)
            return rc;
    }
    return err_set(e, ERR_SYSTEM, "the host's links or routes change all the time");
}

/* Attribute ATTR among the LEN bytes at AT. */
static const void *attr_find(const char *at, size_t len, uint16_t attr, size_t min_len,
                             size_t *out_len)
{
    struct nlattr head;
    while (len >= sizeof head) {
        memcpy(&head, at, sizeof head);
        if (head.nla_len < sizeof head || head.nla_len > len)
            return NULL;
        size_t value_len = head.nla_len - sizeof head;
        if ((head.nla_type & NLA_TYPE_MASK) == attr) {
            if (value_len < min_len)
                return NULL;
            if (out_len)
                *out_len = value_len;
            return at + sizeof head;
        }
        size_t step = NLA_ALIGN(head.nla_len);
        if (step >= len)
            return NULL;
        at += step;
        len -= step;
    }
    return NULL;
}

const void *nl_attr(const struct nlmsghdr *message, size_t head_len, uint16_t attr, size_t min_len,
                    size_t *len)
{
    size_t start = NLMSG_SPACE(head_len);
    if (message->nlmsg_len < start)
        return NULL;
    return attr_find((const char *)message + start, message->nlmsg_len - start, attr, min_len, len);
}

const void *nl_attr_nested(const struct nlmsghdr *message, size_t head_len, uint16_t parent,
                           uint16_t attr, size_t min_len, size_t *len)
{
    size_t inner_len;
    const char *inner = nl_attr(message, head_len, parent, sizeof(struct nlattr), &inner_len);
    return inner ? attr_find(inner, inner_len, attr, min_len, len) : NULL;
}
