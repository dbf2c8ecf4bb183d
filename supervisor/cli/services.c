#include "supervisor/cli/services.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/base/str.h"
#include "supervisor/ctl/client.h"

enum {
    ASK_PAUSE_MS = 100,
    NAMES_BYTES = 4096,
};

static int64_t number_in(const struct json *object, const char *key)
{
    const struct json *node = json_find(object, key);
    int64_t n = 0;
    return node && node->type == JSON_NUMBER && json_to_i64(node, &n) == 0 ? n : 0;
}

/* ---- which is meant ---- */

static const struct json *find_service(const struct json *answer, const char *name, size_t len)
{
    const struct json *services = json_find(answer, "services");
    for (size_t i = 0; services && i < services->item_count; i++) {
        const char *its = json_find_string(services->items[i], "name", "");
        if (strlen(its) == len && memcmp(its, name, len) == 0)
            return services->items[i];
    }
    return NULL;
}

static bool choose(const struct json *answer, const char *word, struct cli_choice *out)
{
    const struct json *service = find_service(answer, word, strlen(word));
    const char *dash = strrchr(word, '-');
    int64_t number = 0;
    if (!service && dash && dash[1] >= '1' && dash[1] <= '9') {
        for (const char *c = dash + 1; *c >= '0' && *c <= '9' && number < 100000; c++)
            number = number * 10 + (*c - '0');
        size_t digits = strspn(dash + 1, "0123456789");
        const struct json *its =
            dash[1 + digits] ? NULL : find_service(answer, word, (size_t)(dash - word));
        const struct json *replicas = its ? json_find(its, "replicas") : NULL;
        if (replicas && number <= (int64_t)replicas->item_count)
            service = its;
    }
    if (service)
        *out = (struct cli_choice){ json_find_string(service, "name", ""), number };
    return service != NULL;
}

int cli_services_choose(const struct json *answer, const char *word, struct cli_choice *out,
                        struct err *e)
{
    const char *project = json_find_string(answer, "project", "?");
    size_t len = strlen(project);
    if (choose(answer, word, out))
        return 0;
    if (strncmp(word, project, len) == 0 && word[len] == '-' &&
        choose(answer, word + len + 1, out) && out->replica)
        return 0;
    return err_input(e, "no service \"%s\" in stack %s", word, project);
}

bool cli_choice_has(const struct cli_choice *choice, const char *service, int64_t replica)
{
    return str_eq(choice->service, service) && (!choice->replica || choice->replica == replica);
}

/* ---- how it is ---- */

static bool is_done(const struct json *replica)
{
    return str_eq(json_find_string(replica, "state", ""), "exited") &&
           number_in(json_find(replica, "exit"), "code") == 0;
}

static bool is_down(const struct json *replica)
{
    static const char *const down[] = { "stopped", "exited", "failed" };
    const char *state = json_find_string(replica, "state", "");
    for (size_t i = 0; i < ARRAY_LEN(down); i++) {
        if (str_eq(state, down[i]))
            return !is_done(replica);
    }
    return false;
}

bool cli_services_is_down(const struct json *service)
{
    const struct json *replicas = json_find(service, "replicas");
    for (size_t i = 0; replicas && i < replicas->item_count; i++) {
        if (is_down(replicas->items[i]))
            return true;
    }
    return false;
}

static enum cli_services_state judge(const struct json *replica, const char **how)
{
    const char *state = json_find_string(replica, "state", "?");
    const char *health = json_find_string(replica, "health", "none");
    *how = state;
    if (is_down(replica))
        return CLI_SERVICES_BAD;
    if (is_done(replica))
        return CLI_SERVICES_WELL;
    if (!str_eq(state, "running"))
        return CLI_SERVICES_PENDING;
    *how = health;
    return str_eq(health, "none") || str_eq(health, "healthy") ? CLI_SERVICES_WELL
                                                               : CLI_SERVICES_PENDING;
}

enum cli_services_state cli_services_judge(const struct json *answer, struct buf *names)
{
    const struct json *services = json_find(answer, "services");
    enum cli_services_state worst = CLI_SERVICES_WELL;
    for (size_t s = 0; services && s < services->item_count; s++) {
        const struct json *replicas = json_find(services->items[s], "replicas");
        const char *name = json_find_string(services->items[s], "name", "?");
        for (size_t r = 0; replicas && r < replicas->item_count; r++) {
            const char *how;
            enum cli_services_state state = judge(replicas->items[r], &how);
            if (state != CLI_SERVICES_WELL && replicas->item_count == 1)
                (void)buf_printf(names, "%s%s (%s)", names->len ? ", " : "", name, how);
            else if (state != CLI_SERVICES_WELL)
                (void)buf_printf(names, "%s%s-%zu (%s)", names->len ? ", " : "", name, r + 1, how);
            if (state > worst)
                worst = state;
        }
    }
    return worst;
}

enum cli_services_state cli_services_ask(const struct cli_project *project, struct buf *names)
{
    struct ctl_call call = { .run_dir = project->run_dir, .method = "GET", .target = "/v1/ps" };
    struct arena a = { 0 };
    struct json *answer;
    struct err e; /* no answer: an engine that starts again, or a stack that went down */
    enum cli_services_state state = CLI_SERVICES_PENDING;
    if (ctl_client_call(&call, &a, &answer, &e) == 0)
        state = cli_services_judge(answer, names);
    arena_done(&a);
    return state;
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int cli_services_wait(const struct cli_project *project, int64_t deadline_ms)
{
    for (;;) {
        auto_buf struct buf names;
        buf_init(&names, NAMES_BYTES);
        enum cli_services_state state = cli_services_ask(project, &names);
        if (state == CLI_SERVICES_WELL)
            return CLI_OK;
        if (!cli_project_is_running(project)) {
            (void)fprintf(stderr, "svc: stack %s went down\n", project->name);
            return CLI_FAILED;
        }
        bool is_late = deadline_ms >= 0 && now_ms() >= deadline_ms;
        if (is_late || state == CLI_SERVICES_BAD) {
            (void)fprintf(stderr, "svc: %s: not healthy%s: %s — `svc ps -p %s` shows why\n",
                          project->name, is_late ? " in time" : "", names.len ? names.data : "?",
                          project->name);
            return CLI_FAILED;
        }
        (void)poll(NULL, 0, ASK_PAUSE_MS);
    }
}
