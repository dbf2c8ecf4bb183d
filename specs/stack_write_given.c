/* The part of a written stack that decodes in stack_contents.c, stack_names.c, stack_machine.c and
 * stack_logging.c. */
#include "specs/stack_write_given.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"

static void put_source(struct json_writer *w, const struct stack_content *c)
{
    stack_put_text_or_none(w, "file", c->path);
    stack_put_text_or_none(w, "environment", c->variable);
    if (c->text)
        stack_put_text(w, "content", c->text);
}

static void put_grants(struct json_writer *w, const struct stack *stack,
                       const struct stack_service *s, bool is_config, bool is_for_hash)
{
    char mode[8];
    json_begin_array(w, is_config ? "configs" : "secrets");
    for (size_t i = 0; i < s->grant_count; i++) {
        const struct stack_grant *g = &s->grants[i];
        if (g->is_config != is_config)
            continue;
        json_begin_object(w, NULL);
        stack_put_text(w, "source", stack_granted(stack, g)->key);
        stack_put_text(w, "target", g->target);
        if (g->uid >= 0)
            json_put_i64(w, "uid", g->uid);
        if (g->gid >= 0)
            json_put_i64(w, "gid", g->gid);
        (void)snprintf(mode, sizeof(mode), "%04o", g->mode);
        json_put_string(w, "mode", mode);
        if (is_for_hash)
            put_source(w, stack_granted(stack, g));
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_hosts(struct json_writer *w, const struct stack_service *s)
{
    if (s->extra_hosts.count)
        json_begin_array(w, "extra_hosts");
    for (size_t i = 0; i < s->extra_hosts.count; i++) {
        const struct stack_pair *host = &s->extra_hosts.items[i];
        auto_free char *text = str_printf("%s=%s", host->key, host->value);
        json_put_string(w, NULL, text);
    }
    if (s->extra_hosts.count)
        json_end_array(w);
}

static void put_network(struct json_writer *w, const struct stack *stack,
                        const struct stack_service *s)
{
    static const char *const modes[] = { NULL, "none", "host" };
    char text[NAME_LIMIT * 2 + 16];
    if (s->network_mode == STACK_NETWORK_SERVICE) {
        (void)snprintf(text, sizeof(text), "service:%s", stack->services[s->network_service].name);
        json_put_string(w, "network_mode", text);
    } else if (s->network_mode != STACK_NETWORK_OWN) {
        json_put_string(w, "network_mode", modes[s->network_mode]);
    }
    if (s->link_count)
        json_begin_array(w, "links");
    for (size_t i = 0; i < s->link_count; i++) {
        auto_free char *link =
            str_printf("%s:%s", stack->services[s->links[i].service].name, s->links[i].alias);
        json_put_string(w, NULL, link);
    }
    if (s->link_count)
        json_end_array(w);
}

static void access_text(char text[4], bool read, bool write, bool mknod)
{
    (void)snprintf(text, 4, "%s%s%s", read ? "r" : "", write ? "w" : "", mknod ? "m" : "");
}

static void put_devices(struct json_writer *w, const struct stack_service *s)
{
    char access[4], rule[64], major[24], minor[24];
    if (s->device_count)
        json_begin_array(w, "devices");
    for (size_t i = 0; i < s->device_count; i++) {
        const struct stack_device *d = &s->devices[i];
        access_text(access, d->read, d->write, d->mknod);
        json_begin_object(w, NULL);
        stack_put_text(w, "source", d->source);
        stack_put_text(w, "target", d->target);
        json_put_string(w, "permissions", access);
        json_end_object(w);
    }
    if (s->device_count)
        json_end_array(w);
    if (s->device_rule_count)
        json_begin_array(w, "device_cgroup_rules");
    for (size_t i = 0; i < s->device_rule_count; i++) {
        const struct stack_device_rule *r = &s->device_rules[i];
        access_text(access, r->read, r->write, r->mknod);
        (void)snprintf(major, sizeof(major), "%" PRId64, r->major);
        (void)snprintf(minor, sizeof(minor), "%" PRId64, r->minor);
        (void)snprintf(rule, sizeof(rule), "%c %s:%s %s", r->type, r->major < 0 ? "*" : major,
                       r->minor < 0 ? "*" : minor, access);
        json_put_string(w, NULL, rule);
    }
    if (s->device_rule_count)
        json_end_array(w);
}

static void put_logging(struct json_writer *w, const struct stack_logging *l)
{
    if (!l->is_off && !l->max_bytes && !l->max_files)
        return;
    json_begin_object(w, "logging");
    json_put_string(w, "driver", l->is_off ? "none" : "local");
    if (l->max_bytes || l->max_files)
        json_begin_object(w, "options");
    if (l->max_bytes)
        json_put_u64(w, "max-size", l->max_bytes);
    if (l->max_files)
        json_put_u64(w, "max-file", l->max_files);
    if (l->max_bytes || l->max_files)
        json_end_object(w);
    json_end_object(w);
}

void stack_put_given(struct json_writer *w, const struct stack *stack,
                     const struct stack_service *s, bool is_for_hash)
{
    for (int is_config = 0; s->grant_count && is_config < 2; is_config++)
        put_grants(w, stack, s, is_config, is_for_hash);
    put_hosts(w, s);
    stack_put_list_or_none(w, "dns", &s->dns);
    stack_put_list_or_none(w, "dns_search", &s->dns_search);
    stack_put_list_or_none(w, "dns_opt", &s->dns_opt);
    stack_put_text_or_none(w, "domainname", s->domainname);
    put_network(w, stack, s);
    if (s->shm_bytes)
        json_put_u64(w, "shm_size", s->shm_bytes);
    stack_put_pairs(w, "sysctls", &s->sysctls);
    if (s->has_oom_score_adj)
        json_put_i64(w, "oom_score_adj", s->oom_score_adj);
    put_devices(w, s);
    stack_put_pairs(w, "annotations", &s->annotations);
    put_logging(w, &s->logging);
}

static void put_section(struct json_writer *w, const char *key, const struct stack_content *items,
                        size_t count)
{
    if (!count)
        return;
    json_begin_object(w, key);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w, items[i].key);
        stack_put_text(w, "name", items[i].name);
        put_source(w, &items[i]);
        json_end_object(w);
    }
    json_end_object(w);
}

void stack_put_contents(struct json_writer *w, const struct stack *s)
{
    put_section(w, "secrets", s->secrets, s->secret_count);
    put_section(w, "configs", s->configs, s->config_count);
}
