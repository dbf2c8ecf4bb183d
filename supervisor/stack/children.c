#include "supervisor/stack/children.h"

#include <time.h>

#include "runtime/base/mem.h"
#include "supervisor/keeper/keeper.h"

struct waiting {
    uint64_t tag; /* 0: free slot */
    pid_t pid;
    child_fn *fn;
    void *self;
};

struct children {
    int channel;
    uint64_t next_tag;
    struct waiting *items;
    size_t cap;
};

struct children *children_new(int keeper_channel)
{
    struct children *c = mem_alloc(sizeof(*c));
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    c->channel = keeper_channel;
    /* An earlier engine started below this: it used less than one tag per ns. */
    c->next_tag = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return c;
}

void children_free(struct children *c)
{
    if (!c)
        return;
    free(c->items);
    free(c);
}

uint64_t children_next_tag(struct children *c)
{
    return ++c->next_tag;
}

static struct waiting *find(const struct children *c, uint64_t tag)
{
    for (size_t i = 0; tag && i < c->cap; i++)
        if (c->items[i].tag == tag)
            return &c->items[i];
    return NULL;
}

void children_adopt(struct children *c, uint64_t tag, child_fn *fn, void *self)
{
    size_t i = 0;
    while (i < c->cap && c->items[i].tag)
        i++;
    if (i == c->cap)
        c->items = mem_grow(c->items, &c->cap, i + 1, sizeof(*c->items));
    c->items[i] = (struct waiting){ .tag = tag, .fn = fn, .self = self };
}

int children_spawn(struct children *c, uint64_t tag, const char *const *argv,
                   const char *const *envp, const int *fds, size_t fd_count, child_fn *fn,
                   void *self, struct err *e)
{
    if (keeper_spawn(c->channel, tag, argv, envp, fds, fd_count, e) < 0)
        return -1;
    children_adopt(c, tag, fn, self);
    return 0;
}

void children_forget(struct children *c, uint64_t tag)
{
    struct waiting *w = find(c, tag);
    if (w)
        *w = (struct waiting){ 0 };
}

void children_on_exit(struct children *c, const struct child_end *end)
{
    struct waiting *w = find(c, end->tag);
    if (!w)
        return;
    struct waiting found = *w;
    *w = (struct waiting){ 0 };
    found.fn(found.self, end);
}

void children_on_spawned(struct children *c, uint64_t tag, pid_t pid, int errnum)
{
    if (errnum) {
        struct child_end end = { .tag = tag, .status = CHILD_NOT_STARTED, .errnum = errnum };
        children_on_exit(c, &end);
        return;
    }
    struct waiting *w = find(c, tag);
    if (w)
        w->pid = pid;
}

pid_t children_pid(const struct children *c, uint64_t tag)
{
    const struct waiting *w = find(c, tag);
    return w ? w->pid : 0;
}
