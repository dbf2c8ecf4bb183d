#include <string.h>

#include "runtime/base/str.h"
#include "specs/stack_decode.h"

struct health_draft {
    struct stack_healthcheck h;
    bool is_disabled;
    unsigned kinds; /* how many of test, http, tcp were given */
    const char *forwarded_proto;
};

static void shell_test(struct field_ctx *ctx, const char *text, struct health_draft *hd)
{
    hd->h.test.items = arena_alloc(ctx->arena, 4 * sizeof(*hd->h.test.items));
    hd->h.test.items[0] = "/bin/sh";
    hd->h.test.items[1] = "-c";
    hd->h.test.items[2] = text;
    hd->h.test.count = 3;
    hd->h.kind = STACK_PROBE_CMD;
}

/* "command" · ["CMD", "program", …] · ["CMD-SHELL", "command"] · ["NONE"] */
static void decode_test(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct health_draft *hd = base;
    struct strings words = { 0 };
    hd->kinds++;
    if (node->type == JSON_STRING && node->text_len) {
        shell_test(ctx, node->text, hd);
        return;
    }
    if (node->type != JSON_ARRAY || !node->item_count) {
        field_type_error(ctx, node, "a command, or a list that begins with CMD or CMD-SHELL");
        return;
    }
    if (!field_strings(ctx, node, &words))
        return;
    const char *kind = words.items[0];
    if (strcmp(kind, "NONE") == 0) {
        hd->is_disabled = true;
    } else if (strcmp(kind, "CMD-SHELL") == 0 && words.count == 2) {
        shell_test(ctx, words.items[1], hd);
    } else if (strcmp(kind, "CMD") == 0 && words.count > 1) {
        hd->h.test = (struct strings){ words.items + 1, words.count - 1 };
        hd->h.kind = STACK_PROBE_CMD;
    } else if (strcmp(kind, "CMD") == 0 || strcmp(kind, "CMD-SHELL") == 0) {
        field_error(ctx, node->place, "%s is followed by %s", kind,
                    strcmp(kind, "CMD") ? "exactly one string" : "a program");
    } else {
        field_error(ctx, node->items[0]->place,
                    "a test list begins with CMD, CMD-SHELL or NONE, not \"%.60s\"", kind);
    }
}

/* "200-399" or "204" */
static void decode_status(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct health_draft *hd = base;
    const char *text;
    if (!field_text(ctx, node, &text))
        return;
    const char *dash = strchr(text, '-');
    uint64_t min, max;
    const char *first = dash ? arena_strndup(ctx->arena, text, (size_t)(dash - text)) : text;
    if (str_to_u64(first, 599, &min) < 0 || str_to_u64(dash ? dash + 1 : text, 599, &max) < 0 ||
        min < 100 || max < min) {
        field_error(ctx, node->place, "\"%.40s\" is not a status or a range of them", text);
        field_hint(ctx, "such as 200 or \"200-399\"");
        return;
    }
    hd->h.status_min = (uint16_t)min;
    hd->h.status_max = (uint16_t)max;
}

static const struct field http_fields[] = {
    { "port", FIELD_U16, offsetof(struct health_draft, h.port), .min = 1, .max = 65535,
      .flags = FIELD_NEED, .doc = "port in the container" },
    { "path", FIELD_STRING, offsetof(struct health_draft, h.path), .doc = "what is asked for" },
    { "status", FIELD_CALL, .call = decode_status, .doc = "what counts as healthy, \"200-399\"" },
    { "host", FIELD_STRING, offsetof(struct health_draft, h.host), .doc = "the Host header" },
    { "headers", FIELD_PAIRS, offsetof(struct health_draft, h.headers), .doc = "further headers" },
    { "forwarded_proto", FIELD_STRING, offsetof(struct health_draft, forwarded_proto),
      .doc = "X-Forwarded-Proto, for applications that insist on https" },
    { "body", FIELD_REFUSED, .doc = "looking into the body is not supported yet" },
    { "https", FIELD_REFUSED, .doc = "probing by TLS is not supported yet" },
};
const struct field_table stack_health_http_table = FIELD_TABLE(http_fields);

static void check_http(struct field_ctx *ctx, const struct json *node, struct health_draft *hd)
{
    if (hd->h.path && hd->h.path[0] != '/')
        field_error(ctx, node->place, "the path \"%.60s\" does not begin with /", hd->h.path);
    for (const char *p = hd->h.path; p && *p; p++)
        if (*p <= ' ' || *p == 0x7F) {
            field_error(ctx, node->place, "the path has a space or a control character");
            break;
        }
    for (size_t i = 0; i < hd->h.headers.count; i++)
        if (strpbrk(hd->h.headers.items[i].key, " :\r\n") ||
            strpbrk(hd->h.headers.items[i].value, "\r\n") || !*hd->h.headers.items[i].key)
            field_error(ctx, node->place, "\"%.60s\" cannot be a header",
                        hd->h.headers.items[i].key);
    if (hd->h.host && strpbrk(hd->h.host, " \r\n"))
        field_error(ctx, node->place, "\"%.60s\" cannot be a host", hd->h.host);
}

/* "8000/health/", 8000 or the long form */
static void decode_http(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct health_draft *hd = base;
    const char *text;
    hd->kinds++;
    hd->h.kind = STACK_PROBE_HTTP;
    if (node->type == JSON_OBJECT) {
        (void)field_decode(ctx, node, http_fields, ARRAY_LEN(http_fields), hd);
    } else if (node->type == JSON_STRING || node->type == JSON_NUMBER) {
        text = node->text;
        size_t len = strcspn(text, "/");
        if (!decode_port_text(arena_strndup(ctx->arena, text, len), &hd->h.port)) {
            field_error(ctx, node->place, "\"%.60s\" does not begin with a port", text);
            field_hint(ctx, "such as \"8000/health/\"");
        }
        if (text[len])
            hd->h.path = text + len;
    } else {
        field_type_error(ctx, node, "\"PORT/PATH\" or an object");
        return;
    }
    check_http(ctx, node, hd);
    if (!hd->h.path)
        hd->h.path = "/";
    if (hd->forwarded_proto && !strpbrk(hd->forwarded_proto, "\r\n")) {
        struct stack_pairs *h = &hd->h.headers;
        struct stack_pair *items = arena_alloc(ctx->arena, (h->count + 1) * sizeof(*items));
        if (h->count)
            memcpy(items, h->items, h->count * sizeof(*items));
        items[h->count++] = (struct stack_pair){ "X-Forwarded-Proto", hd->forwarded_proto };
        h->items = items;
    }
}

static void decode_tcp(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct health_draft *hd = base;
    int64_t port;
    hd->kinds++;
    hd->h.kind = STACK_PROBE_TCP;
    if (field_i64(ctx, node, 1, 65535, &port))
        hd->h.port = (uint16_t)port;
}

static const struct field health_fields[] = {
    { "test", FIELD_CALL, .call = decode_test,
      .doc = "a command: [\"CMD\", …], [\"CMD-SHELL\", \"…\"], or a string for the shell" },
    { "http", FIELD_CALL, .call = decode_http, .flags = FIELD_OURS,
      .doc = "asked by svc itself: \"8000/health/\" or {port, path, status, host, headers}" },
    { "tcp", FIELD_CALL, .call = decode_tcp, .flags = FIELD_OURS,
      .doc = "healthy when this port accepts a connection" },
    { "interval", FIELD_DURATION, offsetof(struct health_draft, h.interval_ms), .min = 1,
      .doc = "from the end of a probe to the next one, 30s" },
    { "timeout", FIELD_DURATION, offsetof(struct health_draft, h.timeout_ms), .min = 1,
      .doc = "a probe that takes longer has failed, 30s" },
    { "retries", FIELD_U32, offsetof(struct health_draft, h.retries), .min = 1, .max = 1000,
      .doc = "failures in a row that make it unhealthy, 3" },
    { "start_period", FIELD_DURATION, offsetof(struct health_draft, h.start_period_ms),
      .doc = "failures do not count for so long after the start" },
    { "start_interval", FIELD_DURATION, offsetof(struct health_draft, h.start_interval_ms),
      .min = 1, .doc = "the interval within start_period, 5s" },
    { "disable", FIELD_BOOL, offsetof(struct health_draft, is_disabled), .doc = "no health check" },
};
const struct field_table stack_health_table = FIELD_TABLE(health_fields);

void decode_healthcheck(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct service_draft *sd = base;
    struct health_draft hd = {
        .h = { .interval_ms = 30000,
               .timeout_ms = 30000,
               .start_interval_ms = 5000,
               .retries = 3,
               .status_min = 200,
               .status_max = 399 },
    };
    size_t before = ctx->problems->error_count;
    (void)field_decode(ctx, node, health_fields, ARRAY_LEN(health_fields), &hd);
    if (hd.kinds > 1)
        field_error(ctx, node->place, "only one of test, http and tcp can be given");
    else if (!hd.kinds && !hd.is_disabled && node->item_count)
        field_error(ctx, node->place, "needs one of test, http and tcp");
    if (hd.is_disabled)
        hd.h = (struct stack_healthcheck){ .kind = STACK_PROBE_NONE };
    sd->s.healthcheck = hd.h;
    draft_of(ctx)->has_bad_health[sd->index] = ctx->problems->error_count != before;
}

static const char *const unhealthy_actions[] = { "restart", "stop", "kill", "none", NULL };
_Static_assert(STACK_UNHEALTHY_RESTART == 0 && STACK_UNHEALTHY_NONE == 3,
               "the order of unhealthy_actions");

struct unhealthy_draft {
    int action;
};
static const struct field unhealthy_fields[] = {
    { "action", FIELD_CHOICE, offsetof(struct unhealthy_draft, action), .names = unhealthy_actions,
      .doc = "restart, stop, kill or none" },
    { "max", FIELD_REFUSED, .doc = "a limit of restarts is not supported yet" },
    { "window", FIELD_REFUSED, .doc = "a limit of restarts is not supported yet" },
};

void decode_on_unhealthy(struct field_ctx *ctx, const struct json *node, void *base)
{
    struct service_draft *sd = base;
    struct unhealthy_draft ud = { 0 };
    if (node->type == JSON_OBJECT) {
        (void)field_decode(ctx, node, unhealthy_fields, ARRAY_LEN(unhealthy_fields), &ud);
    } else {
        static const struct field row = { "on_unhealthy", FIELD_CHOICE,
                                          offsetof(struct unhealthy_draft, action),
                                          .names = unhealthy_actions };
        field_value(ctx, node, &row, &ud);
    }
    sd->s.on_unhealthy = (enum stack_on_unhealthy)ud.action;
}
