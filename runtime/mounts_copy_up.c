#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"
#include "runtime/mounts_impl.h"

enum {
    COPY_DEPTH_MAX = 64, /* two fds each */
    COPY_ENTRIES_MAX = 1000 * 1000,
    COPY_LINKED_MAX = 128,      /* files with several names that are remembered */
    COPY_LINKED_PATH_MAX = 256, /* longer ones are copied once per name */
    COPY_XATTR_MAX = 64 * 1024, /* XATTR_SIZE_MAX, XATTR_LIST_MAX */
    COPY_CHUNK = 1 << 24
};

struct level {
    int from, to;
    int64_t next;    /* where reading of the directory goes on */
    size_t path_len; /* of it in copy.path */
};
struct linked {
    ino_t inode;
    char path[COPY_LINKED_PATH_MAX]; /* in the new tree */
};
struct copy {
    const char *dest;
    int top;
    struct level levels[COPY_DEPTH_MAX];
    size_t depth;
    size_t entries;
    struct linked linked[COPY_LINKED_MAX];
    size_t linked_count;
    char path[PATH_LIMIT]; /* below DEST, of the entry at hand */
    char buffer[COPY_XATTR_MAX], names[COPY_XATTR_MAX], entry[32 * 1024];
};

static int fail(const struct copy *c, const char *what, struct err *e)
{
    int errnum = errno;
    (void)err_sys(e, errnum, "mounts: %s: option \"tmpcopyup\": %s %.200s", c->dest, what,
                  c->path[0] ? c->path : ".");
    if (errnum == ENOSPC)
        err_hint(e, "raise size= or nr_inodes= of the tmpfs");
    return -1;
}

/* Names that the new file system or the user namespace does not take are left out. */
static int copy_xattrs(struct copy *c, int from, int to, struct err *e)
{
    ssize_t len = flistxattr(from, c->names, sizeof(c->names));
    if (len < 0)
        return errno == EOPNOTSUPP ? 0 : fail(c, "list attributes of", e);
    for (const char *name = c->names; name < c->names + len; name += strlen(name) + 1) {
        ssize_t size = fgetxattr(from, name, c->buffer, sizeof(c->buffer));
        if (size < 0 && errno != ENODATA && errno != EOPNOTSUPP && errno != EPERM)
            return fail(c, "read an attribute of", e);
        if (size < 0 || fsetxattr(to, name, c->buffer, (size_t)size, 0) == 0)
            continue;
        if (errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
            return fail(c, "set an attribute of", e);
    }
    return 0;
}

/* 1: left with who made it, since the user namespace does not map the owner (EINVAL). */
static int copy_owner(struct copy *c, int dir, const char *name, const struct stat *st,
                      struct err *e)
{
    unsigned flags = AT_SYMLINK_NOFOLLOW | (*name ? 0U : AT_EMPTY_PATH);
    if (fchownat(dir, name, st->st_uid, st->st_gid, (int)flags) == 0)
        return 0;
    return errno == EINVAL ? 1 : fail(c, "set the owner of", e);
}

static int copy_times(struct copy *c, int dir, const char *name, const struct stat *st,
                      struct err *e)
{
    const struct timespec times[] = { st->st_atim, st->st_mtim };
    if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    return fail(c, "set the times of", e);
}

/* The owner first, since a change of it takes set-id bits and capabilities away. Set-id bits of
 * somebody who is not mapped would be those of the container's root. */
static int copy_metadata(struct copy *c, int from, int to, const struct stat *st, struct err *e)
{
    const struct timespec times[] = { st->st_atim, st->st_mtim };
    int is_left = copy_owner(c, to, "", st, e);
    if (is_left < 0 || copy_xattrs(c, from, to, e) < 0)
        return -1;
    if (fchmod(to, st->st_mode & (is_left ? 01777 : 07777)) < 0)
        return fail(c, "set the mode of", e);
    return futimens(to, times) < 0 ? fail(c, "set the times of", e) : 0;
}

static int copy_data(struct copy *c, int from, int to, struct err *e)
{
    ssize_t n;
    do
        n = sendfile(to, from, NULL, COPY_CHUNK);
    while (n > 0);
    return n < 0 ? fail(c, "copy", e) : 0;
}

/* 1: NAME is another name of a file that is there already. */
static int link_known(struct copy *c, const struct stat *st, int to_dir, const char *name,
                      struct err *e)
{
    if (st->st_nlink < 2)
        return 0;
    for (size_t i = 0; i < c->linked_count; i++)
        if (c->linked[i].inode == st->st_ino)
            return linkat(c->top, c->linked[i].path, to_dir, name, 0) < 0 ? fail(c, "link", e) : 1;
    if (c->linked_count < COPY_LINKED_MAX &&
        str_copy(c->linked[c->linked_count].path, COPY_LINKED_PATH_MAX, c->path) == 0)
        c->linked[c->linked_count++].inode = st->st_ino;
    return 0;
}

static int copy_file(struct copy *c, const struct level *l, const char *name,
                     const struct stat *seen, struct err *e)
{
    struct stat st;
    auto_fd int from =
        openat(l->from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (from < 0 || fstat(from, &st) < 0)
        return fail(c, "open", e);
    if (!S_ISREG(st.st_mode) || st.st_ino != seen->st_ino) {
        errno = EAGAIN;
        return fail(c, "open", e);
    }
    auto_fd int to =
        openat(l->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return fail(c, "make", e);
    return copy_data(c, from, to, e) < 0 ? -1 : copy_metadata(c, from, to, &st, e);
}

static int copy_link(struct copy *c, const struct level *l, const char *name, const struct stat *st,
                     struct err *e)
{
    ssize_t n = readlinkat(l->from, name, c->buffer, PATH_LIMIT - 1);
    if (n < 0)
        return fail(c, "read the link", e);
    c->buffer[n] = '\0';
    if (symlinkat(c->buffer, l->to, name) < 0)
        return fail(c, "make the link", e);
    return copy_owner(c, l->to, name, st, e) < 0 ? -1 : copy_times(c, l->to, name, st, e);
}

static int copy_node(struct copy *c, const struct level *l, const char *name, const struct stat *st,
                     struct err *e)
{
    if (mknodat(l->to, name, st->st_mode, st->st_rdev) < 0)
        return fail(c, "make the node", e);
    if (copy_owner(c, l->to, name, st, e) < 0)
        return -1;
    if (fchmodat(l->to, name, st->st_mode & 07777, 0) < 0)
        return fail(c, "set the mode of", e);
    return copy_times(c, l->to, name, st, e);
}

static int enter(struct copy *c, const struct level *l, const char *name, struct err *e)
{
    struct level *next = &c->levels[c->depth];
    if (c->depth == COPY_DEPTH_MAX)
        return err_input(e, "mounts: %s: option \"tmpcopyup\": more than %d levels deep", c->dest,
                         COPY_DEPTH_MAX);
    auto_fd int from = openat(l->from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return fail(c, "open", e);
    if (mkdirat(l->to, name, 0700) < 0)
        return fail(c, "make", e);
    auto_fd int to = openat(l->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0)
        return fail(c, "open", e);
    *next = (struct level){ take_fd(&from), take_fd(&to), 0, strlen(c->path) };
    c->depth++;
    return 0;
}

/* Its times last: what is made in it changes them. */
static int leave(struct copy *c, struct err *e)
{
    struct level *l = &c->levels[--c->depth];
    auto_fd int from = l->from, to = l->to;
    struct stat st;
    c->path[l->path_len] = '\0';
    if (fstat(from, &st) < 0)
        return fail(c, "read", e);
    return copy_metadata(c, from, to, &st, e);
}

static int copy_entry(struct copy *c, const struct level *l, const char *name, struct err *e)
{
    struct stat st;
    struct statx more;
    size_t len = l->path_len;
    int n = snprintf(c->path + len, sizeof(c->path) - len, "%s%s", len ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof(c->path) - len)
        return err_input(e, "mounts: %s: option \"tmpcopyup\": a path is too long", c->dest);
    if (++c->entries > COPY_ENTRIES_MAX)
        return err_input(e, "mounts: %s: option \"tmpcopyup\": more than %d files", c->dest,
                         COPY_ENTRIES_MAX);
    const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (fstatat(l->from, name, &st, flags) < 0 || statx(l->from, name, flags, 0, &more) < 0)
        return fail(c, "read", e);
    /* A mount point stays an empty one. */
    if (more.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return rootfs_make_entry(l->to, name, S_ISDIR(st.st_mode)) < 0 ? fail(c, "make", e) : 0;
    if (S_ISDIR(st.st_mode))
        return enter(c, l, name, e);
    int known = link_known(c, &st, l->to, name, e);
    if (known != 0)
        return known < 0 ? -1 : 0;
    if (S_ISREG(st.st_mode))
        return copy_file(c, l, name, &st, e);
    return S_ISLNK(st.st_mode) ? copy_link(c, l, name, &st, e) : copy_node(c, l, name, &st, e);
}

/* Goes through the directory on top until it ends or one below has to be entered first; where to go
 * on is kept, since the buffer is everybody's. 1: at its end. */
static int copy_some(struct copy *c, struct err *e)
{
    size_t depth = c->depth;
    struct level *l = &c->levels[depth - 1];
    if (lseek(l->from, l->next, SEEK_SET) < 0)
        return fail(c, "read", e);
    for (;;) {
        long n = syscall(SYS_getdents64, l->from, c->entry, sizeof(c->entry));
        if (n <= 0)
            return n < 0 ? fail(c, "read", e) : 1;
        for (long at = 0; at < n;) {
            const struct dirent64 *d = (const void *)(c->entry + at);
            at += d->d_reclen;
            l->next = d->d_off;
            if (str_eq(d->d_name, ".") || str_eq(d->d_name, ".."))
                continue;
            if (copy_entry(c, l, d->d_name, e) < 0)
                return -1;
            if (c->depth != depth)
                return 0;
        }
    }
}

static int copy_all(struct copy *c, struct err *e)
{
    while (c->depth) {
        int result = copy_some(c, e);
        if (result < 0)
            return -1;
        /* The top's own metadata are the caller's. */
        if (result > 0 && c->depth == 1)
            return 0;
        if (result > 0 && leave(c, e) < 0)
            return -1;
    }
    return 0;
}

int mounts_copy_up(int from_fd, int to_fd, unsigned keeps, const char *dest, struct err *e)
{
    struct copy copy = { .dest = dest, .top = to_fd };
    struct copy *c = &copy;
    struct stat st, made;
    auto_fd int from = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_fd int to = openat(to_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0 || to < 0 || fstat(from, &st) < 0 || fstat(to, &made) < 0)
        return fail(c, "open", e);
    c->levels[c->depth++] = (struct level){ .from = from, .to = to };
    int result = copy_all(c, e);
    while (c->depth > 1) {
        c->depth--;
        fd_close(&c->levels[c->depth].from);
        fd_close(&c->levels[c->depth].to);
    }
    if (keeps & MOUNTS_KEEP_MODE)
        st.st_mode = made.st_mode;
    if (keeps & MOUNTS_KEEP_OWNER) {
        st.st_uid = made.st_uid;
        st.st_gid = made.st_gid;
    }
    c->path[0] = '\0';
    return result < 0 ? -1 : copy_metadata(c, from, to, &st, e);
}
