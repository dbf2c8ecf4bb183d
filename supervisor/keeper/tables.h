#pragma once
/* What the keeper must not lose, in tables of fixed size: fds by name, running children by pid,
 * exits by sequence number.
 * No system calls but close(2). Only keeper.c uses it. Zeroed memory is an empty table. */
#include <stdbool.h>
#include <stddef.h>

#include "supervisor/keeper/keeper.h"

struct keeper_held {
    int fd;
    char name[KEEPER_NAME_MAX]; /* "": free */
};
struct keeper_held_table {
    struct keeper_held slots[KEEPER_HELD_MAX];
    size_t used; /* slots beyond are free */
};

/* Takes *FD under NAME, closing what was there; false (and *FD stays) when full or nameless. */
bool keeper_held_add(struct keeper_held_table *t, const char *name, int *fd);
void keeper_held_drop(struct keeper_held_table *t, const char *name);
/* The first one at slot *AT or after, with *AT set to its slot; NULL at the end. */
const struct keeper_held *keeper_held_next(const struct keeper_held_table *t, size_t *at);

enum {
    KEEPER_CHILDREN_MAX = 4096
};
struct keeper_child {
    pid_t pid; /* 0: free */
    uint64_t tag;
};
struct keeper_child_table {
    struct keeper_child slots[KEEPER_CHILDREN_MAX];
    size_t count;
    size_t used; /* slots beyond are free */
};

bool keeper_child_is_full(const struct keeper_child_table *t);
void keeper_child_add(struct keeper_child_table *t, pid_t pid, uint64_t tag); /* not when full */
/* Forgets PID and returns its tag; 0 when it is none of them. */
uint64_t keeper_child_take(struct keeper_child_table *t, pid_t pid);
/* As keeper_held_next. */
const struct keeper_child *keeper_child_next(const struct keeper_child_table *t, size_t *at);

struct keeper_exit {
    pid_t pid;
    int status;
    uint64_t tag;
    uint64_t when_ns;
};
/* Numbers count from 1; (acked, last] are there. */
struct keeper_exit_table {
    struct keeper_exit slots[KEEPER_EXITS_MAX]; /* by number modulo size */
    uint64_t acked, last;
};

bool keeper_exit_is_full(const struct keeper_exit_table *t);
void keeper_exit_add(struct keeper_exit_table *t, const struct keeper_exit *x); /* not when full */
const struct keeper_exit *keeper_exit_at(const struct keeper_exit_table *t, uint64_t seq);
void keeper_exit_ack(struct keeper_exit_table *t, uint64_t seq);
