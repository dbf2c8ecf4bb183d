/* The checks that need the whole model: cycles, clashes, sums. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

static size_t enter_service(struct stack_draft *d, size_t index, const char *key)
{
    size_t mark = field_enter(&d->ctx, "services");
    (void)field_enter(&d->ctx, d->stack->services[index].name);
    (void)field_enter(&d->ctx, key);
    return mark;
}

/* Where KEY of a service stands; the service when it is not there. */
static struct json_place place_of(const struct stack_draft *d, size_t index, const char *key)
{
    const struct json *node = field_find(d->service_nodes[index], key);
    return node ? node->place : d->stack->services[index].place;
}

/* Where a dependency on NAME stands. */
static struct json_place dependency_place(const struct stack_draft *d, size_t index,
                                          const char *name)
{
    const struct json *node = json_find(d->service_nodes[index], "depends_on");
    for (size_t i = 0; node && i < node->item_count; i++) {
        const struct json *item = node->items[i];
        if (item->key && strcmp(item->key, name) == 0)
            return item->key_place;
        if (item->type == JSON_STRING && strcmp(item->text, name) == 0)
            return item->place;
    }
    return place_of(d, index, "depends_on");
}

/* --- cycles --- */

/* Takes away, round by round, what waits for nothing that is left: cycles stay, and what waits
 * for them. */
static size_t peel(const struct stack *s, bool *is_gone)
{
    size_t left = 0;
    for (size_t i = 0; i < s->service_count; i++)
        left += !is_gone[i];
    for (bool has_changed = true; has_changed;) {
        has_changed = false;
        for (size_t i = 0; i < s->service_count; i++) {
            const struct stack_service *service = &s->services[i];
            size_t n = 0;
            while (n < service->depends_count && is_gone[service->depends_on[n].service])
                n++;
            if (is_gone[i] || n < service->depends_count)
                continue;
            is_gone[i] = has_changed = true;
            left--;
        }
    }
    return left;
}

static size_t next_left(const struct stack *s, size_t index, const bool *is_gone)
{
    const struct stack_service *service = &s->services[index];
    for (size_t i = 0; i < service->depends_count; i++)
        if (!is_gone[service->depends_on[i].service])
            return service->depends_on[i].service;
    return index;
}

/* The cycle that the walk from START runs into, beginning with its first service in the file. */
static void report_cycle(struct stack_draft *d, size_t start, bool *is_gone)
{
    const struct stack *s = d->stack;
    size_t at = start;
    for (size_t i = 0; i < s->service_count; i++) /* now surely in the cycle */
        at = next_left(s, at, is_gone);
    size_t first = at;
    for (size_t i = next_left(s, at, is_gone); i != at; i = next_left(s, i, is_gone))
        first = i < first ? i : first;
    char names[200];
    size_t len = 0;
    at = first;
    do {
        int n = snprintf(names + len, sizeof(names) - len, "%s → ", s->services[at].name);
        len += (size_t)n < sizeof(names) - len ? (size_t)n : sizeof(names) - len - 1;
        at = next_left(s, at, is_gone);
    } while (at != first);
    size_t mark = enter_service(d, first, "depends_on");
    field_error(&d->ctx, dependency_place(d, first, s->services[next_left(s, first, is_gone)].name),
                "services wait for each other: %s%s", names, s->services[first].name);
    field_leave(&d->ctx, mark);
    for (size_t next; !is_gone[at]; at = next) {
        next = next_left(s, at, is_gone);
        is_gone[at] = true;
    }
}

static void check_cycles(struct stack_draft *d)
{
    const struct stack *s = d->stack;
    bool *is_gone = arena_alloc(d->ctx.arena, s->service_count + 1);
    while (peel(s, is_gone)) {
        size_t start = 0;
        while (is_gone[start])
            start++;
        report_cycle(d, start, is_gone);
    }
}

/* --- conditions --- */

static void check_condition(struct stack_draft *d, size_t index, const struct stack_dependency *dep)
{
    const struct stack_service *to = &d->stack->services[dep->service];
    const struct json *check = json_find(d->service_nodes[dep->service], "healthcheck");
    bool has_probe = to->healthcheck.kind != STACK_PROBE_NONE;
    bool ends = to->restart == STACK_RESTART_NO || to->restart == STACK_RESTART_ON_FAILURE;
    size_t mark = enter_service(d, index, "depends_on");
    struct json_place at = dependency_place(d, index, to->name);
    /* A healthcheck with a mistake was reported already. */
    if (dep->condition == STACK_DEP_HEALTHY && !has_probe && !d->has_bad_health[dep->service]) {
        field_error(&d->ctx, at, "waits for \"%.63s\" to be healthy, %s", to->name,
                    check ? "whose healthcheck is disabled" : "which has no healthcheck");
    } else if (dep->condition == STACK_DEP_COMPLETED && !ends) {
        field_error(&d->ctx, at, "waits for \"%.63s\" to complete, which restarts always",
                    to->name);
    }
    field_leave(&d->ctx, mark);
}

/* --- networks --- */

static bool shares_network(const struct stack_service *a, const struct stack_service *b)
{
    for (size_t i = 0; i < a->network_count; i++)
        for (size_t n = 0; n < b->network_count; n++)
            if (a->networks[i].network == b->networks[n].network)
                return true;
    return false;
}

static void check_network(struct stack_draft *d, size_t index)
{
    const struct stack_service *s = &d->stack->services[index];
    const struct stack_service *to = &d->stack->services[s->network_service];
    size_t mark = enter_service(d, index, "network_mode");
    if (s->network_mode == STACK_NETWORK_SERVICE && to->network_mode == STACK_NETWORK_SERVICE) {
        field_error(&d->ctx, place_of(d, index, "network_mode"),
                    "\"%.63s\" has no network of its own either", to->name);
        field_hint(&d->ctx, "name the service whose network it is: \"service:%.63s\"",
                   d->stack->services[to->network_service].name);
    }
    if (s->network_mode == STACK_NETWORK_NONE &&
        (s->healthcheck.kind == STACK_PROBE_HTTP || s->healthcheck.kind == STACK_PROBE_TCP))
        field_error(&d->ctx, place_of(d, index, "network_mode"),
                    "without a network its healthcheck must be a command");
    field_leave(&d->ctx, mark);
    mark = enter_service(d, index, "sysctls");
    bool is_shared =
        s->network_mode == STACK_NETWORK_HOST || s->network_mode == STACK_NETWORK_SERVICE;
    for (size_t i = 0; is_shared && i < s->sysctls.count; i++)
        if (str_starts(s->sysctls.items[i].key, "net."))
            field_error(&d->ctx, place_of(d, index, "sysctls"),
                        "%.80s is of the network, which is not the service's own",
                        s->sysctls.items[i].key);
    field_leave(&d->ctx, mark);
    mark = enter_service(d, index, "links");
    for (size_t i = 0; i < s->link_count; i++)
        if (!shares_network(s, &d->stack->services[s->links[i].service]))
            field_error(&d->ctx, place_of(d, index, "links"), "shares no network with \"%.63s\"",
                        d->stack->services[s->links[i].service].name);
    field_leave(&d->ctx, mark);
}

/* --- ports --- */

struct claim { /* of a port on the machine */
    const char *address;
    uint16_t port;
    struct json_place place;
    char owner[96];
};

static bool is_any_address(const char *address)
{
    return !*address || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

static bool is_clash(const struct claim *a, const struct claim *b)
{
    return a->port == b->port && (is_any_address(a->address) || is_any_address(b->address) ||
                                  strcmp(a->address, b->address) == 0);
}

static void claim_port(struct stack_draft *d, struct claim **claims, size_t *count,
                       const struct claim *new)
{
    for (size_t i = 0; i < *count; i++)
        if (is_clash(&(*claims)[i], new)) {
            field_error(&d->ctx, new->place, "port %u is taken by %s already (line %u)", new->port,
                        (*claims)[i].owner, (*claims)[i].place.line);
            return;
        }
    *claims = decode_room(d->ctx.arena, *claims, *count, sizeof(**claims));
    (*claims)[(*count)++] = *new;
}

static void check_ports(struct stack_draft *d)
{
    const struct stack *s = d->stack;
    struct claim *claims = NULL;
    size_t count = 0;
    for (size_t i = 0; i < s->service_count; i++) {
        const struct stack_service *service = &s->services[i];
        size_t mark = enter_service(d, i, "ports");
        for (size_t n = 0; n < service->port_count; n++) {
            const struct stack_port *p = &service->ports[n];
            struct claim c = { p->host_ip, p->published, p->place, "" };
            (void)snprintf(c.owner, sizeof(c.owner), "service \"%s\"", service->name);
            if (p->published && service->replicas > 1) {
                field_error(&d->ctx, p->place, "%u replicas cannot share the port %u",
                            service->replicas, p->published);
                field_hint(&d->ctx, "route to the service by \"proxy\", or leave the port of the "
                                    "machine out");
            }
            if (p->published)
                claim_port(d, &claims, &count, &c);
        }
        field_leave(&d->ctx, mark);
    }
    size_t mark = field_enter(&d->ctx, "proxy");
    (void)field_enter(&d->ctx, "listen");
    for (size_t i = 0; i < s->proxy.listen_count; i++) {
        const struct stack_listen *l = &s->proxy.listens[i];
        struct claim c = { l->address, l->port, l->place, "the proxy" };
        claim_port(d, &claims, &count, &c);
    }
    field_leave(&d->ctx, mark);
}

/* --- names and sums --- */

/* Two volumes of the same real name would be one directory. */
static void check_volume_names(struct stack_draft *d, const struct json *root)
{
    const struct stack *s = d->stack;
    for (size_t i = 0; i < s->volume_count; i++)
        for (size_t n = 0; n < i; n++) {
            if (strcmp(s->volumes[i].name, s->volumes[n].name) != 0)
                continue;
            const struct json *node = json_find(root, s->volumes[i].key);
            size_t mark = field_enter(&d->ctx, "volumes");
            (void)field_enter(&d->ctx, s->volumes[i].key);
            field_error(&d->ctx, node ? node->key_place : (struct json_place){ 0 },
                        "has the same name as \"%.63s\": \"%.63s\"", s->volumes[n].key,
                        s->volumes[i].name);
            field_leave(&d->ctx, mark);
        }
}

static void check_memory(struct stack_draft *d)
{
    const struct stack *s = d->stack;
    uint64_t total = d->options->total_memory_bytes, sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < s->service_count; i++) {
        uint64_t part;
        if (__builtin_mul_overflow(s->services[i].memory_bytes, s->services[i].replicas, &part) ||
            __builtin_add_overflow(sum, part, &sum))
            sum = UINT64_MAX;
        if (part)
            last = i;
    }
    if (!total || sum <= total)
        return;
    size_t mark = field_enter(&d->ctx, "services");
    field_warn(&d->ctx, s->services[last].place,
               "the memory limits add up to %" PRIu64 " MiB, this machine has %" PRIu64 " MiB",
               sum >> 20, total >> 20);
    field_leave(&d->ctx, mark);
}

void stack_check(struct stack_draft *d, const struct json *volumes)
{
    const struct stack *s = d->stack;
    check_cycles(d);
    for (size_t i = 0; i < s->service_count; i++)
        for (size_t n = 0; n < s->services[i].depends_count; n++)
            check_condition(d, i, &s->services[i].depends_on[n]);
    for (size_t i = 0; i < s->service_count; i++)
        check_network(d, i);
    check_ports(d);
    check_volume_names(d, volumes);
    check_memory(d);
}
