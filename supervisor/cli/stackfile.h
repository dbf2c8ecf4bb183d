#pragma once
/* The stack file that a command is about: found, loaded, its problems told. */
#include "specs/stack_load.h"
#include "supervisor/cli/cli.h"

/* The file: -f, or the word of run, up and check, or stack.json here. ERR_INPUT when there is
 * none, or when it is a YAML file. Borrowed. */
must_check int cli_stackfile_path(const struct cli_args *args, const char **path, struct err *e);
/* Loads it. Problems are printed on stderr, one line each. 0: *out is the model; 1: it has errors,
 * which were printed; -1: it could not be read. */
must_check int cli_stackfile_load(const struct cli_args *args, struct stack **out, struct err *e);
/* Only the name of the stack, prints nothing. A file with mistakes still has a name; ERR_INPUT with
 * its first mistake when that cannot be read, or when there is no file. The caller frees. */
must_check int cli_stackfile_name(const struct cli_args *args, char **out, struct err *e);
/* The copy in the run directory of a stack. Its paths are resolved; it has no mistakes. */
must_check int cli_stackfile_load_copy(const char *run_dir, const char *project, struct stack **out,
                                       struct err *e);
/* How the stack files of this command line are read; borrows from ARGS. */
struct stack_load_options cli_stackfile_options(const struct cli_args *args);
