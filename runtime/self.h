#pragma once
/* The runtime's own program, as a container could see it: /proc/PID/exe of whatever of ours is in
 * there, and what "#!/proc/self/exe" in an image executes (CVE-2019-5736). Whoever will have a
 * process inside says first who could write to the program from there, and then hides.
 * Not seen: who joins the container's pid namespace later, without a user namespace. */
#include <stdbool.h>
#include <sys/types.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

/* Whether processes of a container made from C, or others that see them, could write to our
 * executable: but for one with a pid namespace of its own, and with a user namespace of its own
 * that maps neither root of the host nor the owner. */
bool self_is_reachable(const struct oci_config *c);
/* The same from the text of a configuration: false when it must be read to know. A tenth of the
 * time of that, for nearly all containers. Pure. */
bool self_is_surely_reachable(const char *text, size_t len);
/* The same for the running container whose first process is PID: by its user namespace alone. */
bool self_is_reachable_from(pid_t pid);

/* With IS_REACHABLE, returns only as an executable that cannot be written through /proc/PID/exe: on
 * a read-only mount or in a sealed memfd; else executes it again as such, with ARGV as it is and
 * the fds of the caller. Then no fd from 3 on that the caller left open outlives an exec
 * (CVE-2024-21626). */
must_check int self_protect(char **argv, bool is_reachable, struct err *e);
/* Nobody in a container may look into this process, nor into a child before its exec
 * (CVE-2016-9962). Our /proc files are root's then. */
must_check int self_hide(struct err *e);
