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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
    /* EPERM: setgroups is denied in this namespace (user_namespaces(7)), as payload.c has it. */
    if ((!p->payload.keeps_groups && syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM) ||
        syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
        return err_sys(e, errno, "become root of the user namespace");
    /* A change of ids takes both back (prctl(2)); a parent that died meanwhile is noticed by the
     * failure to tell it SYNC_READY. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return err_sys(e, errno, "stay hidden from the container");
    return 0;
}

static int enter_namespaces(const struct init_plan *p, struct err *e)
{
    /* Mapped first: what the kernel makes for a network namespace belongs to its root. */
    if (p->payload.has_userns && sync_expect(p->sync_fd, SYNC_MAPPED, NULL, e) < 0)
        return -1;
    if (become_root(p, e) < 0 || namespaces_enter(&p->namespaces, p->config, e) < 0)
        return -1;
    return p->wants_entered ? sync_send(p->sync_fd, SYNC_ENTERED, NULL, e) : 0;
}

static int set_names(const struct oci_config *c, struct err *e)
{
    if (c->hostname && sethostname(c->hostname, strlen(c->hostname)) < 0)
        return err_sys(e, errno, "hostname: set \"%s\"", c->hostname);
    if (c->domainname && setdomainname(c->domainname, strlen(c->domainname)) < 0)
        return err_sys(e, errno, "domainname: set \"%s\"", c->domainname);
    return 0;
}

static int bring_loopback_up(const struct init_plan *p, struct err *e)
{
    if (!(p->namespaces.unshare_flags & CLONE_NEWNET))
        return 0;
    auto_fd int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    if (s < 0 || ioctl(s, SIOCSIFFLAGS, &lo) < 0)
        return err_sys(e, errno, "bring the loopback interface up");
    return 0;
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

static bool joins_mounts(const struct init_plan *p)
{
    return p->config->namespaces[OCI_NS_MOUNT].path != NULL;
}

static int run_hooks(struct init_plan *p, enum oci_hook_kind kind, const char *name, struct err *e)
{
    struct hooks_state *state = &p->hook_states[kind];
    if (!p->config->hooks[kind].count)
        return 0;
    hooks_set_pid(state, getpid());
    return hooks_run(&p->config->hooks[kind], name, state, e);
}

/* Where the root is mounted before it becomes "/": at its own place when createContainer hooks are
 * to find it there (config.md §createContainer Hooks: "before the pivot_root"), else wherever,
 * since root of a user namespace may not be able to walk there. */
static int open_place(const struct init_plan *p, const char **path, struct err *e)
{
    *path = "/";
    if (p->config->hooks[OCI_HOOK_CREATE_CONTAINER].count && !p->no_pivot && !joins_mounts(p)) {
        int fd = open(p->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            *path = p->root_path;
            return fd;
        }
    }
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_sys(e, errno, "open /") : fd;
}

/* A working directory that is missing is made (payload.c): in a root that will be read-only, now.
 * What could not be made is told when it cannot be entered. */
static void make_cwd(const char *cwd, int root_fd)
{
    char folder[PATH_LIMIT];
    const char *name = strrchr(cwd, '/') + 1; /* it is absolute */
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(name - cwd), cwd);
    auto_fd int parent = *name ? rootfs_open(root_fd, folder, O_PATH | O_DIRECTORY) : -1;
    if (parent >= 0)
        (void)mkdirat(parent, name, 0755);
}

static int finish_root(struct init_plan *p, int root_fd, struct err *e)
{
    if (p->root_is_readonly)
        make_cwd(p->payload.process->cwd, root_fd);
    if (run_hooks(p, OCI_HOOK_CREATE_CONTAINER, "createContainer", e) < 0)
        return -1;
    /* pivot_root would move whoever else is in a mount namespace that was joined. */
    if (rootfs_pivot(root_fd, p->no_pivot || joins_mounts(p), e) < 0 ||
        set_root_propagation(p->config, root_fd, e) < 0)
        return -1;
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
    if (p->root_is_readonly && mount_setattr(root_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return err_sys(e, errno, "root.readonly: set");
    return 0;
}

void init_keep_own_cgroups(struct init_plan *p)
{
    struct cgroup_host *host = &p->cgroups;
    size_t kept = 0;
    if (!p->cgroup_path || p->are_cgroups_own || !mounts_have_cgroup(&p->mounts))
        return;
    for (size_t i = 0; i < host->count; i++) {
        char path[PATH_LIMIT];
        int n = snprintf(path, sizeof(path), "%s%s", host->items[i].mountpoint, p->cgroup_path);
        if (n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0)
            host->items[kept++] = host->items[i];
    }
    host->count = kept;
    p->are_cgroups_own = true;
}

static int build_root(struct init_plan *p, int overlay_fd, struct err *e)
{
    int root_fd = overlay_fd >= 0 ? overlay_fd : mounts_root_fd(&p->mounts);
    init_keep_own_cgroups(p);
    /* Slave: what is mounted here must not reach the host; what the host unmounts may reach us. */
    if (!joins_mounts(p) && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_sys(e, errno, "separate the mounts from the host's");
    const char *place;
    auto_fd int top = open_place(p, &place, e);
    bool has_masks = p->config->masked_paths.count > 0;
    auto_fd int null = top >= 0 && has_masks ? masks_open_null(e) : -1;
    if (top < 0 || (has_masks && null < 0) || rootfs_attach(root_fd, top, place, e) < 0 ||
        mounts_attach(&p->mounts, root_fd, &p->cgroups, e) < 0 ||
        devices_make(&p->devices, root_fd, e) < 0 || open_terminal(p, root_fd, e) < 0 ||
        mounts_seal(&p->mounts, e) < 0 || masks_apply(p->config, root_fd, null, e) < 0)
        return -1;
    return finish_root(p, root_fd, e);
}

/* What the parent has made meanwhile: the files through which we move into the cgroups (with its
 * rights: it has opened them) and, last, the root when it is an overlay. */
static int receive_prepared(struct init_plan *p, int *overlay_fd, struct err *e)
{
    struct sync_fds fds;
    struct cgroup_join join;
    if (sync_expect(p->sync_fd, SYNC_PREPARED, &fds, e) < 0)
        return -1;
    if (p->mounts.root->is_overlay && fds.count)
        *overlay_fd = fds.items[--fds.count];
    join.count = fds.count < ARRAY_LEN(join.fds) ? fds.count : ARRAY_LEN(join.fds);
    memcpy(join.fds, fds.items, join.count * sizeof(*join.fds));
    return cgroup_join_self(&join, e);
}

/* What was the host's and has been used must not stay open in here (a mount, a cgroup, a namespace
 * that is kept alive): no name that leads through /proc/self/fd may be a way out, be it of the
 * working directory, of the program or of a link in the image (CVE-2024-21626), and we may wait for
 * long. */
static void close_others(const struct init_plan *p)
{
    const int kept[] = { p->sync_fd, p->payload.terminal_fd };
    fd_close_others(STDERR_FILENO + 1 + p->payload.preserve_fds, kept, ARRAY_LEN(kept));
}

static int set_up(struct init_plan *p, struct err *e)
{
    auto_fd int overlay_fd = -1;
    if (enter_namespaces(p, e) < 0)
        return -1;
    if (!p->no_new_keyring)
        payload_new_keyring();
    if (set_names(p->config, e) < 0 || bring_loopback_up(p, e) < 0 ||
        sysctl_apply(p->config, e) < 0 || receive_prepared(p, &overlay_fd, e) < 0 ||
        namespaces_enter_cgroup(&p->namespaces, e) < 0 || build_root(p, overlay_fd, e) < 0)
        return -1;
    if (lsm_apply(&p->payload.lsm, e) < 0)
        return -1;
    (void)take_fd(&overlay_fd); /* with the others */
    close_others(p);
    return payload_find(&p->payload, e);
}

/* A client may read what `create` says up to its end of file, as containerd's shim does when there
 * is a terminal: no copy of those streams may wait with us. */
static void leave_streams(const struct init_plan *p)
{
    int terminal = p->payload.terminal_fd;
    for (int fd = STDIN_FILENO; terminal >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(terminal, fd); /* payload_exec does it again, and tells errors */
}

/* Blocks until `start` connects; its connection tells it how it went. */
static int wait_for_start(int start_fd)
{
    for (;;) {
        int conn = accept4(start_fd, NULL, NULL, SOCK_CLOEXEC);
        if (conn >= 0)
            return conn;
        if (errno != EINTR && errno != ECONNABORTED)
            _exit(1);
    }
}

_Noreturn void init_main(struct init_plan *p)
{
    struct err e = { 0 };
    /* CVE-2016-9962: nobody in a joined namespace may look into us before execve. With a new user
     * namespace that is for become_root: until it is mapped, our /proc files must be the parent's,
     * which may be an ordinary user (proc(5)), and so far nobody else is in here. */
    if ((!p->payload.has_userns && prctl(PR_SET_DUMPABLE, 0) < 0) || set_up(p, &e) < 0) {
        sync_send_failure(p->sync_fd, &e);
        _exit(1);
    }
    leave_streams(p);
    (void)prctl(PR_SET_PDEATHSIG, 0); /* from now on we outlive `create` */
    /* A container that nobody knows of could never be deleted: end with the parent until then. */
    struct sync_fds start;
    if (sync_send(p->sync_fd, SYNC_READY, NULL, &e) < 0 ||
        sync_expect(p->sync_fd, SYNC_RECORDED, &start, &e) < 0)
        _exit(1);
    if (start.count) {
        fd_close(&p->sync_fd);
        p->sync_fd = wait_for_start(start.items[0]);
    }
    p->payload.notify_fd = p->sync_fd;
    if (run_hooks(p, OCI_HOOK_START_CONTAINER, "startContainer", &e) == 0)
        (void)payload_exec(&p->payload, &e);
    payload_end(&p->payload, p->sync_fd, &e);
}
