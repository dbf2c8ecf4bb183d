#include "supervisor/keeper/tables.h"

#include <assert.h>

#include "runtime/base/str.h"

static struct keeper_held *find_held(struct keeper_held_table *t, const char *name)
{
    for (size_t i = 0; i < t->used; i++)
        if (str_eq(t->slots[i].name, name))
            return &t->slots[i];
    return NULL;
}

void keeper_held_drop(struct keeper_held_table *t, const char *name)
{
    struct keeper_held *h = name[0] ? find_held(t, name) : NULL;
    if (!h)
        return;
    fd_close(&h->fd);
    h->name[0] = '\0';
}

bool keeper_held_add(struct keeper_held_table *t, const char *name, int *fd)
{
    if (!name[0])
        return false;
    keeper_held_drop(t, name);
    struct keeper_held *h = find_held(t, "");
    if (!h && t->used < KEEPER_HELD_MAX)
        h = &t->slots[t->used++];
    if (!h || str_copy(h->name, sizeof(h->name), name) < 0)
        return false;
    h->fd = take_fd(fd);
    return true;
}

const struct keeper_held *keeper_held_next(const struct keeper_held_table *t, size_t *at)
{
    for (; *at < t->used; (*at)++)
        if (t->slots[*at].name[0])
            return &t->slots[*at];
    return NULL;
}

static struct keeper_child *find_child(struct keeper_child_table *t, pid_t pid)
{
    for (size_t i = 0; i < t->used; i++)
        if (t->slots[i].pid == pid)
            return &t->slots[i];
    return NULL;
}

bool keeper_child_is_full(const struct keeper_child_table *t)
{
    return t->count == KEEPER_CHILDREN_MAX;
}

void keeper_child_add(struct keeper_child_table *t, pid_t pid, uint64_t tag)
{
    assert(pid > 0 && !keeper_child_is_full(t));
    struct keeper_child *c = find_child(t, 0);
    if (!c)
        c = &t->slots[t->used++];
    *c = (struct keeper_child){ .pid = pid, .tag = tag };
    t->count++;
}

uint64_t keeper_child_take(struct keeper_child_table *t, pid_t pid)
{
    struct keeper_child *c = find_child(t, pid);
    if (!c)
        return 0;
    uint64_t tag = c->tag;
    *c = (struct keeper_child){ 0 };
    t->count--;
    return tag;
}

const struct keeper_child *keeper_child_next(const struct keeper_child_table *t, size_t *at)
{
    for (; *at < t->used; (*at)++)
        if (t->slots[*at].pid)
            return &t->slots[*at];
    return NULL;
}

bool keeper_exit_is_full(const struct keeper_exit_table *t)
{
    return t->last - t->acked == KEEPER_EXITS_MAX;
}

void keeper_exit_add(struct keeper_exit_table *t, const struct keeper_exit *x)
{
    assert(!keeper_exit_is_full(t));
    t->last++;
    t->slots[t->last % KEEPER_EXITS_MAX] = *x;
}

const struct keeper_exit *keeper_exit_at(const struct keeper_exit_table *t, uint64_t seq)
{
    assert(seq > t->acked && seq <= t->last);
    return &t->slots[seq % KEEPER_EXITS_MAX];
}

void keeper_exit_ack(struct keeper_exit_table *t, uint64_t seq)
{
    assert(seq <= t->last);
    if (seq > t->acked)
        t->acked = seq;
}
