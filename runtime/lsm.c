#include "runtime/lsm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

#define ATTR_EXEC "thread-self/attr/exec"

enum {
    PROC_ROOT_INODE = 1, /* include/linux/proc_ns.h: PROC_ROOT_INO, of the userland's ABI */
    FILESYSTEMS_BYTES_MAX = 64 * 1024,
    LABEL_BYTES_MAX = 4096,
};

/* ---- parent ---- */

/* selinuxfs is registered only by a kernel that was not told to do without SELinux. */
void lsm_host_read(struct lsm_host *out)
{
    auto_buf struct buf text;
    struct err ignored; /* what is not there says no */
    buf_init(&text, FILESYSTEMS_BYTES_MAX);
    *out = (struct lsm_host){ 0 };
    if (fd_read_file(AT_FDCWD, "/proc/filesystems", &text, &ignored) == 0)
        out->has_selinux = text.data && strstr(text.data, "\tselinuxfs\n");
    buf_reset(&text);
    if (fd_read_file(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", &text, &ignored) == 0)
        out->has_apparmor = text.data && text.data[0] == 'Y';
}

int lsm_plan_choose(const struct oci_process *p, const struct lsm_host *host, struct lsm_plan *out,
                    struct err *e)
{
    const char *profile = p->apparmor_profile, *label = p->selinux_label;
    bool has_profile = profile && profile[0], has_label = label && label[0];
    struct lsm_plan plan = { .proc_fd = -1 };
    if (has_profile && !host->has_apparmor && !str_eq(profile, "unconfined")) {
        (void)err_host(e,
                       "process.apparmorProfile: \"%.128s\" is asked for, and AppArmor is not at "
                       "work on this machine",
                       profile);
        err_hint(e, "remove it, or see /sys/module/apparmor/parameters/enabled");
        return -1;
    }
    if (has_label && !host->has_selinux) {
        (void)err_host(e,
                       "process.selinuxLabel: \"%.128s\" is asked for, and SELinux is not at work "
                       "on this machine",
                       label);
        err_hint(e, "remove it, or see `selinuxfs` in /proc/filesystems");
        return -1;
    }
    if (has_profile && host->has_apparmor)
        plan.apparmor_profile = profile;
    if (has_label)
        plan.selinux_label = label;
    *out = plan;
    return 0;
}

const char *lsm_mount_option(struct arena *a, const char *label, const struct lsm_host *host,
                             const char *type)
{
    static const char *const labelled[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2" };
    if (!label || !label[0] || !host->has_selinux)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(labelled); i++)
        if (str_eq(type, labelled[i]))
            return NULL;
    return arena_printf(a, "context=%s", label);
}

/* The root of a procfs, not something that stands in its place. */
static int open_proc(struct err *e)
{
    struct statfs fs;
    struct stat st;
    auto_fd int fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
        return err_sys(e, errno, "open /proc");
    if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INODE)
        return err_host(e, "/proc is not a procfs");
    return take_fd(&fd);
}

int lsm_plan_init(const struct oci_process *p, struct lsm_plan *out, struct err *e)
{
    struct lsm_host host = { 0 };
    bool is_asked = (p->apparmor_profile && p->apparmor_profile[0]) ||
                    (p->selinux_label && p->selinux_label[0]);
    if (is_asked) /* it costs two files */
        lsm_host_read(&host);
    if (lsm_plan_choose(p, &host, out, e) < 0)
        return -1;
    if (!out->apparmor_profile && !out->selinux_label)
        return 0;
    out->proc_fd = open_proc(e);
    return out->proc_fd < 0 ? -1 : 0;
}

void lsm_plan_done(struct lsm_plan *p)
{
    if (p->apparmor_profile || p->selinux_label)
        fd_close(&p->proc_fd);
}

/* ---- child ---- */

/* thread-self: of that procfs, which may be of another pid namespace than ours, it is still us.
 * Opened just before the write: the kernel wants the writer to be who opened it. -1 with errno. */
static int open_attr(int proc_fd, const char *path)
{
    return fd_open_beneath(proc_fd, path, O_WRONLY, 0,
                           RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
}

/* In one write, which is how the kernel takes it; backticks are what clients look for. */
static int write_attr(int fd, const char *path, const char *text, struct err *e)
{
    if (fd < 0)
        return err_sys(e, errno, "open `/proc/%s`", path);
    if (write(fd, text, strlen(text)) < 0)
        return err_sys(e, errno, "write \"%.200s\" to `/proc/%s`", text, path);
    return 0;
}

static int apply_apparmor(const struct lsm_plan *p, struct err *e)
{
    char text[LABEL_BYTES_MAX];
    int n = snprintf(text, sizeof(text), "exec %s", p->apparmor_profile);
    if (n < 0 || (size_t)n >= sizeof(text))
        return err_input(e, "process.apparmorProfile: longer than %d bytes", LABEL_BYTES_MAX);
    /* Its own directory since 5.8; attr/exec belongs to the first module of several. */
    const char *path = "thread-self/attr/apparmor/exec";
    auto_fd int fd = open_attr(p->proc_fd, path);
    if (fd < 0 && errno == ENOENT) {
        path = ATTR_EXEC;
        fd = open_attr(p->proc_fd, path);
    }
    if (write_attr(fd, path, text, e) == 0)
        return 0;
    if (e->errnum == ENOENT)
        err_hint(e, "is the profile loaded? see aa-status");
    return err_wrap(e, "process.apparmorProfile");
}

int lsm_apply(const struct lsm_plan *p, struct err *e)
{
    if (p->apparmor_profile && apply_apparmor(p, e) < 0)
        return -1;
    if (!p->selinux_label)
        return 0;
    auto_fd int fd = open_attr(p->proc_fd, ATTR_EXEC);
    return write_attr(fd, ATTR_EXEC, p->selinux_label, e) < 0 ? err_wrap(e, "process.selinuxLabel")
                                                              : 0;
}
