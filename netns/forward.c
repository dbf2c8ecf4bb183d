#include "netns/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

static const char forward_path[] = "/proc/sys/net/ipv4/ip_forward";
static const char redirects_path[] = "/proc/sys/net/ipv4/conf/all/accept_redirects";

/* By the value of accept_redirects. */
static const char *const marks[] = {
    " (was ip_forward=0 accept_redirects=0)",
    " (was ip_forward=0 accept_redirects=1)",
};

int forward_lock(struct err *e)
{
    /* A file that each network namespace has for itself, that nobody but root can open (so nobody
     * else can hold the lock), and that leaves nothing behind. Nothing is written to it. */
    auto_fd int fd = open("/proc/sys/net/ipv4/route/flush", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "open the lock of the host's network");
    while (flock(fd, LOCK_EX)) {
        if (errno != EINTR)
            return err_sys(e, errno, "lock the host's network");
    }
    return take_fd(&fd);
}

static int flag_read(const char *path, struct err *e)
{
    char value = 0;
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &value, 1) != 1)
        return err_sys(e, errno, "read %s", path);
    return value != '0';
}

static int flag_write(const char *path, bool value, struct err *e)
{
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || fd_write_all(fd, value ? "1" : "0", 1)) {
        (void)err_sys(e, errno, "write %d to %s", value, path);
        err_hint(e, "containers reach the outside only when the host forwards");
        return -1;
    }
    return 0;
}

int forward_get(struct err *e)
{
    return flag_read(forward_path, e);
}

int forward_mark(const char **out, struct err *e)
{
    int redirects = flag_read(redirects_path, e);
    if (redirects < 0)
        return -1;
    *out = marks[redirects];
    return 0;
}

const char *forward_mark_in(const char *alias)
{
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (str_ends(alias, marks[i]))
            return marks[i];
    }
    return NULL;
}

int forward_on(struct err *e)
{
    return flag_write(forward_path, true, e);
}

int forward_restore(const char *mark, struct err *e)
{
    if (flag_write(forward_path, false, e))
        return -1;
    return flag_write(redirects_path, mark == marks[1], e);
}
