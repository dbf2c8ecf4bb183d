#include "runtime/memory_policy.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/str.h"

#define MODE_WEIGHTED_INTERLEAVE 6 /* Linux 6.9, newer than the headers of Debian 12 */

struct name {
    const char *name;
    int value;
};
static const struct name modes[] = {
    { "MPOL_BIND", MPOL_BIND },
    { "MPOL_DEFAULT", MPOL_DEFAULT },
    { "MPOL_INTERLEAVE", MPOL_INTERLEAVE },
    { "MPOL_LOCAL", MPOL_LOCAL },
    { "MPOL_PREFERRED", MPOL_PREFERRED },
    { "MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY },
    { "MPOL_WEIGHTED_INTERLEAVE", MODE_WEIGHTED_INTERLEAVE },
};
static const struct name flags[] = {
    { "MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING },
    { "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
    { "MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES },
};

const char *memory_policy_mode(size_t index)
{
    return index < ARRAY_LEN(modes) ? modes[index].name : NULL;
}

const char *memory_policy_flag(size_t index)
{
    return index < ARRAY_LEN(flags) ? flags[index].name : NULL;
}

static const struct name *find(const struct name *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(names[i].name, name))
            return &names[i];
    return NULL;
}

int memory_policy_plan_init(const struct oci_config *c, struct memory_policy_plan *out,
                            struct err *e)
{
    *out = (struct memory_policy_plan){ 0 };
    if (!c->memory_policy.mode)
        return 0;
    const struct name *mode = find(modes, ARRAY_LEN(modes), c->memory_policy.mode);
    if (!mode)
        return err_input(e, "linux.memoryPolicy.mode: unknown mode \"%.40s\"",
                         c->memory_policy.mode);
    out->is_set = true;
    out->mode = mode->value;
    for (size_t i = 0; i < c->memory_policy.flags.count; i++) {
        const char *name = c->memory_policy.flags.items[i];
        const struct name *flag = find(flags, ARRAY_LEN(flags), name);
        if (!flag)
            return err_input(e, "linux.memoryPolicy.flags: unknown flag \"%.40s\"", name);
        out->mode |= flag->value;
    }
    const char *nodes = c->memory_policy.nodes;
    return nodes ? number_list_parse(nodes, "linux.memoryPolicy.nodes", &out->nodes, e) : 0;
}

int memory_policy_apply(const struct memory_policy_plan *p, struct err *e)
{
    if (!p->is_set)
        return 0;
    /* The kernel takes one less than it is told, set_mempolicy(2) BUGS of get_mempolicy. */
    const uint64_t *mask = p->nodes.count ? p->nodes.words : NULL;
    unsigned long bits = mask ? NUMBER_LIST_BITS + 1 : 0;
    if (syscall(SYS_set_mempolicy, p->mode, mask, bits) < 0)
        return err_sys(e, errno, "linux.memoryPolicy: set");
    return 0;
}
