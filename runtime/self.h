#pragma once
/* The runtime's own program, as a container could see it: /proc/PID/exe of whatever of ours is in
 * there, and what "#!/proc/self/exe" in an image executes (CVE-2019-5736). Called once by main, for
 * the verbs that have a process inside of a container. */
#include "runtime/base/err.h"

/* Returns when our executable cannot be written through /proc/PID/exe: it lies on a read-only mount
 * or in a sealed memfd. Else executes it again as such; ARGV is given to it as it is. */
must_check int self_protect(char **argv, struct err *e);
