#pragma once
/* rtnetlink: a kept socket of one network namespace, and batches of requests on it. Blocking, but
 * the kernel answers within the call.
 *
 *   nl_req(c, RTM_NEWLINK, NLM_F_CREATE, &head, sizeof head, "create bridge %s", name);
 *   nl_put_str(c, IFLA_IFNAME, name);
 *   …more requests…
 *   return nl_commit(c, NULL, NULL, e);
 *
 * The requests of a batch go out in one system call; the kernel runs all of them, in order, whether
 * or not an earlier one failed. The first failure is reported with its request's text. */
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"

enum {
    NL_BATCH_MAX = 64,          /* requests of one batch */
    NL_BATCH_BYTES = 64 * 1024, /* their size */
    NL_REPLY_BYTES = 32 * 1024, /* one datagram of answers; the kernel fits dumps to it */
    NL_DUMP_TRIES = 8           /* a dump that changed while it was read starts again */
};

struct nl_channel;

/* Called for each message that is not an acknowledgement. */
typedef void nl_on_reply(void *self, const struct nlmsghdr *message);

/* A socket in NETNS_FD (-1: the caller's own). *out is the caller's. */
must_check int nl_open(int netns_fd, struct nl_channel **out, struct err *e);
void nl_shut(struct nl_channel *c);

/* Starts the next request: TYPE, FLAGS besides NLM_F_REQUEST and NLM_F_ACK, its fixed header. */
void nl_req(struct nl_channel *c, uint16_t type, uint16_t flags, const void *head, size_t len,
            const char *fmt, ...) printf_like(6, 7);
/* The request just started may fail with ERRNUM: that counts as success. */
void nl_allow(struct nl_channel *c, int errnum);
void nl_put(struct nl_channel *c, uint16_t attr, const void *data, size_t len);
void nl_put_str(struct nl_channel *c, uint16_t attr, const char *text);
void nl_put_u8(struct nl_channel *c, uint16_t attr, uint8_t value);
void nl_put_u32(struct nl_channel *c, uint16_t attr, uint32_t value);
/* An IPv4 address, given in host byte order. */
void nl_put_addr(struct nl_channel *c, uint16_t attr, uint32_t addr);
/* Appends bytes that are no attribute (the struct ifinfomsg in VETH_INFO_PEER). */
void nl_put_raw(struct nl_channel *c, const void *data, size_t len);
void nl_nest(struct nl_channel *c, uint16_t attr);
void nl_unnest(struct nl_channel *c);

/* Sends the batch and waits for all answers; the batch is empty after, also on failure. */
must_check int nl_commit(struct nl_channel *c, nl_on_reply *on_reply, void *self, struct err *e);
/* Reads all objects that the dump request TYPE names. ON_RESTART is called before each try. */
must_check int nl_list(struct nl_channel *c, uint16_t type, const void *head, size_t len,
                       void (*on_restart)(void *self), nl_on_reply *on_reply, void *self,
                       struct err *e);

/* Attribute ATTR behind a fixed header of HEAD_LEN bytes; NULL when absent or shorter than MIN_LEN.
 * *len may be NULL. Borrowed from MESSAGE. */
const void *nl_attr(const struct nlmsghdr *message, size_t head_len, uint16_t attr, size_t min_len,
                    size_t *len);
/* Attribute ATTR nested in PARENT. */
const void *nl_attr_nested(const struct nlmsghdr *message, size_t head_len, uint16_t parent,
                           uint16_t attr, size_t min_len, size_t *len);
