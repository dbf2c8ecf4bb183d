/* The model as a stack file: canonical long forms that stack_load_text reads back unchanged. Every
 * dollar sign is doubled, since reading interpolates. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "specs/signal_names.h"
#include "specs/stack_write_given.h"

enum {
    SERVICE_TEXT_MAX = 16 * 1024 * 1024
};

void stack_put_text(struct json_writer *w, const char *key, const char *s)
{
    size_t dollars = 0, n = 0;
    for (const char *p = s; *p; p++)
        dollars += *p == '$';
    if (!dollars) {
        json_put_string(w, key, s);
        return;
    }
    auto_free char *escaped = mem_alloc(strlen(s) + dollars + 1);
    for (const char *p = s; *p; p++) {
        escaped[n++] = *p;
        if (*p == '$')
            escaped[n++] = '$';
    }
    json_put_string(w, key, escaped);
}

void stack_put_text_or_none(struct json_writer *w, const char *key, const char *s)
{
    if (s && *s)
        stack_put_text(w, key, s);
}

static void put_list(struct json_writer *w, const char *key, const struct strings *list)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < list->count; i++)
        stack_put_text(w, NULL, list->items[i]);
    json_end_array(w);
}

void stack_put_list_or_none(struct json_writer *w, const char *key, const struct strings *list)
{
    if (list->count)
        put_list(w, key, list);
}

void stack_put_pairs(struct json_writer *w, const char *key, const struct stack_pairs *pairs)
{
    if (!pairs->count)
        return;
    json_begin_object(w, key);
    for (size_t i = 0; i < pairs->count; i++)
        stack_put_text(w, pairs->items[i].key, pairs->items[i].value);
    json_end_object(w);
}

static void put_ms(struct json_writer *w, const char *key, uint32_t ms)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu32 "ms", ms);
    json_put_string(w, key, text);
}

static void put_ipv4(struct json_writer *w, const char *key, uint32_t address, int prefix)
{
    char text[INET_ADDRSTRLEN], whole[INET_ADDRSTRLEN + 12];
    struct in_addr in = { htonl(address) };
    (void)inet_ntop(AF_INET, &in, text, sizeof(text));
    if (prefix >= 0)
        (void)snprintf(whole, sizeof(whole), "%s/%d", text, prefix);
    json_put_string(w, key, prefix >= 0 ? whole : text);
}

static void put_mounts(struct json_writer *w, const struct stack_service *s)
{
    static const char *const kinds[] = { "bind", "volume", "tmpfs" };
    if (!s->mount_count)
        return;
    json_begin_array(w, "volumes");
    for (size_t i = 0; i < s->mount_count; i++) {
        const struct stack_mount *m = &s->mounts[i];
        json_begin_object(w, NULL);
        json_put_string(w, "type", kinds[m->kind]);
        stack_put_text_or_none(w, "source", m->source);
        stack_put_text(w, "target", m->target);
        if (m->read_only)
            json_put_bool(w, "read_only", true);
        if (m->size_bytes || m->mode) {
            json_begin_object(w, "tmpfs");
            if (m->size_bytes)
                json_put_u64(w, "size", m->size_bytes);
            if (m->mode)
                json_put_u64(w, "mode", m->mode);
            json_end_object(w);
        }
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_ports(struct json_writer *w, const struct stack_service *s)
{
    if (s->port_count)
        json_begin_array(w, "ports");
    for (size_t i = 0; i < s->port_count; i++) {
        const struct stack_port *p = &s->ports[i];
        json_begin_object(w, NULL);
        json_put_u64(w, "target", p->target);
        if (p->published)
            json_put_u64(w, "published", p->published);
        stack_put_text_or_none(w, "host_ip", p->host_ip);
        json_put_string(w, "protocol", "tcp");
        json_end_object(w);
    }
    if (s->port_count)
        json_end_array(w);
    if (s->expose_count)
        json_begin_array(w, "expose");
    for (size_t i = 0; i < s->expose_count; i++)
        json_put_u64(w, NULL, s->expose[i]);
    if (s->expose_count)
        json_end_array(w);
}

static void put_networks(struct json_writer *w, const struct stack *stack,
                         const struct stack_service *s)
{
    json_begin_object(w, "networks");
    for (size_t i = 0; i < s->network_count; i++) {
        const struct stack_attachment *a = &s->networks[i];
        json_begin_object(w, stack->networks[a->network].key);
        stack_put_list_or_none(w, "aliases", &a->aliases);
        if (a->ipv4)
            put_ipv4(w, "ipv4_address", a->ipv4, -1);
        json_end_object(w);
    }
    json_end_object(w);
}

static void put_dependencies(struct json_writer *w, const struct stack *stack,
                             const struct stack_service *s)
{
    static const char *const conditions[] = { "service_started", "service_healthy",
                                              "service_completed_successfully" };
    if (!s->depends_count)
        return;
    json_begin_object(w, "depends_on");
    for (size_t i = 0; i < s->depends_count; i++) {
        const struct stack_dependency *d = &s->depends_on[i];
        json_begin_object(w, stack->services[d->service].name);
        json_put_string(w, "condition", conditions[d->condition]);
        if (!d->required)
            json_put_bool(w, "required", false);
        if (d->restart)
            json_put_bool(w, "restart", true);
        json_end_object(w);
    }
    json_end_object(w);
}

static void put_http(struct json_writer *w, const struct stack_healthcheck *h)
{
    char status[16];
    (void)snprintf(status, sizeof(status), "%u-%u", h->status_min, h->status_max);
    json_begin_object(w, "http");
    json_put_u64(w, "port", h->port);
    stack_put_text(w, "path", h->path);
    json_put_string(w, "status", status);
    stack_put_text_or_none(w, "host", h->host);
    stack_put_pairs(w, "headers", &h->headers);
    json_end_object(w);
}

static void put_healthcheck(struct json_writer *w, const struct stack_healthcheck *h)
{
    if (h->kind == STACK_PROBE_NONE)
        return;
    json_begin_object(w, "healthcheck");
    if (h->kind == STACK_PROBE_CMD) {
        json_begin_array(w, "test");
        json_put_string(w, NULL, "CMD");
        for (size_t i = 0; i < h->test.count; i++)
            stack_put_text(w, NULL, h->test.items[i]);
        json_end_array(w);
    } else if (h->kind == STACK_PROBE_TCP) {
        json_put_u64(w, "tcp", h->port);
    } else {
        put_http(w, h);
    }
    put_ms(w, "interval", h->interval_ms);
    put_ms(w, "timeout", h->timeout_ms);
    put_ms(w, "start_period", h->start_period_ms);
    put_ms(w, "start_interval", h->start_interval_ms);
    json_put_u64(w, "retries", h->retries);
    json_end_object(w);
}

static void put_restart(struct json_writer *w, const struct stack_service *s)
{
    static const char *const policies[] = { "no", "always", "on-failure", "unless-stopped" };
    static const char *const actions[] = { "restart", "stop", "kill", "none" };
    char text[32];
    (void)snprintf(text, sizeof(text), "on-failure:%" PRIu32, s->restart_max);
    bool has_max = s->restart == STACK_RESTART_ON_FAILURE && s->restart_max;
    json_put_string(w, "restart", has_max ? text : policies[s->restart]);
    if (s->healthcheck.kind != STACK_PROBE_NONE) /* without one it would be warned of */
        json_put_string(w, "on_unhealthy", actions[s->on_unhealthy]);
}

static void put_limits(struct json_writer *w, const struct stack_service *s)
{
    char text[32];
    if (s->memory_bytes)
        json_put_u64(w, "mem_limit", s->memory_bytes);
    if (s->memory_reservation_bytes)
        json_put_u64(w, "mem_reservation", s->memory_reservation_bytes);
    (void)snprintf(text, sizeof(text), "%" PRIu64 ".%03u", s->cpu_millis / 1000,
                   (unsigned)(s->cpu_millis % 1000));
    if (s->cpu_millis)
        json_put_string(w, "cpus", text);
    if (s->pids_limit)
        json_put_i64(w, "pids_limit", s->pids_limit);
    if (s->ulimit_count)
        json_begin_object(w, "ulimits");
    for (size_t i = 0; i < s->ulimit_count; i++) {
        const struct stack_ulimit *u = &s->ulimits[i];
        json_begin_object(w, u->name);
        json_put_i64(w, "soft", u->soft > INT64_MAX ? -1 : (int64_t)u->soft);
        json_put_i64(w, "hard", u->hard > INT64_MAX ? -1 : (int64_t)u->hard);
        json_end_object(w);
    }
    if (s->ulimit_count)
        json_end_object(w);
}

static void put_security(struct json_writer *w, const struct stack_service *s)
{
    stack_put_list_or_none(w, "cap_add", &s->cap_add);
    stack_put_list_or_none(w, "cap_drop", &s->cap_drop);
    if (s->userns_host)
        json_put_string(w, "userns_mode", "host");
    if (s->no_new_privileges && !s->seccomp_unconfined)
        return;
    json_begin_array(w, "security_opt");
    if (!s->no_new_privileges)
        json_put_string(w, NULL, "no-new-privileges:false");
    if (s->seccomp_unconfined)
        json_put_string(w, NULL, "seccomp=unconfined");
    json_end_array(w);
}

static void put_process(struct json_writer *w, const struct stack_service *s)
{
    if (s->rootfs.kind == STACK_ROOTFS_HOST) {
        json_put_string(w, "rootfs", "host");
    } else {
        json_begin_object(w, "rootfs");
        stack_put_text(w, "path", s->rootfs.path);
        json_end_object(w);
    }
    if (s->has_entrypoint)
        put_list(w, "entrypoint", &s->entrypoint);
    if (s->has_command)
        put_list(w, "command", &s->command);
    stack_put_pairs(w, "environment", &s->environment);
    stack_put_text_or_none(w, "working_dir", s->working_dir);
    stack_put_text_or_none(w, "user", s->user);
    stack_put_list_or_none(w, "group_add", &s->group_add);
    if (s->read_only)
        json_put_bool(w, "read_only", true);
    if (s->init)
        json_put_bool(w, "init", true);
    stack_put_text_or_none(w, "hostname", s->hostname);
    const char *signal = signal_name(s->stop_signal);
    if (signal)
        json_put_string(w, "stop_signal", signal);
    else
        json_put_i64(w, "stop_signal", s->stop_signal);
    put_ms(w, "stop_grace_period", s->stop_grace_ms);
    stack_put_pairs(w, "labels", &s->labels);
}

void stack_write_service(struct json_writer *w, const struct stack *s,
                         const struct stack_service *service, bool is_for_hash)
{
    json_begin_object(w, is_for_hash ? NULL : service->name);
    put_process(w, service);
    put_mounts(w, service);
    put_ports(w, service);
    if (service->network_mode == STACK_NETWORK_OWN)
        put_networks(w, s, service);
    put_healthcheck(w, &service->healthcheck);
    put_restart(w, service);
    put_limits(w, service);
    put_security(w, service);
    stack_put_given(w, s, service, is_for_hash);
    if (!is_for_hash) {
        json_put_u64(w, "scale", service->replicas);
        put_dependencies(w, s, service);
    }
    json_end_object(w);
}

/* FNV-1a, 64 bits: no secret is kept by it, it only has to differ when the service does. */
static uint64_t fnv1a(const char *data, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void stack_hash_services(struct stack *s)
{
    auto_buf struct buf text = { 0 };
    buf_init(&text, SERVICE_TEXT_MAX);
    for (size_t i = 0; i < s->service_count; i++) {
        struct json_writer w;
        buf_reset(&text);
        json_writer_init(&w, &text, 0);
        stack_write_service(&w, s, &s->services[i], true);
        (void)snprintf(s->services[i].hash, sizeof(s->services[i].hash), "%016" PRIx64,
                       fnv1a(text.data, text.len));
    }
}

static void put_volumes(struct json_writer *w, const struct stack *s)
{
    if (!s->volume_count)
        return;
    json_begin_object(w, "volumes");
    for (size_t i = 0; i < s->volume_count; i++) {
        json_begin_object(w, s->volumes[i].key);
        stack_put_text(w, "name", s->volumes[i].name);
        if (s->volumes[i].is_external)
            json_put_bool(w, "external", true);
        json_end_object(w);
    }
    json_end_object(w);
}

static void put_network_list(struct json_writer *w, const struct stack *s)
{
    if (!s->network_count)
        return;
    json_begin_object(w, "networks");
    for (size_t i = 0; i < s->network_count; i++) {
        const struct stack_network *n = &s->networks[i];
        json_begin_object(w, n->key);
        stack_put_text(w, "name", n->name);
        if (n->is_internal)
            json_put_bool(w, "internal", true);
        if (n->has_subnet) {
            json_begin_object(w, "ipam");
            json_begin_array(w, "config");
            json_begin_object(w, NULL);
            put_ipv4(w, "subnet", n->subnet, n->prefix);
            if (n->gateway)
                put_ipv4(w, "gateway", n->gateway, -1);
            json_end_object(w);
            json_end_array(w);
            json_end_object(w);
        }
        json_end_object(w);
    }
    json_end_object(w);
}

static void put_route(struct json_writer *w, const struct stack *s, const struct stack_route *r)
{
    char text[NAME_LIMIT + 16];
    json_begin_object(w, NULL);
    stack_put_text_or_none(w, "host", r->host);
    auto_free char *path = mem_alloc(strlen(r->path) + 2);
    (void)snprintf(path, strlen(r->path) + 2, "%s%s", r->is_exact ? "=" : "", r->path);
    stack_put_text(w, "path", path);
    if (r->kind == STACK_ROUTE_SERVICE) {
        (void)snprintf(text, sizeof(text), "%s:%u", s->services[r->service].name, r->port);
        json_put_string(w, "to", text);
        if (r->strip_prefix)
            json_put_bool(w, "strip", true);
    } else {
        json_begin_object(w, "files");
        stack_put_text_or_none(w, "dir", r->dir);
        stack_put_text_or_none(w, "volume", r->volume);
        stack_put_text_or_none(w, "index", r->index);
        (void)snprintf(text, sizeof(text), "%ss", r->expires ? r->expires : "");
        if (r->expires)
            json_put_string(w, "expires", text);
        json_end_object(w);
    }
    json_begin_object(w, "timeouts");
    put_ms(w, "connect", r->connect_timeout_ms);
    put_ms(w, "response", r->response_timeout_ms);
    put_ms(w, "idle", r->idle_timeout_ms);
    json_end_object(w);
    json_end_object(w);
}

static void put_proxy(struct json_writer *w, const struct stack *s)
{
    const struct stack_proxy *p = &s->proxy;
    if (!p->is_set)
        return;
    json_begin_object(w, "proxy");
    json_begin_array(w, "listen");
    for (size_t i = 0; i < p->listen_count; i++) {
        json_begin_object(w, NULL);
        json_put_u64(w, "port", p->listens[i].port);
        stack_put_text_or_none(w, "address", p->listens[i].address);
        json_end_object(w);
    }
    json_end_array(w);
    json_begin_object(w, "limits");
    json_put_u64(w, "body", p->body_max_bytes);
    json_end_object(w);
    json_begin_array(w, "routes");
    for (size_t i = 0; i < p->route_count; i++)
        put_route(w, s, &p->routes[i]);
    json_end_array(w);
    json_end_object(w);
}

void stack_write_json(const struct stack *s, struct buf *to, unsigned indent)
{
    struct json_writer w;
    json_writer_init(&w, to, indent);
    json_begin_object(&w, NULL);
    stack_put_text(&w, "name", s->name);
    json_begin_object(&w, "services");
    for (size_t i = 0; i < s->service_count; i++)
        stack_write_service(&w, s, &s->services[i], false);
    json_end_object(&w);
    put_volumes(&w, s);
    put_network_list(&w, s);
    stack_put_contents(&w, s);
    put_proxy(&w, s);
    json_end_object(&w);
}
