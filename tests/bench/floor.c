/* floor [-u] [-c CGROUP2_DIR] [-1 CGROUP1_DIR]… ROOTFS COMMAND…: the least that a container start
 * can do, by bare system calls: what an OCI runtime is measured against.
 *
 * The same container as the bundle of bench.py: six new namespaces (mount, pid, net, ipc, uts,
 * cgroup; -u adds a user namespace), a cgroup in each hierarchy, the root bound, seven mounts
 * (proc, tmpfs /dev with six nodes, devpts, shm, mqueue, sysfs, tmpfs for /sys/fs/cgroup), the
 * masked and read-only paths, pivot_root, lo up, no_new_privs, execve, wait, rmdir. No
 * configuration, no state, no checks beyond errno. Six of the nodes are bound since mknod is not
 * there in a user namespace. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    HIERARCHIES_MAX = 16,
    ID_BASE = 3000000
};

struct plan {
    const char *v2_dir;
    const char *v1_dirs[HIERARCHIES_MAX];
    size_t v1_count;
    bool has_userns;
    const char *rootfs;
    char **argv;
};

static void check(long rc, const char *what, const char *subject)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "floor: %s %s: %s\n", what, subject, strerror(errno));
    _exit(125);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    check(fd, "open", path);
    check(write(fd, text, strlen(text)), "write", path);
    (void)close(fd);
}

static void mount_at(const char *type, const char *target, unsigned long flags, const char *data)
{
    (void)mkdir(target, 0755);
    check(mount(type, target, type, flags, data), "mount", target);
}

static void bind_at(const char *source, const char *target)
{
    int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    check(fd, "create", target);
    (void)close(fd);
    check(mount(source, target, NULL, MS_BIND, NULL), "bind", target);
}

static void mask(void)
{
    static const char *const files[] = { "proc/kcore",       "proc/keys",
                                         "proc/timer_list",  "proc/latency_stats",
                                         "proc/sched_debug", "proc/timer_stats" };
    static const char *const dirs[] = { "proc/acpi", "proc/asound", "proc/scsi", "sys/firmware" };
    static const char *const read_only[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys",
                                             "proc/sysrq-trigger" };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (mount("dev/null", files[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            check(-1, "mask", files[i]);
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        if (mount("tmpfs", dirs[i], "tmpfs", MS_RDONLY, "size=0k") < 0 && errno != ENOENT)
            check(-1, "mask", dirs[i]);
    for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
        const char *path = read_only[i];
        if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
            continue;
        check(mount(NULL, path, NULL,
                    MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL),
              "remount", path);
    }
}

static void make_root(const char *rootfs)
{
    static const char *const nodes[][2] = {
        { "/dev/null", "dev/null" },     { "/dev/zero", "dev/zero" },
        { "/dev/full", "dev/full" },     { "/dev/tty", "dev/tty" },
        { "/dev/random", "dev/random" }, { "/dev/urandom", "dev/urandom" }
    };
    const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "make slave", "/");
    check(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), "bind", rootfs);
    check(chdir(rootfs), "enter", rootfs);
    mount_at("proc", "proc", safe, NULL);
    mount_at("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        bind_at(nodes[i][0], nodes[i][1]);
    mount_at("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
    mount_at("tmpfs", "dev/shm", safe, "mode=1777,size=65536k");
    mount_at("mqueue", "dev/mqueue", safe, NULL);
    mount_at("sysfs", "sys", safe | MS_RDONLY, NULL);
    check(mount("tmpfs", "sys/fs/cgroup", "tmpfs", safe | MS_RDONLY, "size=0k"), "mount", "cgroup");
    mask();
    check(mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "remount", rootfs);
    check(syscall(SYS_pivot_root, ".", "."), "pivot_root", rootfs);
    check(umount2(".", MNT_DETACH), "leave", "the old root");
    check(chdir("/"), "enter", "/");
}

static void child(const struct plan *p, int ready_fd)
{
    char byte;
    check(read(ready_fd, &byte, 1), "wait", "for the parent");
    if (p->has_userns)
        check(setuid(0) | setgid(0), "become", "root");
    make_root(p->rootfs);
    check(sethostname("floor", 5), "sethostname", "floor");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    check(fd, "open", "a socket");
    check(ioctl(fd, SIOCSIFFLAGS, &lo), "set up", "lo");
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set", "no_new_privs");
    char *env[] = { "PATH=/bin", NULL };
    execve(p->argv[0], p->argv, env);
    check(-1, "execve", p->argv[0]);
}

static int start(const struct plan *p)
{
    int ready[2], cgroup_fd = -1;
    char path[4200], text[64];
    check(pipe2(ready, O_CLOEXEC), "make", "a pipe");
    if (p->v2_dir != NULL) {
        check(mkdir(p->v2_dir, 0755), "mkdir", p->v2_dir);
        check(cgroup_fd = open(p->v2_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open", p->v2_dir);
    }
    struct clone_args args = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                 CLONE_NEWCGROUP | (p->has_userns ? CLONE_NEWUSER : 0) |
                 (p->v2_dir != NULL ? CLONE_INTO_CGROUP : 0),
        .exit_signal = SIGCHLD,
        .cgroup = (unsigned long long)(cgroup_fd < 0 ? 0 : cgroup_fd),
    };
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    check(pid, "clone3", "");
    if (pid == 0)
        child(p, ready[0]);
    for (size_t i = 0; i < p->v1_count; i++) {
        check(mkdir(p->v1_dirs[i], 0755), "mkdir", p->v1_dirs[i]);
        (void)snprintf(path, sizeof(path), "%s/cgroup.procs", p->v1_dirs[i]);
        (void)snprintf(text, sizeof(text), "%d", (int)pid);
        put(path, text);
    }
    if (p->has_userns) {
        static const char *const maps[] = { "uid_map", "gid_map" };
        (void)snprintf(text, sizeof(text), "0 %d 65536", ID_BASE);
        for (size_t i = 0; i < 2; i++) {
            (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, maps[i]);
            put(path, text);
        }
    }
    check(write(ready[1], "x", 1), "release", "the child");
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 125;
    if (p->v2_dir != NULL)
        check(rmdir(p->v2_dir), "rmdir", p->v2_dir);
    for (size_t i = 0; i < p->v1_count; i++)
        check(rmdir(p->v1_dirs[i]), "rmdir", p->v1_dirs[i]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    struct plan p = { 0 };
    int option;
    while ((option = getopt(argc, argv, "+uc:1:")) != -1)
        switch (option) {
        case 'u': p.has_userns = true; break;
        case 'c': p.v2_dir = optarg; break;
        case '1':
            if (p.v1_count < HIERARCHIES_MAX)
                p.v1_dirs[p.v1_count++] = optarg;
            break;
        default: return 2;
        }
    if (argc - optind < 2)
        return 2;
    p.rootfs = argv[optind];
    p.argv = argv + optind + 1;
    return start(&p);
}
