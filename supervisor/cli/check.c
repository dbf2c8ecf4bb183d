#include <stdio.h>
#include <unistd.h>

#include "supervisor/cli/cli.h"
#include "supervisor/cli/stackfile.h"

enum {
    REPORT_BYTES = 1024 * 1024
};

static void put_problem(struct json_writer *w, const struct stack_problem *p)
{
    json_begin_object(w, NULL);
    json_put_string(w, "level", p->is_warning ? "warning" : "error");
    if (p->place.file)
        json_put_string(w, "file", p->place.file);
    json_put_u64(w, "line", p->place.line);
    json_put_u64(w, "column", p->place.column);
    json_put_string(w, "path", p->path);
    json_put_string(w, "what", p->what);
    if (p->hint[0])
        json_put_string(w, "hint", p->hint);
    json_end_object(w);
}

static int check_json(struct cli *cli, struct err *e)
{
    auto_cli_stackfile struct cli_stackfile f = { .count = 0 };
    if (cli_stackfile_find(&cli->args, &f, e) < 0)
        return -1;
    struct stack_problems problems = { 0 };
    auto_(stack_free) struct stack *stack = NULL;
    auto_buf struct buf text;
    buf_init(&text, REPORT_BYTES);
    struct json_writer w;
    json_writer_init(&w, &text, 0);
    int result = stack_load(f.paths, f.count, &f.options, &stack, &problems, e);
    bool has_mistakes = problems.error_count > 0;
    json_begin_object(&w, NULL);
    json_put_bool(&w, "ok", result == 0);
    json_begin_array(&w, "problems");
    for (size_t i = 0; i < problems.count; i++)
        put_problem(&w, &problems.items[i]);
    json_end_array(&w);
    json_end_object(&w);
    stack_problems_done(&problems);
    if (result < 0 && !has_mistakes)
        return -1;
    (void)printf("%s\n", text.data);
    return result == 0 ? CLI_OK : CLI_USAGE;
}

int cli_verb_check(struct cli *cli, struct err *e)
{
    if (cli->args.word_count)
        cli_stackfile_word(&cli->args);
    if (cli->args.json)
        return check_json(cli, e);
    auto_(stack_free) struct stack *stack = NULL;
    int result = cli_stackfile_load(&cli->args, &stack, e);
    if (result)
        return result < 0 ? -1 : CLI_USAGE;
    (void)printf("%s: stack %s, %zu service%s: no mistakes\n", stack->file, stack->name,
                 stack->service_count, stack->service_count == 1 ? "" : "s");
    return CLI_OK;
}
