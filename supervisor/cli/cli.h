#pragma once
/* The command line: `svc VERB …`. A verb is a row of the table in verbs.c and a function cli_verb_*
 * in a file of its own (or of its small family).
 *
 * stdout has data, stderr progress and errors; an error is one line `svc: …` and its kind is the
 * exit code. Client processes: short-lived, blocking, no loop. */
#include "runtime/base/err.h"
#include "runtime/base/fd.h"
#include "supervisor/cli/args.h"
#include "supervisor/cli/term.h"

/* All options of all verbs. Zero: not given. */
struct cli_args {
    struct cli_texts files; /* -f, or the word of run, up, check */
    const char *project, *project_dir;
    struct cli_texts env_files, profiles;
    bool json, help, version;

    bool detach, wait;
    struct cli_number wait_timeout_s;
    bool volumes;
    struct cli_number timeout_s;
    bool all, quiet;
    bool follow, no_color, no_log_prefix, timestamps;
    struct cli_number tail;
    bool no_tty, tty, interactive;
    const char *user, *workdir;
    struct cli_texts env;
    struct cli_number index;
    bool lenient;
    const char *format, *output;
    bool list_services, list_networks, list_profiles, list_variables, hash;
    bool no_interpolate, show_secrets, schema;

    const char **words; /* NULL-terminated */
    size_t word_count;
};

struct cli {
    struct cli_args args;
    struct cli_term out, err; /* of stdout and stderr */
};

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* the stack failed, not svc */
    CLI_USAGE = 2,
};

struct cli_verb {
    const char *name;
    const char *words; /* "[SERVICE…]", in usage */
    const char *summary;
    /* Returns an exit code; -1: *e says what, printed by cli_main. */
    int (*run)(struct cli *cli, struct err *e);
    struct cli_options options;
    size_t min_words, max_words;
    bool stops_at_word;
    const char *notes; /* lines under the options in help; NULL: none */
};

int cli_main(int argc, char **argv);

extern const struct cli_verb cli_verbs[];
extern const size_t cli_verb_count;
extern const struct cli_options cli_common_options;
const struct cli_verb *cli_verb_find(const char *name);
/* ERR_INPUT with the nearest verb. */
int cli_verb_unknown(const char *name, struct err *e);

/* One row per verb of verbs.c. */
int cli_verb_run(struct cli *cli, struct err *e); /* run and up */
int cli_verb_down(struct cli *cli, struct err *e);
int cli_verb_ps(struct cli *cli, struct err *e);
int cli_verb_logs(struct cli *cli, struct err *e);
int cli_verb_exec(struct cli *cli, struct err *e);
int cli_verb_stop(struct cli *cli, struct err *e);
int cli_verb_start(struct cli *cli, struct err *e);
int cli_verb_restart(struct cli *cli, struct err *e);
int cli_verb_check(struct cli *cli, struct err *e);
int cli_verb_config(struct cli *cli, struct err *e);
int cli_verb_import(struct cli *cli, struct err *e);
int cli_verb_spec(struct cli *cli, struct err *e);
int cli_verb_version(struct cli *cli, struct err *e);
int cli_verb_help(struct cli *cli, struct err *e);
int cli_verb_completion(struct cli *cli, struct err *e);

/* Prints `svc: LINE` on stderr; returns the exit code. */
int cli_print_err(const struct err *e);
