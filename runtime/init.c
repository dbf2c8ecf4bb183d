#include "runtime/init.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/hooks.h"
#include "runtime/rootfs.h"
#include "runtime/sync.h"
#include "runtime/sysctl.h"
#include "runtime/terminal.h"

/* Root of the user namespace: whoever we were outside has no name in here. */
static int become_root(const struct init_plan *p, struct err *e)
{
    if (!p->payload.has_userns)
        return 0;
    if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 ||
        syscall(SYS_setresuid, 0, 0, 0) < 0)
        return err_sys(e, errno, "become root of the user namespace");
    /* A change of ids takes both back (prctl(2)); a parent that died meanwhile is noticed by the
     * failure to tell it SYNC_READY. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return err_sys(e, errno, "stay hidden from the container");
    return 0;
}

static int enter_namespaces(const struct init_plan *p, struct err *e)
{
    /* Cgroups first: moving needs the rights of the caller, and the cgroup namespace is rooted
     * where its maker is. */
    if (cgroup_join_self(&p->cgroup_join, e) < 0 || namespaces_join(&p->namespaces, e) < 0 ||
        become_root(p, e) < 0)
        return -1;
    if (p->namespaces.unshare_flags & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
        return err_sys(e, errno, "make a cgroup namespace");
    if (p->namespaces.unshare_flags & CLONE_NEWTIME)
        return namespaces_enter_time(p->config, e);
    return 0;
}

static int set_names(const struct oci_config *c, struct err *e)
{
    if (c->hostname && c->hostname[0] && sethostname(c->hostname, strlen(c->hostname)) < 0)
        return err_sys(e, errno, "hostname: set \"%s\"", c->hostname);
    if (c->domainname && c->domainname[0] &&
        setdomainname(c->domainname, strlen(c->domainname)) < 0)
        return err_sys(e, errno, "domainname: set \"%s\"", c->domainname);
    return 0;
}

static int bring_loopback_up(const struct init_plan *p, struct err *e)
{
    if (!(p->namespaces.clone_flags & CLONE_NEWNET))
        return 0;
    auto_fd int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    if (s < 0 || ioctl(s, SIOCSIFFLAGS, &lo) < 0)
        return err_sys(e, errno, "bring the loopback interface up");
    return 0;
}

static int set_personality(const struct oci_config *c, struct err *e)
{
    if (!c->personality_domain)
        return 0;
    unsigned long domain;
    if (str_eq(c->personality_domain, "LINUX"))
        domain = PER_LINUX;
    else if (str_eq(c->personality_domain, "LINUX32"))
        domain = PER_LINUX32;
    else
        return err_input(e, "linux.personality: unknown domain \"%s\"", c->personality_domain);
    return personality(domain) < 0 ? err_sys(e, errno, "linux.personality: set") : 0;
}

static int open_terminal(struct init_plan *p, int root_fd, struct err *e)
{
    const struct oci_process *process = p->payload.process;
    if (!process->terminal || p->console_fd < 0)
        return 0;
    auto_fd int master = -1;
    if (terminal_open(root_fd, process->console_height, process->console_width, &master,
                      &p->payload.terminal_fd, e) < 0 ||
        terminal_bind_console(root_fd, p->payload.terminal_fd, e) < 0)
        return -1;
    return terminal_send(p->console_fd, master, "/dev/ptmx", e);
}

static int set_root_propagation(const struct oci_config *c, int root_fd, struct err *e)
{
    static const struct {
        const char *name;
        __u64 bits;
        unsigned flags;
    } kinds[] = {
        { "shared", MS_SHARED, 0 },         { "rshared", MS_SHARED, AT_RECURSIVE },
        { "slave", MS_SLAVE, 0 },           { "rslave", MS_SLAVE, AT_RECURSIVE },
        { "private", MS_PRIVATE, 0 },       { "rprivate", MS_PRIVATE, AT_RECURSIVE },
        { "unbindable", MS_UNBINDABLE, 0 }, { "runbindable", MS_UNBINDABLE, AT_RECURSIVE },
    };
    for (size_t i = 0; c->rootfs_propagation && i < ARRAY_LEN(kinds); i++) {
        struct mount_attr attr = { .propagation = kinds[i].bits };
        if (str_eq(c->rootfs_propagation, kinds[i].name) &&
            mount_setattr(root_fd, "", AT_EMPTY_PATH | kinds[i].flags, &attr, sizeof(attr)) < 0)
            return err_sys(e, errno, "linux.rootfsPropagation: set %s", c->rootfs_propagation);
    }
    return 0;
}

static int finish_root(struct init_plan *p, int root_fd, struct err *e)
{
    const struct oci_hooks *hooks = &p->config->hooks[OCI_HOOK_CREATE_CONTAINER];
    if (hooks->count && hooks_run(hooks, "createContainer", p->state_text, p->state_len, e) < 0)
        return -1;
    if (rootfs_pivot(root_fd, p->no_pivot, e) < 0 ||
        set_root_propagation(p->config, root_fd, e) < 0)
        return -1;
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
    if (p->root_is_readonly && mount_setattr(root_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return err_sys(e, errno, "root.readonly: set");
    return 0;
}

static int build_root(struct init_plan *p, int overlay_fd, struct err *e)
{
    int root_fd = overlay_fd >= 0 ? overlay_fd : mounts_root_fd(&p->mounts);
    /* Slave: what is mounted here must not reach the host; what the host unmounts may reach us. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_sys(e, errno, "separate the mounts from the host's");
    auto_fd int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return err_sys(e, errno, "open /");
    if (rootfs_attach(root_fd, top, "/", e) < 0 ||
        mounts_attach(&p->mounts, root_fd, &p->cgroups, e) < 0 ||
        devices_make(&p->devices, root_fd, e) < 0 || open_terminal(p, root_fd, e) < 0 ||
        masks_apply(p->config, &p->masks, root_fd, e) < 0)
        return -1;
    return finish_root(p, root_fd, e);
}

/* What was the host's and has been used must not stay open in here (a mount, a cgroup, a namespace
 * that is kept alive): no name that leads through /proc/self/fd may be a way out, be it of the
 * working directory, of the program or of a link in the image (CVE-2024-21626), and we may wait for
 * long. */
static void close_others(const struct init_plan *p)
{
    const int kept[] = { p->sync_fd, p->start_fd, p->payload.terminal_fd };
    fd_close_others(STDERR_FILENO + 1 + p->payload.preserve_fds, kept, ARRAY_LEN(kept));
}

static int set_up(struct init_plan *p, struct err *e)
{
    auto_fd int overlay_fd = -1;
    if (sync_expect(p->sync_fd, SYNC_PREPARED, &overlay_fd, e) < 0)
        return -1;
    if (enter_namespaces(p, e) < 0)
        return -1;
    if (!p->no_new_keyring)
        payload_new_keyring();
    if (set_names(p->config, e) < 0 || bring_loopback_up(p, e) < 0 ||
        sysctl_apply(p->config, e) < 0 || build_root(p, overlay_fd, e) < 0 ||
        set_personality(p->config, e) < 0)
        return -1;
    (void)take_fd(&overlay_fd); /* with the others */
    close_others(p);
    return payload_find(&p->payload, e);
}

/* Blocks until `start` connects; its connection tells it how it went. */
static int wait_for_start(const struct init_plan *p)
{
    for (;;) {
        int conn = accept4(p->start_fd, NULL, NULL, SOCK_CLOEXEC);
        if (conn >= 0)
            return conn;
        if (errno != EINTR && errno != ECONNABORTED)
            _exit(1);
    }
}

_Noreturn void init_main(struct init_plan *p)
{
    struct err e = { 0 };
    /* CVE-2016-9962: nobody in a joined namespace may look into us before execve. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || set_up(p, &e) < 0) {
        sync_send_failure(p->sync_fd, &e);
        _exit(1);
    }
    (void)prctl(PR_SET_PDEATHSIG, 0); /* from now on we outlive `create` */
    /* A container that nobody knows of could never be deleted: end with the parent until then. */
    if (sync_send(p->sync_fd, SYNC_READY, -1, &e) < 0 ||
        sync_expect(p->sync_fd, SYNC_RECORDED, NULL, &e) < 0)
        _exit(1);
    fd_close(&p->sync_fd);
    int conn = wait_for_start(p);
    const struct oci_hooks *hooks = &p->config->hooks[OCI_HOOK_START_CONTAINER];
    if ((hooks->count && hooks_run(hooks, "startContainer", p->state_text, p->state_len, &e) < 0) ||
        payload_exec(&p->payload, &e) < 0)
        (void)!fd_send(conn, &e, sizeof(e), NULL, 0);
    _exit(127);
}
