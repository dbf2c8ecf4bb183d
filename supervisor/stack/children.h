#pragma once
/* Processes that the engine asked the keeper to start, by tag: who wants to know their end. Owns
 * the table of waiting callbacks, not the processes. Engine only; threads: none. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"

/* STATUS as of waitpid(2); WHEN_NS on CLOCK_BOOTTIME. When the process could not be started at all,
 * STATUS is CHILD_NOT_STARTED and ERRNUM says why. */
enum {
    CHILD_NOT_STARTED = -1
};
struct child_end {
    uint64_t tag;
    int status;
    int errnum;
    uint64_t when_ns;
};
typedef void child_fn(void *self, const struct child_end *end);

struct children;
struct children *children_new(int keeper_channel);
void children_free(struct children *c);

/* Tags are unique over all engines of a boot. */
uint64_t children_next_tag(struct children *c);
/* FDS (borrowed) become 0, 1, 2, … of the process. FN is called once, from children_on_exit. */
must_check int children_spawn(struct children *c, uint64_t tag, const char *const *argv,
                              const char *const *envp, const int *fds, size_t fd_count,
                              child_fn *fn, void *self, struct err *e);
/* Waits for a process that an earlier engine asked for. */
void children_adopt(struct children *c, uint64_t tag, child_fn *fn, void *self);
/* FN is not called any more; the process goes on. */
void children_forget(struct children *c, uint64_t tag);

/* From the keeper's messages. Unknown tags are ignored. */
void children_on_spawned(struct children *c, uint64_t tag, pid_t pid, int errnum);
void children_on_exit(struct children *c, const struct child_end *end);
/* The process of TAG, 0 when unknown. */
pid_t children_pid(const struct children *c, uint64_t tag);
