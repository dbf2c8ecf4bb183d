#include "runtime/user.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

/* Looked at before it is opened: opening a device, which we may and the container may not, can be
 * harm enough, and a FIFO must not stop us. Between the two only the running container could put
 * something else there, which `exec` (and not the process that enters) excludes by /proc. */
static int open_text(int root_fd, const char *path, bool by_proc)
{
    const uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    struct stat st;
    auto_fd int at = fd_open_beneath(root_fd, path, O_PATH, 0, resolve);
    if (at < 0 || fstat(at, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = ENOENT; /* nothing that names users */
        return -1;
    }
    if (!by_proc)
        return fd_open_beneath(root_fd, path, flags, 0, resolve);
    char name[32];
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", at);
    return open(name, flags | O_CLOEXEC);
}

static int read_text(int root_fd, const char *path, bool by_proc, char text[USER_FILE_MAX])
{
    size_t len = 0;
    text[0] = '\0';
    auto_fd int fd = open_text(root_fd, path, by_proc);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    while (len < USER_FILE_MAX - 1) {
        ssize_t n = read(fd, text + len, USER_FILE_MAX - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    if (len == USER_FILE_MAX - 1) {
        char *last = strrchr(text, '\n'); /* half a line could name another id */
        *(last ? last + 1 : text) = '\0';
    }
    return 0;
}

int user_load(int root_fd, const char *who, struct passwd_ids *out, struct err *e)
{
    char passwd[USER_FILE_MAX], group[USER_FILE_MAX];
    if (read_text(root_fd, "etc/passwd", true, passwd) < 0)
        return err_sys(e, errno, "read /etc/passwd of the container");
    if (read_text(root_fd, "etc/group", true, group) < 0)
        return err_sys(e, errno, "read /etc/group of the container");
    return passwd_find(who, passwd, group, out, e);
}

void user_home(int root_fd, uint32_t uid, char *to, size_t size)
{
    char passwd[USER_FILE_MAX];
    if (read_text(root_fd, "etc/passwd", false, passwd) < 0 ||
        passwd_home(passwd, uid, to, size) < 0)
        (void)!str_copy(to, size, "/");
}
