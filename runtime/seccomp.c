#include "runtime/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "specs/syscall_numbers.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#    define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

enum {
    ARCH_MAX = 8, /* of one machine; there are at most three */
    ERRNO_MAX = 4095,
    UNKNOWN_TEXT_MAX = 400,
};

/* ---- tables ---- */

/* An architecture word that this machine's kernel can meet. */
struct arch_row {
    const char *name;
    enum syscall_arch numbers;
    uint32_t audit_arch; /* 0: of other machines only, never met */
    bool is_x32;
    bool is_32bit;
};
static const struct arch_row arch_rows[] = {
#if defined(__x86_64__)
    { "SCMP_ARCH_X86_64", SYSCALL_X86_64, AUDIT_ARCH_X86_64, false, false },
    { "SCMP_ARCH_X86", SYSCALL_X86, AUDIT_ARCH_I386, false, true },
    /* 32 bits of x32 arguments are compared, as by libseccomp */
    { "SCMP_ARCH_X32", SYSCALL_X32, AUDIT_ARCH_X86_64, true, true },
    { "SCMP_ARCH_AARCH64", 0, 0, false, false },
    { "SCMP_ARCH_ARM", 0, 0, false, false },
#elif defined(__aarch64__)
    { "SCMP_ARCH_AARCH64", SYSCALL_AARCH64, AUDIT_ARCH_AARCH64, false, false },
    { "SCMP_ARCH_ARM", SYSCALL_ARM, AUDIT_ARCH_ARM, false, true },
    { "SCMP_ARCH_X86_64", 0, 0, false, false },
    { "SCMP_ARCH_X86", 0, 0, false, false },
    { "SCMP_ARCH_X32", 0, 0, false, false },
#else
#    error "give this machine its row"
#endif
    { "SCMP_ARCH_LOONGARCH64", 0, 0, false, false },
    { "SCMP_ARCH_M68K", 0, 0, false, false },
    { "SCMP_ARCH_MIPS", 0, 0, false, false },
    { "SCMP_ARCH_MIPS64", 0, 0, false, false },
    { "SCMP_ARCH_MIPS64N32", 0, 0, false, false },
    { "SCMP_ARCH_MIPSEL", 0, 0, false, false },
    { "SCMP_ARCH_MIPSEL64", 0, 0, false, false },
    { "SCMP_ARCH_MIPSEL64N32", 0, 0, false, false },
    { "SCMP_ARCH_PARISC", 0, 0, false, false },
    { "SCMP_ARCH_PARISC64", 0, 0, false, false },
    { "SCMP_ARCH_PPC", 0, 0, false, false },
    { "SCMP_ARCH_PPC64", 0, 0, false, false },
    { "SCMP_ARCH_PPC64LE", 0, 0, false, false },
    { "SCMP_ARCH_RISCV64", 0, 0, false, false },
    { "SCMP_ARCH_S390", 0, 0, false, false },
    { "SCMP_ARCH_S390X", 0, 0, false, false },
    { "SCMP_ARCH_SH", 0, 0, false, false },
    { "SCMP_ARCH_SHEB", 0, 0, false, false },
};

/* runtime-spec config-linux.md §Seccomp, flags. TSYNC says nothing here: the child that installs
 * the filter has one thread, and with a listener the kernel refuses the pair. */
static const struct {
    const char *name;
    unsigned bit;
} flag_rows[] = {
    { "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
    { "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
    { "SECCOMP_FILTER_FLAG_TSYNC", 0 },
    { "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

enum {
    I386_SOCKETCALL = 102,
    I386_IPC = 117
};

/* ---- building ---- */

/* The rules of one architecture while they are collected. */
struct arch_rules {
    const struct arch_row *row;
    struct seccomp_bpf_rule *rules;
    size_t count, cap;
};

struct builder {
    const struct oci_seccomp *in;
    struct arch_rules arches[ARCH_MAX];
    size_t arch_count;
    uint32_t default_action;
    struct arena arena; /* of arguments made up here */
    const char **unknown;
    size_t unknown_count, unknown_cap;
    bool has_notify;
};

static int action_value(enum oci_seccomp_action action, bool has_errno, uint32_t errno_ret,
                        uint32_t *out, struct err *e)
{
    static const uint32_t values[OCI_SECCOMP_ACTION_COUNT_] = {
        [OCI_SECCOMP_KILL_THREAD] = SECCOMP_RET_KILL_THREAD,
        [OCI_SECCOMP_KILL_PROCESS] = SECCOMP_RET_KILL_PROCESS,
        [OCI_SECCOMP_TRAP] = SECCOMP_RET_TRAP,
        [OCI_SECCOMP_ERRNO] = SECCOMP_RET_ERRNO,
        [OCI_SECCOMP_TRACE] = SECCOMP_RET_TRACE,
        [OCI_SECCOMP_ALLOW] = SECCOMP_RET_ALLOW,
        [OCI_SECCOMP_LOG] = SECCOMP_RET_LOG,
        [OCI_SECCOMP_NOTIFY] = SECCOMP_RET_USER_NOTIF,
    };
    bool takes_errno = action == OCI_SECCOMP_ERRNO || action == OCI_SECCOMP_TRACE;
    uint32_t limit = action == OCI_SECCOMP_ERRNO ? ERRNO_MAX : SECCOMP_RET_DATA;
    if (!takes_errno && has_errno && errno_ret != 0)
        return err_input(e, "linux.seccomp: errnoRet %u with an action that returns no errno",
                         errno_ret);
    if (has_errno && errno_ret > limit)
        return err_input(e, "linux.seccomp: errnoRet %u, at most %u is possible", errno_ret, limit);
    *out = values[action];
    if (takes_errno)
        *out |= has_errno ? errno_ret : EPERM;
    return 0;
}

static bool has_arch(const struct builder *b, const struct arch_row *row)
{
    for (size_t i = 0; i < b->arch_count; i++)
        if (b->arches[i].row == row)
            return true;
    return false;
}

/* The machine's own architecture is always listed, as with every other runtime. */
static int add_arches(struct builder *b, struct err *e)
{
    b->arches[b->arch_count++].row = &arch_rows[0];
    for (size_t i = 0; i < b->in->architectures.count; i++) {
        const char *name = b->in->architectures.items[i];
        const struct arch_row *row = NULL;
        for (size_t j = 0; j < ARRAY_LEN(arch_rows) && !row; j++)
            if (str_eq(arch_rows[j].name, name))
                row = &arch_rows[j];
        if (!row)
            return err_input(e, "linux.seccomp.architectures[%zu]: unknown architecture \"%s\"", i,
                             name);
        if (row->audit_arch && !has_arch(b, row))
            b->arches[b->arch_count++].row = row;
    }
    return 0;
}

static void push_rule(struct arch_rules *a, uint32_t nr, uint32_t action,
                      const struct oci_seccomp_arg *args, size_t arg_count)
{
    a->rules = mem_grow(a->rules, &a->cap, a->count + 1, sizeof(*a->rules));
    a->rules[a->count++] = (struct seccomp_bpf_rule){ nr, action, args, arg_count };
}

/* The rule behind a multiplexer: its first argument is the call's number, and whatever the rule
 * says of the first argument is lost (libseccomp does the same; the real ones are in memory). */
static void push_multiplexed(struct builder *b, struct arch_rules *a, uint32_t nr, unsigned call,
                             uint32_t action, const struct oci_seccomp_arg *args, size_t arg_count)
{
    struct oci_seccomp_arg *own = arena_alloc(&b->arena, (arg_count + 1) * sizeof(*own));
    size_t count = 0;
    own[count++] = (struct oci_seccomp_arg){ .index = 0, .value = call, .op = OCI_SECCOMP_EQ };
    for (size_t i = 0; i < arg_count; i++)
        if (args[i].index != 0)
            own[count++] = args[i];
    push_rule(a, nr, action, own, count);
}

/* An architecture that has not got the call gets no rule. i386 has the socket and System V calls
 * twice, behind a multiplexer and, since 4.3 and 5.1, most with numbers of their own: a rule holds
 * for both. */
static void push_call(struct builder *b, struct arch_rules *a, const struct syscall_row *call,
                      uint32_t action, const struct oci_seccomp_arg *args, size_t arg_count)
{
    int32_t nr = call->nr[a->row->numbers];
    if (nr != SYSCALL_NONE)
        push_rule(a, (uint32_t)nr, action, args, arg_count);
    if (a->row->numbers == SYSCALL_X86 && call->i386_multiplexed)
        push_multiplexed(b, a, call->i386_multiplexed & SYSCALL_BY_IPC ? I386_IPC : I386_SOCKETCALL,
                         call->i386_multiplexed & SYSCALL_CALL_MASK, action, args, arg_count);
}

/* Two comparisons of one argument in a rule are alternatives, not a conjunction: so runc and crun
 * have always read them, and profiles are written for that. */
static bool has_repeated_index(const struct oci_seccomp_rule *r)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < r->arg_count; i++) {
        uint32_t bit = 1U << (r->args[i].index & 31);
        if (seen & bit)
            return true;
        seen |= bit;
    }
    return false;
}

static void add_unknown(struct builder *b, const char *name)
{
    b->unknown = mem_grow(b->unknown, &b->unknown_cap, b->unknown_count + 1, sizeof(*b->unknown));
    b->unknown[b->unknown_count++] = name;
}

static void add_name(struct builder *b, const struct oci_seccomp_rule *r, const char *name,
                     uint32_t action)
{
    const struct syscall_row *call = syscall_find(name);
    if (!call) {
        add_unknown(b, name);
        return;
    }
    bool is_split = has_repeated_index(r);
    for (size_t i = 0; i < b->arch_count; i++) {
        if (!is_split) {
            push_call(b, &b->arches[i], call, action, r->args, r->arg_count);
            continue;
        }
        for (size_t j = 0; j < r->arg_count; j++)
            push_call(b, &b->arches[i], call, action, &r->args[j], 1);
    }
}

static int add_rule(struct builder *b, size_t index, struct err *e)
{
    const struct oci_seccomp_rule *r = &b->in->rules[index];
    uint32_t action = 0;
    for (size_t i = 0; i < r->arg_count; i++)
        if (r->args[i].index > 5)
            return err_input(e, "linux.seccomp.syscalls[%zu].args[%zu]: index %u, the last is 5",
                             index, i, r->args[i].index);
    if (action_value(r->action, r->has_errno, r->errno_ret, &action, e) < 0)
        return err_wrap(e, "syscalls[%zu]", index);
    b->has_notify |= r->action == OCI_SECCOMP_NOTIFY;
    /* A rule that says what the default says is void, also where an earlier or later rule for the
     * same call says otherwise (libseccomp refuses such rules and runtimes skip them). */
    if (action == b->default_action)
        return 0;
    for (size_t i = 0; i < r->names.count; i++)
        add_name(b, r, r->names.items[i], action);
    return 0;
}

static int read_flags(const struct oci_seccomp *in, unsigned *out, struct err *e)
{
    *out = 0;
    for (size_t i = 0; i < in->flags.count; i++) {
        size_t j = 0;
        while (j < ARRAY_LEN(flag_rows) && !str_eq(flag_rows[j].name, in->flags.items[i]))
            j++;
        if (j == ARRAY_LEN(flag_rows))
            return err_input(e, "linux.seccomp.flags[%zu]: unknown flag \"%s\"", i,
                             in->flags.items[i]);
        *out |= flag_rows[j].bit;
    }
    return 0;
}

static int build(struct builder *b, struct seccomp_plan *plan, struct err *e)
{
    const struct oci_seccomp *in = b->in;
    if (read_flags(in, &plan->flags, e) < 0 || add_arches(b, e) < 0 ||
        action_value(in->default_action, in->has_default_errno, in->default_errno_ret,
                     &b->default_action, e) < 0)
        return -1;
    if (in->default_action == OCI_SECCOMP_NOTIFY)
        return err_input(e, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would wait for a "
                            "listener on every system call, also those that start the container");
    size_t names = 0; /* most have one rule per architecture: room at once, instead of growing */
    for (size_t i = 0; i < in->rule_count; i++)
        names += in->rules[i].names.count;
    for (size_t i = 0; i < b->arch_count; i++)
        b->arches[i].rules = mem_grow(NULL, &b->arches[i].cap, names, sizeof(*b->arches[i].rules));
    for (size_t i = 0; i < in->rule_count; i++)
        if (add_rule(b, i, e) < 0)
            return -1;
    if (b->has_notify && !in->listener_path)
        return err_input(e, "linux.seccomp: SCMP_ACT_NOTIFY without listenerPath");
    if (b->has_notify && in->listener_path[0] != '/')
        return err_input(e, "linux.seccomp.listenerPath: \"%.200s\" is not absolute",
                         in->listener_path);
    if (in->listener_metadata && !in->listener_path)
        return err_input(e, "linux.seccomp: listenerMetadata without listenerPath");
    plan->wants_listener = b->has_notify;
    if (b->has_notify)
        plan->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    else /* the kernel refuses it, and it is about nothing */
        plan->flags &= ~(unsigned)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;

    struct seccomp_bpf_arch arches[ARCH_MAX];
    for (size_t i = 0; i < b->arch_count; i++) {
        const struct arch_rules *a = &b->arches[i];
        arches[i] = (struct seccomp_bpf_arch){ a->row->audit_arch, a->row->is_x32, a->row->is_32bit,
                                               a->rules, a->count };
    }
    struct seccomp_bpf_input input = { arches, b->arch_count, b->default_action,
                                       SECCOMP_RET_KILL_THREAD };
    return seccomp_bpf_compile(&input, &plan->program, e);
}

int seccomp_plan_init(const struct oci_seccomp *in, struct seccomp_plan *out, struct err *e)
{
    struct seccomp_plan plan = { 0 };
    struct builder b = { .in = in };
    int result = in->is_set ? build(&b, &plan, e) : 0;
    for (size_t i = 0; i < b.arch_count; i++)
        free(b.arches[i].rules);
    arena_done(&b.arena);
    if (result < 0) {
        free(b.unknown);
        return -1;
    }
    plan.unknown_names = b.unknown;
    plan.unknown_name_count = b.unknown_count;
    *out = plan;
    return 0;
}

void seccomp_plan_done(struct seccomp_plan *p)
{
    seccomp_bpf_done(&p->program);
    free(p->unknown_names);
    *p = (struct seccomp_plan){ 0 };
}

void seccomp_plan_warn(const struct seccomp_plan *p)
{
    char names[UNKNOWN_TEXT_MAX], quoted[UNKNOWN_TEXT_MAX + 2];
    size_t len = 0;
    if (p->unknown_name_count == 0)
        return;
    for (size_t i = 0; i < p->unknown_name_count && len < sizeof(names); i++) {
        int n =
            snprintf(names + len, sizeof(names) - len, "%s%s", i ? " " : "", p->unknown_names[i]);
        len += n < 0 ? 0 : (size_t)n;
    }
    log_event(LOG_WARN, NULL, "seccomp.unknown_calls",
              "count=%zu names=%s continuing=\"without them\"", p->unknown_name_count,
              log_quote(quoted, sizeof(quoted), names));
}

const char *seccomp_flag_name(size_t index)
{
    return index < ARRAY_LEN(flag_rows) ? flag_rows[index].name : NULL;
}

/* Flags are looked at before the program, which is not there: EFAULT. */
bool seccomp_flag_is_supported(size_t index)
{
    unsigned flags = flag_rows[index].bit;
    if (flags == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

/* ---- in the child ---- */

int seccomp_install(const struct seccomp_plan *p, int *listener_fd, struct err *e)
{
    if (listener_fd)
        *listener_fd = -1;
    if (p->program.count == 0)
        return 0;
    struct sock_fprog program = { (unsigned short)p->program.count, p->program.insns };
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->flags, &program);
    if (result < 0) {
        int cause = errno;
        (void)err_sys(e, cause, "install the seccomp filter");
        if (cause == EACCES)
            err_hint(e, "it needs no_new_privileges or CAP_SYS_ADMIN");
        return -1;
    }
    if (p->wants_listener && listener_fd)
        *listener_fd = (int)result;
    return 0;
}
