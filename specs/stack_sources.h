#pragma once
/* Inside specs only: the files of a stack as one tree. Each is parsed (YAML or JSON), its variables
 * are replaced, then what it includes and what its services extend is brought in; in the end the
 * files are merged in the order in which they were given (Compose: "Include", "Extends", "Merge").
 *
 * Variables of an included file come from the environment, then from the .env files around it, the
 * outer ones first. A relative path belongs to the directory of the file it stands in; for files
 * given by -f that is the directory of the first. Reads files; all problems go to the draft's
 * collector. Threads: none. */
#include "specs/interpolate.h"
#include "specs/stack_variables.h"

enum {
    STACK_SOURCES_MAX = 200,     /* files of one stack */
    STACK_SOURCES_DEPTH_MAX = 16 /* of extends and of include */
};

/* Where the variables of a file come from. */
struct stack_scope {
    char **environ;
    const struct stack_scope *outer;
    struct stack_pairs dotenv;
    const char **origins;      /* beside dotenv.items: the file of each */
    struct stack_noted *noted; /* what is asked for; NULL: nobody wants to know */
};
/* The value of NAME; NULL when it is not set. Nothing is noted. */
const char *stack_scope_value(const struct stack_scope *scope, const char *name);
/* For struct interpolate: SELF is a scope. */
const char *stack_scope_find(const void *self, const char *name);

struct stack_source {
    const char *file; /* as places name it, this very pointer */
    const char *dir;  /* absolute: what relative paths in it begin with */
    const char *path; /* absolute, "" for standard input */
    const struct stack_scope *scope;
    struct json *tree; /* variables replaced */
};
struct stack_sources {
    struct stack_source *items; /* STACK_SOURCES_MAX, from the first one on */
    size_t count;
};

/* A file given by the user. */
struct stack_input {
    const char *file;
    const char *text;
    size_t len;
};

struct stack_draft;
/* Reads the .env file PATH, which AT.file names, into SCOPE. */
void stack_sources_dotenv(struct stack_draft *d, struct json_place at, const char *path,
                          struct stack_scope *scope);
/* NULL when there is nothing to decode; problems say why. D->scope has the first .env already. */
struct json *stack_sources_load(struct stack_draft *d, const struct stack_input *inputs,
                                size_t count);
/* The directory of relative paths at AT: an absolute path. */
const char *stack_sources_dir(const struct stack_draft *d, struct json_place at);
