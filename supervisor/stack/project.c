#include "supervisor/stack/project.h"

#include "runtime/base/str.h"

struct replica *project_find_replica(struct project *p, const char *id)
{
    EACH_REPLICA(p, r)
    {
        if (str_eq(r->id, id))
            return r;
    }
    return NULL;
}

struct replica *project_find_pid(struct project *p, pid_t pid)
{
    EACH_REPLICA(p, r)
    {
        if (pid && r->pid == pid)
            return r;
    }
    return NULL;
}

int project_take_held(struct project *p, const char *name)
{
    for (size_t i = 0; i < p->held_count; i++) {
        if (str_eq(p->held[i].name, name)) {
            int fd = p->held[i].fd;
            p->held[i].fd = -1;
            return fd;
        }
    }
    return -1;
}
