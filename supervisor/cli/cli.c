#include "supervisor/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/cli/help.h"

enum {
    PAGE_BYTES = 65536
};

int cli_print_err(const struct err *e)
{
    char line[ERR_LINE_MAX];
    (void)fflush(stdout);
    (void)fprintf(stderr, "svc: %s\n", err_line(e, line, sizeof(line)));
    return err_exit_code(e);
}

static int usage_error(const struct cli_verb *verb, struct err *e)
{
    auto_buf struct buf usage;
    buf_init(&usage, PAGE_BYTES);
    cli_help_usage(verb, &usage);
    err_hint(e, "usage: %s", usage.data);
    return -1;
}

static int check_words(const struct cli_verb *verb, const struct cli_args *args, struct err *e)
{
    if (args->word_count < verb->min_words) {
        (void)err_input(e, "%s: something is missing", verb->name);
        return usage_error(verb, e);
    }
    if (args->word_count <= verb->max_words)
        return 0;
    const char *surplus = args->words[verb->max_words];
    if (verb->run == cli_verb_run) {
        (void)err_input(e, "%s: takes one stack file, \"%s\" is too much", verb->name, surplus);
        err_hint(e, "a command in a running service: svc exec %s %s", args->words[0], surplus);
        return -1;
    }
    (void)err_input(e, "%s: \"%s\" is too much", verb->name, surplus);
    return usage_error(verb, e);
}

static int run_verb(struct cli *cli, const struct cli_verb *verb, const char *const *argv,
                    const char **words, struct err *e)
{
    struct cli_args *args = &cli->args;
    struct cli_syntax syntax = { .own = verb->options,
                                 .common = cli_common_options,
                                 .stops_at_word = verb->stops_at_word };
    if (cli_args_parse(&syntax, argv, args, words, &args->word_count, e) < 0)
        return err_wrap(e, "%s", verb->name);
    args->words = words;
    if (args->help) {
        *args = (struct cli_args){ .words = (const char *[]){ verb->name, NULL }, .word_count = 1 };
        return cli_verb_help(cli, e);
    }
    if (check_words(verb, args, e) < 0)
        return -1;
    if (args->no_color)
        cli->out.has_colour = cli->err.has_colour = false;
    return verb->run(cli, e);
}

static int first_page(void)
{
    auto_buf struct buf page;
    buf_init(&page, PAGE_BYTES);
    cli_help_first(&page);
    (void)fwrite(page.data, 1, page.len, stdout);
    return CLI_OK;
}

static int dispatch(struct cli *cli, const char *const *argv, size_t count, struct err *e)
{
    struct cli_syntax syntax = { .common = cli_common_options, .stops_at_word = true };
    auto_free const char **words = mem_alloc((count + 1) * sizeof(*words));
    size_t word_count;
    if (cli_args_parse(&syntax, argv, &cli->args, words, &word_count, e) < 0)
        return -1;
    if (cli->args.version)
        return cli_verb_version(cli, e);
    if (word_count == 0 && cli->args.help)
        return cli_verb_help(cli, e);
    if (word_count == 0)
        return first_page();
    const struct cli_verb *verb = cli_verb_find(words[0]);
    if (!verb)
        return cli_verb_unknown(words[0], e);
    auto_free const char **rest = mem_alloc((count + 1) * sizeof(*rest));
    return run_verb(cli, verb, argv + (count - word_count) + 1, rest, e);
}

int cli_main(int argc, char **argv)
{
    struct cli cli = { 0 };
    struct err e = { 0 };
    cli_term_init(&cli.out, STDOUT_FILENO);
    cli_term_init(&cli.err, STDERR_FILENO);
    size_t count = argc > 1 ? (size_t)argc - 1 : 0;
    int code = dispatch(&cli, (const char *const *)argv + (argc > 0), count, &e);
    if (code < 0)
        return cli_print_err(&e);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    (void)err_sys(&e, errno, "write to stdout");
    return cli_print_err(&e);
}
