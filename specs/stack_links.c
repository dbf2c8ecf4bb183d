/* What ties services to others: networks and dependencies. */
#include <arpa/inet.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

struct link_draft {
    struct stack_attachment a;
    const char *ipv4;
};

static const struct field link_fields[] = {
    { "aliases", FIELD_STRINGS, offsetof(struct link_draft, a.aliases),
      .doc = "further names on this network" },
    { "ipv4_address", FIELD_STRING, offsetof(struct link_draft, ipv4),
      .doc = "a fixed address out of the network's subnet" },
    { "ipv6_address", FIELD_REFUSED, .doc = "IPv6 is not supported yet" },
    { "link_local_ips", FIELD_REFUSED, .doc = "link-local addresses are not supported" },
    { "mac_address", FIELD_REFUSED, .doc = "a fixed MAC address is not supported yet" },
    { "driver_opts", FIELD_REFUSED, .doc = "there are no network drivers to have options" },
    { "interface_name", FIELD_REFUSED, .doc = "a name for the interface is not supported yet" },
    { "priority", FIELD_REFUSED, .doc = "an order of networks is not supported yet" },
    { "gw_priority", FIELD_REFUSED, .doc = "an order of networks is not supported yet" },
};
const struct field_table stack_attachment_table = FIELD_TABLE(link_fields);

static bool network_index(struct field_ctx *ctx, struct json_place at, const char *name,
                          size_t *out)
{
    const struct stack *s = draft_of(ctx)->stack;
    const char *words[STACK_NETWORKS_MAX + 1];
    for (size_t i = 0; i < s->network_count; i++) {
        words[i] = s->networks[i].key;
        if (strcmp(words[i], name) == 0) {
            *out = i;
            return true;
        }
    }
    field_error(ctx, at, "the network \"%.63s\" is not declared", name);
    const char *near = ctx->last ? str_nearest(name, words, s->network_count) : NULL;
    if (near)
        field_hint(ctx, "did you mean \"%s\"?", near);
    else
        field_hint(ctx, "add \"networks\": {\"%.63s\": {}} to the stack", name);
    return false;
}

static void check_ipv4(struct field_ctx *ctx, const struct json *node, struct link_draft *ld)
{
    const struct stack_network *n = &draft_of(ctx)->stack->networks[ld->a.network];
    struct in_addr ip;
    const struct json *at = json_find(node, "ipv4_address");
    if (inet_pton(AF_INET, ld->ipv4, &ip) != 1) {
        field_error(ctx, at->place, "\"%.40s\" is not an IPv4 address", ld->ipv4);
        return;
    }
    ld->a.ipv4 = ntohl(ip.s_addr);
    uint32_t mask = n->prefix ? ~UINT32_C(0) << (32 - n->prefix) : 0;
    if (!n->has_subnet) {
        field_error(ctx, at->place, "the network \"%.63s\" has no fixed subnet", n->key);
        field_hint(ctx, "give it one: \"ipam\": {\"config\": [{\"subnet\": \"…\"}]}");
    } else if ((ld->a.ipv4 & mask) != n->subnet || ld->a.ipv4 == n->subnet ||
               ld->a.ipv4 == (n->subnet | ~mask)) {
        field_error(ctx, at->place, "%.40s is not a host address of the network \"%.63s\"",
                    ld->ipv4, n->key);
    }
}

static void attach(struct stack_draft *d, struct service_draft *sd, struct json_place at,
                   const char *name, const struct json *options)
{
    struct field_ctx *ctx = &d->ctx;
    struct link_draft ld = { 0 };
    if (!network_index(ctx, at, name, &ld.a.network))
        return;
    for (size_t i = 0; i < sd->s.network_count; i++)
        if (sd->s.networks[i].network == ld.a.network) {
            field_error(ctx, at, "the network \"%.63s\" is given twice", name);
            return;
        }
    if (options && options->type != JSON_NULL) {
        (void)field_decode(ctx, options, link_fields, ARRAY_LEN(link_fields), &ld);
        if (ld.ipv4)
            check_ipv4(ctx, options, &ld);
    }
    if (sd->container_name) { /* Compose: the container's name is an alias on every network */
        struct strings *names = &ld.a.aliases;
        const char **items = arena_alloc(ctx->arena, (names->count + 2) * sizeof(*items));
        if (names->count)
            memcpy(items, names->items, names->count * sizeof(*items));
        items[names->count++] = sd->container_name;
        names->items = items;
    }
    d->network_in_use[ld.a.network] = true;
    sd->s.networks =
        decode_room(ctx->arena, sd->s.networks, sd->s.network_count, sizeof(*sd->s.networks));
    sd->s.networks[sd->s.network_count++] = ld.a;
}

/* What belongs to a network namespace of the service's own stands beside another mode. */
static void check_shared_network(struct field_ctx *ctx, const struct service_draft *sd)
{
    static const struct {
        const char *key, *why;
    } rows[] = {
        { "networks", "a service is on networks or has a network_mode, not both" },
        { "ports", "a port needs a network of the service's own" },
        { "links", "links need a network of the service's own" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct json *node = json_find(sd->node, rows[i].key);
        bool is_empty =
            !node || node->type == JSON_NULL || (node->type != JSON_STRING && !node->item_count);
        if (is_empty)
            continue;
        size_t mark = field_enter(ctx, rows[i].key);
        field_error(ctx, node->key_place, "%s", rows[i].why);
        field_leave(ctx, mark);
    }
}

void decode_service_networks(struct stack_draft *d, struct service_draft *sd)
{
    struct field_ctx *ctx = &d->ctx;
    const struct json *node = sd->networks;
    if (sd->s.network_mode != STACK_NETWORK_OWN) {
        check_shared_network(ctx, sd);
        return;
    }
    if (!node || !node->item_count) {
        if (node && node->type != JSON_ARRAY && node->type != JSON_OBJECT)
            field_type_error(ctx, node, "a list or an object");
        attach(d, sd, sd->s.place, "default", NULL);
        return;
    }
    size_t mark = field_enter(ctx, "networks");
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        size_t inner = item->key ? field_enter(ctx, item->key) : field_enter_index(ctx, i);
        if (item->key)
            attach(d, sd, item->key_place, item->key, item);
        else if (item->type == JSON_STRING)
            attach(d, sd, item->place, item->text, NULL);
        else
            field_type_error(ctx, item, "the name of a network");
        field_leave(ctx, inner);
    }
    field_leave(ctx, mark);
}

static const char *const conditions[] = { "service_started", "service_healthy",
                                          "service_completed_successfully", NULL };
_Static_assert(STACK_DEP_STARTED == 0 && STACK_DEP_HEALTHY == 1 && STACK_DEP_COMPLETED == 2,
               "the order of conditions");

struct dependency_draft {
    int condition;
    bool required, restart;
};
static const struct field dependency_fields[] = {
    { "condition", FIELD_CHOICE, offsetof(struct dependency_draft, condition), .names = conditions,
      .doc = "what is waited for, service_started" },
    { "required", FIELD_BOOL, offsetof(struct dependency_draft, required),
      .doc = "false: start anyway when it cannot be" },
    { "restart", FIELD_BOOL, offsetof(struct dependency_draft, restart),
      .doc = "restart this service when that one is restarted by hand" },
};
const struct field_table stack_dependency_table = FIELD_TABLE(dependency_fields);

static void depend(struct field_ctx *ctx, struct service_draft *sd, struct json_place at,
                   const char *name, const struct dependency_draft *dd)
{
    struct stack_service *s = &sd->s;
    if (!dd->required && decode_profile_of(draft_of(ctx), name) &&
        !stack_find_service(draft_of(ctx)->stack, name))
        return; /* its profile is not active */
    size_t index = decode_service_ref(ctx, at, name);
    if (index == SIZE_MAX)
        return;
    if (index == sd->index) {
        field_error(ctx, at, "the service depends on itself");
        return;
    }
    for (size_t i = 0; i < s->depends_count; i++)
        if (s->depends_on[i].service == index) {
            field_error(ctx, at, "\"%.63s\" is given twice", name);
            return;
        }
    s->depends_on =
        decode_room(ctx->arena, s->depends_on, s->depends_count, sizeof(*s->depends_on));
    s->depends_on[s->depends_count++] = (struct stack_dependency){
        .service = index,
        .condition = (enum stack_condition)dd->condition,
        .required = dd->required,
        .restart = dd->restart,
    };
}

void decode_depends_on(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_ARRAY && node->type != JSON_OBJECT) {
        field_type_error(ctx, node, "a list of services or an object");
        return;
    }
    for (size_t i = 0; i < node->item_count; i++) {
        const struct json *item = node->items[i];
        struct dependency_draft dd = { .required = true };
        size_t mark = item->key ? field_enter(ctx, item->key) : field_enter_index(ctx, i);
        if (item->key) {
            if (item->type != JSON_NULL)
                (void)field_decode(ctx, item, dependency_fields, ARRAY_LEN(dependency_fields), &dd);
            if (dd.restart && decode_checks_host(draft_of(ctx)))
                field_no_effect(ctx, json_find(item, "restart")->key_place, "restart",
                                "svc restart restarts only what it is given");
            depend(ctx, base, item->key_place, item->key, &dd);
        } else if (item->type == JSON_STRING) {
            depend(ctx, base, item->place, item->text, &dd);
        } else {
            field_type_error(ctx, item, "the name of a service");
        }
        field_leave(ctx, mark);
    }
}

static void imply(struct field_ctx *ctx, struct service_draft *sd, size_t index)
{
    sd->implied = decode_room(ctx->arena, sd->implied, sd->implied_count, sizeof(*sd->implied));
    sd->implied[sd->implied_count++] = index;
}

void decode_implied_dependencies(struct stack_draft *d, struct service_draft *sd)
{
    static const struct dependency_draft started = { STACK_DEP_STARTED, true, false };
    for (size_t i = 0; i < sd->implied_count; i++) {
        bool is_there = false;
        for (size_t n = 0; n < sd->s.depends_count; n++)
            is_there |= sd->s.depends_on[n].service == sd->implied[i];
        if (!is_there)
            depend(&d->ctx, sd, sd->s.place, d->stack->services[sd->implied[i]].name, &started);
    }
}

void decode_network_mode(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct service_draft *sd = base;
    const char *text;
    if (!field_text(ctx, node, &text))
        return;
    if (strcmp(text, "none") == 0) {
        sd->s.network_mode = STACK_NETWORK_NONE;
    } else if (strcmp(text, "host") == 0) {
        sd->s.network_mode = STACK_NETWORK_HOST;
    } else if (str_starts(text, "service:")) {
        size_t index = decode_service_ref(ctx, node->place, text + strlen("service:"));
        if (index == sd->index)
            field_error(ctx, node->place, "the service would share its own network");
        if (index == SIZE_MAX || index == sd->index)
            return;
        sd->s.network_mode = STACK_NETWORK_SERVICE;
        sd->s.network_service = index;
        imply(ctx, sd, index);
    } else if (strcmp(text, "bridge") != 0) {
        field_error(ctx, node->place, "\"%.60s\" is not a network mode", text);
        field_hint(ctx, "none, host or service:NAME");
    }
}

static void decode_link(struct field_ctx *ctx, const struct json *node, struct service_draft *sd)
{
    if (node->type != JSON_STRING || !node->text_len) {
        field_type_error(ctx, node, "\"SERVICE\" or \"SERVICE:ALIAS\"");
        return;
    }
    const char *colon = strchr(node->text, ':');
    size_t len = colon ? (size_t)(colon - node->text) : node->text_len;
    const char *name = arena_strndup(ctx->arena, node->text, len);
    struct stack_link link = { decode_service_ref(ctx, node->place, name),
                               colon ? colon + 1 : name };
    if (link.service == SIZE_MAX)
        return;
    if (link.service == sd->index || !decode_is_host_name(link.alias)) {
        field_error(ctx, node->place,
                    link.service == sd->index ? "the service is linked to itself"
                                              : "\"%.80s\" is not a host name",
                    link.alias);
        return;
    }
    if (sd->s.link_count == STACK_LINES_MAX) {
        field_error(ctx, node->place, "more than %d links", STACK_LINES_MAX);
        return;
    }
    imply(ctx, sd, link.service);
    sd->s.links = decode_room(ctx->arena, sd->s.links, sd->s.link_count, sizeof(link));
    sd->s.links[sd->s.link_count++] = link;
}

void decode_links(struct field_ctx *ctx, const struct json *node, void *base)
{
    if (node->type != JSON_ARRAY) {
        field_type_error(ctx, node, "a list");
        return;
    }
    for (size_t i = 0; i < node->item_count; i++) {
        size_t mark = field_enter_index(ctx, i);
        decode_link(ctx, node->items[i], base);
        field_leave(ctx, mark);
    }
}
