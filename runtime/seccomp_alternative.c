#include "runtime/seccomp_alternative.h"

#include <assert.h>

static bool is_always_true(const struct oci_seccomp_arg *a, bool is_32bit)
{
    return a->op == OCI_SECCOMP_MASKED_EQ && (is_32bit ? (uint32_t)a->value : a->value) == 0;
}

bool seccomp_rule_is_unconditional(const struct seccomp_bpf_rule *r, bool is_32bit)
{
    for (size_t i = 0; i < r->arg_count; i++)
        if (!is_always_true(&r->args[i], is_32bit))
            return false;
    return true;
}

struct seccomp_alternative seccomp_alternative_of(const struct seccomp_bpf_rule *r, bool is_32bit)
{
    struct seccomp_alternative alt = { .action = r->action };
    for (size_t i = 0; i < r->arg_count; i++) {
        if (is_always_true(&r->args[i], is_32bit))
            continue;
        size_t at = alt.arg_count++;
        for (; at > 0 && alt.args[at - 1].index > r->args[i].index; at--)
            alt.args[at] = alt.args[at - 1];
        alt.args[at] = r->args[i];
    }
    return alt;
}

static int op_class(enum oci_seccomp_op op)
{
    switch (op) {
    case OCI_SECCOMP_LT:
    case OCI_SECCOMP_LE: return 2;
    case OCI_SECCOMP_GT:
    case OCI_SECCOMP_GE: return 1;
    case OCI_SECCOMP_NE:
    case OCI_SECCOMP_EQ:
    case OCI_SECCOMP_MASKED_EQ:
    case OCI_SECCOMP_OP_COUNT_: break;
    }
    return 3;
}

/* Whether two comparisons become the same node of libseccomp's tree: NE is EQ with its branches
 * exchanged, LT is GE, LE is GT; the high words of all orderings are compared alike. */
static bool is_same_node(const struct oci_seccomp_arg *a, const struct oci_seccomp_arg *b,
                         bool is_high)
{
    static const int node[OCI_SECCOMP_OP_COUNT_] = {
        [OCI_SECCOMP_NE] = 0, [OCI_SECCOMP_EQ] = 0, [OCI_SECCOMP_MASKED_EQ] = 1,
        [OCI_SECCOMP_LT] = 2, [OCI_SECCOMP_GE] = 2, [OCI_SECCOMP_LE] = 3,
        [OCI_SECCOMP_GT] = 3,
    };
    assert(a->op < OCI_SECCOMP_OP_COUNT_ && b->op < OCI_SECCOMP_OP_COUNT_);
    int x = node[a->op], y = node[b->op];
    if (x == 1 && y == 1)
        return is_high ? a->value >> 32 == b->value >> 32
                       : (uint32_t)a->value == (uint32_t)b->value;
    return x == y || (is_high && x >= 2 && y >= 2);
}

/* 1: B goes before A; 0: after it; -1: undecided, look further. */
static int order_word(const struct oci_seccomp_arg *a, const struct oci_seccomp_arg *b,
                      bool is_high)
{
    unsigned shift = is_high ? 32 : 0;
    uint64_t av = a->op == OCI_SECCOMP_MASKED_EQ ? a->value & a->value_two : a->value;
    uint64_t bv = b->op == OCI_SECCOMP_MASKED_EQ ? b->value & b->value_two : b->value;
    uint32_t x = (uint32_t)(av >> shift), y = (uint32_t)(bv >> shift);
    if (x != y)
        return op_class(a->op) == 2 ? x > y : x < y;
    return is_same_node(a, b, is_high) ? -1 : 0;
}

/* Where rules overlap with different actions, the order decides. OCI does not define it and every
 * runtime leaves it to libseccomp, whose tree (db.c _db_chain_lt) asks higher arguments first, then
 * equalities before upper before lower bounds, then the narrower bound or the greater value. */
bool seccomp_alternative_goes_before(const struct seccomp_alternative *b,
                                     const struct seccomp_alternative *a, bool is_32bit)
{
    size_t count = a->arg_count < b->arg_count ? a->arg_count : b->arg_count;
    for (size_t i = 0; i < count; i++) {
        const struct oci_seccomp_arg *x = &a->args[i], *y = &b->args[i];
        if (x->index != y->index)
            return x->index < y->index;
        if (op_class(x->op) != op_class(y->op))
            return op_class(x->op) < op_class(y->op);
        for (int is_high = is_32bit ? 0 : 1; is_high >= 0; is_high--) {
            int order = order_word(x, y, is_high);
            if (order >= 0)
                return order;
        }
    }
    return false;
}

bool seccomp_alternative_is_same(const struct seccomp_alternative *a,
                                 const struct seccomp_alternative *b)
{
    if (a->action != b->action || a->arg_count != b->arg_count)
        return false;
    for (size_t i = 0; i < a->arg_count; i++) {
        const struct oci_seccomp_arg *x = &a->args[i], *y = &b->args[i];
        if (x->index != y->index || x->op != y->op || x->value != y->value ||
            (x->op == OCI_SECCOMP_MASKED_EQ && x->value_two != y->value_two))
            return false;
    }
    return true;
}
