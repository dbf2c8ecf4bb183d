#pragma once
/* Compiler from seccomp rules to classic BPF. Per architecture the system call numbers become
 * sorted ranges of equal verdict, found by binary search; rules with arguments become small
 * programs at the leaves. Pure: numbers in, instructions out, no system calls, no names.
 *
 * Verdicts equal libseccomp's (a unit test runs both programs): of several rules for one system
 * call, the first without arguments decides alone; else rules with arguments are alternatives, and
 * where two of different actions overlap, libseccomp's order of comparisons counts, not the order
 * given; else the default.
 * Threads: none. */
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "specs/oci_config.h"

enum {
    SECCOMP_BPF_X32_BIT = 0x40000000 /* __X32_SYSCALL_BIT: same arch word as x86_64 */
};

/* ACTION is a SECCOMP_RET_* value with its data bits (errno, trace message). */
struct seccomp_bpf_rule {
    uint32_t nr; /* without the x32 bit */
    uint32_t action;
    const struct oci_seccomp_arg *args; /* borrowed; all must hold */
    size_t arg_count;
};

struct seccomp_bpf_arch {
    uint32_t audit_arch; /* AUDIT_ARCH_* */
    bool is_x32;         /* the numbers with SECCOMP_BPF_X32_BIT of AUDIT_ARCH_X86_64 */
    bool is_32bit;       /* arguments have 32 bits: the upper halves are not compared */
    const struct seccomp_bpf_rule *rules; /* borrowed, any order of numbers */
    size_t rule_count;
};

struct seccomp_bpf_input {
    const struct seccomp_bpf_arch *arches;
    size_t arch_count;
    uint32_t default_action;
    uint32_t bad_arch_action; /* for an architecture that is not listed */
};

struct seccomp_bpf_program {
    struct sock_filter *insns; /* owned */
    size_t count;
};

/* ERR_INPUT when an argument index is over 5 or the program would pass BPF_MAXINSNS. */
must_check int seccomp_bpf_compile(const struct seccomp_bpf_input *in,
                                   struct seccomp_bpf_program *out, struct err *e);
void seccomp_bpf_done(struct seccomp_bpf_program *p);
