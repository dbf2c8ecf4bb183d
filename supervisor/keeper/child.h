#pragma once
/* The keeper's two halves that touch other processes' bytes: receiving a request of the engine and
 * starting a child from it. Only keeper.c uses it. No allocation, nothing blocks but the child's
 * way to execve (vfork). */
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

#include "supervisor/keeper/keeper.h"

enum {
    KEEPER_STRINGS_MAX = 2048, /* argv and envp together */
};

struct keeper_request {
    struct keeper_message head;
    char args[KEEPER_ARGS_MAX]; /* directly after head, as in the message */
    size_t fd_count;
    int fds[FD_PASS_MAX]; /* owned; -1 when taken out */
};

/* What starting a child takes, and what it gets back that the keeper changed for itself. */
struct keeper_inherit {
    char stack[32768] __attribute__((aligned(16))); /* the child's, until execve */
    int null_fd;                                    /* for 0, 1, 2 that nobody gave */
    bool has_nofile;
    struct rlimit nofile;
    bool has_oom_adj;
    char oom_adj[8]; /* as it was, "0" */
};

/* Raises the number of fds, lowers the chance to be killed for memory, and notes what was. Both are
 * best effort: fewer fds may do, and a lower score takes CAP_SYS_RESOURCE. */
void keeper_inherit_take(struct keeper_inherit *inherit);
/* 1: a well-formed request, 0: end of file, -1 with errno; EAGAIN: none now. */
must_check int keeper_request_receive(int channel, struct keeper_request *out);
/* The child of a SPAWN request. The pid, or -1 and *errnum. */
pid_t keeper_request_start(const struct keeper_request *q, struct keeper_inherit *inherit,
                           int *errnum);
/* execve(ARGV[0]) with FDS as 0, 1, 2, …, everything else closed, default signals, own session. */
pid_t keeper_child_start(char *const *argv, char *const *envp, const int *fds, size_t fd_count,
                         struct keeper_inherit *inherit, int *errnum);
