#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/logview.h"
#include "supervisor/cli/project.h"
#include "supervisor/ctl/client.h"
#include "supervisor/ctl/query.h"

enum {
    TARGET_BYTES = 65536,
    OUTPUT_BYTES = 64 * 1024 * 1024,
    REOPEN_MS = 200,
};

static void make_target(const struct cli_args *args, bool is_again, struct buf *target)
{
    (void)buf_add_str(target, "/v1/logs");
    for (size_t i = 0; i < args->word_count; i++)
        ctl_query_add(target, "service", args->words[i]);
    if (args->follow)
        ctl_query_add(target, "follow", "1");
    if (!is_again && args->tail.is_set && args->tail.value != CLI_ALL)
        (void)buf_printf(target, "%ctail=%llu", args->word_count || args->follow ? '&' : '?',
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
static int print_ready(struct ctl_watch *w, struct cli_logview *v, bool as_json, struct err *e)
{
    auto_buf struct buf out;
    buf_init(&out, OUTPUT_BYTES);
    int got = 1;
    while (got > 0) {
        struct arena a = { 0 };
        struct json *line;
        got = ctl_watch_next(w, &a, &line, e);
        if (got > 0 && as_json)
            put_json(line, &out);
        else if (got > 0)
            cli_logview_add(v, line, &out);
        arena_done(&a);
    }
    if (out.len && fd_write_all(STDOUT_FILENO, out.data, out.len) < 0)
        return err_sys(e, errno, "write to stdout");
    return got;
}

/* 0: complete, 1: the engine went away in the middle, -1: error. */
static int print_stream(const struct cli *cli, const struct cli_project *project,
                        struct cli_logview *v, bool is_again, struct err *e)
{
    auto_buf struct buf target;
    buf_init(&target, TARGET_BYTES);
    make_target(&cli->args, is_again, &target);
    struct ctl_call call = { .run_dir = project->run_dir, .method = "GET", .target = target.data };
    auto_(ctl_watch_close) struct ctl_watch *w = NULL;
    if (ctl_watch_open(&call, &w, e) < 0)
        return is_again && e->errnum == ECONNRESET ? 1 : -1;
    for (int more = 1; more > 0;) {
        more = ctl_watch_read(w, e);
        if (more < 0)
            return e->errnum == ECONNRESET ? 1 : -1;
        if (print_ready(w, v, cli->args.json, e) < 0)
            return -1;
    }
    return 0;
}

/* All names from the start, for one width of the prefix. */
static void expect_names(const struct cli *cli, const struct cli_project *project,
                         struct cli_logview *v)
{
    struct ctl_call call = { .run_dir = project->run_dir, .method = "GET", .target = "/v1/ps" };
    struct arena a = { 0 };
    struct json *answer;
    struct err e; /* the width grows as names come, then */
    const struct json *services = NULL;
    if (ctl_client_call(&call, &a, &answer, &e) == 0)
        services = json_find(answer, "services");
    for (size_t s = 0; services && s < services->item_count; s++) {
        const char *name = json_find_string(services->items[s], "name", "");
        const struct json *replicas = json_find(services->items[s], "replicas");
        bool is_chosen = cli->args.word_count == 0;
        for (size_t i = 0; i < cli->args.word_count; i++)
            is_chosen = is_chosen || str_eq(cli->args.words[i], name);
        for (size_t r = 0; is_chosen && replicas && r < replicas->item_count; r++)
            cli_logview_expect(v, name, (unsigned)r + 1);
    }
    arena_done(&a);
}

int cli_verb_logs(struct cli *cli, struct err *e)
{
    auto_cli_project struct cli_project project = { 0 };
    if (cli_project_find_running(&cli->args, &project, e) < 0)
        return -1;
    struct cli_logview view;
    cli_logview_init(&view, cli->out.has_colour, !cli->args.no_log_prefix, cli->args.timestamps);
    if (view.has_prefix && !cli->args.json)
        expect_names(cli, &project, &view);
    int result = print_stream(cli, &project, &view, false, e);
    /* An engine that starts again has the same lines: go on after the last one. */
    while (result == 1 && cli->args.follow && cli_project_is_running(&project)) {
        (void)poll(NULL, 0, REOPEN_MS);
        cli_logview_resume(&view);
        result = print_stream(cli, &project, &view, true, e);
    }
    cli_logview_done(&view);
    if (result == 1 && cli->args.follow)
        return CLI_OK; /* the stack went down */
    return result ? -1 : CLI_OK;
}
