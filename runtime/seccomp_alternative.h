#pragma once
/* Rules of one system call that have comparisons of arguments: alternatives, and the order in which
 * libseccomp would ask them, since where two of different actions overlap that order is the
 * meaning of a profile. For seccomp_bpf.c. Pure; threads: none. */
#include <stdbool.h>

#include "runtime/seccomp_bpf.h"

enum {
    SECCOMP_ARG_COUNT = 6
};

/* A rule with its comparisons by argument, without those that always hold. */
struct seccomp_alternative {
    uint32_t action;
    struct oci_seccomp_arg args[SECCOMP_ARG_COUNT];
    size_t arg_count;
};

/* True when no comparison of R can fail. IS_32BIT here and below: upper halves are not compared. */
bool seccomp_rule_is_unconditional(const struct seccomp_bpf_rule *r, bool is_32bit);
/* R has at most SECCOMP_ARG_COUNT comparisons. */
struct seccomp_alternative seccomp_alternative_of(const struct seccomp_bpf_rule *r, bool is_32bit);
/* Whether B is asked before A. */
bool seccomp_alternative_goes_before(const struct seccomp_alternative *b,
                                     const struct seccomp_alternative *a, bool is_32bit);
bool seccomp_alternative_is_same(const struct seccomp_alternative *a,
                                 const struct seccomp_alternative *b);
