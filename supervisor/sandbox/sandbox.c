#include "supervisor/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "supervisor/sandbox/filter.h"

/* The order:
 *   fds first, so that nothing of the host is reachable through a forgotten one, and setns has what
 *     it needs before that is closed;
 *   namespaces and root while there is CAP_SYS_ADMIN;
 *   the bounding set while there is CAP_SETPCAP, then ids, which clears the other sets, then all
 *     sets again by hand (a kept securebit must not change the outcome);
 *   limits after the ids: RLIMIT_NPROC counts for the new one;
 *   no_new_privs before the filter, which is allowed to unprivileged processes only with it. */

enum {
    CAPABILITY_MAX = 63
};

static int join_netns(int fd, struct err *e)
{
    if (fd < 0)
        return 0;
    if (setns(fd, CLONE_NEWNET) < 0)
        return err_sys(e, errno, "join the network namespace");
    (void)close(fd);
    return 0;
}

static bool is_kept(const struct sandbox_plan *plan, unsigned fd)
{
    for (size_t i = 0; i < plan->keep_count; i++)
        if (plan->keep_fds[i] == (int)fd)
            return true;
    return fd <= STDERR_FILENO;
}

static int close_others(const struct sandbox_plan *plan, struct err *e)
{
    unsigned highest = STDERR_FILENO;
    for (size_t i = 0; i < plan->keep_count; i++)
        if (plan->keep_fds[i] > (int)highest)
            highest = (unsigned)plan->keep_fds[i];
    for (unsigned fd = 0; fd <= highest; fd++)
        if (!is_kept(plan, fd))
            (void)close((int)fd);
    if (syscall(SYS_close_range, highest + 1, ~0U, 0) < 0)
        return err_sys(e, errno, "close other file descriptors");
    return 0;
}

/* An empty, read-only tmpfs as the root of a mount namespace that nobody else is in. /proc is the
 * one directory that every system has to mount upon. */
static int enter_empty_root(struct err *e)
{
    const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
        return err_sys(e, errno, "unshare the mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_sys(e, errno, "make the mounts private");
    if (mount("empty", "/proc", "tmpfs", flags, "size=4k,nr_inodes=2,mode=0555") < 0)
        return err_sys(e, errno, "mount an empty root");
    if (chdir("/proc") < 0)
        return err_sys(e, errno, "enter the empty root");
    /* man 2 pivot_root NOTES: the old root ends up on top of the new one and is let go. On an
     * initramfs, which cannot be pivoted away from, the root is moved over instead. */
    if (syscall(SYS_pivot_root, ".", ".") == 0) {
        if (umount2(".", MNT_DETACH) < 0)
            return err_sys(e, errno, "let go of the old root");
    } else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) {
        return err_sys(e, errno, "change the root");
    }
    if (chdir("/") < 0)
        return err_sys(e, errno, "enter the new root");
    return 0;
}

static int drop_privileges(struct err *e)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
    for (int cap = 0; cap <= CAPABILITY_MAX; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
            return err_sys(e, errno, "drop capability %d", cap);
    if (setgroups(0, NULL) < 0)
        return err_sys(e, errno, "drop the supplementary groups");
    if (setresgid(SANDBOX_NOBODY, SANDBOX_NOBODY, SANDBOX_NOBODY) < 0 ||
        setresuid(SANDBOX_NOBODY, SANDBOX_NOBODY, SANDBOX_NOBODY) < 0)
        return err_sys(e, errno, "become user %d", SANDBOX_NOBODY);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return err_sys(e, errno, "drop the ambient capabilities");
    if (syscall(SYS_capset, &header, none) < 0)
        return err_sys(e, errno, "drop all capabilities");
    return 0;
}

static int set_limits(const struct sandbox_plan *plan, struct err *e)
{
    static const struct {
        int resource;
        rlim_t limit;
    } limits[] = {
        { RLIMIT_CORE, 0 },
        { RLIMIT_NPROC, 0 },
        { RLIMIT_MEMLOCK, 0 },
        { RLIMIT_MSGQUEUE, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct rlimit l = { limits[i].limit, limits[i].limit };
        if (setrlimit((__rlimit_resource_t)limits[i].resource, &l) < 0)
            return err_sys(e, errno, "set resource limit %d", limits[i].resource);
    }
    struct rlimit files;
    if (!plan->nofile)
        return 0;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return err_sys(e, errno, "read the limit of open files");
    files.rlim_cur = plan->nofile < files.rlim_max ? (rlim_t)plan->nofile : files.rlim_max;
    files.rlim_max = files.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return err_sys(e, errno, "set the limit of open files");
    return 0;
}

int sandbox_enter(const struct sandbox_plan *plan, struct err *e)
{
    int result = join_netns(plan->netns_fd, e);
    if (result == 0)
        result = close_others(plan, e);
    if (result == 0)
        result = enter_empty_root(e);
    if (result == 0)
        result = drop_privileges(e);
    if (result == 0)
        result = set_limits(plan, e);
    if (result == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        result = err_sys(e, errno, "set no_new_privs");
    if (result == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        result = err_sys(e, errno, "become undumpable");
    if (result == 0)
        result = filter_load(plan->role, e);
    if (result < 0)
        return err_wrap(e, "confine the process");
    return 0;
}
