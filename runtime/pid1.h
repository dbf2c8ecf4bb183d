#pragma once
/* The tiny init of a container (Compose's `init: true`): pid 1 that starts nothing, reaps
 * everything, forwards signals to the payload, and ends with its status. It is our own program
 * image, and the container must not get at it (CVE-2019-5736): it stays non-dumpable, so that
 * /proc/1/exe and /proc/1/mem need CAP_SYS_PTRACE in the user namespace that executed svc-runtime,
 * the host's, which no container has. It keeps no file open, so that pipes end with the payload. */
#include <sys/types.h>

/* PAYLOAD is the only child. */
_Noreturn void pid1_run(pid_t payload);
