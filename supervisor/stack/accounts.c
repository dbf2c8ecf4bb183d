#include "supervisor/stack/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/fd.h"

enum {
    FILE_BYTES_MAX = 1024 * 1024
};

/* A missing file is an empty one: images without /etc/passwd are common. */
static int read_beneath(int root_fd, const char *path, struct buf *text, struct err *e)
{
    buf_init(text, FILE_BYTES_MAX);
    struct stat st;
    auto_fd int fd = fd_open_beneath(root_fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0,
                                     RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (fd < 0 && errno != ENOENT)
        return err_sys(e, errno, "open %s of the root file system", path);
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
        return err_input(e, "%s of the root file system is not a file", path);
    if (fd >= 0 && fd_read_all(fd, text) < 0)
        return err_sys(e, errno, "read %s of the root file system", path);
    return buf_add(text, "", 0); /* so that data is a string */
}

static int add_group(struct account *a, uint32_t gid, struct err *e)
{
    for (size_t i = 0; i < a->group_count; i++)
        if (a->groups[i] == gid)
            return 0;
    if (a->group_count == ACCOUNT_GROUPS_MAX)
        return err_input(e, "more than %d groups", ACCOUNT_GROUPS_MAX);
    a->groups[a->group_count++] = gid;
    return 0;
}

int account_resolve(int root_fd, const char *user, const struct strings *extra, struct account *out,
                    struct err *e)
{
    auto_buf struct buf passwd = { 0 };
    auto_buf struct buf group = { 0 };
    struct passwd_ids ids;
    struct account found = { 0 };
    if (read_beneath(root_fd, "etc/passwd", &passwd, e) < 0 ||
        read_beneath(root_fd, "etc/group", &group, e) < 0 ||
        passwd_find(user && user[0] ? user : "0", passwd.data, group.data, &ids, e) < 0)
        return -1;
    found.uid = ids.uid;
    found.gid = ids.gid;
    for (size_t i = 0; i < ids.group_count; i++)
        if (add_group(&found, ids.groups[i], e) < 0)
            return -1;
    for (size_t i = 0; i < extra->count; i++) {
        uint32_t gid;
        if (passwd_find_group(extra->items[i], group.data, &gid, e) < 0 ||
            add_group(&found, gid, e) < 0)
            return -1;
    }
    if (passwd_home(passwd.data, found.uid, found.home, sizeof(found.home)) < 0)
        found.home[0] = '/'; /* zeroed: the NUL is there */
    *out = found;
    return 0;
}
