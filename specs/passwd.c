#include "specs/passwd.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/base/str.h"

enum {
    FIELDS_MAX = 7, /* passwd(5): name:password:uid:gid:gecos:home:shell */
    NAME_BYTES = 256,
    ID_LIMIT = UINT32_MAX - 1 /* (uid_t)-1 means "leave as it is" to setresuid(2) */
};

/* A piece of a line; not NUL-terminated. */
struct piece {
    const char *text;
    size_t len;
};

static bool piece_is(struct piece p, const char *s)
{
    return strlen(s) == p.len && memcmp(p.text, s, p.len) == 0;
}

/* Decimal digits only. */
static int piece_id(struct piece p, uint32_t *out)
{
    char digits[16];
    uint64_t n;
    if (p.len >= sizeof(digits))
        return -1;
    memcpy(digits, p.text, p.len);
    digits[p.len] = '\0';
    if (str_to_u64(digits, ID_LIMIT, &n) < 0)
        return -1;
    *out = (uint32_t)n;
    return 0;
}

/* Splits the line at TEXT at its colons and returns the next line, NULL at the end. */
static const char *next_line(const char *text, struct piece fields[FIELDS_MAX], size_t *count)
{
    if (!*text)
        return NULL;
    const char *end = strchrnul(text, '\n');
    *count = 0;
    for (const char *p = text; p <= end && *count < FIELDS_MAX;) {
        const char *stop = memchr(p, ':', (size_t)(end - p));
        if (!stop)
            stop = end;
        fields[(*count)++] = (struct piece){ p, (size_t)(stop - p) };
        p = stop + 1;
    }
    return *end ? end + 1 : end;
}

/* The passwd line of NAME, or of UID when NAME is NULL. */
static bool find_user(const char *passwd, const char *name, uint32_t uid,
                      struct piece fields[FIELDS_MAX])
{
    size_t count;
    uint32_t id;
    while ((passwd = next_line(passwd, fields, &count)) != NULL) {
        if (count < 6 || piece_id(fields[2], &id) < 0)
            continue;
        if (name ? piece_is(fields[0], name) : id == uid)
            return true;
    }
    return false;
}

static bool has_member(struct piece members, struct piece name)
{
    for (size_t at = 0; at <= members.len && name.len;) {
        const char *from = members.text + at;
        const char *comma = memchr(from, ',', members.len - at);
        size_t len = comma ? (size_t)(comma - from) : members.len - at;
        if (len == name.len && memcmp(from, name.text, len) == 0)
            return true;
        at += len + 1;
    }
    return false;
}

static void add_groups(const char *group, struct piece name, struct passwd_ids *out)
{
    struct piece fields[FIELDS_MAX] = { { 0 } };
    size_t count;
    uint32_t gid;
    while ((group = next_line(group, fields, &count)) != NULL) {
        if (count < 4 || out->group_count == PASSWD_GROUPS_MAX || !has_member(fields[3], name) ||
            piece_id(fields[2], &gid) < 0)
            continue;
        out->groups[out->group_count++] = gid;
    }
}

static bool is_number(const char *s)
{
    return s[0] >= '0' && s[0] <= '9';
}

int passwd_find_group(const char *name, const char *group, uint32_t *gid, struct err *e)
{
    struct piece fields[FIELDS_MAX] = { { 0 } };
    size_t count;
    uint64_t id;
    if (is_number(name)) {
        if (str_to_u64(name, ID_LIMIT, &id) < 0)
            return err_input(e, "\"%s\" is not a group id", name);
        *gid = (uint32_t)id;
        return 0;
    }
    while ((group = next_line(group, fields, &count)) != NULL)
        if (count >= 3 && piece_is(fields[0], name) && piece_id(fields[2], gid) == 0)
            return 0;
    return err_input(e, "no group \"%s\" in /etc/group of the container", name);
}

static int set_user(const char *name, const char *passwd, const char *group, bool has_group,
                    struct passwd_ids *out, struct err *e)
{
    struct piece fields[FIELDS_MAX] = { { 0 } };
    uint64_t uid = 0;
    bool by_id = is_number(name);
    if (by_id && str_to_u64(name, ID_LIMIT, &uid) < 0)
        return err_input(e, "\"%s\" is not a user id", name);
    out->uid = (uint32_t)uid;
    if (!find_user(passwd, by_id ? NULL : name, out->uid, fields))
        return by_id ? 0 : err_input(e, "no user \"%s\" in /etc/passwd of the container", name);
    if (piece_id(fields[2], &out->uid) < 0 || piece_id(fields[3], &out->gid) < 0)
        return err_input(e, "/etc/passwd of the container: bad ids for \"%s\"", name);
    /* As login programs do: a group given by hand replaces the group list. */
    if (!has_group)
        add_groups(group, fields[0], out);
    return 0;
}

int passwd_find(const char *who, const char *passwd, const char *group, struct passwd_ids *out,
                struct err *e)
{
    char name[NAME_BYTES];
    if (str_copy(name, sizeof(name), who) < 0)
        return err_input(e, "user name is too long: %.40s…", who);
    char *group_name = strchr(name, ':');
    if (group_name)
        *group_name++ = '\0';
    struct passwd_ids found = { 0 };
    if (!name[0] || (group_name && !group_name[0]))
        return err_input(e, "\"%s\" is not USER[:GROUP]", who);
    if (set_user(name, passwd, group, group_name != NULL, &found, e) < 0)
        return -1;
    if (group_name && passwd_find_group(group_name, group, &found.gid, e) < 0)
        return -1;
    *out = found;
    return 0;
}

int passwd_home(const char *passwd, uint32_t uid, char *to, size_t size)
{
    struct piece fields[FIELDS_MAX] = { { 0 } };
    if (!find_user(passwd, NULL, uid, fields) || !fields[5].len || fields[5].len >= size)
        return -1;
    memcpy(to, fields[5].text, fields[5].len);
    to[fields[5].len] = '\0';
    return 0;
}
