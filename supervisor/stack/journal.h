#pragma once
/* What a new engine must know that it cannot observe: states, goals, counters, tags of calls in
 * flight. RUN_DIR/state.json, written by rename, without fsync: it is for a killed engine, not for
 * a killed machine (RUN_DIR is on a tmpfs). Read back once, at the start of an engine. */
#include "supervisor/stack/project.h"

must_check int journal_save(struct project *p, struct err *e);
/* Fills replicas, workers and flags. 1: loaded, 0: there is none, -1: it cannot be used. */
must_check int journal_load(struct project *p, uint64_t *last_seq, struct err *e);
