#pragma once
/* A stack's beginning, going on, and end: project_open makes everything that is not a container
 * (directories, network, listeners, workers) and the replicas in state waiting, or finds all of it
 * again after a crash; project_settle acts on what a tick changed; project_remove takes away every
 * trace but volumes and logs. Engine only. */
#include "supervisor/stack/project.h"

/* What the keeper told before READY. */
struct replay {
    struct child_end *exits; /* unacknowledged, in order; tag 0: a container's */
    pid_t *exit_pids;
    size_t exit_count, exit_cap;
    uint64_t *alive_tags; /* spawned children that still run */
    size_t alive_count, alive_cap;
};

/* Reads RUN_DIR and fills P's static part. P is zeroed but for loop and keeper. */
must_check int project_load(struct project *p, const char *run_dir, struct err *e);
/* IS_RESUMED: an earlier engine of the same keeper left a journal. */
must_check int project_open(struct project *p, const struct replay *replay, bool is_resumed,
                            struct err *e);
/* Before the loop sleeps. True when the stack was told to go down and everything has stopped. */
bool project_settle(struct project *p);
/* An exit told by the keeper after READY. */
void project_on_exit(struct project *p, const struct child_end *end, pid_t pid);
/* Takes away what project_open and the replicas made, also what a killed run left: works on names,
 * needs no more than project_load. Goes on after errors, which it logs. */
void project_remove(struct project *p);
void project_done(struct project *p);
