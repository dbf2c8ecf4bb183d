#pragma once
/* The tiny init of a container (Compose's `init: true`): pid 1 that starts nothing, reaps
 * everything, forwards signals to the payload, and ends with its status. It is our own program
 * image, and the container must not get at it (CVE-2019-5736): it stays non-dumpable, so that
 * /proc/1/exe and /proc/1/mem need CAP_SYS_PTRACE in the user namespace that executed svc-runtime,
 * the host's. A container with a user namespace of its own cannot have that; one without can, when
 * its configuration grants it: it may read the image then, as it may trace any process of the host
 * that it can see (`exec` shows it the same image). Of capabilities CAP_KILL is left, for programs
 * that changed their user. It keeps no file open, so that pipes end with the payload. */
#include <sys/types.h>

#include "runtime/base/err.h"

/* Takes from the caller what pid 1 does not need. LAST_CAP is the kernel's highest capability. */
must_check int pid1_confine(unsigned last_cap, struct err *e);
/* PAYLOAD is the only child. */
_Noreturn void pid1_run(pid_t payload);
