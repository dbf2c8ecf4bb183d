#pragma once
/* Users and groups as the texts of passwd(5) and group(5) have them. The texts belong to a
 * container, so they are parsed strictly: a number that does not parse is an error, never another
 * user (CVE-2026-30892). Pure: no files, no allocation, no NSS. Threads: none. */
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"

enum {
    PASSWD_GROUPS_MAX = 64
};

struct passwd_ids {
    uint32_t uid, gid;
    uint32_t groups[PASSWD_GROUPS_MAX]; /* where the user's name is a member */
    size_t group_count;
};

/* WHO is USER[:GROUP], each a name or a number. A number needs no line; without GROUP it gets the
 * group of its line, or 0, and the groups that list it. ERR_INPUT: no such name. */
must_check int passwd_find(const char *who, const char *passwd, const char *group,
                           struct passwd_ids *out, struct err *e);
/* The id of group NAME, or of a number. */
must_check int passwd_find_group(const char *name, const char *group, uint32_t *gid, struct err *e);
/* The home directory of UID; -1 when the text has no line for it or it does not fit TO. */
must_check int passwd_home(const char *passwd, uint32_t uid, char *to, size_t size);
