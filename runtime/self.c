#include "runtime/self.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
};

static bool is_protected(int exe_fd)
{
    struct statfs fs;
    if (fstatfs(exe_fd, &fs) == 0 && fs.f_flags & ST_RDONLY)
        return true;
    int seals = fcntl(exe_fd, F_GET_SEALS);
    return seals >= 0 && (seals & SEALS) == SEALS;
}

/* A read-only mount of our own, in no mount namespace: what leads there through /proc/PID/exe gets
 * EROFS. It goes when the last process that executes it has ended. -1: not here, say why. */
static int readonly_mount(int exe_fd)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID,
                               .propagation = MS_PRIVATE };
    auto_fd int fd =
        open_tree(exe_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH);
    if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
        !is_protected(fd))
        return -1;
    return take_fd(&fd);
}

/* Where the mount of our executable is not one of this mount namespace, so that it cannot be
 * copied. Costs a millisecond more. */
static int sealed_copy(int exe_fd)
{
    struct stat st;
    auto_fd int fd = memfd_create("svc-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || fstat(exe_fd, &st) < 0)
        return -1;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(fd, exe_fd, NULL, (size_t)left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        left -= n;
    }
    if (fchmod(fd, 0555) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        return -1;
    return take_fd(&fd);
}

int self_protect(char **argv, struct err *e)
{
    auto_fd int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (exe < 0)
        return err_sys(e, errno, "protect this program: open /proc/self/exe");
    if (is_protected(exe)) {
        (void)prctl(PR_SET_NAME, "svc-runtime"); /* execveat by fd called us by its number */
        return 0;
    }
    auto_fd int fd = readonly_mount(exe);
    if (fd < 0 && errno != EPERM)
        fd = sealed_copy(exe);
    if (fd >= 0)
        (void)syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
    (void)err_sys(e, errno, "protect this program from containers");
    if (e->errnum == EPERM)
        err_hint(e, "run it as root");
    return -1;
}
