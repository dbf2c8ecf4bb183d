/* escape HOST_PID: tries the known ways out of a container, as the strongest user in it, and prints
 * one line for each: `NAME blocked: WHY` or `NAME ESCAPED: HOW`. Exits 1 when one succeeded. It
 * does no harm where one does: it opens and asks, and writes nothing outside of its container.
 * HOST_PID is a process of the host that the container must not see. Static, without libraries. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct attempt {
    pid_t host_pid;
    bool escaped;
    char text[256];
};

static void escaped(struct attempt *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void escaped(struct attempt *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(a->text, sizeof(a->text), fmt, args);
    va_end(args);
    a->escaped = true;
}

static void blocked(struct attempt *a, const char *why)
{
    if (!a->escaped && a->text[0] == '\0')
        (void)snprintf(a->text, sizeof(a->text), "%s", why);
}

/* Fails when one of the files opens. */
static void try_open(struct attempt *a, const char *const *paths, int flags)
{
    for (; *paths != NULL; paths++) {
        int fd = open(*paths, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd >= 0) {
            escaped(a, "opened %s", *paths);
            close(fd);
            return;
        }
        blocked(a, strerror(errno));
    }
}

static void host_secrets(struct attempt *a)
{
    static const char *const paths[] = {
        "/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/proc/1/root/etc/shadow",
        "/root",       "/home",        "/run/dbus",        NULL
    };
    for (const char *const *p = paths; *p != NULL; p++) {
        DIR *dir = opendir(*p);
        struct dirent *entry;
        while (dir != NULL && (entry = readdir(dir)) != NULL)
            if (entry->d_name[0] != '.')
                escaped(a, "%s has %s", *p, entry->d_name);
        if (dir != NULL)
            closedir(dir);
    }
    static const char *const files[] = { "/etc/shadow", "/etc/gshadow", "/proc/1/root/etc/shadow",
                                         NULL };
    try_open(a, files, O_RDONLY);
}

static void other_containers(struct attempt *a)
{
    static const char *const paths[] = { "/run/svc", "/var/lib/svc", "/proc/1/root/run/svc", NULL };
    try_open(a, paths, O_RDONLY | O_DIRECTORY);
}

static void mount_fs(struct attempt *a)
{
    static const char *const types[] = { "tmpfs", "proc", "sysfs", "overlay", "cgroup2", "cgroup" };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (mount("none", "/tmp", types[i], 0, "") == 0) {
            escaped(a, "mounted %s", types[i]);
            (void)umount2("/tmp", MNT_DETACH);
        }
        blocked(a, strerror(errno));
    }
    if (mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL) == 0)
        escaped(a, "bound / on /tmp");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
        escaped(a, "remounted /");
    if (umount2("/proc/kcore", MNT_DETACH) == 0)
        escaped(a, "unmounted the mask of /proc/kcore");
}

static void load_module(struct attempt *a)
{
    char nothing[1] = { 0 };
    /* EPERM must come before the look at the (invalid) image */
    if (syscall(SYS_init_module, nothing, sizeof(nothing), "") == 0 ||
        (errno != EPERM && errno != ENOSYS))
        escaped(a, "init_module got as far as: %s", strerror(errno));
    blocked(a, strerror(errno));
    if (syscall(SYS_finit_module, 0, "", 0) == 0 || (errno != EPERM && errno != ENOSYS))
        escaped(a, "finit_module got as far as: %s", strerror(errno));
}

static void write_kernel_files(struct attempt *a)
{
    static const char *const paths[] = {
        "/proc/sysrq-trigger",       "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory",
        "/proc/irq/0/smp_affinity",  "/sys/kernel/uevent_helper",
        "/sys/kernel/mm/ksm/run",    NULL,
    };
    try_open(a, paths, O_WRONLY);
}

static void read_kernel_memory(struct attempt *a)
{
    static const char *const paths[] = { "/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", NULL };
    try_open(a, paths, O_RDONLY);
    static const char *const masked[] = { "/proc/kcore", "/proc/keys", "/proc/timer_list", NULL };
    for (const char *const *p = masked; *p != NULL; p++) {
        char byte;
        int fd = open(*p, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, &byte, 1) > 0)
            escaped(a, "read %s", *p);
        if (fd >= 0)
            close(fd);
    }
}

static void see_host_pids(struct attempt *a)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d", (int)a->host_pid);
    if (access(path, F_OK) == 0)
        escaped(a, "%s is there", path);
    if (kill(a->host_pid, 0) == 0)
        escaped(a, "may signal %d", (int)a->host_pid);
    blocked(a, strerror(errno));
}

static void ptrace_host(struct attempt *a)
{
    if (ptrace(PTRACE_SEIZE, a->host_pid, NULL, NULL) == 0)
        escaped(a, "traces %d", (int)a->host_pid);
    blocked(a, strerror(errno));
    char byte;
    struct iovec here = { &byte, 1 };
    if (syscall(SYS_process_vm_readv, a->host_pid, &here, 1, &here, 1, 0) >= 0)
        escaped(a, "reads the memory of %d", (int)a->host_pid);
}

/* Block devices of the machine by their numbers, and the raw memory device. */
static void block_device(struct attempt *a)
{
    static const unsigned numbers[][2] = { { 8, 0 },   { 252, 0 }, { 253, 0 },
                                           { 254, 0 }, { 259, 0 }, { 7, 0 } };
    static const char *const places[] = { "/tmp/device", "/dev/device", "/dev/shm/device" };
    for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++)
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            if (mknod(places[p], S_IFBLK | 0600, makedev(numbers[i][0], numbers[i][1])) < 0) {
                blocked(a, strerror(errno));
                continue;
            }
            int fd = open(places[p], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
            if (fd >= 0)
                escaped(a, "opened block device %u:%u", numbers[i][0], numbers[i][1]);
            else
                blocked(a, "made, but does not open");
            if (fd >= 0)
                close(fd);
            (void)unlink(places[p]);
        }
}

/* Keys of the host: the test puts one into the session that starts the stack. */
static void host_keys(struct attempt *a)
{
    long key =
        syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "svc-test-secret", 0);
    if (key >= 0)
        escaped(a, "found the host's key %ld in the session keyring", key);
    blocked(a, strerror(errno));
    key = syscall(SYS_request_key, "user", "svc-test-secret", NULL, 0);
    if (key >= 0)
        escaped(a, "request_key found the host's key %ld", key);
}

/* Runs FLAGS through CALL in a child (new namespaces must not change this process). */
static void in_new_namespaces(struct attempt *a, const char *name, bool by_clone)
{
    pid_t child;
    if (by_clone)
        child = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    else
        child = fork();
    if (child < 0) {
        blocked(a, strerror(errno));
        return;
    }
    if (child == 0) {
        if (!by_clone && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
            _exit(errno);
        _exit(mount("none", "/tmp", "tmpfs", 0, "") == 0 ? 0 : errno);
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        escaped(a, "%s: mounted in a new user namespace", name);
    blocked(a, strerror(WEXITSTATUS(status)));
}

static void user_namespace(struct attempt *a)
{
    in_new_namespaces(a, "clone", true);
    in_new_namespaces(a, "unshare", false);
}

static void plain_namespace(struct attempt *a)
{
    pid_t child = fork();
    if (child == 0)
        _exit(unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWPID) == 0
                  ? 0
                  : 1);
    int status = 0;
    (void)waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        escaped(a, "made a namespace");
    blocked(a, "unshare refused");
}

static void kernel_interfaces(struct attempt *a)
{
    char attr[128] = { 0 };
    if (syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, attr, sizeof(attr)) >= 0 ||
        (errno != EPERM && errno != ENOSYS))
        escaped(a, "bpf got as far as: %s", strerror(errno));
    blocked(a, strerror(errno));
    struct perf_event_attr perf = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(perf) };
    if (syscall(SYS_perf_event_open, &perf, -1, 0, -1, 0) >= 0)
        escaped(a, "perf_event_open watches the whole machine");
    if (socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0)
        escaped(a, "opened a packet socket");
    if (syscall(SYS_open_by_handle_at, AT_FDCWD, attr, O_RDONLY) >= 0 || errno == EINVAL)
        escaped(a, "open_by_handle_at got as far as: %s", strerror(errno));
}

static void cgroup_files(struct attempt *a)
{
    static const char *const paths[] = {
        "/sys/fs/cgroup/release_agent",
        "/sys/fs/cgroup/memory/release_agent",
        "/sys/fs/cgroup/devices/devices.allow",
        "/sys/fs/cgroup/devices/release_agent",
        "/sys/fs/cgroup/pids/pids.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/cgroup.procs",
        "/sys/fs/cgroup/memory.max",
        NULL,
    };
    try_open(a, paths, O_WRONLY);
}

static void host_fds(struct attempt *a)
{
    static const char *const dirs[] = { "/proc/self/fd", "/proc/1/fd" };
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        DIR *dir = opendir(dirs[i]);
        struct dirent *entry;
        while (dir != NULL && (entry = readdir(dir)) != NULL) {
            int fd = (int)strtol(entry->d_name, NULL, 10);
            if (fd > 2 && fd != dirfd(dir)) {
                char path[64], target[128] = "";
                (void)snprintf(path, sizeof(path), "%s/%d", dirs[i], fd);
                if (readlink(path, target, sizeof(target) - 1) > 0)
                    escaped(a, "%s is %s", path, target);
            }
        }
        if (dir != NULL)
            closedir(dir);
    }
    blocked(a, "none open");
}

/* Not an escape by itself, but what holds the others back. */
static void host_root(struct attempt *a)
{
    unsigned long inside = 0, outside = 0;
    FILE *map = fopen("/proc/self/uid_map", "re");
    if (map == NULL || fscanf(map, "%lu %lu", &inside, &outside) != 2 || outside < 100000)
        escaped(a, "id %lu is %lu on the host", inside, outside);
    if (map != NULL)
        fclose(map);
    char line[128];
    unsigned no_new_privs = 0, seccomp = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        (void)sscanf(line, "NoNewPrivs: %u", &no_new_privs);
        (void)sscanf(line, "Seccomp: %u", &seccomp);
    }
    if (status != NULL)
        fclose(status);
    if (no_new_privs != 1 || seccomp != 2)
        escaped(a, "no_new_privs %u, seccomp mode %u", no_new_privs, seccomp);
    blocked(a, "mapped away, no_new_privs, filtered");
}

static const struct {
    const char *name;
    void (*run)(struct attempt *a);
} attempts[] = {
    { "host-secrets", host_secrets },
    { "other-containers", other_containers },
    { "mount", mount_fs },
    { "load-module", load_module },
    { "write-kernel-files", write_kernel_files },
    { "read-kernel-memory", read_kernel_memory },
    { "see-host-pids", see_host_pids },
    { "ptrace-host", ptrace_host },
    { "block-device", block_device },
    { "host-keys", host_keys },
    { "user-namespace", user_namespace },
    { "plain-namespace", plain_namespace },
    { "kernel-interfaces", kernel_interfaces },
    { "cgroup-files", cgroup_files },
    { "host-fds", host_fds },
    { "host-root", host_root },
};

int main(int argc, char **argv)
{
    int rc = 0;
    pid_t host_pid = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 1 << 21;
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        struct attempt a = { .host_pid = host_pid };
        attempts[i].run(&a);
        printf("%s %s: %s\n", attempts[i].name, a.escaped ? "ESCAPED" : "blocked", a.text);
        rc |= a.escaped;
    }
    printf("tried %zu\n", sizeof(attempts) / sizeof(attempts[0]));
    return rc;
}
