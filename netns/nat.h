#pragma once
/* The firewall rules of one stack as nft text, and the nft run that applies it.
 *
 * Two tables. `svc` in the stack netns forwards from the bridges that have egress to the uplink and
 * nothing else, and masquerades, so that two stacks with equal subnets never meet. `svc_PROJECT` in
 * the host's netns masquerades the uplink and keeps strangers and other stacks away from it. The
 * builders are pure (golden files in tests/unit/netns/golden); each text is one transaction that
 * replaces the table as a whole, so that applying it again is always right. */
#include <stdbool.h>
#include <stddef.h>

#include "netns/addr.h"
#include "runtime/base/buf.h"
#include "runtime/base/err.h"

enum {
    NAT_TEXT_MAX = 65536,
    NAT_TABLE_MAX = 80, /* bytes of a table name with NUL */
    NAT_TIMEOUT_MS = 10000
};

struct nat_bridge {
    const char *name;
    bool internal;
};

/* The host's table for PROJECT: "svc_PROJECT". */
void nat_host_table(const char *project, char table[NAT_TABLE_MAX]);

/* Append to B, which the caller checks for overflow. UPLINK is the host's end,
 * STACK the address of the other. */
void nat_host_text(const char *table, const char *uplink, struct addr_cidr stack, struct buf *b);
/* UPLINK is the stack's end. */
void nat_stack_text(const char *uplink, const struct nat_bridge *bridges, size_t count,
                    struct buf *b);
/* Leaves no table. */
void nat_remove_text(const char *table, struct buf *b);

/* Runs `nft -f -` on the text in netns NETNS_FD (-1: the caller's) and waits for it. ERR_HOST with
 * a hint when nft or the kernel's nf_tables is missing; otherwise nft's own first line. */
must_check int nat_apply(int netns_fd, const struct buf *text, struct err *e);
