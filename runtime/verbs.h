#pragma once
/* The verbs of svc-runtime: one file each, one row each in main.c. ARGV[0] is the verb. Each
 * returns the exit code; -1 means that *e says why (main prints and logs it). */
#include <stdio.h>

#include "runtime/container.h"

typedef int verb_fn(const struct runtime *rt, int argc, char **argv, struct err *e);

verb_fn verb_create, verb_start, verb_run, verb_exec, verb_state, verb_kill, verb_delete, verb_list,
    verb_ps, verb_checkpoint, verb_restore, verb_events, verb_pause, verb_resume, verb_update,
    verb_features, verb_spec;

/* ERR_INPUT unless there are MIN to MAX arguments. USAGE: "ID [SIGNAL]". */
must_check int verb_check_words(const char *verb, int count, int min, int max, const char *usage,
                                struct err *e);
