#include "runtime/devices_bpf.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/auto.h"
#include "runtime/base/fd.h"

/* The context is a struct bpf_cgroup_dev_ctx; the program returns 1 to allow. Registers: r2 type,
 * r3 access, r4 major, r5 minor, r0 the verdict. The last rule is asked first. */
enum {
    REG_TYPE = BPF_REG_2,
    REG_ACCESS = BPF_REG_3,
    REG_MAJOR = BPF_REG_4,
    REG_MINOR = BPF_REG_5,
    PROGRAMS_MAX = 64, /* BPF_CGROUP_MAX_PROGS */
};

struct program {
    struct bpf_insn *insns;
    size_t count, cap;
    bool overflow;
};

static void put(struct program *p, unsigned code, unsigned dst, unsigned src, int off, int32_t imm)
{
    if (p->count == p->cap) {
        p->overflow = true;
        return;
    }
    p->insns[p->count++] = (struct bpf_insn){ .code = (uint8_t)code,
                                              .dst_reg = dst & 0xf,
                                              .src_reg = src & 0xf,
                                              .off = (int16_t)off,
                                              .imm = imm };
}

static void put_context(struct program *p)
{
    const unsigned load = BPF_LDX | BPF_MEM | BPF_W;
    put(p, load, REG_TYPE, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
    put(p, BPF_ALU | BPF_MOV | BPF_X, REG_ACCESS, REG_TYPE, 0, 0);
    put(p, BPF_ALU | BPF_AND | BPF_K, REG_TYPE, 0, 0, 0xffff);
    put(p, BPF_ALU | BPF_RSH | BPF_K, REG_ACCESS, 0, 0, 16);
    put(p, load, REG_MAJOR, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
    put(p, load, REG_MINOR, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
}

/* An allowing rule holds when all that is asked for is in it; a denying one when any is: opening
 * for reading and writing after a "deny w" must fail. */
static void put_access(struct program *p, const struct oci_device_rule *r, int32_t access)
{
    put(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_1, REG_ACCESS, 0, 0);
    put(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, access);
    if (r->allow)
        put(p, BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, REG_ACCESS, 0, 0);
    else
        put(p, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, 0);
}

/* True when the rule decides whatever is left. */
static bool put_rule(struct program *p, const struct oci_device_rule *r)
{
    int32_t access = (r->mknod ? BPF_DEVCG_ACC_MKNOD : 0) | (r->read ? BPF_DEVCG_ACC_READ : 0) |
                     (r->write ? BPF_DEVCG_ACC_WRITE : 0);
    if (access == 0)
        return false;
    size_t start = p->count;
    if (r->type != 'a')
        put(p, BPF_JMP | BPF_JNE | BPF_K, REG_TYPE, 0, 0,
            r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (r->major >= 0)
        put(p, BPF_JMP | BPF_JNE | BPF_K, REG_MAJOR, 0, 0, (int32_t)r->major);
    if (r->minor >= 0)
        put(p, BPF_JMP | BPF_JNE | BPF_K, REG_MINOR, 0, 0, (int32_t)r->minor);
    if (access != (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE))
        put_access(p, r, access);
    bool is_last = p->count == start;
    put(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, r->allow);
    put(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    for (size_t i = start; i < p->count; i++) /* every jump here is "does not match: next rule" */
        if (BPF_CLASS(p->insns[i].code) == BPF_JMP && BPF_OP(p->insns[i].code) != BPF_EXIT)
            p->insns[i].off = (int16_t)(p->count - i - 1);
    return is_last;
}

int devices_bpf_build(const struct oci_device_rule *rules, size_t count, struct bpf_insn *out,
                      size_t cap, size_t *out_count, struct err *e)
{
    struct program p = { .insns = out, .cap = cap };
    bool is_done = false;
    put_context(&p);
    for (size_t i = count; i-- > 0 && !is_done;)
        is_done = put_rule(&p, &rules[i]);
    if (!is_done) {
        put(&p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
        put(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }
    if (p.overflow)
        return err_input(e, "linux.resources.devices: the rules need more than %zu instructions",
                         cap);
    *out_count = p.count;
    return 0;
}

/* ---- "deny all but" ----
 *
 * Exceptions of such a list all allow, so their order is free, and each ends in one common verdict.
 * Jumps there carry these offsets until the ends are known: real ones are short. */
enum {
    TO_ALLOW = INT16_MAX,
    TO_DENY = INT16_MAX - 1,
    ALL_ACCESS = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE,
};

static int32_t access_of(const struct oci_device_rule *r)
{
    return (r->mknod ? BPF_DEVCG_ACC_MKNOD : 0) | (r->read ? BPF_DEVCG_ACC_READ : 0) |
           (r->write ? BPF_DEVCG_ACC_WRITE : 0);
}

/* Allows when all that is asked for is in ACCESS; the number of instructions is known before. */
static int access_len(int32_t access)
{
    return access == ALL_ACCESS ? 1 : 2;
}

static void put_allow_access(struct program *p, int32_t access)
{
    if (access != ALL_ACCESS)
        put(p, BPF_JMP | BPF_JSET | BPF_K, REG_ACCESS, 0, 1, ALL_ACCESS & ~access);
    put(p, BPF_JMP | BPF_JA, 0, 0, TO_ALLOW, 0);
}

static void put_minor(struct program *p, const struct oci_device_rule *r)
{
    if (access_of(r) == ALL_ACCESS) {
        put(p, BPF_JMP | BPF_JEQ | BPF_K, REG_MINOR, 0, TO_ALLOW, (int32_t)r->minor);
        return;
    }
    put(p, BPF_JMP | BPF_JNE | BPF_K, REG_MINOR, 0, access_len(access_of(r)), (int32_t)r->minor);
    put_allow_access(p, access_of(r));
}

static bool is_of(const struct oci_device_rule *r, char type, int64_t major)
{
    return r->type == type && r->major == major && access_of(r) != 0;
}

/* All of one type and one major number (-1: of any). */
static void put_major(struct program *p, const struct device_exceptions *x, char type,
                      int64_t major)
{
    size_t test = p->count;
    if (major >= 0)
        put(p, BPF_JMP | BPF_JNE | BPF_K, REG_MAJOR, 0, 0, (int32_t)major);
    for (size_t i = 0; i < x->count; i++) {
        if (!is_of(&x->items[i], type, major))
            continue;
        if (x->items[i].minor < 0)
            put_allow_access(p, access_of(&x->items[i]));
        else
            put_minor(p, &x->items[i]);
    }
    if (major >= 0 && !p->overflow)
        p->insns[test].off = (int16_t)(p->count - test - 1);
}

static bool is_first_of_major(const struct device_exceptions *x, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (is_of(&x->items[i], x->items[index].type, x->items[index].major))
            return false;
    return access_of(&x->items[index]) != 0;
}

static void put_type(struct program *p, const struct device_exceptions *x, char type)
{
    bool is_used = false;
    for (size_t i = 0; i < x->count; i++)
        is_used |= x->items[i].type == type && access_of(&x->items[i]);
    if (!is_used)
        return;
    size_t test = p->count;
    put(p, BPF_JMP | BPF_JNE | BPF_K, REG_TYPE, 0, 0,
        type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    for (size_t i = 0; i < x->count; i++)
        if (x->items[i].type == type && is_first_of_major(x, i))
            put_major(p, x, type, x->items[i].major);
    if (type == 'b')
        put(p, BPF_JMP | BPF_JA, 0, 0, TO_DENY, 0);
    if (!p->overflow)
        p->insns[test].off = (int16_t)(p->count - test - 1);
}

static void put_verdicts(struct program *p)
{
    size_t deny = p->count, allow = deny + 2;
    for (int32_t verdict = 0; verdict <= 1; verdict++) {
        put(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, verdict);
        put(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }
    for (size_t i = 0; i < deny && !p->overflow; i++)
        if (p->insns[i].off == TO_ALLOW || p->insns[i].off == TO_DENY)
            p->insns[i].off = (int16_t)((p->insns[i].off == TO_ALLOW ? allow : deny) - i - 1);
}

/* "c *:* m" and "b *:* m" of every list, said as one. */
static bool take_both_types(struct device_exceptions *x, struct program *p)
{
    for (size_t i = 0; i < x->count; i++) {
        for (size_t j = i + 1; j < x->count; j++) {
            struct oci_device_rule *a = &x->items[i], *b = &x->items[j];
            if (a->type == b->type || a->major >= 0 || b->major >= 0 || a->minor >= 0 ||
                b->minor >= 0 || access_of(a) != access_of(b) || access_of(a) == 0)
                continue;
            put_allow_access(p, access_of(a));
            a->read = a->write = a->mknod = b->read = b->write = b->mknod = false;
            return true;
        }
    }
    return false;
}

int devices_bpf_build_flat(const struct device_exceptions *x, struct bpf_insn *out, size_t cap,
                           size_t *out_count, struct err *e)
{
    struct program p = { .insns = out, .cap = cap };
    if (x->is_default_allow) {
        struct oci_device_rule rules[DEVICE_RULES_MAX + 1];
        rules[0] = (struct oci_device_rule){ true, 'a', -1, -1, true, true, true };
        memcpy(rules + 1, x->items, x->count * sizeof(*rules));
        return devices_bpf_build(rules, x->count + 1, out, cap, out_count, e);
    }
    struct device_exceptions rest = *x;
    put_context(&p);
    (void)take_both_types(&rest, &p);
    put_type(&p, &rest, 'b');
    put_type(&p, &rest, 'c');
    put_verdicts(&p);
    if (p.overflow)
        return err_input(e, "linux.resources.devices: the rules need more than %zu instructions",
                         cap);
    *out_count = p.count;
    return 0;
}

/* ---- the kernel ---- */

static int bpf(int command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* The fields of a union bpf_attr are many: zero it whole, the kernel refuses stray bytes. */
static int load(const struct bpf_insn *insns, size_t count)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = (uintptr_t)insns;
    attr.insn_cnt = (uint32_t)count;
    attr.license = (uintptr_t) "GPL";
    memcpy(attr.prog_name, "svc_devices", sizeof("svc_devices"));
    return bpf(BPF_PROG_LOAD, &attr);
}

static int query(int cgroup_fd, uint32_t *ids, uint32_t *count)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.query.target_fd = (uint32_t)cgroup_fd;
    attr.query.attach_type = BPF_CGROUP_DEVICE;
    attr.query.prog_ids = (uintptr_t)ids;
    attr.query.prog_cnt = PROGRAMS_MAX;
    int result = bpf(BPF_PROG_QUERY, &attr);
    *count = result < 0 ? 0 : attr.query.prog_cnt;
    return result;
}

static int attach(int command, int cgroup_fd, int program_fd)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.target_fd = (uint32_t)cgroup_fd;
    attr.attach_bpf_fd = (uint32_t)program_fd;
    attr.attach_type = BPF_CGROUP_DEVICE;
    if (command == BPF_PROG_ATTACH)
        attr.attach_flags = BPF_F_ALLOW_MULTI;
    return bpf(command, &attr);
}

static int detach_id(int cgroup_fd, uint32_t id)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof(attr));
    attr.prog_id = id;
    auto_fd int fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
    return fd < 0 ? -1 : attach(BPF_PROG_DETACH, cgroup_fd, fd);
}

int devices_bpf_attach(int cgroup_fd, const struct bpf_insn *insns, size_t count, struct err *e)
{
    uint32_t old[PROGRAMS_MAX], old_count = 0;
    auto_fd int fd = load(insns, count);
    if (fd < 0) {
        int cause = errno;
        (void)err_sys(e, cause, "load the device rules (BPF_PROG_TYPE_CGROUP_DEVICE)");
        if (cause == EPERM)
            err_hint(e, "it needs CAP_BPF and CAP_SYS_ADMIN in the first user namespace");
        else if (cause == EINVAL)
            err_hint(e, "the kernel needs CONFIG_CGROUP_BPF");
        return -1;
    }
    if (query(cgroup_fd, old, &old_count) < 0)
        return err_sys(e, errno, "list the device rules of the cgroup");
    /* All attached programs must allow: new and old together are stricter than either. */
    if (attach(BPF_PROG_ATTACH, cgroup_fd, fd) < 0)
        return err_sys(e, errno, "attach the device rules to the cgroup");
    for (uint32_t i = 0; i < old_count; i++)
        if (detach_id(cgroup_fd, old[i]) < 0)
            return err_sys(e, errno, "detach the former device rules");
    return 0;
}
