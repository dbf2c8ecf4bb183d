#pragma once
/* The stack file that a command is about: found, loaded, its problems told. */
#include "specs/stack_load.h"
#include "supervisor/cli/cli.h"

/* Paths of the files; options of how they are read. */
struct cli_stackfile {
    struct arena arena;
    const char *paths[STACK_FILES_MAX];
    size_t count;
    const char *env_files[CLI_TEXTS_MAX + 1], *profiles[CLI_TEXTS_MAX + 1];
    struct stack_load_options options;
};
void cli_stackfile_done(struct cli_stackfile *f);
#define auto_cli_stackfile __attribute__((cleanup(cli_stackfile_done)))

/* The files: -f, or the word of run, up and check, or COMPOSE_FILE, or what is here or in a
 * directory above: stack.json, compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml,
 * with the .override beside it. ERR_INPUT when there is none. OUT may not move: options point into
 * it. */
must_check int cli_stackfile_find(const struct cli_args *args, struct cli_stackfile *out,
                                  struct err *e);
/* `svc run FILE`: the word is one more -f. */
void cli_stackfile_word(struct cli_args *args);
/* Loads it. Problems are printed on stderr, one line each. 0: *out is the model; 1: it has errors,
 * which were printed; -1: it could not be read. */
must_check int cli_stackfile_load(const struct cli_args *args, struct stack **out, struct err *e);
/* The same for the merged tree, which lives in A; with IS_RAW variables are as they are written. */
must_check int cli_stackfile_tree(const struct cli_args *args, bool is_raw, struct arena *a,
                                  struct json **out, struct err *e);
/* Only the name of the stack, prints nothing. A file with mistakes still has a name; ERR_INPUT with
 * its first mistake when that cannot be read, or when there is no file. The caller frees. */
must_check int cli_stackfile_name(const struct cli_args *args, char **out, struct err *e);
/* The copy in the run directory of a stack. Its paths are resolved; it has no mistakes. */
must_check int cli_stackfile_load_copy(const char *run_dir, const char *project, struct stack **out,
                                       struct err *e);
