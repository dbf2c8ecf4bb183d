#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/logview.h"
#include "supervisor/cli/project.h"
#include "supervisor/cli/services.h"
#include "supervisor/ctl/client.h"
#include "supervisor/ctl/paths.h"
#include "supervisor/ctl/query.h"

enum {
    TARGET_BYTES = 65536,
    OUTPUT_BYTES = 64 * 1024 * 1024,
    REOPEN_MS = 200,
    WORDS_MAX = 1000, /* of the row in verbs.c */
};

/* What is shown: the words of the command line as services and replicas. */
struct chosen {
    struct cli_choice items[WORDS_MAX];
    size_t count; /* 0: everything */
};

static bool is_chosen(const struct chosen *c, const char *service, int64_t replica)
{
    for (size_t i = 0; i < c->count; i++) {
        if (cli_choice_has(&c->items[i], service, replica))
            return true;
    }
    return c->count == 0;
}

static bool is_line_chosen(const struct chosen *c, const struct json *line)
{
    const struct json *number = json_find(line, "replica");
    int64_t replica = 0;
    if (number && json_to_i64(number, &replica) < 0)
        replica = 0;
    return is_chosen(c, json_find_string(line, "service", ""), replica);
}

/* Two replicas of one service are one question: its lines come once. */
static bool is_asked_before(const struct chosen *c, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (str_eq(c->items[i].service, c->items[index].service))
            return true;
    }
    return false;
}

static void make_target(const struct cli_args *args, const struct chosen *c, bool is_again,
                        struct buf *target)
{
    (void)buf_add_str(target, "/v1/logs");
    for (size_t i = 0; i < c->count; i++) {
        if (!is_asked_before(c, i))
            ctl_query_add(target, "service", c->items[i].service);
    }
    if (args->follow)
        ctl_query_add(target, "follow", "1");
    if (!is_again && args->tail.is_set && args->tail.value != CLI_ALL)
        (void)buf_printf(target, "%ctail=%llu", c->count || args->follow ? '&' : '?',
                         (unsigned long long)args->tail.value);
}

static void put_json(const struct json *line, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_put_tree(&w, NULL, line);
    (void)buf_add_char(out, '\n');
}

/* What was read, all at once. */
static int print_ready(struct ctl_watch *w, const struct chosen *c, struct cli_logview *v,
                       bool as_json, struct err *e)
{
    auto_buf struct buf out;
    buf_init(&out, OUTPUT_BYTES);
    int got = 1;
    while (got > 0) {
        struct arena a = { 0 };
        struct json *line;
        got = ctl_watch_next(w, &a, &line, e);
        bool is_shown = got > 0 && is_line_chosen(c, line);
        if (is_shown && as_json)
            put_json(line, &out);
        else if (is_shown)
            cli_logview_add(v, line, &out);
        arena_done(&a);
    }
    if (out.len && fd_write_all(STDOUT_FILENO, out.data, out.len) < 0)
        return err_sys(e, errno, "write to stdout");
    return got;
}

/* 0: complete, 1: the engine went away in the middle, -1: error. */
static int print_stream(const struct cli *cli, const struct cli_project *project,
                        const struct chosen *c, struct cli_logview *v, bool is_again, struct err *e)
{
    auto_buf struct buf target;
    buf_init(&target, TARGET_BYTES);
    make_target(&cli->args, c, is_again, &target);
    struct ctl_call call = { .run_dir = project->run_dir, .method = "GET", .target = target.data };
    auto_(ctl_watch_close) struct ctl_watch *w = NULL;
    if (ctl_watch_open(&call, &w, e) < 0)
        return is_again && e->errnum == ECONNRESET ? 1 : -1;
    /* What came together with the head of the answer is there already: it is shown first. */
    for (int more = 1; more > 0;) {
        if (print_ready(w, c, v, cli->args.json, e) < 0)
            return -1;
        more = ctl_watch_read(w, e);
        if (more < 0)
            return e->errnum == ECONNRESET ? 1 : -1;
    }
    return print_ready(w, c, v, cli->args.json, e) < 0 ? -1 : 0;
}

/* Words that are no service of the stack are left to the engine, which knows some more. */
static void choose(const struct cli_args *args, const struct json *answer, struct arena *a,
                   struct chosen *c)
{
    for (size_t i = 0; i < args->word_count; i++) {
        struct cli_choice *choice = &c->items[c->count++];
        struct err e; /* the engine says it */
        if (!answer || cli_services_choose(answer, args->words[i], choice, &e) < 0)
            *choice = (struct cli_choice){ args->words[i], 0 };
        choice->service = arena_strdup(a, choice->service);
    }
}

/* All names from the start, for one width of the prefix. */
static void expect_names(const struct json *answer, const struct chosen *c, struct cli_logview *v)
{
    const struct json *services = answer ? json_find(answer, "services") : NULL;
    for (size_t s = 0; services && s < services->item_count; s++) {
        const char *name = json_find_string(services->items[s], "name", "");
        const struct json *replicas = json_find(services->items[s], "replicas");
        for (size_t r = 0; replicas && r < replicas->item_count; r++) {
            if (is_chosen(c, name, (int64_t)r + 1))
                cli_logview_expect(v, name, (unsigned)r + 1);
        }
    }
}

static int show(const struct cli *cli, const struct cli_project *project, struct arena *a,
                struct err *e)
{
    struct ctl_call call = { .run_dir = project->run_dir, .method = "GET", .target = "/v1/ps" };
    struct json *answer = NULL;
    struct err ignored; /* the width grows as names come, then */
    if (ctl_client_call(&call, a, &answer, &ignored) < 0)
        answer = NULL;
    struct chosen *chosen = arena_alloc(a, sizeof(*chosen));
    struct cli_logview view;
    memset(chosen, 0, sizeof(*chosen));
    choose(&cli->args, answer, a, chosen);
    cli_logview_init(&view, cli->out.has_colour, !cli->args.no_log_prefix, cli->args.timestamps);
    if (view.has_prefix && !cli->args.json)
        expect_names(answer, chosen, &view);
    int result = print_stream(cli, project, chosen, &view, false, e);
    /* An engine that starts again has the same lines: go on after the last one. */
    while (result == 1 && cli->args.follow && cli_project_is_running(project)) {
        (void)poll(NULL, 0, REOPEN_MS);
        cli_logview_resume(&view);
        result = print_stream(cli, project, chosen, &view, true, e);
    }
    cli_logview_done(&view);
    if (result == 1 && cli->args.follow)
        return CLI_OK; /* the stack went down */
    return result ? -1 : CLI_OK;
}

/* What a stack wrote that does not run any more. */
static void hint_files(const struct cli_project *p, struct err *e)
{
    if (!p->state_dir || e->kind != ERR_CONFLICT)
        return;
    auto_free char *dir = str_printf("%s/%s", p->state_dir, CTL_LOGS_DIR);
    if (access(dir, F_OK) < 0)
        return;
    e->hint[0] = '\0'; /* more to the point than which stacks run */
    err_hint(e, "what it wrote is in %s", dir);
}

int cli_verb_logs(struct cli *cli, struct err *e)
{
    auto_cli_project struct cli_project project = { 0 };
    if (cli_project_find_running(&cli->args, CLI_GUESS_ONLY, &project, e) < 0) {
        hint_files(&project, e);
        return -1;
    }
    struct arena a = { 0 };
    int code = show(cli, &project, &a, e);
    arena_done(&a);
    return code;
}
