#pragma once
/* Network interfaces of one namespace: reading, creating veth pairs, removing. */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netns/addr.h"
#include "netns/nl.h"
#include "runtime/base/err.h"

enum {
    LINK_ALIAS_MAX = 256, /* IFALIASZ, with NUL */
    LINK_KIND_MAX = 16
};

struct link_info {
    int index; /* 0: there is no such link */
    uint32_t mtu;
    char name[IFNAMSIZ];
    char kind[LINK_KIND_MAX]; /* "bridge", "veth", … */
    char alias[LINK_ALIAS_MAX];
};

/* One end of a veth pair. */
struct link_end {
    const char *name;
    const uint8_t *mac; /* NULL: random */
    int netns_fd;       /* of the peer end; -1: the same namespace */
};

/* FNV-1a, for names that must fit IFNAMSIZ. */
uint32_t link_hash(const char *text);

/* Reads the link NAME, or with index 0 in *out when there is none. */
must_check int link_get(struct nl_channel *c, const char *name, struct link_info *out,
                        struct err *e);
must_check int link_get_index(struct nl_channel *c, int index, struct link_info *out,
                              struct err *e);
/* All links: *out is an array of *count, the caller's (free). */
must_check int link_list(struct nl_channel *c, struct link_info **out, size_t *count,
                         struct err *e);

/* Each adds one request to the batch of C. A veth pair is made with the near end up and
 * the peer down; MASTER (an index) is the bridge of the near end, or 0. */
void link_req_veth(struct nl_channel *c, const struct link_end *near, const struct link_end *peer,
                   uint32_t mtu, int master);
void link_req_up(struct nl_channel *c, const char *name);
void link_req_alias(struct nl_channel *c, const char *name, const char *alias);
/* Whether packets that come in there are routed on (net.ipv4.conf.NAME.forwarding). */
void link_req_forwarding(struct nl_channel *c, const char *name, bool is_on);
void link_req_address(struct nl_channel *c, int index, struct addr_cidr address);
/* The link may be gone already. */
void link_req_remove(struct nl_channel *c, const char *name);
