#include "netns/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/base/fd.h"

enum {
    PIN_MOUNTS_MAX = 16 /* mounts stacked on one pin by interrupted runs */
};

/* A new namespace starts with the host's IPv4 defaults (devconf_inherit_init_net in ip-sysctl.rst),
 * so a host that forwards would make the internal bridges forward too. Interfaces that shall
 * forward are told so one by one. IPv6 does not exist in kernels without it: then there is nothing
 * to do. */
static const struct baseline {
    const char *path;
    const char *value;
} baselines[] = {
    { "/proc/sys/net/ipv4/ip_forward", "0" },
    { "/proc/sys/net/ipv6/conf/all/disable_ipv6", "1" },
};

static int baseline_write(const struct baseline *b, struct err *e)
{
    auto_fd int fd = open(b->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fd_write_all(fd, b->value, strlen(b->value)))
        return err_sys(e, errno, "write %s in the new network namespace", b->path);
    return 0;
}

int ns_self(struct err *e)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "open the own network namespace");
    return fd;
}

int ns_create(struct err *e)
{
    int home_fd = ns_self(e);
    if (home_fd < 0)
        return -1;
    if (unshare(CLONE_NEWNET)) {
        (void)err_sys(e, errno, "create a network namespace");
        fd_close(&home_fd);
        return -1;
    }
    auto_fd int made_fd = ns_self(e);
    for (size_t i = 0; made_fd >= 0 && i < ARRAY_LEN(baselines); i++) {
        if (baseline_write(&baselines[i], e))
            fd_close(&made_fd);
    }
    ns_leave(&home_fd);
    return take_fd(&made_fd);
}

int ns_enter(int netns_fd, int *home_fd, struct err *e)
{
    auto_fd int home = ns_self(e);
    if (home < 0)
        return -1;
    if (setns(netns_fd, CLONE_NEWNET))
        return err_sys(e, errno, "enter a network namespace");
    *home_fd = take_fd(&home);
    return 0;
}

void ns_leave(int *home_fd)
{
    if (setns(*home_fd, CLONE_NEWNET)) {
        static const char text[] = "svc: cannot return to the own network namespace\n";
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
        abort();
    }
    fd_close(home_fd);
}

int ns_same(int a_fd, int b_fd, struct err *e)
{
    struct stat a;
    struct stat b;
    if (fstat(a_fd, &a) || fstat(b_fd, &b))
        return err_sys(e, errno, "stat a network namespace");
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int ns_pin(int netns_fd, const char *pin, struct err *e)
{
    auto_fd int file = open(pin, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0400);
    if (file < 0)
        return err_sys(e, errno, "create %s", pin);
    char source[64];
    (void)snprintf(source, sizeof source, "/proc/self/fd/%d", netns_fd);
    if (mount(source, pin, NULL, MS_BIND, NULL)) {
        (void)err_sys(e, errno, "pin a network namespace at %s", pin);
        (void)unlink(pin); /* the first failure is the one to report */
        return -1;
    }
    return 0;
}

int ns_open_pin(const char *pin, int *out, struct err *e)
{
    auto_fd int fd = open(pin, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno != ENOENT)
        return err_sys(e, errno, "open %s", pin);
    struct statfs fs;
    if (fd >= 0 && fstatfs(fd, &fs))
        return err_sys(e, errno, "statfs %s", pin);
    /* A file alone was left by a run that ended between making it and mounting on it. */
    bool is_pinned = fd >= 0 && fs.f_type == NSFS_MAGIC;
    if (is_pinned && ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
        return err_conflict(e, "%s holds another kind of namespace", pin);
    *out = is_pinned ? take_fd(&fd) : -1;
    return 0;
}

int ns_unpin(const char *pin, struct err *e)
{
    for (int i = 0; i < PIN_MOUNTS_MAX; i++) {
        if (umount2(pin, MNT_DETACH | UMOUNT_NOFOLLOW))
            break; /* EINVAL: nothing is mounted there any more; others show in unlink */
    }
    if (unlink(pin) && errno != ENOENT)
        return err_sys(e, errno, "remove %s", pin);
    return 0;
}
