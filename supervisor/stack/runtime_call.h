#pragma once
/* svc-runtime as a program: one call of one verb for one container, run by the keeper. The OCI
 * command line and exit codes are the whole interface, so that another OCI runtime can take its
 * place. Its error is read from its --log file. Engine only. */
#include "supervisor/stack/project.h"

enum runtime_verb {
    RUNTIME_CREATE, /* fds 1 and 2 become the container's output */
    RUNTIME_START,
    RUNTIME_SIGNAL, /* the service's stop signal */
    RUNTIME_KILL,   /* SIGKILL */
    RUNTIME_DELETE, /* --force: a container that is not there is success */
    RUNTIME_VERB_COUNT_
};

/* Starts the call; R's call_tag is set and journaled before. FN is called at its end with R.
 * OUT_FD and ERR_FD are borrowed, -1: discarded. */
must_check int runtime_call(struct replica *r, enum runtime_verb verb, int out_fd, int err_fd,
                            child_fn *fn, struct err *e);
/* `exec` of ARGV in R's container, output to OUT_FD; R's probe_tag is set. */
must_check int runtime_exec(struct replica *r, const struct strings *argv, int out_fd, child_fn *fn,
                            struct err *e);
/* Why the call failed: what the runtime wrote to its log, or its exit status. Returns -1. */
int runtime_call_error(const struct replica *r, const struct child_end *end, struct err *e);
/* The pid that `create` wrote; -1 and *e when it is not there. */
must_check int runtime_read_pid(const struct replica *r, pid_t *pid, struct err *e);
