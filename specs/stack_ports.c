#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

struct port_draft {
    const char *host_ip, *published;
    uint16_t target;
    int protocol, mode;
};

struct range {
    uint16_t first, last;
};

static const char *const protocols[] = { "tcp", "udp", NULL };

static const char *const modes[] = { "host", "ingress", NULL };

static const struct field port_fields[] = {
    { "target", FIELD_U16, offsetof(struct port_draft, target), .min = 1, .max = 65535,
      .flags = FIELD_NEED, .doc = "port in the container" },
    { "published", FIELD_TEXT, offsetof(struct port_draft, published),
      .doc = "port on the machine; any free one when left out" },
    { "host_ip", FIELD_STRING, offsetof(struct port_draft, host_ip),
      .doc = "address on the machine; all when left out" },
    { "protocol", FIELD_CHOICE, offsetof(struct port_draft, protocol), .names = protocols,
      .doc = "tcp or udp" },
    { "name", FIELD_ACCEPTED, .doc = "nothing asks for a port by its name" },
    { "app_protocol", FIELD_ACCEPTED, .doc = "bytes are passed on as they come" },
    { "mode", FIELD_CHOICE, offsetof(struct port_draft, mode), .names = modes,
      .doc = "host and ingress are the same on one machine" },
};
const struct field_table stack_port_table = FIELD_TABLE(port_fields);

/* One more port of the stack; false, after one error, when that is too many. */
static bool port_counts(struct field_ctx *ctx, struct json_place at)
{
    struct stack_draft *d = draft_of(ctx);
    if (d->port_count == STACK_PORTS_MAX)
        field_error(ctx, at, "more than %d ports in the stack", STACK_PORTS_MAX);
    return d->port_count++ < STACK_PORTS_MAX;
}

static void port_add(struct field_ctx *ctx, struct service_draft *sd, const struct stack_port *port)
{
    struct stack_service *s = &sd->s;
    if (!port_counts(ctx, port->place))
        return;
    s->ports = decode_room(ctx->arena, s->ports, s->port_count, sizeof(*s->ports));
    s->ports[s->port_count++] = *port;
}

static void not_a_port(struct field_ctx *ctx, const struct json *node, const char *text)
{
    uint64_t n;
    if (str_to_u64(text, UINT64_MAX, &n) == 0)
        field_error(ctx, node->place, "%.40s is not a port (1–65535)", text);
    else
        field_error(ctx, node->place, "\"%.80s\" is not a port", text);
}

static bool range_read(struct field_ctx *ctx, const struct json *node, const char *text,
                       struct range *out)
{
    const char *dash = strchr(text, '-');
    const char *first = dash ? arena_strndup(ctx->arena, text, (size_t)(dash - text)) : text;
    if (!decode_port_text(first, &out->first)) {
        not_a_port(ctx, node, first);
        return false;
    }
    out->last = out->first;
    if (dash && !decode_port_text(dash + 1, &out->last)) {
        not_a_port(ctx, node, dash + 1);
        return false;
    }
    if (out->last < out->first) {
        field_error(ctx, node->place, "the range %.40s runs backwards", text);
        return false;
    }
    return true;
}

static bool protocol_check(struct field_ctx *ctx, const struct json *node, const char *protocol)
{
    if (strcmp(protocol, "tcp") == 0)
        return true;
    if (strcmp(protocol, "udp") == 0)
        field_error(ctx, node->place, "UDP ports are not supported yet");
    else
        field_error(ctx, node->place, "the protocol \"%.20s\" is neither tcp nor udp", protocol);
    return false;
}

/* "[IP:][HOST[-HOST]:]CONTAINER[-CONTAINER][/PROTOCOL]" */
static void decode_short_port(struct field_ctx *ctx, const struct json *node,
                              struct service_draft *sd)
{
    char *text = arena_strdup(ctx->arena, node->text);
    struct stack_port port = { .host_ip = "", .place = node->place };
    char *slash = strchr(text, '/');
    if (slash) {
        *slash++ = '\0';
        if (!protocol_check(ctx, node, slash))
            return;
    }
    struct range inner, outer = { 0, 0 };
    char *colon = strrchr(text, ':');
    if (!range_read(ctx, node, colon ? colon + 1 : text, &inner))
        return;
    if (colon) {
        *colon = '\0';
        char *host = text, *ip_end = strrchr(text, ':');
        if (ip_end) {
            *ip_end = '\0';
            host = ip_end + 1;
            bool is_bracketed = text[0] == '[' && ip_end > text && ip_end[-1] == ']';
            if (is_bracketed)
                ip_end[-1] = '\0';
            port.host_ip = text + is_bracketed;
            if (!decode_is_ip(port.host_ip)) {
                field_error(ctx, node->place, "\"%.60s\" is not an IP address", port.host_ip);
                return;
            }
        }
        if ((*host || !ip_end) && !range_read(ctx, node, host, &outer))
            return;
        if (outer.first && outer.last - outer.first != inner.last - inner.first) {
            field_error(ctx, node->place, "the ranges in \"%.60s\" differ in length", node->text);
            return;
        }
    }
    for (unsigned i = 0; i <= (unsigned)(inner.last - inner.first); i++) {
        port.target = (uint16_t)(inner.first + i);
        port.published = outer.first ? (uint16_t)(outer.first + i) : 0;
        port_add(ctx, sd, &port);
    }
}

static void decode_long_port(struct field_ctx *ctx, const struct json *node,
                             struct service_draft *sd)
{
    struct port_draft pd = { .host_ip = "" };
    size_t before = ctx->problems->error_count;
    if (field_decode(ctx, node, port_fields, ARRAY_LEN(port_fields), &pd) < 0 ||
        ctx->problems->error_count != before)
        return;
    struct stack_port port = { .host_ip = pd.host_ip, .target = pd.target };
    port.place = node->place;
    if (pd.protocol == 1) {
        (void)protocol_check(ctx, json_find(node, "protocol"), "udp");
    } else if (pd.published && *pd.published && !decode_port_text(pd.published, &port.published)) {
        const struct json *at = json_find(node, "published");
        not_a_port(ctx, at, pd.published);
    } else if (*pd.host_ip && !decode_is_ip(pd.host_ip)) {
        field_error(ctx, json_find(node, "host_ip")->place, "\"%.60s\" is not an IP address",
                    pd.host_ip);
    } else {
        port_add(ctx, sd, &port);
    }
}

void decode_ports(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_ARRAY) {
        field_type_error(ctx, node, "a list");
        return;
    }
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        size_t mark = field_enter_index(ctx, i);
        if (item->type == JSON_STRING || item->type == JSON_NUMBER)
            decode_short_port(ctx, item, base);
        else
            decode_long_port(ctx, item, base);
        field_leave(ctx, mark);
    }
}

void decode_expose(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct stack_service *s = &((struct service_draft *)base)->s;
    struct strings texts = { 0 };
    if (!field_strings(ctx, node, &texts))
        return;
    for (size_t i = 0; i < texts.count; i++) {
        char *text = arena_strdup(ctx->arena, texts.items[i]);
        char *slash = strchr(text, '/');
        if (slash)
            *slash++ = '\0';
        struct range range;
        size_t mark = field_enter_index(ctx, i);
        if (slash && strcmp(slash, "tcp") != 0 && strcmp(slash, "udp") != 0)
            (void)protocol_check(ctx, node->items[i], slash);
        else if (range_read(ctx, node->items[i], text, &range))
            for (unsigned port = range.first;
                 port <= range.last && port_counts(ctx, node->items[i]->place); port++) {
                s->expose = decode_room(ctx->arena, s->expose, s->expose_count, sizeof(*s->expose));
                s->expose[s->expose_count++] = (uint16_t)port;
            }
        field_leave(ctx, mark);
    }
}
