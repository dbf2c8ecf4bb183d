/* The networks section. */
#include <arpa/inet.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

enum {
    PREFIX_MIN = 8,
    PREFIX_MAX = 29 /* a gateway and a few containers */
};

struct subnet_draft {
    const char *subnet, *gateway;
};
static const struct field subnet_fields[] = {
    { "subnet", FIELD_STRING, offsetof(struct subnet_draft, subnet), .doc = "\"172.20.0.0/16\"" },
    { "gateway", FIELD_STRING, offsetof(struct subnet_draft, gateway),
      .doc = "the machine's address; the first one when left out" },
    { "ip_range", FIELD_REFUSED, .doc = "a range within the subnet is not supported yet" },
    { "aux_addresses", FIELD_REFUSED, .doc = "reserved addresses are not supported yet" },
};
const struct field_table stack_subnet_table = FIELD_TABLE(subnet_fields);

static bool parse_subnet(const char *text, struct stack_network *n)
{
    char address[INET_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    struct in_addr ip;
    uint64_t prefix;
    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (inet_pton(AF_INET, address, &ip) != 1 || str_to_u64(slash + 1, 32, &prefix) < 0)
        return false;
    n->subnet = ntohl(ip.s_addr);
    n->prefix = (uint8_t)prefix;
    return true;
}

static void decode_subnet(struct field_ctx *ctx, const struct json *node, struct stack_network *n)
{
    struct subnet_draft sd = { 0 };
    if (field_decode(ctx, node, subnet_fields, ARRAY_LEN(subnet_fields), &sd) < 0)
        return;
    const struct json *subnet = json_find(node, "subnet"), *gateway = json_find(node, "gateway");
    if (!sd.subnet) {
        if (sd.gateway)
            field_error(ctx, gateway->place, "a gateway needs a subnet");
        return;
    }
    if (strchr(sd.subnet, ':')) {
        field_error(ctx, subnet->place, "IPv6 is not supported yet");
        return;
    }
    if (!parse_subnet(sd.subnet, n)) {
        field_error(ctx, subnet->place, "\"%.40s\" is not a subnet such as \"172.20.0.0/16\"",
                    sd.subnet);
        return;
    }
    uint32_t mask = n->prefix ? ~UINT32_C(0) << (32 - n->prefix) : 0;
    if (n->prefix < PREFIX_MIN || n->prefix > PREFIX_MAX) {
        field_error(ctx, subnet->place, "the prefix /%u is not between /%d and /%d", n->prefix,
                    PREFIX_MIN, PREFIX_MAX);
        return;
    }
    if (n->subnet & ~mask) {
        field_error(ctx, subnet->place, "\"%.40s\" has bits set behind the prefix", sd.subnet);
        return;
    }
    n->has_subnet = true;
    struct in_addr ip;
    if (!sd.gateway)
        return;
    if (inet_pton(AF_INET, sd.gateway, &ip) != 1 || (ntohl(ip.s_addr) & mask) != n->subnet)
        field_error(ctx, gateway->place, "\"%.40s\" is not an address of %.40s", sd.gateway,
                    sd.subnet);
    else
        n->gateway = ntohl(ip.s_addr);
}

static void decode_ipam_config(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_ARRAY) {
        field_type_error(ctx, node, "a list");
        return;
    }
    if (node->item_count > 1)
        field_error(ctx, node->items[1]->place, "more than one subnet is not supported yet");
    if (!node->item_count)
        return;
    size_t mark = field_enter_index(ctx, 0);
    decode_subnet(ctx, node->items[0], base);
    field_leave(ctx, mark);
}

/* "bridge", "local", "default": what there is on one machine. */
void decode_driver(struct field_ctx *ctx, const struct json *node, void *base)
{
    static const char *const known[] = { "bridge", "default", "local", "" };
    (void)base;
    const char *text;
    if (!field_text(ctx, node, &text))
        return;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(text, known[i]) == 0)
            return;
    field_error(ctx, node->place, "the driver \"%.40s\" is not supported", text);
}

static const struct field ipam_fields[] = {
    { "config", FIELD_CALL, .call = decode_ipam_config, .doc = "one subnet" },
    { "driver", FIELD_CALL, .call = decode_driver, .doc = "default is the only one" },
    { "options", FIELD_REFUSED, .doc = "options of address drivers are not supported" },
};
static void decode_enable_ipv4(struct field_ctx *ctx, const struct json *node, void *base)
{
    bool is_wanted = true;
    (void)base;
    if (field_bool(ctx, node, &is_wanted) && !is_wanted)
        field_error(ctx, node->key_place, "a network without IPv4 is not supported");
}

/* Networks belong to one stack, so nothing asks for one by its real name. */
static void check_network_name(struct field_ctx *ctx, const struct json *item,
                               const struct stack_network *n, const char *usual)
{
    const struct json *node = json_find(item, "name");
    if (!n->name || !node || strcmp(n->name, usual) == 0 || !decode_checks_host(draft_of(ctx)))
        return;
    size_t mark = field_enter(ctx, "name");
    field_no_effect(ctx, node->key_place, "", "a network is known to its own stack only");
    field_leave(ctx, mark);
}

static void decode_external(struct field_ctx *ctx, const struct json *node, void *base)
{
    bool is_external = false;
    (void)base;
    if (field_bool(ctx, node, &is_external) && is_external)
        field_error(ctx, node->key_place,
                    "external networks are not supported: every stack has "
                    "networks of its own");
}

static const struct field network_fields[] = {
    { "name", FIELD_STRING, offsetof(struct stack_network, name),
      .doc = "the real name; PROJECT_KEY when left out" },
    { "internal", FIELD_BOOL, offsetof(struct stack_network, is_internal),
      .doc = "no way out of the stack" },
    { "ipam", FIELD_OBJECT, .rows = ipam_fields, .row_count = ARRAY_LEN(ipam_fields),
      .doc = "a fixed subnet" },
    { "driver", FIELD_CALL, .call = decode_driver, .doc = "bridge is the only one" },
    { "labels", FIELD_ACCEPTED, .doc = "nothing reads labels" },
    { "external", FIELD_CALL, .call = decode_external,
      .doc = "only false: every stack has networks of its own" },
    { "driver_opts", FIELD_REFUSED, .doc = "options of network drivers are not supported" },
    { "attachable", FIELD_ACCEPTED, .doc = "it is for Swarm" },
    { "enable_ipv4", FIELD_CALL, .call = decode_enable_ipv4, .doc = "IPv4 is always there" },
    { "enable_ipv6", FIELD_REFUSED, .doc = "IPv6 is not supported yet" },
};
const struct field_table stack_network_table = FIELD_TABLE(network_fields);

static void check_overlap(struct field_ctx *ctx, const struct json *item,
                          const struct stack_network *n)
{
    const struct stack *s = draft_of(ctx)->stack;
    for (size_t i = 0; n->has_subnet && i < s->network_count; i++) {
        const struct stack_network *other = &s->networks[i];
        uint8_t prefix = n->prefix < other->prefix ? n->prefix : other->prefix;
        uint32_t mask = prefix ? ~UINT32_C(0) << (32 - prefix) : 0;
        if (other->has_subnet && (n->subnet & mask) == (other->subnet & mask))
            field_error(ctx, item->key_place, "overlaps with the subnet of \"%.63s\"", other->key);
    }
}

static void network_add(struct stack_draft *d, const struct stack_network *n)
{
    struct stack *s = d->stack;
    s->networks = decode_room(d->ctx.arena, s->networks, s->network_count, sizeof(*s->networks));
    s->networks[s->network_count++] = *n;
}

void decode_networks(struct stack_draft *d, const struct json *node)
{
    struct field_ctx *ctx = &d->ctx;
    struct stack *s = d->stack;
    size_t mark = field_enter(ctx, "networks");
    if (node && node->type != JSON_OBJECT && node->type != JSON_NULL)
        field_type_error(ctx, node, "an object");
    for (size_t i = 0; node && node->type == JSON_OBJECT && i < node->item_count; i++) {
        const struct json *item = node->items[i];
        struct stack_network n = { .key = item->key };
        size_t inner = field_enter(ctx, item->key);
        if (s->network_count == STACK_NETWORKS_MAX) {
            field_error(ctx, item->key_place, "more than %d networks", STACK_NETWORKS_MAX);
        } else {
            (void)decode_name_check(ctx, item, "network");
            if (item->type != JSON_NULL)
                (void)field_decode(ctx, item, network_fields, ARRAY_LEN(network_fields), &n);
            const char *usual = arena_printf(ctx->arena, "%s_%s", s->name, item->key);
            check_network_name(ctx, item, &n, usual);
            if (!n.name)
                n.name = usual;
            check_overlap(ctx, item, &n);
            network_add(d, &n);
        }
        field_leave(ctx, inner);
    }
    field_leave(ctx, mark);
    for (size_t i = 0; i < s->network_count; i++)
        if (strcmp(s->networks[i].key, "default") == 0)
            return;
    struct stack_network implied = { .key = "default",
                                     .name = arena_printf(ctx->arena, "%s_default", s->name) };
    network_add(d, &implied);
}
