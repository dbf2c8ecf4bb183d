#pragma once
/* The annotation `run.svc.landlock`: what the program may do with files and TCP ports, held by the
 * kernel's Landlock (landlock(7)) beside everything else that confines it. Its text is words, apart
 * by spaces:
 *
 *   RIGHTS:PATH   RIGHTS are of r (read files, list directories), w (write and truncate files;
 *                 make, remove, rename and link entries) and x (execute). PATH is absolute, a
 *                 file or a directory with all below it, looked up in the container when the
 *                 program starts.
 *   bind:PORT     It may bind this TCP port; "bind:none": none at all.
 *   connect:PORT  It may connect to this TCP port of any address; "connect:none".
 *
 * "rx:/usr r:/etc rw:/data rw:/dev connect:5432" is an example. With at least one path, whatever no
 * word names is refused (EACCES), the program's own file too; with none, files are free. bind and
 * connect are each free until a word says otherwise. It holds for the program, its children, and
 * what `exec` adds; not for our own init (run.svc.init). Programs that are held may not mount.
 *
 * It needs process.noNewPrivileges, for paths Linux 6.2 and for ports 6.7: where the kernel cannot
 * hold all that was asked, the container is refused. Parent: landlock_plan_new, pure but for one
 * question to the kernel. Child: landlock_open, while it may still open everything;
 * landlock_enforce. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

enum {
    LANDLOCK_PATHS_MAX = 64,
    LANDLOCK_PORTS_MAX = 64,
    LANDLOCK_TEXT_MAX = 8192,
};

struct landlock_plan {
    uint64_t handled_files, handled_net; /* LANDLOCK_ACCESS_*: refused unless a rule allows */
    struct {
        size_t path; /* offset in `text` */
        uint64_t access;
    } paths[LANDLOCK_PATHS_MAX];
    size_t path_count;
    struct {
        uint16_t port;
        uint64_t access;
    } ports[LANDLOCK_PORTS_MAX];
    size_t port_count;
    char text[LANDLOCK_TEXT_MAX];
};

/* Pure. TEXT is the annotation. ERR_INPUT names the word. */
must_check int landlock_parse(const char *text, struct landlock_plan *out, struct err *e);
/* Pure. ERR_HOST when Landlock's version ABI (0: it is not there) is too old for the plan. */
must_check int landlock_check(const struct landlock_plan *p, int abi, struct err *e);
/* By the annotations of C, for PROCESS; *OUT is NULL when they do not ask for it. */
must_check int landlock_plan_new(const struct oci_config *c, const struct oci_process *process,
                                 struct landlock_plan **out, struct err *e);
void landlock_plan_free(struct landlock_plan *p);
DEFINE_AUTO(landlock_plan_free, struct landlock_plan *);
/* Inside the root. *RULESET_FD is close-on-exec; -1 when P is NULL. */
must_check int landlock_open(const struct landlock_plan *p, int *ruleset_fd, struct err *e);
/* With no_new_privs set; from then on the rules hold for the caller. */
must_check int landlock_enforce(int ruleset_fd, struct err *e);
