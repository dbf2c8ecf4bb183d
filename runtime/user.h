#pragma once
/* Users and groups of a container, read from its own /etc/passwd and /etc/group: the files are
 * opened beneath its root by fd and never followed out of it (specs/passwd.h parses them). Nothing
 * here allocates. Threads: none. */
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "specs/passwd.h"

enum {
    USER_FILE_MAX = 64 * 1024 /* what is read of either file; lines past it do not exist */
};

/* WHO is USER[:GROUP]; a missing file is empty. */
must_check int user_load(int root_fd, const char *who, struct passwd_ids *out, struct err *e);
/* The home directory of UID, "/" when the file says nothing. In the child. */
void user_home(int root_fd, uint32_t uid, char *to, size_t size);
