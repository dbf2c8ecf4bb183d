#pragma once
/* The default seccomp profile, as a table of our own: every system call with its verdict, and the
 * condition (a capability held or not, an architecture) under which the verdict holds. Verdicts
 * are those of containers-common's seccomp.json; a unit test holds the table against that file.
 *
 * A profile with conditions is an engine's matter: config.json is flat. The stack compiler resolves
 * it here and writes the result; the runtime never sees conditions. Pure; threads: none. */
#include <stdint.h>

#include "runtime/base/mem.h"
#include "specs/oci_config.h"

/* The profile for a container whose bounding set is CAPS (bit N is capability N), on the
 * architecture that this program was built for, with its compat architectures. *out is filled whole
 * and lives in A. Rules come grouped: one per verdict and argument condition, names sorted. */
void seccomp_default_resolve(struct arena *a, uint64_t caps, struct oci_seccomp *out);
