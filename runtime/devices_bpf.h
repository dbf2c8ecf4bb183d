#pragma once
/* Device rules on cgroup v2: a BPF_PROG_TYPE_CGROUP_DEVICE program, generated here instruction by
 * instruction (no compiler, no libbpf) and attached by bpf(2). The generator is pure. The kernel
 * keeps an attached program as long as its cgroup. Threads: none. */
#include <linux/bpf.h>
#include <stddef.h>

#include "runtime/base/err.h"
#include "runtime/device_rules.h"
#include "specs/oci_config.h"

enum {
    DEVICES_BPF_INSNS_MAX = 4096 /* BPF_MAXINSNS, the limit of unprivileged programs */
};

/* The last matching rule of RULES wins, no match denies. Writes at most CAP instructions to OUT. */
must_check int devices_bpf_build(const struct oci_device_rule *rules, size_t count,
                                 struct bpf_insn *out, size_t cap, size_t *out_count,
                                 struct err *e);
/* The same for rules in flat form. "Deny all but" becomes the shortest program, tests of a type and
 * a major number once for all that share them: the kernel takes 3 us to check each instruction. */
must_check int devices_bpf_build_flat(const struct device_exceptions *x, struct bpf_insn *out,
                                      size_t cap, size_t *out_count, struct err *e);
/* Loads and attaches to the v2 directory; programs of ours that were there before are detached
 * after, so that at no moment everything is allowed. EPERM becomes ERR_HOST with a hint. */
must_check int devices_bpf_attach(int cgroup_fd, const struct bpf_insn *insns, size_t count,
                                  struct err *e);
