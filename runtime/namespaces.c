#include "runtime/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"

static const struct {
    const char *name; /* in /proc/PID/ns */
    int flag;
} kinds[OCI_NS_COUNT_] = {
    [OCI_NS_PID] = { "pid", CLONE_NEWPID },          [OCI_NS_NETWORK] = { "net", CLONE_NEWNET },
    [OCI_NS_MOUNT] = { "mnt", CLONE_NEWNS },         [OCI_NS_IPC] = { "ipc", CLONE_NEWIPC },
    [OCI_NS_UTS] = { "uts", CLONE_NEWUTS },          [OCI_NS_USER] = { "user", CLONE_NEWUSER },
    [OCI_NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP }, [OCI_NS_TIME] = { "time", CLONE_NEWTIME },
};

static int open_path(const char *path, size_t kind, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, errno, "linux.namespaces: open %s", path);
    if (ioctl(fd, NS_GET_NSTYPE) != kinds[kind].flag) {
        fd_close(&fd);
        return err_input(e, "linux.namespaces: %s is not a %s namespace", path, kinds[kind].name);
    }
    return fd;
}

bool namespaces_is_private(const struct oci_config *c, enum oci_namespace_type kind)
{
    const struct oci_namespace *ns = &c->namespaces[kind];
    char own[64];
    struct stat a, b;
    (void)snprintf(own, sizeof(own), "/proc/self/ns/%s", kinds[kind].name);
    if (!ns->is_wanted)
        return false;
    return !ns->path || (stat(ns->path, &a) == 0 && stat(own, &b) == 0 && a.st_ino != b.st_ino);
}

int namespaces_plan_init(const struct oci_config *c, struct namespaces_plan *out, struct err *e)
{
    *out = (struct namespaces_plan){ 0 };
    for (size_t k = 0; k < OCI_NS_COUNT_; k++)
        out->join_fds[k] = -1;
    for (size_t k = 0; k < OCI_NS_COUNT_; k++) {
        const struct oci_namespace *ns = &c->namespaces[k];
        if (!ns->is_wanted)
            continue;
        if (ns->path) {
            out->join_fds[k] = open_path(ns->path, k, e);
            if (out->join_fds[k] < 0)
                return -1;
        } else if (k == OCI_NS_CGROUP) {
            out->is_cgroup_new = true;
        } else if (k == OCI_NS_TIME) {
            out->is_time_new = true;
        } else if (k == OCI_NS_USER || k == OCI_NS_PID) {
            out->clone_flags |= (uint64_t)kinds[k].flag;
        } else {
            out->unshare_flags |= (uint64_t)kinds[k].flag;
        }
    }
    if (!c->namespaces[OCI_NS_MOUNT].is_wanted)
        return err_input(e, "linux.namespaces: a mount namespace is needed");
    const char *name = c->hostname && c->hostname[0] ? "hostname" : "domainname";
    if (((c->hostname && c->hostname[0]) || (c->domainname && c->domainname[0])) &&
        !namespaces_is_private(c, OCI_NS_UTS))
        return err_input(e, "%s: needs a uts namespace: it would change the whole machine", name);
    if (c->namespaces[OCI_NS_TIME].path &&
        (c->time_offsets.has_monotonic || c->time_offsets.has_boottime))
        return err_input(e, "linux.timeOffsets: a time namespace that is joined has its own");
    if ((c->time_offsets.has_monotonic || c->time_offsets.has_boottime) &&
        !c->namespaces[OCI_NS_TIME].is_wanted)
        return err_input(e, "linux.timeOffsets: needs a time namespace");
    bool joins = false;
    for (size_t k = 0; k < OCI_NS_COUNT_; k++)
        joins = joins || out->join_fds[k] >= 0;
    out->are_entered_before = out->join_fds[OCI_NS_PID] >= 0 || out->join_fds[OCI_NS_USER] >= 0 ||
                              (joins && c->namespaces[OCI_NS_USER].is_wanted);
    return 0;
}

void namespaces_done(struct namespaces_plan *p)
{
    for (size_t k = 0; k < OCI_NS_COUNT_; k++)
        fd_close(&p->join_fds[k]);
}

static int join(const struct namespaces_plan *p, size_t kind, struct err *e)
{
    if (p->join_fds[kind] >= 0 && setns(p->join_fds[kind], kinds[kind].flag) < 0)
        return err_sys(e, errno, "linux.namespaces: join the %s namespace", kinds[kind].name);
    return 0;
}

/* Mount last: the others need no paths, but what is open is looked up until then. */
static const enum oci_namespace_type order[] = { OCI_NS_PID,     OCI_NS_IPC,    OCI_NS_UTS,
                                                 OCI_NS_NETWORK, OCI_NS_CGROUP, OCI_NS_TIME,
                                                 OCI_NS_MOUNT };

int namespaces_enter_before(struct namespaces_plan *p, struct err *e)
{
    /* The caller's rights are over namespaces of the caller's user namespace, those of root in the
     * one that is joined over what belongs to it: who is refused now is tried again in there. */
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        enum oci_namespace_type k = order[i];
        struct err refused;
        if (join(p, k, &refused) == 0) {
            fd_close(&p->join_fds[k]);
        } else if (refused.errnum != EPERM) {
            *e = refused;
            return -1;
        }
    }
    if (join(p, OCI_NS_USER, e) < 0 || join(p, OCI_NS_PID, e) < 0)
        return -1;
    fd_close(&p->join_fds[OCI_NS_USER]);
    fd_close(&p->join_fds[OCI_NS_PID]);
    return 0;
}

static int enter_time(const struct oci_config *c, struct err *e)
{
    if (unshare(CLONE_NEWTIME) < 0)
        return err_sys(e, errno, "make a time namespace");
    char text[128];
    int n = 0;
    if (c->time_offsets.has_monotonic)
        n += snprintf(text, sizeof(text), "monotonic %lld %u\n",
                      (long long)c->time_offsets.monotonic_s, c->time_offsets.monotonic_ns);
    if (c->time_offsets.has_boottime)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "boottime %lld %u\n",
                      (long long)c->time_offsets.boottime_s, c->time_offsets.boottime_ns);
    if (n) {
        auto_fd int offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
        if (offsets < 0 || fd_write_all(offsets, text, (size_t)n) < 0)
            return err_sys(e, errno, "linux.timeOffsets: write the offsets");
    }
    /* unshare(2) moves only children; setns(2) moves the caller. */
    auto_fd int ns = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWTIME) < 0)
        return err_sys(e, errno, "enter the time namespace");
    return 0;
}

int namespaces_enter(const struct namespaces_plan *p, const struct oci_config *c, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (order[i] != OCI_NS_PID && order[i] != OCI_NS_CGROUP && join(p, order[i], e) < 0)
            return -1;
    if (p->unshare_flags && unshare((int)p->unshare_flags) < 0)
        return err_sys(e, errno, "make the namespaces");
    return p->is_time_new ? enter_time(c, e) : 0;
}

int namespaces_enter_cgroup(const struct namespaces_plan *p, struct err *e)
{
    if (p->is_cgroup_new && unshare(CLONE_NEWCGROUP) < 0)
        return err_sys(e, errno, "make a cgroup namespace");
    return join(p, OCI_NS_CGROUP, e);
}

int namespaces_differing(pid_t pid, uint64_t *flags, struct err *e)
{
    *flags = 0;
    for (size_t k = 0; k < OCI_NS_COUNT_; k++) {
        char theirs[64], ours[64];
        struct stat a, b;
        (void)snprintf(theirs, sizeof(theirs), "/proc/%d/ns/%s", (int)pid, kinds[k].name);
        (void)snprintf(ours, sizeof(ours), "/proc/self/ns/%s", kinds[k].name);
        if (stat(ours, &b) < 0)
            continue; /* a kernel without this kind */
        if (stat(theirs, &a) < 0)
            return err_sys(e, errno, "read the namespaces of process %d", (int)pid);
        if (a.st_ino != b.st_ino)
            *flags |= (uint64_t)kinds[k].flag;
    }
    return 0;
}
