#pragma once
/* process.capabilities: five sets as masks, applied around the change of user ids.
 *
 * Parent: caps_plan_init. Child, in this order (each step needs what the next one takes away):
 *   caps_apply_bounding   drops from the bounding set (needs CAP_SETPCAP), sets PR_SET_KEEPCAPS
 *   setgroups, setresgid, setresuid   the caller's
 *   caps_apply_sets       capset with exactly effective, permitted, inheritable; then ambient;
 *                         clears keepcaps
 * Both are free of malloc and stdio. Inheritable is exactly what the configuration says
 * (CVE-2022-29162: never copied from permitted). Threads: none. */
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

struct caps_plan {
    uint64_t bounding, permitted, effective, inheritable, ambient;
    unsigned last_cap; /* highest capability of this kernel */
    /* For a warning (runtime-spec config.md §Linux Process: "cannot be granted … MUST be logged as
     * a warning"): asked for, but this kernel or this process does not have it to give. */
    uint64_t unavailable;
    const char *unknown; /* for another: the first name that is no capability; NULL: none */
};

/* An absent object gives empty sets. GAINS_ALL says that the child will be in another user
 * namespace, where it holds every capability; else what the caller lacks moves to `unavailable`.
 * ERR_INPUT names one that is effective without being permitted. */
must_check int caps_plan_init(const struct oci_capabilities *in, bool gains_all,
                              struct caps_plan *out, struct err *e);
/* Writes "CAP_SYS_TIME CAP_BPF" to TO for a message; returns TO; leaves out
 * what does not fit. */
const char *caps_mask_names(uint64_t mask, char *to, size_t size);

must_check int caps_apply_bounding(const struct caps_plan *p, struct err *e);
must_check int caps_apply_sets(const struct caps_plan *p, struct err *e);

/* Whether the calling thread has CAPABILITY in its effective set now. */
bool caps_has(unsigned capability);
