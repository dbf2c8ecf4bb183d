#include "runtime/self.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
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

#ifndef MFD_EXEC
#    define MFD_EXEC 0x0010U /* since Linux 6.3, where vm.memfd_noexec may make it necessary */
#endif

enum {
    SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
    MAP_BYTES_MAX = 4096 /* a longer uid_map is one that we do not judge */
};

/* ---- who could write to it ---- */

static bool holds(uint32_t first, uint32_t size, uint32_t id)
{
    return id >= first && id - first < size;
}

/* MAPS: what a user namespace has of our ids. */
static bool are_writers(const struct oci_idmaps *maps)
{
    struct stat st;
    /* The bits of the group are also the mask of an access control list (acl(5)). */
    if (stat("/proc/self/exe", &st) < 0 || st.st_mode & (S_IWGRP | S_IWOTH))
        return true;
    for (size_t i = 0; i < maps->count; i++) {
        const struct oci_idmap *m = &maps->items[i];
        if (holds(m->host_id, m->size, 0) || holds(m->host_id, m->size, st.st_uid))
            return true;
    }
    return false;
}

bool self_is_reachable(const struct oci_config *c)
{
    const struct oci_namespace *user = &c->namespaces[OCI_NS_USER];
    const struct oci_namespace *pid = &c->namespaces[OCI_NS_PID];
    if (!user->is_wanted || user->path || !pid->is_wanted || pid->path)
        return true;
    return !c->uid_mappings.count || are_writers(&c->uid_mappings);
}

/* A namespace of that type is a string "user" which is no name of a member; an escape could spell
 * it otherwise. */
bool self_is_surely_reachable(const char *text, size_t len)
{
    static const char word[] = "\"user\"";
    const char *end = text + len;
    if (memchr(text, '\\', len))
        return false;
    for (const char *p = text; (p = memmem(p, (size_t)(end - p), word, sizeof(word) - 1));) {
        p += sizeof(word) - 1;
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
            p++;
        if (p == end || *p != ':')
            return false;
    }
    return true;
}

static bool is_our_user_namespace(pid_t pid)
{
    char path[64];
    struct stat theirs, ours;
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    return stat(path, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0 ||
           theirs.st_ino == ours.st_ino;
}

bool self_is_reachable_from(pid_t pid)
{
    char path[64], text[MAP_BYTES_MAX];
    (void)snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (n <= 0 || (size_t)n == sizeof(text) || is_our_user_namespace(pid))
        return true;
    text[n] = '\0';
    for (const char *line = text; *line;) {
        struct oci_idmap map;
        int len = 0;
        if (sscanf(line, "%u %u %u \n%n", &map.container_id, &map.host_id, &map.size, &len) != 3 ||
            are_writers(&(struct oci_idmaps){ &map, 1 }))
            return true;
        line += len;
    }
    return false;
}

/* ---- what they cannot write to ---- */

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

/* For who may not mount, or where the mount of our executable is not one of this mount namespace,
 * so that it cannot be copied. Costs a millisecond more. */
static int sealed_copy(int exe_fd)
{
    static const char name[] = "svc-runtime";
    struct stat st;
    auto_fd int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
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

static int execute_protected(char **argv, struct err *e)
{
    auto_fd int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (exe < 0)
        return err_sys(e, errno, "protect this program: open /proc/self/exe");
    if (is_protected(exe)) {
        (void)prctl(PR_SET_NAME, "svc-runtime"); /* execveat by fd called us by its number */
        return 0;
    }
    auto_fd int fd = readonly_mount(exe);
    if (fd < 0)
        fd = sealed_copy(exe);
    if (fd >= 0)
        (void)syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
    return err_sys(e, errno, "protect this program from containers: execute a copy of it");
}

int self_protect(char **argv, bool is_reachable, struct err *e)
{
    if (is_reachable && execute_protected(argv, e) < 0)
        return -1;
    (void)syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
    return 0;
}

int self_hide(struct err *e)
{
    return prctl(PR_SET_DUMPABLE, 0) < 0 ? err_sys(e, errno, "hide from containers") : 0;
}
