#pragma once
/* Linux capabilities by name: the one table, shared by the runtime (process.capabilities of
 * config.json) and by the stack compiler (cap_add, cap_drop). A set is a 64-bit mask, bit N is
 * capability N of <linux/capability.h>. Pure data; threads: none. */
#include <stdint.h>

#include "runtime/base/auto.h"

enum {
    CAPABILITY_COUNT = 41 /* CAP_CHECKPOINT_RESTORE is the last one */
};
#define CAPABILITY_ALL ((UINT64_C(1) << CAPABILITY_COUNT) - 1)

/* The eleven that a container gets when its stack says nothing, as podman's: CHOWN, DAC_OVERRIDE,
 * FOWNER, FSETID, KILL, NET_BIND_SERVICE, SETFCAP, SETGID, SETPCAP, SETUID, SYS_CHROOT. */
extern const uint64_t capability_default_mask;

/* "CAP_NET_RAW" for 13; NULL when NUMBER is not below CAPABILITY_COUNT. */
const char *capability_name(unsigned number);
/* The number of an exact "CAP_…" name as config.json writes it, -1 when there is none. */
int capability_number(const char *name);
/* As people write it in a stack file: with or without "CAP_", in any case. -1 when none. */
int capability_number_loose(const char *name);
/* The known name nearest to NAME for "did you mean", with "CAP_"; NULL when none is near. */
const char *capability_nearest(const char *name);
