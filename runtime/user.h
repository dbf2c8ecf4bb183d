#pragma once
/* Users and groups as the container's own /etc/passwd and /etc/group have them. The files belong to
 * the container, so they are opened beneath its root by fd and never followed out of it, and what
 * they say is parsed strictly: a number that does not parse is an error, never another user
 * (CVE-2026-30892). user_find and user_home_of are pure; nothing here allocates. Threads: none. */
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"

enum {
    USER_GROUPS_MAX = 64,
    USER_FILE_MAX = 64 * 1024 /* what is read of either file; lines past it do not exist */
};

struct user_ids {
    uint32_t uid, gid;
    uint32_t groups[USER_GROUPS_MAX]; /* supplementary ones: where the user's name is a member */
    size_t group_count;
};

/* WHO is USER[:GROUP], each a name or a number, found in the texts of the two files. A number needs
 * no line; without GROUP it gets the group of its line, or 0. ERR_INPUT: no such name. */
must_check int user_find(const char *who, const char *passwd, const char *group,
                         struct user_ids *out, struct err *e);
/* The same, with the files read beneath ROOT_FD; a missing file is empty. */
must_check int user_load(int root_fd, const char *who, struct user_ids *out, struct err *e);
/* The home directory of UID; -1 when the text has no line for it or it does not fit TO. */
must_check int user_home_of(const char *passwd, uint32_t uid, char *to, size_t size);
/* The same from the file beneath ROOT_FD, for HOME; "/" when it says nothing. In the child. */
void user_home(int root_fd, uint32_t uid, char *to, size_t size);
