#include "supervisor/sandbox/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#    define FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#    define FILTER_ARCH AUDIT_ARCH_AARCH64
#else
#    error "the sandbox knows x86-64 and aarch64"
#endif

/* What is not listed answers EPERM: glibc then takes its fallback or reports an error, and a bug
 * becomes a failed request instead of a dead proxy. Calls whose verdict depends on the number alone
 * are remembered by the kernel (seccomp action cache, 5.11) and cost next to nothing. */
enum condition {
    ALWAYS,
    NO_EXEC_MEMORY, /* mmap, mprotect: arg 2 without PROT_EXEC */
    TCP4_SOCKET,    /* socket: AF_INET, SOCK_STREAM */
    CONDITION_COUNT_
};

enum {
    PROXY = 1 << SANDBOX_PROXY,
    PROBER = 1 << SANDBOX_PROBER,
    BOTH = PROXY | PROBER,
};

static const struct {
    int number;
    uint8_t roles;
    uint8_t condition;
} rules[] = {
    /* bytes in and out of what is open */
    { SYS_read, BOTH, ALWAYS },
    { SYS_write, BOTH, ALWAYS },
    { SYS_readv, BOTH, ALWAYS },
    { SYS_writev, BOTH, ALWAYS },
    { SYS_pread64, BOTH, ALWAYS },
    { SYS_recvfrom, BOTH, ALWAYS },
    { SYS_recvmsg, BOTH, ALWAYS },
    { SYS_sendto, BOTH, ALWAYS },
    { SYS_sendmsg, BOTH, ALWAYS },
    { SYS_sendfile, PROXY, ALWAYS },
    { SYS_splice, PROXY, ALWAYS },
    { SYS_pipe2, PROXY, ALWAYS },
    { SYS_close, BOTH, ALWAYS },
    { SYS_lseek, BOTH, ALWAYS },
    { SYS_fcntl, BOTH, ALWAYS },
    { SYS_fstat, BOTH, ALWAYS },
    { SYS_newfstatat, BOTH, ALWAYS }, /* glibc's fstat */
    /* files beneath a directory that was handed over; there is nothing else in this root */
    { SYS_openat2, PROXY, ALWAYS },
    /* sockets */
    { SYS_accept4, PROXY, ALWAYS },
    { SYS_socket, BOTH, TCP4_SOCKET },
    { SYS_connect, BOTH, ALWAYS },
    { SYS_getsockopt, BOTH, ALWAYS },
    { SYS_setsockopt, BOTH, ALWAYS },
    { SYS_getsockname, BOTH, ALWAYS },
    { SYS_getpeername, BOTH, ALWAYS },
    { SYS_shutdown, BOTH, ALWAYS },
    /* waiting */
    { SYS_epoll_create1, BOTH, ALWAYS },
    { SYS_epoll_ctl, BOTH, ALWAYS },
    { SYS_epoll_pwait, BOTH, ALWAYS },
#ifdef SYS_epoll_wait
    { SYS_epoll_wait, BOTH, ALWAYS },
#endif
    { SYS_signalfd4, BOTH, ALWAYS },
    { SYS_restart_syscall, BOTH, ALWAYS },
    /* memory */
    { SYS_brk, BOTH, ALWAYS },
    { SYS_mmap, BOTH, NO_EXEC_MEMORY },
    { SYS_mprotect, BOTH, NO_EXEC_MEMORY },
    { SYS_mremap, BOTH, ALWAYS },
    { SYS_munmap, BOTH, ALWAYS },
    { SYS_madvise, BOTH, ALWAYS },
    /* itself: time, limits, chance, the end */
    { SYS_clock_gettime, BOTH, ALWAYS },
    { SYS_gettimeofday, BOTH, ALWAYS },
    { SYS_getrandom, BOTH, ALWAYS },
    { SYS_getpid, BOTH, ALWAYS },
    { SYS_gettid, BOTH, ALWAYS },
    { SYS_futex, BOTH, ALWAYS },
    { SYS_rt_sigaction, BOTH, ALWAYS },
    { SYS_rt_sigprocmask, BOTH, ALWAYS },
    { SYS_rt_sigreturn, BOTH, ALWAYS },
    { SYS_exit, BOTH, ALWAYS },
    { SYS_exit_group, BOTH, ALWAYS },
};

enum {
    /* arch check 3, load number 1, deny 1, and at most 8 per rule */
    PROGRAM_MAX = 8 + 8 * ARRAY_LEN(rules),
};

struct program {
    struct sock_filter code[PROGRAM_MAX];
    size_t len;
};

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    p->code[p->len++] = (struct sock_filter){ .code = code, .jt = yes, .jf = no, .k = k };
}

/* The low half of an argument; the high half is not looked at, the kernel takes these as int. */
static void put_load_argument(struct program *p, size_t n)
{
    put(p, BPF_LD | BPF_W | BPF_ABS,
        (uint32_t)(offsetof(struct seccomp_data, args) + n * sizeof(uint64_t)), 0, 0);
}

static void put_allow(struct program *p)
{
    put(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

static void put_deny(struct program *p)
{
    put(p, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
}

static void put_rule(struct program *p, int number, enum condition condition)
{
    switch (condition) {
    case ALWAYS:
        put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1);
        put_allow(p);
        break;
    case NO_EXEC_MEMORY:
        put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 4);
        put_load_argument(p, 2);
        put(p, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0);
        put_allow(p);
        put_deny(p);
        break;
    case TCP4_SOCKET:
        put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 7);
        put_load_argument(p, 0);
        put(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 0, 4);
        put_load_argument(p, 1);
        put(p, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
        put(p, BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 0, 1);
        put_allow(p);
        put_deny(p);
        break;
    case CONDITION_COUNT_: break;
    }
}

int filter_load(enum sandbox_role role, struct err *e)
{
    struct program p = { .len = 0 };
    /* Numbers mean something else in another ABI: 32-bit calls of a 64-bit process. x32 numbers
     * have a bit of their own and match nothing below. */
    put(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    put(&p, BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCH, 1, 0);
    put(&p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    put(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (rules[i].roles & 1u << role)
            put_rule(&p, rules[i].number, rules[i].condition);
    put_deny(&p);
    struct sock_fprog fprog = { .len = (unsigned short)p.len, .filter = p.code };
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) < 0)
        return err_sys(e, errno, "load the seccomp filter");
    return 0;
}
