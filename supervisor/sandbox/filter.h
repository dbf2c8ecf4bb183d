#pragma once
/* The seccomp allow-lists of our roles, as classic BPF made from tables. Private to the sandbox. */
#include "runtime/base/err.h"
#include "supervisor/sandbox/sandbox.h"

/* For good, for this process and what it would start. Needs no_new_privs or CAP_SYS_ADMIN. */
must_check int filter_load(enum sandbox_role role, struct err *e);
