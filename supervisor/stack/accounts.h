#pragma once
/* Names of users and groups, from the passwd and group files of a container's root. Strict, read
 * with limits, no NSS. Files are opened beneath the root (a symbolic link in an image cannot lead
 * to the host's). */
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "specs/passwd.h"
#include "specs/stack.h"

enum {
    ACCOUNT_GROUPS_MAX = 2 * PASSWD_GROUPS_MAX,
    ACCOUNT_HOME_MAX = 256,
};

struct account {
    uint32_t uid, gid;
    uint32_t groups[ACCOUNT_GROUPS_MAX]; /* supplementary: of the user, and EXTRA */
    size_t group_count;
    char home[ACCOUNT_HOME_MAX]; /* "/" when unknown */
};

/* USER as in the stack file: "name", "uid", "uid:gid", "name:group"; NULL is root. A numeric user
 * need not be in the files; a name must. ERR_INPUT names what was not found. */
must_check int account_resolve(int root_fd, const char *user, const struct strings *extra,
                               struct account *out, struct err *e);
