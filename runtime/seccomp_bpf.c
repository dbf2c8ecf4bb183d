#include "runtime/seccomp_bpf.h"

#include <assert.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/seccomp_alternative.h"

/* Jumps of classic BPF go forward only and conditional ones reach 255 instructions. So the program
 * is written backwards, into `rev`: what an instruction jumps to has been written already and its
 * distance is known. A label is the number of instructions from there to the end of the program.
 * Only loads and masks fall through, and what they fall into is written just before them, so that
 * returns and long jumps may be put in anywhere else. */
enum {
    JUMP_REACH = 250,   /* 255, less what may be put in between while one instruction is made */
    RETURNS_KEPT = 8,   /* a profile has two or three actions */
    EXCEPTIONS_MAX = 3, /* of a leaf: each is one more comparison for a call of that leaf */
};

struct target {
    bool is_action;
    uint32_t action; /* is_action: return this */
    size_t label;    /* else go on there */
};

/* What happens to a system call: an action, or the first alternative that holds. */
struct verdict {
    bool is_32bit;
    uint32_t action;
    struct seccomp_alternative *alternatives; /* owned; NULL: the action alone */
    size_t alternative_count;
    struct target target;
};

/* Numbers from START up to the next range's start share a verdict. */
struct range {
    uint32_t start;
    size_t verdict;
};

/* A leaf of the search tree: ranges FROM to TO - 1, of which every second is a single number
 * between two ranges of the first one's verdict. An exception costs one instruction, a range of its
 * own two, and what the kernel takes to install a program goes by its length. */
struct leaf {
    size_t from, to;
};

struct entry {
    uint32_t nr;
    uint32_t rule; /* index */
};

struct compiler {
    const struct seccomp_bpf_input *in;
    struct sock_filter *rev;
    size_t len;
    bool overflow;
    struct {
        uint32_t action;
        size_t label;        /* 0: none */
    } returns[RETURNS_KEPT]; /* the last one written of each action */
    size_t return_at;
    /* of the architecture at hand */
    struct verdict *verdicts;
    size_t verdict_count, verdict_cap;
    struct range *ranges;
    size_t range_count, range_cap;
    struct leaf *leaves;
    size_t leaf_cap;
};

/* ---- instructions, last one first ---- */

static size_t emit(struct compiler *c, unsigned code, uint32_t k, size_t jt, size_t jf)
{
    if (c->len == BPF_MAXINSNS) {
        c->overflow = true;
        return c->len;
    }
    c->rev[c->len++] = (struct sock_filter){ (uint16_t)code, (uint8_t)jt, (uint8_t)jf, k };
    return c->len;
}

static struct target to_action(uint32_t action)
{
    return (struct target){ .is_action = true, .action = action };
}

static struct target to_label(size_t label)
{
    return (struct target){ .label = label };
}

/* A label near enough for the conditional jump that is written next, and leading to T. */
static size_t near_label(struct compiler *c, struct target t)
{
    if (!t.is_action) {
        if (c->len - t.label <= JUMP_REACH)
            return t.label;
        return emit(c, BPF_JMP | BPF_JA, (uint32_t)(c->len - t.label), 0, 0);
    }
    size_t at = 0;
    while (at < RETURNS_KEPT && !(c->returns[at].label && c->returns[at].action == t.action))
        at++;
    if (at < RETURNS_KEPT && c->len - c->returns[at].label < JUMP_REACH)
        return c->returns[at].label;
    if (at == RETURNS_KEPT)
        at = c->return_at++ % RETURNS_KEPT;
    c->returns[at].action = t.action;
    c->returns[at].label = emit(c, BPF_RET | BPF_K, t.action, 0, 0);
    return c->returns[at].label;
}

static struct target emit_jump(struct compiler *c, unsigned op, uint32_t k, struct target yes,
                               struct target no)
{
    size_t yes_label = near_label(c, yes);
    size_t no_label = near_label(c, no);
    return to_label(emit(c, BPF_JMP | op | BPF_K, k, c->len - yes_label, c->len - no_label));
}

static struct target emit_load(struct compiler *c, uint32_t offset)
{
    return to_label(emit(c, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0));
}

/* ---- comparisons of arguments ---- */

static uint32_t word_offset(uint32_t arg, bool is_high)
{
    bool is_second = is_high == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    return (uint32_t)offsetof(struct seccomp_data, args) + arg * 8 + (is_second ? 4 : 0);
}

/* Load one half of an argument, mask it, compare. */
static struct target emit_word(struct compiler *c, const struct oci_seccomp_arg *a, bool is_high,
                               unsigned op, struct target yes, struct target no)
{
    bool is_masked = a->op == OCI_SECCOMP_MASKED_EQ;
    unsigned shift = is_high ? 32 : 0;
    uint32_t mask = is_masked ? (uint32_t)(a->value >> shift) : UINT32_MAX;
    uint32_t value = (uint32_t)((is_masked ? a->value_two : a->value) >> shift) & mask;
    if (mask == 0)
        return yes;
    emit_jump(c, op, value, yes, no);
    if (mask != UINT32_MAX)
        emit(c, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
    return emit_load(c, word_offset(a->index, is_high));
}

static struct target emit_greater(struct compiler *c, const struct oci_seccomp_arg *a,
                                  bool is_32bit, unsigned low_op, struct target yes,
                                  struct target no)
{
    struct target low = emit_word(c, a, false, low_op, yes, no);
    if (is_32bit)
        return low;
    uint32_t high = (uint32_t)(a->value >> 32);
    struct target equal = emit_jump(c, BPF_JEQ, high, low, no);
    emit_jump(c, BPF_JGT, high, yes, equal);
    return emit_load(c, word_offset(a->index, true));
}

static struct target emit_equal(struct compiler *c, const struct oci_seccomp_arg *a, bool is_32bit,
                                struct target yes, struct target no)
{
    struct target low = emit_word(c, a, false, BPF_JEQ, yes, no);
    return is_32bit ? low : emit_word(c, a, true, BPF_JEQ, low, no);
}

static struct target emit_comparison(struct compiler *c, const struct oci_seccomp_arg *a,
                                     bool is_32bit, struct target yes, struct target no)
{
    switch (a->op) {
    case OCI_SECCOMP_GT: return emit_greater(c, a, is_32bit, BPF_JGT, yes, no);
    case OCI_SECCOMP_GE: return emit_greater(c, a, is_32bit, BPF_JGE, yes, no);
    case OCI_SECCOMP_LE: return emit_greater(c, a, is_32bit, BPF_JGT, no, yes);
    case OCI_SECCOMP_LT: return emit_greater(c, a, is_32bit, BPF_JGE, no, yes);
    case OCI_SECCOMP_NE: return emit_equal(c, a, is_32bit, no, yes);
    case OCI_SECCOMP_EQ:
    case OCI_SECCOMP_MASKED_EQ:
    case OCI_SECCOMP_OP_COUNT_: break;
    }
    return emit_equal(c, a, is_32bit, yes, no);
}

static struct target emit_verdict(struct compiler *c, const struct verdict *v)
{
    struct target next = to_action(v->action);
    for (size_t i = v->alternative_count; i-- > 0;) {
        const struct seccomp_alternative *alt = &v->alternatives[i];
        struct target yes = to_action(alt->action);
        for (size_t j = alt->arg_count; j-- > 0;)
            yes = emit_comparison(c, &alt->args[j], v->is_32bit, yes, next);
        next = yes;
    }
    return next;
}

/* ---- verdicts and ranges ---- */

static bool is_same_verdict(const struct verdict *a, const struct verdict *b)
{
    if (a->action != b->action || a->alternative_count != b->alternative_count ||
        (a->alternative_count && a->is_32bit != b->is_32bit))
        return false;
    for (size_t i = 0; i < a->alternative_count; i++)
        if (!seccomp_alternative_is_same(&a->alternatives[i], &b->alternatives[i]))
            return false;
    return true;
}

/* The index of a verdict equal to *OWNED_V, whose alternatives are taken over. */
static size_t verdict_index(struct compiler *c, struct verdict *owned_v)
{
    for (size_t i = 0; i < c->verdict_count; i++) {
        if (is_same_verdict(&c->verdicts[i], owned_v)) {
            free(owned_v->alternatives);
            return i;
        }
    }
    c->verdicts =
        mem_grow(c->verdicts, &c->verdict_cap, c->verdict_count + 1, sizeof(*c->verdicts));
    c->verdicts[c->verdict_count] = *owned_v;
    return c->verdict_count++;
}

static size_t action_index(struct compiler *c, uint32_t action)
{
    for (size_t i = 0; i < c->verdict_count; i++)
        if (c->verdicts[i].action == action && c->verdicts[i].alternative_count == 0)
            return i;
    return verdict_index(c, &(struct verdict){ .action = action });
}

/* The verdict of one system call, from its rules in the order given. */
static size_t call_index(struct compiler *c, const struct seccomp_bpf_arch *arch,
                         const struct entry *entries, size_t count)
{
    bool is_32bit = arch->is_32bit;
    for (size_t i = 0; i < count; i++)
        if (seccomp_rule_is_unconditional(&arch->rules[entries[i].rule], is_32bit))
            return action_index(c, arch->rules[entries[i].rule].action);
    struct verdict v = { .is_32bit = is_32bit, .action = c->in->default_action };
    v.alternatives = mem_alloc(count * sizeof(*v.alternatives));
    for (size_t i = 0; i < count; i++) {
        struct seccomp_alternative alt =
            seccomp_alternative_of(&arch->rules[entries[i].rule], is_32bit);
        size_t at = 0;
        while (at < v.alternative_count &&
               !seccomp_alternative_goes_before(&alt, &v.alternatives[at], is_32bit))
            at++;
        memmove(&v.alternatives[at + 1], &v.alternatives[at],
                (v.alternative_count - at) * sizeof(alt));
        v.alternatives[at] = alt;
        v.alternative_count++;
    }
    return verdict_index(c, &v);
}

static void add_range(struct compiler *c, uint32_t start, size_t verdict)
{
    if (c->range_count && c->ranges[c->range_count - 1].start == start)
        c->range_count--;
    if (c->range_count && c->ranges[c->range_count - 1].verdict == verdict)
        return;
    c->ranges = mem_grow(c->ranges, &c->range_cap, c->range_count + 1, sizeof(*c->ranges));
    c->ranges[c->range_count++] = (struct range){ start, verdict };
}

/* By number, rules for one number in the order given. A radix sort, since qsort's calls of a
 * comparison took a third of the whole compilation; numbers of most architectures have two digits.
 * SPARE has room for as many. Returns which of the two has the result. */
static struct entry *sort_entries(struct entry *entries, struct entry *spare, size_t count)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < count; i++)
        bits |= entries[i].nr;
    for (unsigned shift = 0; shift < 32 && bits >> shift; shift += 8) {
        size_t at[257] = { 0 };
        for (size_t i = 0; i < count; i++)
            at[(entries[i].nr >> shift & 0xff) + 1]++;
        for (size_t i = 1; i < 257; i++)
            at[i] += at[i - 1];
        for (size_t i = 0; i < count; i++)
            spare[at[entries[i].nr >> shift & 0xff]++] = entries[i];
        struct entry *swap = entries;
        entries = spare;
        spare = swap;
    }
    return entries;
}

/* The numbers of one architecture, moved up by BASE (the x32 bit, or 0). */
static void add_arch(struct compiler *c, const struct seccomp_bpf_arch *arch, uint32_t base)
{
    assert(arch); /* seccomp_bpf_compile goes through those that are there */
    struct entry *both = mem_alloc((2 * arch->rule_count + 1) * sizeof(*both));
    for (size_t i = 0; i < arch->rule_count; i++)
        both[i] = (struct entry){ arch->rules[i].nr, (uint32_t)i };
    const struct entry *entries = sort_entries(both, both + arch->rule_count, arch->rule_count);

    size_t otherwise = action_index(c, c->in->default_action);
    add_range(c, base, otherwise);
    for (size_t i = 0, end; i < arch->rule_count; i = end) {
        for (end = i + 1; end < arch->rule_count && entries[end].nr == entries[i].nr;)
            end++;
        size_t verdict = call_index(c, arch, &entries[i], end - i);
        add_range(c, base + entries[i].nr, verdict);
        add_range(c, base + entries[i].nr + 1, otherwise);
    }
    free(both);
}

static const struct seccomp_bpf_arch *find_arch(const struct seccomp_bpf_input *in,
                                                uint32_t audit_arch, bool is_x32)
{
    for (size_t i = 0; i < in->arch_count; i++)
        if (in->arches[i].audit_arch == audit_arch && in->arches[i].is_x32 == is_x32)
            return &in->arches[i];
    return NULL;
}

/* x86_64 and x32 share an architecture word; numbers of the one that is not listed are treated as
 * those of a foreign architecture. -1 is what a tracer writes to skip a call (man 2 seccomp). */
static void add_x86_64(struct compiler *c)
{
    const struct seccomp_bpf_arch *plain = find_arch(c->in, AUDIT_ARCH_X86_64, false);
    const struct seccomp_bpf_arch *x32 = find_arch(c->in, AUDIT_ARCH_X86_64, true);
    size_t bad = action_index(c, c->in->bad_arch_action);
    if (plain)
        add_arch(c, plain, 0);
    else
        add_range(c, 0, bad);
    if (x32)
        add_arch(c, x32, SECCOMP_BPF_X32_BIT);
    else
        add_range(c, SECCOMP_BPF_X32_BIT, bad);
    add_range(c, UINT32_MAX, action_index(c, c->in->default_action));
}

/* Whether range I is a single number between two ranges of one verdict. */
static bool is_exception(const struct compiler *c, size_t i)
{
    return i + 1 < c->range_count && c->ranges[i + 1].start - c->ranges[i].start == 1 &&
           c->ranges[i + 1].verdict == c->ranges[i - 1].verdict;
}

static size_t find_leaves(struct compiler *c)
{
    size_t count = 0;
    c->leaves = mem_grow(c->leaves, &c->leaf_cap, c->range_count, sizeof(*c->leaves));
    for (size_t from = 0, to; from < c->range_count; from = to) {
        for (to = from + 1; to - from < 2 * EXCEPTIONS_MAX && is_exception(c, to);)
            to += 2;
        c->leaves[count++] = (struct leaf){ from, to };
    }
    return count;
}

static struct target emit_leaf(struct compiler *c, const struct leaf *l)
{
    struct target next = c->verdicts[c->ranges[l->from].verdict].target;
    for (size_t i = l->from + 1; i < l->to; i += 2) {
        const struct range *exception = &c->ranges[i];
        next =
            emit_jump(c, BPF_JEQ, exception->start, c->verdicts[exception->verdict].target, next);
    }
    return next;
}

/* Depth is the logarithm of the leaves, at most 12. */
static struct target emit_tree(struct compiler *c, size_t from, size_t to)
{
    if (to - from == 1)
        return emit_leaf(c, &c->leaves[from]);
    size_t middle = from + (to - from) / 2;
    struct target right = emit_tree(c, middle, to);
    struct target left = emit_tree(c, from, middle);
    return emit_jump(c, BPF_JGE, c->ranges[c->leaves[middle].from].start, right, left);
}

static struct target emit_arch(struct compiler *c, uint32_t audit_arch)
{
    c->range_count = 0;
    if (audit_arch == AUDIT_ARCH_X86_64)
        add_x86_64(c);
    else
        add_arch(c, find_arch(c->in, audit_arch, false), 0);
    for (size_t i = 0; i < c->verdict_count; i++)
        c->verdicts[i].target = emit_verdict(c, &c->verdicts[i]);
    struct target tree = emit_tree(c, 0, find_leaves(c));
    if (!tree.is_action) /* else one verdict for all numbers */
        tree = emit_load(c, (uint32_t)offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < c->verdict_count; i++)
        free(c->verdicts[i].alternatives);
    c->verdict_count = 0;
    return tree;
}

static int check_input(const struct seccomp_bpf_input *in, struct err *e)
{
    for (size_t i = 0; i < in->arch_count; i++) {
        const struct seccomp_bpf_arch *arch = &in->arches[i];
        uint32_t limit = arch->audit_arch == AUDIT_ARCH_X86_64 ? SECCOMP_BPF_X32_BIT : UINT32_MAX;
        for (size_t j = 0; j < arch->rule_count; j++) {
            const struct seccomp_bpf_rule *r = &arch->rules[j];
            if (r->nr >= limit)
                return err_internal(e, "seccomp: system call number %u", r->nr);
            if (r->arg_count > SECCOMP_ARG_COUNT)
                return err_input(e, "seccomp: a rule with %zu arguments, at most %d are possible",
                                 r->arg_count, SECCOMP_ARG_COUNT);
            for (size_t k = 0; k < r->arg_count; k++)
                if (r->args[k].index >= SECCOMP_ARG_COUNT)
                    return err_input(e, "seccomp: argument index %u, the last one is %d",
                                     r->args[k].index, SECCOMP_ARG_COUNT - 1);
        }
    }
    return 0;
}

static void emit_program(struct compiler *c)
{
    const struct seccomp_bpf_input *in = c->in;
    struct target *entries = mem_alloc((in->arch_count + 1) * sizeof(*entries));
    for (size_t i = in->arch_count; i-- > 0;) {
        bool is_second = in->arches[i].is_x32 && find_arch(in, in->arches[i].audit_arch, false);
        if (!is_second)
            entries[i] = emit_arch(c, in->arches[i].audit_arch);
        else
            entries[i] = to_action(in->bad_arch_action);
    }
    struct target next = to_action(in->bad_arch_action);
    for (size_t i = in->arch_count; i-- > 0;) {
        bool is_second = in->arches[i].is_x32 && find_arch(in, in->arches[i].audit_arch, false);
        if (!is_second)
            next = emit_jump(c, BPF_JEQ, in->arches[i].audit_arch, entries[i], next);
    }
    free(entries);
    if (next.is_action)
        emit(c, BPF_RET | BPF_K, next.action, 0, 0);
    else
        emit_load(c, (uint32_t)offsetof(struct seccomp_data, arch));
}

int seccomp_bpf_compile(const struct seccomp_bpf_input *in, struct seccomp_bpf_program *out,
                        struct err *e)
{
    if (check_input(in, e) < 0)
        return -1;
    struct compiler c = { .in = in };
    c.rev = mem_alloc(BPF_MAXINSNS * sizeof(*c.rev));
    emit_program(&c);
    free(c.verdicts);
    free(c.ranges);
    free(c.leaves);
    if (c.overflow) {
        free(c.rev);
        return err_input(e, "seccomp: the rules need more than %d instructions", BPF_MAXINSNS);
    }
    for (size_t i = 0, j = c.len - 1; i < j; i++, j--) {
        struct sock_filter swap = c.rev[i];
        c.rev[i] = c.rev[j];
        c.rev[j] = swap;
    }
    *out = (struct seccomp_bpf_program){ .insns = c.rev, .count = c.len };
    return 0;
}

void seccomp_bpf_done(struct seccomp_bpf_program *p)
{
    free(p->insns);
    *p = (struct seccomp_bpf_program){ 0 };
}
