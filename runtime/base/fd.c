#include "runtime/base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/limits.h"
#include "runtime/base/str.h"

void fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    (void)close(*fd);
    errno = saved;
    *fd = -1;
}

void auto_close_fd_(int *fd)
{
    fd_close(fd);
}

int fd_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int fd_read_all(int fd, struct buf *b)
{
    for (;;) {
        size_t room = b->limit_bytes - b->len;
        size_t spare = b->cap > b->len ? b->cap - b->len - 1 : 0; /* the NUL needs one */
        size_t want = spare ? spare : FD_READ_CHUNK;
        want = want < room ? want : room;
        char probe;
        char *to = want ? buf_reserve(b, want) : &probe;
        ssize_t n = read(fd, to, want ? want : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        if (!want) {
            errno = EFBIG;
            return -1;
        }
        buf_commit(b, (size_t)n);
    }
}

int fd_read_file(int dir_fd, const char *path, struct buf *b, struct err *e)
{
    auto_fd int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_sys(e, errno, "open %s", path);
    if (fd_read_all(fd, b) < 0) {
        if (errno == EFBIG)
            return err_input(e, "%s is larger than %zu bytes", path, b->limit_bytes);
        return err_sys(e, errno, "read %s", path);
    }
    return 0;
}

int fd_write_file(int dir_fd, const char *path, const void *data, size_t len, mode_t mode,
                  bool durable, struct err *e)
{
    char temporary[PATH_LIMIT];
    int n = snprintf(temporary, sizeof(temporary), "%s.tmp.%d", path, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof(temporary))
        return err_input(e, "path is too long: %s", path);
    (void)unlinkat(dir_fd, temporary, 0); /* left by a process of the same pid that was killed */
    auto_fd int fd =
        openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_sys(e, errno, "create %s", temporary);
    if (fd_write_all(fd, data, len) < 0 || fchmod(fd, mode) < 0 || (durable && fsync(fd) < 0) ||
        renameat(dir_fd, temporary, dir_fd, path) < 0) {
        int errnum = errno;
        (void)unlinkat(dir_fd, temporary, 0);
        return err_sys(e, errnum, "write %s", path);
    }
    return 0;
}

int fd_open_beneath(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) ? mode : 0,
        .resolve = resolve,
    };
    for (int attempt = 0;; attempt++) {
        int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
        /* EAGAIN: a rename raced with the walk, openat2(2) asks to try again. */
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || attempt >= OPEN_RETRIES)
            return fd;
    }
}

int fd_mkdir_all(int dir_fd, const char *path, mode_t mode)
{
    char partial[PATH_LIMIT];
    if (str_copy(partial, sizeof(partial), path) < 0) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *p = partial + 1; partial[0]; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char kept = *p;
        *p = '\0';
        if (mkdirat(dir_fd, partial, mode) < 0 && errno != EEXIST)
            return -1;
        *p = kept;
        if (!kept)
            break;
    }
    struct stat st;
    if (fstatat(dir_fd, path, &st, 0) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return -1;
    }
    return 0;
}

static int remove_entries(int dir_fd, dev_t device, int depth);

static int remove_at(int dir_fd, const char *name, dev_t device, int depth)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (depth >= TREE_DEPTH_MAX) {
        errno = ELOOP;
        return -1;
    }
    int sub = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0)
        return errno == ENOENT ? 0 : -1;
    struct stat st;
    if (fstat(sub, &st) < 0 || (device && st.st_dev != device)) {
        (void)close(sub);
        errno = EXDEV;
        return -1;
    }
    if (remove_entries(sub, st.st_dev, depth + 1) < 0)
        return -1;
    return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -1 : 0;
}

/* Owns DIR_FD. Depth is bounded by TREE_DEPTH_MAX, and so is the number of fds held open. */
static int remove_entries(int dir_fd, dev_t device, int depth)
{
    DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        fd_close(&dir_fd);
        return -1;
    }
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (entry = readdir(dir)) != NULL) {
        if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
            continue;
        result = remove_at(dirfd(dir), entry->d_name, device, depth);
    }
    int saved = errno;
    (void)closedir(dir);
    errno = saved;
    return result;
}

int fd_remove_tree(int dir_fd, const char *name)
{
    return remove_at(dir_fd, name, 0, 0);
}

void fd_close_others(unsigned first, const int *kept, size_t count)
{
    for (;;) {
        unsigned next = ~0u;
        for (size_t i = 0; i < count; i++)
            if (kept[i] >= 0 && (unsigned)kept[i] >= first && (unsigned)kept[i] < next)
                next = (unsigned)kept[i];
        if (next > first)
            (void)syscall(SYS_close_range, first, next == ~0u ? ~0u : next - 1, 0);
        if (next == ~0u)
            return;
        first = next + 1;
    }
}

int fd_set_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int fd_set_cloexec(int fd, bool on)
{
    return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

int fd_connect(const char *path, int type)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    auto_fd int at = open(path, O_PATH | O_CLOEXEC);
    if (at < 0)
        return -1;
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", at);
    auto_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return -1;
    return take_fd(&fd);
}

ssize_t fd_send(int sock, const void *data, size_t len, const int *fds, size_t fd_count)
{
    if (fd_count > FD_PASS_MAX) {
        errno = EINVAL;
        return -1;
    }
    struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
    } control;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (fd_count) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    ssize_t n;
    do
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

static size_t take_received(struct msghdr *msg, int *fds, size_t fd_cap, bool *surplus)
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (count < fd_cap) {
                fds[count++] = fd;
            } else {
                *surplus = true;
                fd_close(&fd);
            }
        }
    }
    return count;
}

ssize_t fd_recv(int sock, void *data, size_t size, int *fds, size_t fd_cap, size_t *fd_count)
{
    struct iovec iov = { .iov_base = data, .iov_len = size };
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
    } control;
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = sizeof(control.space),
    };
    *fd_count = 0;
    ssize_t n;
    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    bool surplus = (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
    size_t count = take_received(&msg, fds, fd_cap, &surplus);
    if (surplus) {
        for (size_t i = 0; i < count; i++)
            fd_close(&fds[i]);
        errno = EMSGSIZE;
        return -1;
    }
    *fd_count = count;
    return n;
}
