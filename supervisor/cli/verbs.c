/* Every verb and every option of svc, with its help: help, usage and completion print from here. */
#include "runtime/base/str.h"
#include "supervisor/cli/cli.h"

enum {
    SECONDS_MAX = 86400,
    LINES_MAX = 100 * 1000 * 1000,
    REPLICA_MAX = 1000,
    WORDS_MAX = 1000,
    SUGGESTIONS_MAX = 32,
};

#define AT(field) offsetof(struct cli_args, field)
#define ROWS(table)             \
    {                           \
        table, ARRAY_LEN(table) \
    }

static const struct cli_option common_rows[] = {
    { "file", 'f', CLI_TEXTS, AT(files), "FILE",
      "the stack file (./stack.json), or several; - is stdin", 0, false },
    { "project", 'p', CLI_TEXT, AT(project), "NAME", "the name of the stack", 0, false },
    { "project-directory", 0, CLI_TEXT, AT(project_dir), "DIR",
      "of relative paths (that of the first file)", 0, false },
    { "env-file", 0, CLI_TEXTS, AT(env_files), "FILE",
      "variables for ${…} (.env beside the stack file)", 0, false },
    { "profile", 0, CLI_TEXTS, AT(profiles), "NAME", "services of this profile too; \"*\": all", 0,
      false },
    { "json", 0, CLI_FLAG, AT(json), NULL, "print JSON where something is listed", 0, false },
    { "help", 'h', CLI_FLAG, AT(help), NULL, "print help", 0, false },
    { "version", 0, CLI_FLAG, AT(version), NULL, "print the version", 0, false },
};
const struct cli_options cli_common_options = ROWS(common_rows);

#define LENIENT_ROW                                                           \
    {                                                                         \
        "lenient", 0, CLI_FLAG, AT(lenient), NULL,                            \
            "leave out keys that are not supported, with a warning", 0, false \
    }

static const struct cli_option up_rows[] = {
    { "detach", 'd', CLI_FLAG, AT(detach), NULL, "go on in the background", 0, false },
    { "wait", 0, CLI_FLAG, AT(wait), NULL, "with -d: wait until every service is healthy", 0,
      false },
    { "wait-timeout", 0, CLI_NUMBER, AT(wait_timeout_s), "SECONDS",
      "with --wait: give up waiting after this time", SECONDS_MAX, false },
    LENIENT_ROW,
    { "no-color", 0, CLI_FLAG, AT(no_color), NULL, "no colours", 0, false },
    { "no-log-prefix", 0, CLI_FLAG, AT(no_log_prefix), NULL, "output without service names", 0,
      false },
    { "timestamps", 't', CLI_FLAG, AT(timestamps), NULL, "output with times", 0, false },
};
static const struct cli_option check_rows[] = { LENIENT_ROW };
static const struct cli_option config_rows[] = {
    { "format", 0, CLI_TEXT, AT(format), "FORMAT", "json or yaml (json)", 0, false },
    { "services", 0, CLI_FLAG, AT(list_services), NULL, "names of the services only", 0, false },
    { "volumes", 0, CLI_FLAG, AT(volumes), NULL, "keys of the volumes only", 0, false },
    { "networks", 0, CLI_FLAG, AT(list_networks), NULL, "keys of the networks only", 0, false },
    { "profiles", 0, CLI_FLAG, AT(list_profiles), NULL, "names of the profiles only", 0, false },
    { "hash", 0, CLI_FLAG, AT(hash), NULL, "hashes of services: another one, and it is made anew",
      0, false },
    { "environment", 0, CLI_FLAG, AT(list_variables), NULL,
      "variables that ${…} asks for, and where each came from", 0, false },
    { "no-interpolate", 0, CLI_FLAG, AT(no_interpolate), NULL,
      "the merged files with variables as they are written", 0, false },
    { "show-secrets", 0, CLI_FLAG, AT(show_secrets), NULL, "do not mask secret values", 0, false },
    { "quiet", 'q', CLI_FLAG, AT(quiet), NULL, "print nothing but problems", 0, false },
    LENIENT_ROW,
};
static const struct cli_option import_rows[] = {
    { "output", 'o', CLI_TEXT, AT(output), "FILE",
      "where it is written (stack.json beside FILE); - is stdout", 0, false },
};
static const struct cli_option spec_rows[] = {
    { "schema", 0, CLI_FLAG, AT(schema), NULL, "a JSON Schema, for editors", 0, false },
};
static const struct cli_option down_rows[] = {
    { "volumes", 'v', CLI_FLAG, AT(volumes), NULL, "delete the stack's volumes too", 0, false },
    { "timeout", 't', CLI_NUMBER, AT(timeout_s), "SECONDS",
      "kill what has not stopped after this time (stop_grace_period)", SECONDS_MAX, false },
};
static const struct cli_option ps_rows[] = {
    { "all", 'a', CLI_FLAG, AT(all), NULL, "also those that were stopped, or ended with 0", 0,
      false },
    { "quiet", 'q', CLI_FLAG, AT(quiet), NULL, "container ids only", 0, false },
};
static const struct cli_option logs_rows[] = {
    { "follow", 'f', CLI_FLAG, AT(follow), NULL, "go on with what comes", 0, false },
    { "tail", 'n', CLI_NUMBER, AT(tail), "N", "only the last N lines of each service, or \"all\"",
      LINES_MAX, true },
    { "timestamps", 't', CLI_FLAG, AT(timestamps), NULL, "with times", 0, false },
    { "no-color", 0, CLI_FLAG, AT(no_color), NULL, "no colours", 0, false },
    { "no-log-prefix", 0, CLI_FLAG, AT(no_log_prefix), NULL, "without service names", 0, false },
};
static const struct cli_option exec_rows[] = {
    { "user", 'u', CLI_TEXT, AT(user), "USER", "run as UID, UID:GID", 0, false },
    { "workdir", 'w', CLI_TEXT, AT(workdir), "DIR", "run in this directory", 0, false },
    { "env", 'e', CLI_TEXTS, AT(env), "KEY=VALUE", "set a variable; may repeat", 0, false },
    { "index", 0, CLI_NUMBER, AT(index), "N", "the replica (1)", REPLICA_MAX, false },
    { "no-tty", 'T', CLI_FLAG, AT(no_tty), NULL, "no terminal (default when stdin is none)", 0,
      false },
    { "tty", 't', CLI_FLAG, AT(tty), NULL, "a terminal (default when stdin is one)", 0, false },
    { "interactive", 'i', CLI_FLAG, AT(interactive), NULL, "stdin is always there: for `-it`", 0,
      false },
};

#define NO_ROWS \
    {           \
        NULL, 0 \
    }

#define NAMED_NOTE "The stack is the one of -p, of -f or of ./stack.json: it is never guessed.\n"
#define GUESS_NOTE                                                                            \
    "The stack is the one of -p, of -f or of ./stack.json; without these the only one that\n" \
    "runs. SERVICE may be one replica of a service: web-2.\n"

#define CONFIG_NOTE                                                                             \
    "The output is a stack file that means the same (with --show-secrets): svc config -f -\n"   \
    "Masked are contents of secrets, passwords in addresses, and variables of environment\n"    \
    "whose name has password, passwd, secret, token or credential in it, or a word that ends\n" \
    "in key or pwd. SERVICE is for --hash.\n"

/* In the order of the help. */
const struct cli_verb cli_verbs[] = {
    { "run", "[FILE]", "start a stack and stay: progress, logs; Ctrl-C stops it", cli_verb_run,
      ROWS(up_rows), 0, 1, false,
      "The exit code is 0 after Ctrl-C; when all services ended by themselves it is the first\n"
      "code that was not 0.\n" },
    { "up", "[FILE]", "the same; with -d the stack goes on in the background", cli_verb_run,
      ROWS(up_rows), 0, 1, false,
      "With -d svc returns when every service was started (with --wait: is healthy). A stack that\n"
      "is up already and whose file did not change is left as it is.\n" },
    { "down", "", "stop a stack and remove everything but its volumes and logs", cli_verb_down,
      ROWS(down_rows), 0, 0, false,
      NAMED_NOTE
      "Volumes of a stack that does not run are removed with its file: svc down -v -f FILE\n" },
    { "ps", "[SERVICE…]", "list what runs, how healthy, since when, and why not", cli_verb_ps,
      ROWS(ps_rows), 0, WORDS_MAX, false, GUESS_NOTE },
    { "logs", "[SERVICE…]", "print what services wrote", cli_verb_logs, ROWS(logs_rows), 0,
      WORDS_MAX, false, GUESS_NOTE },
    { "exec", "SERVICE COMMAND [ARG…]", "run a command in a running service", cli_verb_exec,
      ROWS(exec_rows), 2, WORDS_MAX, true,
      "The exit code is the command's. Options stand before SERVICE.\n" GUESS_NOTE },
    { "stop", "[SERVICE…]", "stop services, or all of them", cli_verb_stop, NO_ROWS, 0, WORDS_MAX,
      false, NAMED_NOTE },
    { "start", "[SERVICE…]", "start services that were stopped", cli_verb_start, NO_ROWS, 0,
      WORDS_MAX, false, NAMED_NOTE },
    { "restart", "[SERVICE…]", "stop services and start them again", cli_verb_restart, NO_ROWS, 0,
      WORDS_MAX, false, NAMED_NOTE },
    { "check", "[FILE]", "find the mistakes of a stack file, change nothing", cli_verb_check,
      ROWS(check_rows), 0, 1, false, "The exit code is 2 when there are mistakes.\n" },
    { "config", "[SERVICE…]", "print what a stack file means: merged, variables put in",
      cli_verb_config, ROWS(config_rows), 0, WORDS_MAX, false, CONFIG_NOTE },
    { "import", "[FILE]", "make a stack file of a Compose file, with notes", cli_verb_import,
      ROWS(import_rows), 0, 1, false,
      "Variables stay variables. A file that is there already is not written over.\n" },
    { "spec", "", "print every key of the stack file and what it means", cli_verb_spec,
      ROWS(spec_rows), 0, 0, false,
      "In a key * is a name of your choice, [] each item of a list. Our own keys may be written\n"
      "with x- in front, all other keys with x- are yours.\n" },
    { "version", "", "print the version", cli_verb_version, NO_ROWS, 0, 0, false, NULL },
    { "completion", "[bash]", "print a completion script for the shell", cli_verb_completion,
      NO_ROWS, 0, 1, false, "For bash: source <(svc completion)\n" },
    { "help", "[VERB]", "print help", cli_verb_help, NO_ROWS, 0, 1, false, NULL },
};
const size_t cli_verb_count = ARRAY_LEN(cli_verbs);

const struct cli_verb *cli_verb_find(const char *name)
{
    for (size_t i = 0; i < cli_verb_count; i++) {
        if (str_eq(cli_verbs[i].name, name))
            return &cli_verbs[i];
    }
    return NULL;
}

/* What people say to similar programs. */
static const struct {
    const char *theirs, *ours;
} habits[] = {
    { "list", "ps" },    { "ls", "ps" },     { "kill", "stop" },
    { "rm", "down" },    { "status", "ps" }, { "log", "logs" },
    { "shell", "exec" }, { "reload", "up" }, { "validate", "check" },
};

int cli_verb_unknown(const char *name, struct err *e)
{
    const char *names[SUGGESTIONS_MAX];
    _Static_assert(ARRAY_LEN(cli_verbs) <= SUGGESTIONS_MAX, "room for all verbs");
    for (size_t i = 0; i < cli_verb_count; i++)
        names[i] = cli_verbs[i].name;
    const char *nearest = NULL;
    for (size_t i = 0; i < ARRAY_LEN(habits); i++) {
        if (str_eq(habits[i].theirs, name))
            nearest = habits[i].ours;
    }
    if (!nearest)
        nearest = str_nearest(name, names, cli_verb_count);
    (void)err_input(e, "unknown command \"%s\"", name);
    if (nearest)
        err_hint(e, "did you mean \"%s\"?", nearest);
    else
        err_hint(e, "`svc help` lists the commands");
    return -1;
}
