#pragma once
/* Where a stack lives on the machine: the one place that knows the directories and file names.
 *
 * RUN_DIR is /run/svc/PROJECT (0700; gone after `down`), STATE_DIR is /var/lib/svc/PROJECT (logs,
 * volumes). The environment variables SVC_RUN_ROOT and SVC_STATE_ROOT replace /run/svc and
 * /var/lib/svc, for tests. The CLI makes RUN_DIR and the files below; keeper and engine use it. */
#include "runtime/base/auto.h"

#define CTL_RUN_ROOT     "/run/svc"
#define CTL_STATE_ROOT   "/var/lib/svc"
#define CTL_SOCKET_FILE  "ctl.sock"   /* in RUN_DIR: listening socket, bound by the keeper's side */
#define CTL_LOCK_FILE    "lock"       /* in RUN_DIR: flock held by the CLI, then by the keeper */
#define CTL_STACK_FILE   "stack.json" /* in RUN_DIR: resolved copy, for stack_load_text */
#define CTL_OPTIONS_FILE "options.json" /* in RUN_DIR: {"foreground","owner_uid","file"} */
#define CTL_RUNTIME_DIR  "runtime"      /* in RUN_DIR: --root of svc-runtime */
#define CTL_LOG_FILE     "svc.log"      /* in STATE_DIR: what keeper and engine log */
#define CTL_LOGS_DIR     "logs"         /* in STATE_DIR: what services write */
#define CTL_VOLUMES_DIR  ".volumes"     /* in the state root: named volumes of all stacks */

/* The roots: borrowed from the environment or constants. */
const char *ctl_run_root(void);
const char *ctl_state_root(void);
/* The caller frees. PROJECT is a valid project name (specs checks that): no slash in it. */
char *ctl_run_dir(const char *project);
char *ctl_state_dir(const char *project);
