#include <stdio.h>
#include <time.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/progress.h"
#include "supervisor/cli/project.h"
#include "supervisor/cli/services.h"
#include "supervisor/cli/table.h"
#include "supervisor/ctl/client.h"

enum {
    PAGE_BYTES = 8 * 1024 * 1024,
    CELL_BYTES = 512,
};

static const struct cli_column columns[] = {
    { "NAME", 0, false, 0 }, { "STATE", 0, false, 0 },    { "HEALTH", 0, true, 0 },
    { "UP", 0, false, 0 },   { "RESTARTS", 0, false, 4 }, { "PID", 0, false, 3 },
    { "UID", 0, false, 1 },  { "IP", 0, true, 2 },        { "PORTS", 12, true, 0 },
    { "WHY", 24, true, 0 },
};

static int64_t number_in(const struct json *object, const char *key)
{
    const struct json *node = json_find(object, key);
    int64_t n = 0;
    return node && node->type == JSON_NUMBER && json_to_i64(node, &n) == 0 ? n : 0;
}

static bool is_state(const struct json *replica, const char *name)
{
    return str_eq(json_find_string(replica, "state", ""), name);
}

static bool is_alive(const struct json *replica)
{
    return number_in(replica, "pid") > 0;
}

/* Of no more interest: stopped by the user, or done with its work. */
static bool is_at_rest(const struct json *replica)
{
    bool has_ended = is_state(replica, "exited") || is_state(replica, "finished");
    return is_state(replica, "stopped") ||
           (has_ended && number_in(json_find(replica, "exit"), "code") == 0);
}

static enum cli_colour state_colour(const struct json *replica)
{
    if (is_state(replica, "running"))
        return CLI_GREEN;
    if (is_state(replica, "failed") || (is_state(replica, "exited") && !is_at_rest(replica)))
        return CLI_RED;
    return is_at_rest(replica) ? CLI_DIM : CLI_YELLOW;
}

static enum cli_colour health_colour(const char *health)
{
    if (str_eq(health, "healthy"))
        return CLI_GREEN;
    return str_eq(health, "unhealthy") ? CLI_RED : CLI_PLAIN;
}

static void add_number(struct cli_table *t, int64_t n)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%lld", (long long)n);
    cli_table_add(t, n > 0 ? text : "-", CLI_PLAIN);
}

static void add_age(struct cli_table *t, const struct json *replica)
{
    char text[32] = "-";
    int64_t started = number_in(replica, "started_ms");
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = now.tv_sec * 1000 + now.tv_nsec / 1000000 - started;
    if (is_alive(replica) && started > 0 && age >= 0)
        cli_progress_age((uint64_t)age, text, sizeof(text));
    cli_table_add(t, text, CLI_PLAIN);
}

static void add_ports(struct cli_table *t, const struct json *ports)
{
    auto_buf struct buf text;
    buf_init(&text, PAGE_BYTES);
    for (size_t i = 0; ports && i < ports->item_count; i++) {
        if (ports->items[i]->type == JSON_STRING)
            (void)buf_printf(&text, "%s%s", i ? ", " : "", ports->items[i]->text);
    }
    cli_table_add(t, text.len ? text.data : "-", CLI_PLAIN);
}

/* The engine's own words, and what is known of the last end. */
static void add_why(struct cli_table *t, const struct json *replica)
{
    char text[CELL_BYTES];
    const struct json *end = json_find(replica, "exit");
    const char *why = json_find_string(replica, "why", "");
    int64_t next = number_in(replica, "next_restart_ms");
    int len = snprintf(text, sizeof(text), "%s", why);
    if (!is_alive(replica) && !why[0] && end && end->type == JSON_OBJECT)
        len = snprintf(text, sizeof(text), "exit code %lld", (long long)number_in(end, "code"));
    if (next > 0 && len >= 0 && (size_t)len < sizeof(text))
        (void)snprintf(text + len, sizeof(text) - (size_t)len, "%snext try in %lld.%llds",
                       len ? "; " : "", (long long)next / 1000, (long long)next % 1000 / 100);
    cli_table_add(t, text, CLI_PLAIN);
}

static void add_replica(struct cli_table *t, const struct json *replica, const struct json *ports)
{
    const char *health = json_find_string(replica, "health", "-");
    const char *ip = json_find_string(replica, "ip", "");
    cli_table_add(t, json_find_string(replica, "id", "?"), CLI_BOLD);
    cli_table_add(t, json_find_string(replica, "state", "?"), state_colour(replica));
    cli_table_add(t, str_eq(health, "none") ? "-" : health, health_colour(health));
    add_age(t, replica);
    char restarts[32];
    (void)snprintf(restarts, sizeof(restarts), "%lld", (long long)number_in(replica, "restarts"));
    cli_table_add(t, restarts, CLI_PLAIN);
    add_number(t, number_in(replica, "pid"));
    add_number(t, is_alive(replica) ? number_in(replica, "host_uid") : 0);
    cli_table_add(t, ip[0] ? ip : "-", CLI_PLAIN);
    add_ports(t, ports);
    add_why(t, replica);
}

static bool is_chosen(const struct cli_args *args, const struct json *answer, const char *service,
                      int64_t replica)
{
    struct cli_choice choice;
    struct err e; /* all words were checked */
    for (size_t i = 0; i < args->word_count; i++) {
        if (cli_services_choose(answer, args->words[i], &choice, &e) == 0 &&
            cli_choice_has(&choice, service, replica))
            return true;
    }
    return args->word_count == 0;
}

static int check_services(const struct cli_args *args, const struct json *answer, struct err *e)
{
    struct cli_choice choice;
    for (size_t i = 0; i < args->word_count; i++) {
        if (cli_services_choose(answer, args->words[i], &choice, e) < 0)
            return -1;
    }
    return 0;
}

typedef void row_fn(void *self, const struct json *replica, const struct json *service);

/* Returns how many were left out. */
static size_t each_row(const struct cli_args *args, const struct json *answer, row_fn *fn,
                       void *self)
{
    const struct json *services = json_find(answer, "services");
    size_t hidden = 0;
    for (size_t s = 0; services && s < services->item_count; s++) {
        const struct json *service = services->items[s];
        const struct json *replicas = json_find(service, "replicas");
        const char *name = json_find_string(service, "name", "");
        for (size_t r = 0; replicas && r < replicas->item_count; r++) {
            if (!is_chosen(args, answer, name, (int64_t)r + 1))
                continue;
            if (args->all || args->word_count || !is_at_rest(replicas->items[r]))
                fn(self, replicas->items[r], service);
            else
                hidden++;
        }
    }
    return hidden;
}

static void table_row(void *self, const struct json *replica, const struct json *service)
{
    add_replica(self, replica, json_find(service, "ports"));
}

static void quiet_row(void *self, const struct json *replica, const struct json *service)
{
    (void)self;
    (void)service;
    (void)printf("%s\n", json_find_string(replica, "id", "?"));
}

static void print_table(const struct cli *cli, const struct json *answer)
{
    struct cli_table t;
    auto_buf struct buf page;
    buf_init(&page, PAGE_BYTES);
    cli_table_init(&t, columns, ARRAY_LEN(columns));
    size_t hidden = each_row(&cli->args, answer, table_row, &t);
    cli_table_render(&t, cli->out.columns, cli->out.has_colour, &page);
    (void)fwrite(page.data, 1, page.len, stdout);
    cli_table_done(&t);
    (void)fflush(stdout);
    if (hidden)
        (void)fprintf(stderr, "(%zu at rest: svc ps --all)\n", hidden);
}

static void print_json(const struct json *answer)
{
    auto_buf struct buf page;
    buf_init(&page, PAGE_BYTES);
    struct json_writer w;
    json_writer_init(&w, &page, 2);
    json_put_tree(&w, NULL, answer);
    (void)printf("%s\n", page.data);
}

static int list(struct cli *cli, const struct cli_project *project, struct arena *a, struct err *e)
{
    struct ctl_call call = { .run_dir = project->run_dir, .method = "GET", .target = "/v1/ps" };
    struct json *answer;
    if (ctl_client_call(&call, a, &answer, e) < 0 || check_services(&cli->args, answer, e) < 0)
        return -1;
    if (cli->args.json)
        print_json(answer);
    else if (cli->args.quiet)
        (void)each_row(&cli->args, answer, quiet_row, NULL);
    else
        print_table(cli, answer);
    return CLI_OK;
}

int cli_verb_ps(struct cli *cli, struct err *e)
{
    auto_cli_project struct cli_project project = { 0 };
    if (cli_project_find_running(&cli->args, CLI_GUESS_ONLY, &project, e) < 0)
        return -1;
    struct arena a = { 0 };
    int code = list(cli, &project, &a, e);
    arena_done(&a);
    return code;
}
