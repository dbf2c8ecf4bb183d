#pragma once
/* From a stack file to the model: read, interpolate, decode by table, default, cross-check. All
 * problems of a file are collected, sorted by place, before anything is given up. Reads files only
 * (the stack file, .env, env_file); changes nothing. */
#include "specs/stack.h"

enum {
    STACK_PROBLEMS_MAX = 200,
    STACK_FILES_MAX = 16 /* of -f */
};
#define STACK_STDIN "-"

struct stack_problem {
    bool is_warning;
    struct json_place place;
    char path[160]; /* "services.web.healthcheck"; may be empty */
    char what[320]; /* `unknown key "intervall"` */
    char hint[192]; /* `did you mean "interval"?` */
};
struct stack_problems {
    struct stack_problem *items;
    size_t count;
    size_t error_count;
    bool truncated;
    struct arena arena; /* names of files in places */
};
void stack_problems_done(struct stack_problems *p);
/* `stack.json:14:7: services.web.healthcheck: unknown key "intervall" (did you mean "interval"?)`
 */
void stack_problem_line(const struct stack_problem *p, char *line, size_t size);

struct stack_load_options {
    const char *project; /* -p; NULL: COMPOSE_PROJECT_NAME, `name:`, or the directory's name */
    const char *const *env_files; /* --env-file, the last one wins, NULL-terminated; NULL: .env in
                                     the directory of the stack, when it is there */
    const char *dir;              /* --project-directory; NULL: that of the first file */
    const char *const *profiles; /* --profile, NULL-terminated, "*": all; beside COMPOSE_PROFILES */
    char **environ;              /* for interpolation; NULL-terminated */
    bool is_lenient;             /* what is known and not supported is a warning, and left out */
    bool wants_variables;        /* fill in stack.variables */
    /* A copy that stack_write_json made: paths are not looked up on this machine. */
    bool is_saved_copy;
    uint64_t total_memory_bytes; /* of this machine: limits that add up to more are a warning;
                                    0: not checked */
};

/* The files PATHS (COUNT, at least 1; "-" is standard input) as one stack, later ones merged over
 * earlier ones. 0: *out is the model (caller frees), warnings may be in *problems. -1: problems has
 * the errors, or e when a file could not be read at all. stack_problems_done in both cases. */
must_check int stack_load(const char *const *paths, size_t count,
                          const struct stack_load_options *options, struct stack **out,
                          struct stack_problems *problems, struct err *e);
/* Only the name of the stack, for the caller to free: it is known when the files are documents,
 * whatever else is wrong in them. */
must_check int stack_load_name(const char *const *paths, size_t count,
                               const struct stack_load_options *options, char **out,
                               struct stack_problems *problems, struct err *e);
/* The files as one tree, before anything in it is decoded: included, extended, merged. It is made
 * in A. With IS_RAW variables stay as they are written. 0, or -1 as stack_load. */
must_check int stack_load_tree(const char *const *paths, size_t count,
                               const struct stack_load_options *options, bool is_raw,
                               struct arena *a, struct json **out, struct stack_problems *problems,
                               struct err *e);
/* A stack from text in memory (tests, the saved copy of a running stack). DIR is absolute. */
must_check int stack_load_text(const char *file, const char *dir, const char *text, size_t len,
                               const struct stack_load_options *options, struct stack **out,
                               struct stack_problems *problems);

/* Writes the resolved model as a stack file that stack_load_text turns into the same model without
 * any environment: the engine keeps this copy, `svc config` prints it. Secrets out of variables
 * stand in it (secrets.*.content): the copy is its reader's alone, and a printer masks them. */
void stack_write_json(const struct stack *s, struct buf *to, unsigned indent);
