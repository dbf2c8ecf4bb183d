#include "supervisor/cli/help.h"

#include <stdio.h>

#include "runtime/base/str.h"
#include "runtime/base/version.h"
#include "supervisor/cli/text.h"

enum {
    PAGE_BYTES = 65536,
    VERB_COLUMNS = 12,
    OPTION_COLUMNS = 32,
};

static void pad(struct buf *out, const char *text, size_t columns)
{
    (void)buf_add_str(out, text);
    size_t width = cli_text_width(text, strlen(text));
    do
        (void)buf_add_char(out, ' ');
    while (++width < columns);
}

/* A letter that the verb uses for something else is not shown with the common option. */
static bool is_taken(const struct cli_options *own, char letter)
{
    for (size_t i = 0; own && i < own->count; i++) {
        if (own->rows[i].letter == letter)
            return true;
    }
    return false;
}

static void add_option(struct buf *out, const struct cli_option *o, const struct cli_options *own)
{
    char spelled[64];
    char letter[8] = "    ";
    if (o->letter && !is_taken(own, o->letter))
        (void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
    (void)snprintf(spelled, sizeof(spelled), "  %s--%s%s%s", letter, o->name, o->value ? " " : "",
                   o->value ? o->value : "");
    pad(out, spelled, OPTION_COLUMNS);
    (void)buf_printf(out, "%s\n", o->help);
}

static void add_options(struct buf *out, const char *title, const struct cli_options *options,
                        const struct cli_options *own)
{
    if (!options->count)
        return;
    (void)buf_printf(out, "\n%s\n", title);
    for (size_t i = 0; i < options->count; i++)
        add_option(out, &options->rows[i], own);
}

/* What the first page, of 24 lines, only names. */
static const char *const asides[] = { "import", "spec", "version", "completion" };

static bool is_aside(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(asides); i++)
        if (str_eq(asides[i], name))
            return true;
    return false;
}

static void add_verbs(struct buf *out, bool has_asides)
{
    for (size_t i = 0; i < cli_verb_count; i++) {
        if (!has_asides && is_aside(cli_verbs[i].name))
            continue;
        (void)buf_add_str(out, "  ");
        pad(out, cli_verbs[i].name, VERB_COLUMNS);
        (void)buf_printf(out, "%s\n", cli_verbs[i].summary);
    }
}

void cli_help_usage(const struct cli_verb *verb, struct buf *out)
{
    (void)buf_printf(out, "svc %s%s%s%s", verb->name, verb->options.count ? " [OPTION…]" : "",
                     verb->words[0] ? " " : "", verb->words);
}

/* On one line, what is seldom asked for. */
static void add_asides(struct buf *out)
{
    (void)buf_add_str(out, "  also: ");
    for (size_t i = 0; i < ARRAY_LEN(asides); i++)
        (void)buf_printf(out, "%s%s", i ? ", " : "", asides[i]);
    (void)buf_add_char(out, '\n');
}

void cli_help_first(struct buf *out)
{
    (void)buf_add_str(out, "svc runs a stack of services, described in one file, with health "
                           "checks,\nrestarts, a private network and a web proxy.\n\n"
                           "  svc check stack.json    is the file right?\n"
                           "  svc run stack.json      start it here; Ctrl-C stops it\n"
                           "  svc up -d stack.json    start it in the background\n\n"
                           "All commands:\n");
    add_verbs(out, false);
    add_asides(out);
    (void)buf_add_str(out, "\n`svc help VERB` explains one.\n");
}

void cli_help_all(struct buf *out)
{
    (void)buf_add_str(out, "Usage: svc [OPTION…] VERB [ARGUMENT…]\n\nVerbs:\n");
    add_verbs(out, true);
    add_options(out, "Options of all verbs:", &cli_common_options, NULL);
    (void)buf_add_str(out,
                      "\nExit codes: 0 done, 1 the stack failed, 2 wrong file or command line, "
                      "3 this machine\ncannot, 4 the present state forbids it, 5 a system call "
                      "failed, 70 a bug of svc.\n"
                      "NO_COLOR, TERM=dumb and CI are respected.\n");
}

void cli_help_verb(const struct cli_verb *verb, struct buf *out)
{
    (void)buf_printf(out, "svc %s: %s\n\nUsage: ", verb->name, verb->summary);
    cli_help_usage(verb, out);
    (void)buf_add_char(out, '\n');
    add_options(out, "Options:", &verb->options, NULL);
    add_options(out, "Options of all verbs:", &cli_common_options, &verb->options);
    if (verb->notes)
        (void)buf_printf(out, "\n%s", verb->notes);
}

static void add_names(struct buf *out, const struct cli_options *options)
{
    for (size_t i = 0; i < options->count; i++)
        (void)buf_printf(out, " --%s", options->rows[i].name);
}

void cli_help_completion(struct buf *out)
{
    (void)buf_add_str(out, "_svc() {\n"
                           "    local word=${COMP_WORDS[COMP_CWORD]} verb= w\n"
                           "    for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                           "        case $w in -*) ;; *) verb=$w; break ;; esac\n"
                           "    done\n"
                           "    case $verb in\n");
    for (size_t i = 0; i < cli_verb_count; i++) {
        (void)buf_printf(out, "    %s) COMPREPLY=($(compgen -W '", cli_verbs[i].name);
        add_names(out, &cli_verbs[i].options);
        add_names(out, &cli_common_options);
        (void)buf_add_str(out, "' -- \"$word\")) ;;\n");
    }
    (void)buf_add_str(out, "    *) COMPREPLY=($(compgen -W '");
    for (size_t i = 0; i < cli_verb_count; i++)
        (void)buf_printf(out, "%s ", cli_verbs[i].name);
    (void)buf_add_str(out, "' -- \"$word\")) ;;\n    esac\n}\n"
                           "complete -o default -F _svc svc\n");
}

static int print(struct buf *page)
{
    (void)fwrite(page->data, 1, page->len, stdout);
    return CLI_OK;
}

int cli_verb_help(struct cli *cli, struct err *e)
{
    auto_buf struct buf page;
    buf_init(&page, PAGE_BYTES);
    if (cli->args.word_count == 0) {
        cli_help_all(&page);
        return print(&page);
    }
    const struct cli_verb *verb = cli_verb_find(cli->args.words[0]);
    if (!verb)
        return cli_verb_unknown(cli->args.words[0], e);
    cli_help_verb(verb, &page);
    return print(&page);
}

int cli_verb_completion(struct cli *cli, struct err *e)
{
    if (cli->args.word_count && !str_eq(cli->args.words[0], "bash"))
        return err_input(e, "there is no completion for \"%s\", only for bash", cli->args.words[0]);
    auto_buf struct buf page;
    buf_init(&page, PAGE_BYTES);
    cli_help_completion(&page);
    return print(&page);
}

int cli_verb_version(struct cli *cli, struct err *e)
{
    (void)e;
    if (cli->args.json)
        (void)printf("{\"version\":\"%s\"}\n", SVC_VERSION);
    else
        (void)printf("svc %s\n", SVC_VERSION);
    return CLI_OK;
}
