#include "runtime/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/namespaces.h"

enum {
    SYSCTL_PATH_MAX = 256
};

/* A name that ends in '/' stands for all below it. */
static const struct {
    const char *path;
    enum oci_namespace_type needs;
} known[] = {
    { "fs/mqueue/", OCI_NS_IPC },    { "kernel/domainname", OCI_NS_UTS },
    { "kernel/msgmax", OCI_NS_IPC }, { "kernel/msgmnb", OCI_NS_IPC },
    { "kernel/msgmni", OCI_NS_IPC }, { "kernel/sem", OCI_NS_IPC },
    { "kernel/shmall", OCI_NS_IPC }, { "kernel/shm_rmid_forced", OCI_NS_IPC },
    { "kernel/shmmax", OCI_NS_IPC }, { "kernel/shmmni", OCI_NS_IPC },
    { "net/", OCI_NS_NETWORK },      { "user/", OCI_NS_USER },
};
static const char *const namespace_names[OCI_NS_COUNT_] = {
    [OCI_NS_IPC] = "ipc",
    [OCI_NS_UTS] = "uts",
    [OCI_NS_NETWORK] = "network",
    [OCI_NS_USER] = "user",
};

/* "net.ipv4.conf.eth0/1.rp_filter" and "net/ipv4/conf/eth0.1/rp_filter" are the same: the first
 * separator says which of the two is meant. */
static int to_path(const char *name, char path[SYSCTL_PATH_MAX], struct err *e)
{
    if (str_copy(path, SYSCTL_PATH_MAX, name) < 0)
        return err_input(e, "linux.sysctl: name is too long: %.60s…", name);
    char first = path[strcspn(path, "./")];
    for (char *p = path; first == '.' && *p; p++)
        *p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 0 || strncmp(p, "..", len) == 0)
            return err_input(e, "linux.sysctl: \"%s\" is not a name", name);
        p += len + (p[len] == '/');
    }
    return 0;
}

static int check_one(const struct oci_config *c, const char *name, const char *value, struct err *e)
{
    char path[SYSCTL_PATH_MAX];
    if (to_path(name, path, e) < 0)
        return -1;
    if (str_eq(path, "kernel/domainname") && c->domainname && !str_eq(c->domainname, value))
        return err_input(e, "linux.sysctl: %s is \"%s\", and domainname is \"%s\"", name, value,
                         c->domainname);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        bool is_folder = str_ends(known[i].path, "/");
        if (is_folder ? !str_starts(path, known[i].path) : !str_eq(path, known[i].path))
            continue;
        if (namespaces_is_private(c, known[i].needs))
            return 0;
        return err_input(e, "linux.sysctl: %s needs a %s namespace", name,
                         namespace_names[known[i].needs]);
    }
    return err_input(e, "linux.sysctl: %s is not of a namespace: it would change the whole machine",
                     name);
}

int sysctl_check(const struct oci_config *c, struct err *e)
{
    for (size_t i = 0; i < c->sysctl.count; i++)
        if (check_one(c, c->sysctl.items[i].key, c->sysctl.items[i].value, e) < 0)
            return -1;
    return 0;
}

int sysctl_apply(const struct oci_config *c, struct err *e)
{
    if (!c->sysctl.count)
        return 0;
    auto_fd int fs = fsopen("proc", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_sys(e, errno, "linux.sysctl: mount proc");
    auto_fd int proc = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    auto_fd int sys = proc < 0 ? -1
                               : fd_open_beneath(proc, "sys", O_PATH | O_DIRECTORY, 0,
                                                 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (sys < 0)
        return err_sys(e, errno, "linux.sysctl: mount proc");
    for (size_t i = 0; i < c->sysctl.count; i++) {
        char path[SYSCTL_PATH_MAX];
        const char *name = c->sysctl.items[i].key, *value = c->sysctl.items[i].value;
        if (to_path(name, path, e) < 0)
            return -1;
        auto_fd int fd = fd_open_beneath(sys, path, O_WRONLY, 0,
                                         RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
        if (fd < 0 || fd_write_all(fd, value, strlen(value)) < 0)
            return err_sys(e, errno, "linux.sysctl: set %s to \"%s\"", name, value);
    }
    return 0;
}
