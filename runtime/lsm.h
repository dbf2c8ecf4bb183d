#pragma once
/* Labels of security modules for the program: process.apparmorProfile, process.selinuxLabel. The
 * kernel gives them to whatever the process executes next; they are written to its own attr/exec
 * (proc(5)).
 *
 * A label that is asked for where its module is not at work is an error: the program would run
 * without a confinement that somebody relies on. "unconfined" and "" ask for none.
 * Parent: lsm_plan_init, which opens the machine's own /proc, when there is something to write.
 * Child: lsm_apply, once the root is built. The container's /proc is not asked, so that nothing
 * that is mounted there can catch what is written (CVE-2019-16884, CVE-2023-28642, CVE-2025-52881).
 */
#include <stdbool.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

/* The modules at work on this machine. */
struct lsm_host {
    bool has_apparmor, has_selinux;
};

/* Zero: nothing to do. Strings are borrowed from the configuration. */
struct lsm_plan {
    const char *apparmor_profile, *selinux_label; /* NULL: none */
    int proc_fd;                                  /* when one of them is there */
};

void lsm_host_read(struct lsm_host *out);
/* linux.mountLabel for a new file system of TYPE: the option "context=…" in A; NULL where there is
 * none: SELinux is not at work, or file systems of that type have labels of the policy's own. */
const char *lsm_mount_option(struct arena *a, const char *label, const struct lsm_host *host,
                             const char *type);
/* Pure. ERR_HOST: a label for a module that is not at work. proc_fd is -1 after. */
must_check int lsm_plan_choose(const struct oci_process *p, const struct lsm_host *host,
                               struct lsm_plan *out, struct err *e);
must_check int lsm_plan_init(const struct oci_process *p, struct lsm_plan *out, struct err *e);
void lsm_plan_done(struct lsm_plan *p);
must_check int lsm_apply(const struct lsm_plan *p, struct err *e);
