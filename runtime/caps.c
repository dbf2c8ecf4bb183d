#include "runtime/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/str.h"
#include "specs/capability_names.h"

/* Raw capget and capset instead of libcap's: libcap allocates, and the child may not. */

#define BIT(n) (UINT64_C(1) << (n))

struct cap_sets {
    uint64_t effective, permitted, inheritable;
};

static int sets_get(struct cap_sets *out)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
    if (syscall(SYS_capget, &head, data) < 0)
        return -1;
    out->effective = data[0].effective | (uint64_t)data[1].effective << 32;
    out->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    out->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return 0;
}

static int sets_put(const struct caps_plan *p)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        { (uint32_t)p->effective, (uint32_t)p->permitted, (uint32_t)p->inheritable },
        { (uint32_t)(p->effective >> 32), (uint32_t)(p->permitted >> 32),
          (uint32_t)(p->inheritable >> 32) },
    };
    return (int)syscall(SYS_capset, &head, data);
}

bool caps_has(unsigned capability)
{
    struct cap_sets now;
    return sets_get(&now) == 0 && (now.effective & BIT(capability));
}

const char *caps_mask_names(uint64_t mask, char *to, size_t size)
{
    size_t used = 0;
    if (size == 0)
        return to;
    to[0] = '\0';
    for (unsigned i = 0; i < CAPABILITY_COUNT; i++) {
        if (!(mask & BIT(i)))
            continue;
        int n = snprintf(to + used, size - used, "%s%s", used ? " " : "", capability_name(i));
        if (n < 0 || (size_t)n >= size - used) {
            to[used] = '\0'; /* whole names only */
            break;
        }
        used += (size_t)n;
    }
    return to;
}

/* An unknown name is a warning and no failure: config.md §Linux Process, "Any value which cannot be
 * mapped to a relevant kernel interface … MUST be logged as a warning". */
static void mask_of(const struct oci_strings *names, uint64_t *out, const char **unknown)
{
    *out = 0;
    for (size_t i = 0; i < names->count; i++) {
        int number = capability_number(names->items[i]);
        if (number >= 0)
            *out |= BIT(number);
        else if (!*unknown)
            *unknown = names->items[i];
    }
}

/* The kernel answers EINVAL for a capability that it does not know. */
static unsigned last_cap_of_kernel(void)
{
    unsigned last = CAPABILITY_COUNT - 1;
    while (last > 0 && prctl(PR_CAPBSET_READ, last, 0, 0, 0) < 0)
        last--;
    while (last < 63 && prctl(PR_CAPBSET_READ, last + 1, 0, 0, 0) >= 0)
        last++;
    return last;
}

/* What the caller can give away without being in a new user namespace: what it is permitted, and
 * of the bounding set, where ASKED for it, what is left of it. */
static int grantable(uint64_t asked, uint64_t *permitted, uint64_t *bounding, struct err *e)
{
    struct cap_sets now;
    if (sets_get(&now) < 0)
        return err_sys(e, errno, "read capabilities");
    *permitted = now.permitted;
    *bounding = 0;
    for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
        if ((asked & BIT(i)) && prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
            *bounding |= BIT(i);
    return 0;
}

static int decode(const struct oci_capabilities *in, struct caps_plan *p, struct err *e)
{
    if (!in->is_set)
        return 0;
    mask_of(&in->bounding, &p->bounding, &p->unknown);
    mask_of(&in->permitted, &p->permitted, &p->unknown);
    mask_of(&in->effective, &p->effective, &p->unknown);
    mask_of(&in->inheritable, &p->inheritable, &p->unknown);
    mask_of(&in->ambient, &p->ambient, &p->unknown);
    uint64_t excess = p->effective & ~p->permitted;
    if (excess) {
        char names[128];
        return err_input(e, "process.capabilities.effective: %s not in permitted (capabilities(7))",
                         caps_mask_names(excess, names, sizeof(names)));
    }
    return 0;
}

int caps_plan_init(const struct oci_capabilities *in, bool gains_all, struct caps_plan *out,
                   struct err *e)
{
    struct caps_plan p = { .last_cap = last_cap_of_kernel() };
    if (decode(in, &p, e) < 0)
        return -1;
    uint64_t permitted = p.last_cap == 63 ? UINT64_MAX : BIT(p.last_cap + 1) - 1;
    uint64_t bounding = permitted;
    if (!gains_all && grantable(p.bounding, &permitted, &bounding, e) < 0)
        return -1;

    struct caps_plan asked = p;
    p.bounding &= bounding;
    p.permitted &= permitted;
    p.effective &= permitted;
    /* cap_capset: new inheritable within old inheritable | permitted, with CAP_SETPCAP within the
     * bounding set, which has been cut to the container's by then. */
    p.inheritable &= permitted;
    /* prctl(2) PR_CAP_AMBIENT_RAISE: only what is permitted and inheritable */
    p.ambient &= p.permitted & p.inheritable;
    p.unavailable = (asked.bounding & ~p.bounding) | (asked.permitted & ~p.permitted) |
                    (asked.inheritable & ~p.inheritable) | (asked.ambient & ~p.ambient);
    *out = p;
    return 0;
}

int caps_apply_bounding(const struct caps_plan *p, struct err *e)
{
    for (unsigned i = 0; i <= p->last_cap; i++) {
        if ((p->bounding & BIT(i)) || prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0)
            continue;
        int errnum = errno; /* to drop what is not there needs CAP_SETPCAP all the same */
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 0)
            return err_sys(e, errnum, "drop capability %u from the bounding set", i);
    }
    /* Without it, leaving uid 0 would empty the permitted set (capabilities(7) §Effect of user ID
     * changes on capabilities). */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return err_sys(e, errno, "keep capabilities over the change of user");
    return 0;
}

int caps_apply_sets(const struct caps_plan *p, struct err *e)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return err_sys(e, errno, "clear the ambient capabilities");
    if (sets_put(p) < 0)
        return err_sys(e, errno,
                       "set capabilities (effective %#llx, permitted %#llx, inheritable %#llx)",
                       (unsigned long long)p->effective, (unsigned long long)p->permitted,
                       (unsigned long long)p->inheritable);
    for (unsigned i = 0; i <= p->last_cap; i++)
        if ((p->ambient & BIT(i)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
            return err_sys(e, errno, "raise ambient capability %u", i);
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
        return err_sys(e, errno, "stop keeping capabilities");
    return 0;
}
