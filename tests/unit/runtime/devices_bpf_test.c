/* The device rules in their three forms: the list, v1's exceptions, v2's program. The program runs
 * in a small interpreter here, against the plain meaning of the list, and once in the kernel. */
#include "runtime/devices_bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/str.h"
#include "runtime/cgroup.h"
#include "runtime/device_rules.h"

enum {
    R = BPF_DEVCG_ACC_READ,
    W = BPF_DEVCG_ACC_WRITE,
    M = BPF_DEVCG_ACC_MKNOD,
};

/* ---- interpreter of what the generator uses ---- */

static bool run(const struct bpf_insn *insns, size_t count, const struct bpf_cgroup_dev_ctx *ctx)
{
    uint64_t r[11] = { 0 };
    for (size_t pc = 0; pc < count; pc++) {
        const struct bpf_insn *i = &insns[pc];
        uint64_t *d = &r[i->dst_reg], s = r[i->src_reg];
        switch (i->code) {
        case BPF_LDX | BPF_MEM | BPF_W: {
            uint32_t word;
            memcpy(&word, (const char *)ctx + i->off, sizeof(word));
            *d = word;
            break;
        }
        case BPF_ALU | BPF_MOV | BPF_X: *d = (uint32_t)s; break;
        case BPF_ALU | BPF_AND | BPF_K: *d = (uint32_t)*d & (uint32_t)i->imm; break;
        case BPF_ALU | BPF_RSH | BPF_K: *d = (uint32_t)*d >> i->imm; break;
        case BPF_ALU64 | BPF_MOV | BPF_K: *d = (uint64_t)(int64_t)i->imm; break;
        case BPF_JMP | BPF_JNE | BPF_K:
            pc += *d != (uint64_t)(int64_t)i->imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += *d == (uint64_t)(int64_t)i->imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            pc += *d & (uint64_t)(int64_t)i->imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_JA: pc += (size_t)i->off; break;
        case BPF_JMP | BPF_JNE | BPF_X: pc += *d != s ? (size_t)i->off : 0; break;
        case BPF_JMP | BPF_EXIT: return r[0] != 0;
        default: fail_msg("instruction %#x", i->code);
        }
    }
    fail_msg("ran off the end");
    return false;
}

static bool asks(const struct bpf_insn *insns, size_t count, char type, uint32_t major,
                 uint32_t minor, unsigned access)
{
    struct bpf_cgroup_dev_ctx ctx = {
        access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR), major, minor
    };
    return run(insns, count, &ctx);
}

/* ---- meaning ---- */

/* One kind of access at a time: the last rule that speaks of it decides. */
static bool means(const struct oci_device_rule *rules, size_t count, char type, uint32_t major,
                  uint32_t minor, unsigned access)
{
    for (size_t i = count; i-- > 0;) {
        const struct oci_device_rule *r = &rules[i];
        unsigned has = (r->read ? R : 0U) | (r->write ? W : 0U) | (r->mknod ? M : 0U);
        if ((r->type == 'a' || r->type == type) && (r->major < 0 || r->major == (int64_t)major) &&
            (r->minor < 0 || r->minor == (int64_t)minor) && (has & access))
            return r->allow;
    }
    return false;
}

static const struct oci_device_rule deny_all = { false, 'a', -1, -1, true, true, true };

static void test_empty_list_denies(void **state)
{
    (void)state;
    struct bpf_insn insns[16];
    struct err e;
    size_t count = 0;
    assert_int_equal(devices_bpf_build(NULL, 0, insns, 16, &count, &e), 0);
    assert_false(asks(insns, count, 'c', 1, 3, R));
    assert_int_equal(devices_bpf_build(&deny_all, 1, insns, 16, &count, &e), 0);
    assert_false(asks(insns, count, 'b', 8, 0, M));
    assert_int_equal(devices_bpf_build(&deny_all, 1, insns, 5, &count, &e), -1);
    assert_int_equal(e.kind, ERR_INPUT);
}

static void test_default_devices_are_added(void **state)
{
    (void)state;
    struct oci_device_rule all[DEVICE_RULES_MAX];
    struct bpf_insn insns[DEVICES_BPF_INSNS_MAX];
    struct err e;
    size_t count = 0, n = 0;
    assert_int_equal(device_rules_complete(&deny_all, 1, all, &count, &e), 0);
    assert_int_equal(devices_bpf_build(all, count, insns, DEVICES_BPF_INSNS_MAX, &n, &e), 0);
    static const struct {
        uint32_t major, minor;
    } usual[] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 },   { 1, 9 },
                  { 5, 0 }, { 5, 1 }, { 5, 2 }, { 136, 77 } };
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        assert_true(asks(insns, n, 'c', usual[i].major, usual[i].minor, R | W | M));
    assert_false(asks(insns, n, 'c', 1, 1, R));    /* /dev/mem */
    assert_false(asks(insns, n, 'b', 1, 3, R));    /* a block device of that number */
    assert_false(asks(insns, n, 'c', 10, 229, W)); /* /dev/fuse */
    assert_true(asks(insns, n, 'b', 8, 0, M));     /* a node alone opens nothing */
    assert_false(asks(insns, n, 'b', 8, 0, M | R));
}

static uint64_t random_state = 7;
static uint32_t below(uint32_t n)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33) % n;
}

static void test_random_lists(void **state)
{
    (void)state;
    unsigned flat_count = 0;
    for (unsigned round = 0; round < 3000; round++) {
        struct oci_device_rule rules[6];
        struct bpf_insn insns[256];
        struct device_exceptions flat;
        struct err e;
        size_t count = 1 + below(6), n = 0;
        for (size_t i = 0; i < count; i++)
            rules[i] = (struct oci_device_rule){
                below(2), "abc"[below(3)], (int64_t)below(3) - 1, (int64_t)below(3) - 1, below(2),
                below(2), below(2)
            };
        assert_int_equal(devices_bpf_build(rules, count, insns, 256, &n, &e), 0);
        bool is_flat = device_rules_flatten(rules, count, &flat, &e) == 0;
        flat_count += is_flat;
        for (unsigned i = 0; i < 2 * 3 * 3 * 3; i++) {
            char type = "bc"[i % 2];
            uint32_t major = i / 2 % 3, minor = i / 6 % 3;
            unsigned access = 1U << i / 18;
            bool wanted = means(rules, count, type, major, minor, access);
            assert_int_equal(asks(insns, n, type, major, minor, access), wanted);
            if (!is_flat)
                continue;
            struct bpf_insn insns_flat[256];
            size_t n_flat = 0;
            struct oci_device_rule list[DEVICE_RULES_MAX + 1];
            assert_int_equal(devices_bpf_build_flat(&flat, insns_flat, 256, &n_flat, &e), 0);
            assert_int_equal(asks(insns_flat, n_flat, type, major, minor, access), wanted);
            /* two kinds of access at once: what the other form says */
            list[0] = deny_all;
            list[0].allow = flat.is_default_allow;
            memcpy(list + 1, flat.items, flat.count * sizeof(*list));
            assert_int_equal(means(list, flat.count + 1, type, major, minor, access), wanted);
            struct bpf_insn insns_list[1024];
            size_t n_list = 0;
            assert_int_equal(devices_bpf_build(list, flat.count + 1, insns_list, 1024, &n_list, &e),
                             0);
            for (unsigned both = 0; both <= 7; both++)
                assert_int_equal(asks(insns_flat, n_flat, type, major, minor, both),
                                 asks(insns_list, n_list, type, major, minor, both));
        }
    }
    assert_true(flat_count > 500);
}

static void test_what_v1_cannot_say_is_refused(void **state)
{
    (void)state;
    const struct oci_device_rule rules[] = { deny_all,
                                             { true, 'c', 1, -1, true, true, false },
                                             { false, 'c', 1, 1, true, false, false } };
    struct device_exceptions x;
    struct err e;
    assert_int_equal(device_rules_flatten(rules, 3, &x, &e), -1);
    assert_int_equal(e.kind, ERR_INPUT);
    assert_string_equal(e.what, "linux.resources.devices: cgroup v1 cannot take \"c 1:1 r\" out "
                                "of \"c 1:* rw\"");
}

static void test_the_default_program_is_short(void **state)
{
    (void)state;
    struct oci_device_rule all[DEVICE_RULES_MAX];
    struct device_exceptions flat;
    struct bpf_insn insns[64];
    struct err e;
    size_t count = 0, n = 0;
    assert_int_equal(device_rules_complete(&deny_all, 1, all, &count, &e), 0);
    assert_int_equal(device_rules_flatten(all, count, &flat, &e), 0);
    assert_int_equal(devices_bpf_build_flat(&flat, insns, 64, &n, &e), 0);
    assert_true(n <= 27);
    assert_true(asks(insns, n, 'b', 8, 0, M));
    assert_false(asks(insns, n, 'b', 8, 0, M | R));
    assert_true(asks(insns, n, 'c', 5, 2, R | W));
    assert_false(asks(insns, n, 'c', 1, 1, R));
    assert_int_equal(devices_bpf_build_flat(&flat, insns, 20, &n, &e), -1);
}

static void test_lines(void **state)
{
    (void)state;
    char to[64];
    assert_string_equal(device_rule_line(&deny_all, to, sizeof(to)), "a *:* rwm");
    const struct oci_device_rule r = { true, 'b', 8, -1, true, false, true };
    assert_string_equal(device_rule_line(&r, to, sizeof(to)), "b 8:* rm");
}

/* A v2 directory of our own holds a child to the program, also beside v1 (where no v1 controller
 * stands in the way of the test, which asks for less than the machine allows). */
static int try_devices(int procs_fd)
{
    if (write(procs_fd, "0", 1) != 1)
        return 1;
    if (open("/dev/null", O_RDWR) < 0)
        return 2;
    return open("/dev/full", O_RDONLY) < 0 && errno == EPERM ? 0 : 3;
}

static int open_v2(char *path, size_t size)
{
    struct cgroup_host host;
    struct err e;
    if (geteuid() != 0 || cgroup_host_detect(&host, &e) < 0)
        return -1;
    for (size_t i = 0; i < host.count; i++) {
        if (host.items[i].version != 2)
            continue;
        (void)snprintf(path, size, "%s/svc-test-bpf-%d", host.items[i].mountpoint, getpid());
        if (mkdir(path, 0755) == 0)
            return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return -1;
}

static void test_the_kernel_follows_the_program(void **state)
{
    (void)state;
    char path[512];
    auto_fd int fd = open_v2(path, sizeof(path));
    if (fd < 0) {
        print_message("skipped: needs root and a cgroup v2 hierarchy\n");
        skip();
    }
    const struct oci_device_rule rules[] = { deny_all, { true, 'c', 1, 3, true, true, false } };
    struct bpf_insn insns[64];
    struct err e = { 0 };
    size_t count = 0;
    int status = -1, attached = -1;
    assert_int_equal(devices_bpf_build(rules, 2, insns, 64, &count, &e), 0);
    /* twice: the second replaces the first */
    for (int i = 0; i < 2; i++)
        attached = devices_bpf_attach(fd, insns, count, &e);
    int procs_fd = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    pid_t pid = attached == 0 ? fork() : -1;
    if (pid == 0)
        _exit(try_devices(procs_fd));
    if (pid > 0)
        assert_int_equal(waitpid(pid, &status, 0), pid);
    close(procs_fd);
    while (rmdir(path) < 0 && errno == EBUSY)
        usleep(200);
    if (attached < 0 && e.kind == ERR_HOST) {
        print_message("skipped: %s\n", e.what);
        skip();
    }
    assert_int_equal(attached, 0);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_list_denies),
        cmocka_unit_test(test_default_devices_are_added),
        cmocka_unit_test(test_random_lists),
        cmocka_unit_test(test_what_v1_cannot_say_is_refused),
        cmocka_unit_test(test_the_default_program_is_short),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_the_kernel_follows_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
