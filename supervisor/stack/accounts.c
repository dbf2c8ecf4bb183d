#include "supervisor/stack/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    FILE_BYTES_MAX = 1024 * 1024,
    FIELDS_MAX = 7
};

/* A missing file is an empty one: images without /etc/passwd are common. */
static int read_beneath(int root_fd, const char *path, struct buf *text, struct err *e)
{
    buf_init(text, FILE_BYTES_MAX);
    auto_fd int fd = fd_open_beneath(root_fd, path, O_RDONLY | O_NOCTTY, 0, RESOLVE_IN_ROOT);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_sys(e, errno, "open %s of the root file system", path);
    if (fd_read_all(fd, text) < 0)
        return err_sys(e, errno, "read %s of the root file system", path);
    return 0;
}

/* Splits one line at colons in place; the number of fields, at most FIELDS_MAX. */
static size_t split(char *line, char *fields[FIELDS_MAX])
{
    size_t n = 0;
    for (char *p = line; p && n < FIELDS_MAX; n++) {
        fields[n] = p;
        p = strchr(p, ':');
        if (p)
            *p++ = '\0';
    }
    return n;
}

/* Calls FN for each line's fields (at least WANT of them) until it returns true. TEXT is changed.
 */
typedef bool row_fn(void *self, char *fields[FIELDS_MAX]);
static bool each_row(char *text, size_t want, row_fn *fn, void *self)
{
    char *fields[FIELDS_MAX];
    for (char *line = text; line && *line;) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (split(line, fields) >= want && fn(self, fields))
            return true;
        line = next;
    }
    return false;
}

static int to_id(const char *s, uint32_t *out)
{
    uint64_t v;
    if (str_to_u64(s, UINT32_MAX - 1, &v) < 0)
        return -1;
    *out = (uint32_t)v;
    return 0;
}

struct lookup {
    const char *name; /* or… */
    uint32_t id;      /* …this number */
    bool by_id;
    struct account *out;
    const char *user_name; /* found: for the groups; points into the text */
    uint32_t gid;
};

static bool match_user(void *self, char *f[FIELDS_MAX])
{
    struct lookup *l = self;
    uint32_t uid, gid;
    if (to_id(f[2], &uid) < 0 || to_id(f[3], &gid) < 0)
        return false;
    if (l->by_id ? uid != l->id : !str_eq(f[0], l->name))
        return false;
    l->out->uid = uid;
    l->out->gid = gid;
    if (f[5][0] == '/' && str_copy(l->out->home, sizeof(l->out->home), f[5]) < 0)
        l->out->home[0] = '\0';
    l->user_name = f[0];
    return true;
}

static bool match_group(void *self, char *f[FIELDS_MAX])
{
    struct lookup *l = self;
    return str_eq(f[0], l->name) && to_id(f[2], &l->gid) == 0;
}

static void add_group(struct account *a, uint32_t gid)
{
    for (size_t i = 0; i < a->group_count; i++)
        if (a->groups[i] == gid)
            return;
    if (a->group_count < ACCOUNT_GROUPS_MAX)
        a->groups[a->group_count++] = gid;
}

static bool collect_membership(void *self, char *f[FIELDS_MAX])
{
    struct lookup *l = self;
    uint32_t gid;
    if (to_id(f[2], &gid) < 0)
        return false;
    for (char *member = f[3]; member;) {
        char *comma = strchr(member, ',');
        if (comma)
            *comma++ = '\0';
        if (str_eq(member, l->user_name))
            add_group(l->out, gid);
        member = comma;
    }
    return false;
}

static int resolve_group(const char *groups_text, const char *name, uint32_t *gid, struct err *e)
{
    if (to_id(name, gid) == 0)
        return 0;
    auto_free char *copy = str_dup(groups_text);
    struct lookup l = { .name = name };
    if (!each_row(copy, 3, match_group, &l))
        return err_input(e, "group \"%s\" is not in /etc/group of the root file system", name);
    *gid = l.gid;
    return 0;
}

static int resolve_user(char *passwd_text, const char *user, struct lookup *l, struct err *e)
{
    l->by_id = to_id(user, &l->id) == 0;
    l->name = user;
    if (each_row(passwd_text, 6, match_user, l))
        return 0;
    if (!l->by_id)
        return err_input(e, "user \"%s\" is not in /etc/passwd of the root file system", user);
    l->out->uid = l->id; /* a number needs no entry; its group is root's, as in Docker */
    return 0;
}

int account_resolve(int root_fd, const char *user, const struct strings *extra, struct account *out,
                    struct err *e)
{
    auto_buf struct buf passwd = { 0 };
    auto_buf struct buf group = { 0 };
    if (read_beneath(root_fd, "etc/passwd", &passwd, e) < 0 ||
        read_beneath(root_fd, "etc/group", &group, e) < 0)
        return -1;
    struct account found = { 0 };
    struct lookup l = { .out = &found };
    auto_free char *name = str_dup(user && user[0] ? user : "0");
    char *group_name = strchr(name, ':');
    if (group_name)
        *group_name++ = '\0';
    auto_free char *passwd_text = str_dup(passwd.data ? passwd.data : "");
    const char *group_text = group.data ? group.data : "";
    if (resolve_user(passwd_text, name, &l, e) < 0)
        return -1;
    if (group_name) {
        if (resolve_group(group_text, group_name, &found.gid, e) < 0)
            return -1;
    } else if (l.user_name) {
        auto_free char *copy = str_dup(group_text);
        (void)each_row(copy, 4, collect_membership, &l);
    }
    for (size_t i = 0; i < extra->count; i++) {
        uint32_t gid;
        if (resolve_group(group_text, extra->items[i], &gid, e) < 0)
            return -1;
        add_group(&found, gid);
    }
    if (!found.home[0])
        found.home[0] = '/'; /* zeroed: the NUL is there */
    *out = found;
    return 0;
}
