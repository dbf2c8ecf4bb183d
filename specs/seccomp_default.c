#include "specs/seccomp_default.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/auto.h"

/* Architectures a condition can name: the machine's own, with its compat ones. */
enum arch_bit {
    ARCH_X86 = 1,
    ARCH_ARM = 2,
};
#if defined(__x86_64__)
static const unsigned native_arch = ARCH_X86;
static const char *const arch_names[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" };
#elif defined(__aarch64__)
static const unsigned native_arch = ARCH_ARM;
static const char *const arch_names[] = { "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM" };
#else
#    error "give this machine its architectures"
#endif

/* What is not in a table does not exist: libraries then fall back to what they did before the call
 * was invented, which EPERM would not make them do. */
enum {
    OTHERWISE = ENOSYS
};

/* Words between spaces, to be read as a page. Allowed to everybody: */
static const char allowed[] =
    "_llseek _newselect accept accept4 access adjtimex alarm bind brk capget capset chdir "
    "chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "
    "clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 clone clone3 close "
    "close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 "
    "epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd "
    "eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 "
    "fallocate fanotify_mark fchdir fchmod fchmodat fchown fchown32 fchownat fcntl fcntl64 "
    "fdatasync fgetxattr flistxattr flock fork fremovexattr fsconfig fsetxattr fsmount fsopen "
    "fspick fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex "
    "futex_time64 futimesat get_mempolicy get_robust_list get_thread_area getcpu getcwd "
    "getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups "
    "getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom "
    "getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname "
    "getsockopt gettid gettimeofday getuid getuid32 getxattr inotify_add_watch inotify_init "
    "inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_setup io_submit "
    "ioctl ioprio_get ioprio_set ipc keyctl kill landlock_add_rule landlock_create_ruleset "
    "landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listxattr llistxattr "
    "lremovexattr lseek lsetxattr lstat lstat64 madvise mbind membarrier memfd_create "
    "memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mount "
    "mount_setattr move_mount mprotect mq_getsetattr mq_notify mq_open mq_timedreceive "
    "mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap msgctl msgget "
    "msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat "
    "open open_tree openat openat2 pause pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 "
    "pivot_root pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 "
    "preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 "
    "pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readdir readlink "
    "readlinkat readv reboot recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages "
    "removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction "
    "rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
    "rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min "
    "sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
    "sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
    "sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop "
    "semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_mempolicy "
    "set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 "
    "setgid setgid32 setgroups setgroups32 setitimer setns setpgid setpriority setregid "
    "setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit "
    "setsid setsockopt setuid setuid32 setxattr shmat shmctl shmdt shmget shutdown sigaction "
    "sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend "
    "socketcall socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync "
    "sync_file_range syncfs syscall sysinfo syslog tee tgkill time timer_create timer_delete "
    "timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd "
    "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times "
    "tkill truncate truncate64 ugetrlimit umask umount umount2 uname unlink unlinkat unshare "
    "utime utimensat utimensat_time64 utimes vfork wait4 waitid waitpid write writev";

/* Known and refused, with EPERM: obsolete, or without use in a container: */
static const char refused[] =
    "bdflush io_pgetevents kexec_file_load kexec_load migrate_pages move_pages nfsservctl "
    "nice oldfstat oldlstat oldolduname oldstat olduname pciconfig_iobase pciconfig_read "
    "pciconfig_write sgetmask ssetmask swapcontext swapoff swapon sysfs uselib userfaultfd "
    "ustat vm86 vm86old vmsplice";

/* Allowed to who holds the capability, EPERM to others: the kernel would refuse too, but these are
 * the calls where a mistake in that check would cost most. Sorted. */
static const struct {
    const char *name;
    unsigned capability;
} privileged[] = {
    { "acct", CAP_SYS_PACCT },
    { "bpf", CAP_SYS_ADMIN },
    { "chroot", CAP_SYS_CHROOT },
    { "clock_settime", CAP_SYS_TIME },
    { "clock_settime64", CAP_SYS_TIME },
    { "delete_module", CAP_SYS_MODULE },
    { "fanotify_init", CAP_SYS_ADMIN },
    { "finit_module", CAP_SYS_MODULE },
    { "init_module", CAP_SYS_MODULE },
    { "ioperm", CAP_SYS_RAWIO },
    { "iopl", CAP_SYS_RAWIO },
    { "kcmp", CAP_SYS_PTRACE },
    { "lookup_dcookie", CAP_SYS_ADMIN },
    { "open_by_handle_at", CAP_DAC_READ_SEARCH },
    { "perf_event_open", CAP_SYS_ADMIN },
    { "process_madvise", CAP_SYS_PTRACE },
    { "query_module", CAP_SYS_MODULE },
    { "quotactl", CAP_SYS_ADMIN },
    { "setdomainname", CAP_SYS_ADMIN },
    { "sethostname", CAP_SYS_ADMIN },
    { "settimeofday", CAP_SYS_TIME },
    { "stime", CAP_SYS_TIME },
    { "vhangup", CAP_SYS_TTY_CONFIG },
};

/* Allowed where the architecture has them. Sorted. */
static const struct {
    const char *name;
    unsigned archs;
} architectural[] = {
    { "arch_prctl", ARCH_X86 },
    { "arm_fadvise64_64", ARCH_ARM },
    { "arm_sync_file_range", ARCH_ARM },
    { "breakpoint", ARCH_ARM },
    { "cacheflush", ARCH_ARM },
    { "modify_ldt", ARCH_X86 },
    { "set_tls", ARCH_ARM },
    { "sync_file_range2", ARCH_ARM },
};

/* Calls whose arguments decide. socket: without CAP_AUDIT_WRITE an audit socket is not an error of
 * permission but of protocol, which makes PAM and sudo go on without audit. personality: the
 * ordinary ones, and 0xffffffff, which asks. */
enum {
    FAMILY = 0,
    PROTOCOL = 2
};
#define EQ(i, v)                                         \
    {                                                    \
        .index = (i), .value = (v), .op = OCI_SECCOMP_EQ \
    }
#define NE(i, v)                                         \
    {                                                    \
        .index = (i), .value = (v), .op = OCI_SECCOMP_NE \
    }
#define ARGS_MAX 2
static const struct argument_rule {
    const char *name;
    enum oci_seccomp_action action;
    uint32_t errno_ret;
    unsigned lacking; /* only without this capability; 0 (CAP_CHOWN is never asked): always */
    struct oci_seccomp_arg args[ARGS_MAX];
    size_t arg_count;
} argument_rules[] = {
    { "personality", OCI_SECCOMP_ALLOW, 0, 0, { EQ(0, 0) }, 1 },
    { "personality", OCI_SECCOMP_ALLOW, 0, 0, { EQ(0, 0x8) }, 1 },
    { "personality", OCI_SECCOMP_ALLOW, 0, 0, { EQ(0, 0x20000) }, 1 },
    { "personality", OCI_SECCOMP_ALLOW, 0, 0, { EQ(0, 0x20008) }, 1 },
    { "personality", OCI_SECCOMP_ALLOW, 0, 0, { EQ(0, 0xffffffff) }, 1 },
    { "socket",
      OCI_SECCOMP_ERRNO,
      EINVAL,
      CAP_AUDIT_WRITE,
      { EQ(FAMILY, AF_NETLINK), EQ(PROTOCOL, NETLINK_AUDIT) },
      2 },
    { "socket", OCI_SECCOMP_ALLOW, 0, CAP_AUDIT_WRITE, { NE(PROTOCOL, NETLINK_AUDIT) }, 1 },
    { "socket", OCI_SECCOMP_ALLOW, 0, CAP_AUDIT_WRITE, { NE(FAMILY, AF_NETLINK) }, 1 },
};

static bool has(uint64_t caps, unsigned capability)
{
    return caps >> capability & 1;
}

struct name_list {
    const char **items;
    size_t count;
};

/* Puts NAME where it belongs in the order of names. */
static void add_name(struct name_list *list, const char *name)
{
    size_t at = list->count++;
    for (; at > 0 && strcmp(list->items[at - 1], name) > 0; at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = name;
}

static void add_words(struct arena *a, struct name_list *list, const char *words)
{
    for (const char *p = words; *p; p += *p == ' ') {
        size_t len = strcspn(p, " ");
        add_name(list, arena_strndup(a, p, len));
        p += len;
    }
}

static void collect(struct arena *a, uint64_t caps, struct name_list *allow,
                    struct name_list *refuse)
{
    add_words(a, allow, allowed);
    add_words(a, refuse, refused);
    for (size_t i = 0; i < ARRAY_LEN(privileged); i++)
        add_name(has(caps, privileged[i].capability) ? allow : refuse, privileged[i].name);
    for (size_t i = 0; i < ARRAY_LEN(architectural); i++)
        if (architectural[i].archs & native_arch)
            add_name(allow, architectural[i].name);
    if (has(caps, CAP_AUDIT_WRITE))
        add_name(allow, "socket");
}

static size_t word_count(const char *words)
{
    size_t count = 1;
    for (; *words; words++)
        count += *words == ' ';
    return count;
}

static struct name_list list_new(struct arena *a)
{
    size_t most = word_count(allowed) + word_count(refused) + ARRAY_LEN(privileged) +
                  ARRAY_LEN(architectural) + 2; /* socket, and the NULL at the end */
    return (struct name_list){ .items = arena_alloc(a, most * sizeof(char *)) };
}

static struct oci_strings strings_of(struct arena *a, const char *const *items, size_t count)
{
    struct oci_strings s = { .items = arena_alloc(a, (count + 1) * sizeof(char *)),
                             .count = count };
    memcpy(s.items, items, count * sizeof(char *));
    return s;
}

static void add_argument_rule(struct arena *a, const struct argument_rule *row,
                              struct oci_seccomp *to)
{
    struct oci_seccomp_rule *rule = &to->rules[to->rule_count++];
    *rule = (struct oci_seccomp_rule){ .names = strings_of(a, &row->name, 1),
                                       .action = row->action,
                                       .has_errno = row->errno_ret != 0,
                                       .errno_ret = row->errno_ret,
                                       .arg_count = row->arg_count };
    rule->args = arena_alloc(a, sizeof(row->args));
    memcpy(rule->args, row->args, sizeof(row->args));
}

void seccomp_default_resolve(struct arena *a, uint64_t caps, struct oci_seccomp *out)
{
    struct name_list allow = list_new(a), refuse = list_new(a);
    collect(a, caps, &allow, &refuse);
    *out = (struct oci_seccomp){
        .is_set = true,
        .default_action = OCI_SECCOMP_ERRNO,
        .has_default_errno = true,
        .default_errno_ret = OTHERWISE,
        .architectures = strings_of(a, arch_names, ARRAY_LEN(arch_names)),
    };
    out->rules = arena_alloc(a, (2 + ARRAY_LEN(argument_rules)) * sizeof(*out->rules));
    out->rules[out->rule_count++] = (struct oci_seccomp_rule){
        .names = { allow.items, allow.count },
        .action = OCI_SECCOMP_ALLOW,
    };
    out->rules[out->rule_count++] = (struct oci_seccomp_rule){
        .names = { refuse.items, refuse.count },
        .action = OCI_SECCOMP_ERRNO,
        .has_errno = true,
        .errno_ret = EPERM,
    };
    for (size_t i = 0; i < ARRAY_LEN(argument_rules); i++)
        if (argument_rules[i].lacking == 0 || !has(caps, argument_rules[i].lacking))
            add_argument_rule(a, &argument_rules[i], out);
}
