#pragma once
/* linux.seccomp of config.json: names and architectures become numbers (specs/syscall_numbers),
 * numbers a program (seccomp_bpf), the program is installed in the child by seccomp(2). Parent:
 * seccomp_plan_init. Child, between clone and exec: seccomp_install, which neither allocates nor
 * prints. Threads: none. */
#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/err.h"
#include "runtime/seccomp_bpf.h"
#include "specs/oci_config.h"

/* Zero: no filter. */
struct seccomp_plan {
    struct seccomp_bpf_program program; /* count 0: nothing to install */
    unsigned flags;                     /* SECCOMP_FILTER_FLAG_* for seccomp(2) */
    bool wants_listener;                /* a rule notifies: seccomp_install gives the fd */
    /* For a warning: names that no architecture knows. They are skipped, so that a profile for a
     * newer runtime works with this one. Borrowed from the configuration. */
    const char **unknown_names;
    size_t unknown_name_count;
};

/* Checks and compiles IN (which must outlive the plan); not is_set gives an empty plan.
 * ERR_INPUT: unknown architecture, flag, argument index, listener without path and the like. */
must_check int seccomp_plan_init(const struct oci_seccomp *in, struct seccomp_plan *out,
                                 struct err *e);
void seccomp_plan_done(struct seccomp_plan *p);
/* One warning in the log that names the unknown names, when there are any. */
void seccomp_plan_warn(const struct seccomp_plan *p);

/* "SECCOMP_FILTER_FLAG_LOG" and so on, what `flags` may have, sorted; NULL past the last. And
 * whether this kernel has it. */
const char *seccomp_flag_name(size_t index);
bool seccomp_flag_is_supported(size_t index);

/* Installs the filter for the calling thread; *LISTENER_FD gets the notify fd or -1 (pass NULL when
 * !wants_listener). Call it as late as the verdicts ask for: with no_new_privs set, last of all
 * before exec; without, before capabilities are dropped, since it then needs CAP_SYS_ADMIN in the
 * own user namespace (man 2 seccomp). Everything called after it must be allowed by the filter. */
must_check int seccomp_install(const struct seccomp_plan *p, int *listener_fd, struct err *e);
