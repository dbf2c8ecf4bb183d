#include "runtime/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"
#include "runtime/idmap.h"

#define SCRATCH "/tmp" /* covered by a tmpfs of the child's own */

enum {
    LAYERS_MAX = 128,
    UPPER = 0, /* index of the upper and work directories' parent; lowers follow */
};

struct layers {
    int fds[LAYERS_MAX];
    size_t count;
    char upper_name[NAME_MAX + 1], work_name[NAME_MAX + 1];
    bool has_upper;
};

static int open_layer(struct layers *l, const char *path, int userns_fd, struct err *e)
{
    if (l->count == LAYERS_MAX)
        return err_input(e, "an overlay has more than %d layers", LAYERS_MAX - 1);
    int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "open layer %s", path);
    l->fds[l->count++] = fd;
    return userns_fd < 0 ? 0 : idmap_mount(fd, userns_fd, false, path, e);
}

static const char *option(const char *const *options, const char *name)
{
    size_t len = strlen(name);
    for (; *options; options++)
        if (strncmp(*options, name, len) == 0 && (*options)[len] == '=')
            return *options + len + 1;
    return NULL;
}

/* Splits PATH into its directory and its last name. */
static int split(const char *path, char dir[PATH_LIMIT], char name[NAME_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path || str_copy(name, NAME_MAX + 1, slash + 1) < 0 ||
        str_copy(dir, PATH_LIMIT, path) < 0)
        return -1;
    dir[slash - path] = '\0';
    return 0;
}

static int open_layers(struct layers *l, const char *const *options, int userns_fd, struct err *e)
{
    const char *upper = option(options, "upperdir");
    const char *work = option(options, "workdir");
    const char *lower = option(options, "lowerdir");
    char dir[PATH_LIMIT], work_dir[PATH_LIMIT];
    if (!lower || !upper != !work)
        return err_input(e, "an overlay needs lowerdir, and upperdir with workdir");
    l->has_upper = upper != NULL;
    if (upper && (split(upper, dir, l->upper_name) < 0 || split(work, work_dir, l->work_name) < 0 ||
                  !str_eq(dir, work_dir)))
        return err_input(e, "upperdir and workdir of an overlay must be in one directory");
    if (open_layer(l, upper ? dir : "/", upper ? userns_fd : -1, e) < 0)
        return -1;
    while (*lower) {
        size_t len = strcspn(lower, ":");
        if (len >= sizeof(dir))
            return err_input(e, "lowerdir is too long");
        memcpy(dir, lower, len);
        dir[len] = '\0';
        if (open_layer(l, dir, userns_fd, e) < 0)
            return -1;
        lower += len + (lower[len] == ':');
    }
    return 0;
}

/* In the child's own mount namespace. */
static int attach_layers(const struct layers *l, struct err *e)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", SCRATCH, "tmpfs", 0, "mode=700,size=64k") < 0)
        return err_sys(e, errno, "make a mount namespace for an overlay");
    for (size_t i = 0; i < l->count; i++) {
        char path[32];
        (void)snprintf(path, sizeof(path), SCRATCH "/%zu", i);
        if (mkdir(path, 0700) < 0 ||
            move_mount(l->fds[i], "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
            return err_sys(e, errno, "attach a layer");
    }
    return 0;
}

static int set(int fs, const char *key, const char *value, struct err *e)
{
    if (fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0)
        return err_sys(e, errno, "overlay option %s=%s", key, value);
    return 0;
}

static int set_layers(int fs, const struct layers *l, struct err *e)
{
    char text[LAYERS_MAX * 16] = "";
    size_t n = 0;
    for (size_t i = 1; i < l->count; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s" SCRATCH "/%zu", i > 1 ? ":" : "", i);
    if (set(fs, "lowerdir", text, e) < 0)
        return -1;
    if (!l->has_upper)
        return 0;
    char path[NAME_MAX + 16];
    (void)snprintf(path, sizeof(path), SCRATCH "/%d/%s", UPPER, l->upper_name);
    if (set(fs, "upperdir", path, e) < 0)
        return -1;
    (void)snprintf(path, sizeof(path), SCRATCH "/%d/%s", UPPER, l->work_name);
    return set(fs, "workdir", path, e);
}

/* Overlayfs works on its layers as whoever mounted it, and a user that an idmapped layer does not
 * know can make nothing there (EOVERFLOW): so as the container's root, but with our capabilities,
 * which a change of user would else take away (capabilities(7), SECBIT_NO_SETUID_FIXUP). */
static int become_owner(const struct overlay_owner *owner, struct err *e)
{
    if (owner->userns_fd < 0)
        return 0;
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0)
        return err_sys(e, errno, "keep capabilities for an overlay");
    (void)setfsgid(owner->root_gid);
    (void)setfsuid(owner->root_uid);
    return 0;
}

static int make(const char *const *options, const struct overlay_owner *owner, struct err *e)
{
    struct layers l = { 0 };
    if (open_layers(&l, options, owner->userns_fd, e) < 0 || attach_layers(&l, e) < 0 ||
        become_owner(owner, e) < 0)
        return -1;
    auto_fd int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_sys(e, errno, "use the overlay file system");
    if (set_layers(fs, &l, e) < 0)
        return -1;
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_sys(e, errno, "mount an overlay");
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
    struct statfs fs_info;
    if (fd < 0 || fstatfs(fd, &fs_info) < 0)
        return err_sys(e, errno, "mount an overlay");
    /* What overlayfs does when it cannot use the work directory, and tells the kernel log only. */
    if (l.has_upper && fs_info.f_flags & ST_RDONLY) {
        fd_close(&fd);
        return err_host(e, "mount an overlay: upperdir and workdir cannot be written");
    }
    return fd;
}

int overlay_open(const char *const *options, const struct overlay_owner *owner, struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(e, errno, "make a socket pair");
    auto_fd int ours = pair[0];
    auto_fd int theirs = pair[1];
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(e, errno, "fork");
    if (pid == 0) {
        struct err inner = { 0 };
        int fd = make(options, owner, &inner);
        _exit(fd_send(theirs, &inner, sizeof(inner), &fd, fd >= 0) < 0);
    }
    fd_close(&theirs);
    struct err inner;
    int fd = -1;
    size_t count;
    ssize_t n = fd_recv(ours, &inner, sizeof(inner), &fd, 1, &count);
    int errnum = errno;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (n != sizeof(inner))
        return err_sys(e, n < 0 ? errnum : EIO, "make an overlay");
    if (count == 0) {
        *e = inner;
        return -1;
    }
    return fd;
}
