/* Our table beside libseccomp's, both ways. */
#include "specs/syscall_numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>
#include <seccomp.h>

static const uint32_t tokens[SYSCALL_ARCH_COUNT_] = {
    [SYSCALL_X86_64] = SCMP_ARCH_X86_64, [SYSCALL_X86] = SCMP_ARCH_X86,
    [SYSCALL_X32] = SCMP_ARCH_X32,       [SYSCALL_AARCH64] = SCMP_ARCH_AARCH64,
    [SYSCALL_ARM] = SCMP_ARCH_ARM,
};

enum {
    X32_BIT = 0x40000000,
    ARM_PRIVATE = 0xf0000,
    COMMON_FIRST = 424,
    NUMBERS = 600,
};

static void names_are_sorted_and_found(void **state)
{
    (void)state;
    const char *last = "";
    size_t count = 0;
    for (const struct syscall_row *row; (row = syscall_row_at(count)) != NULL; count++) {
        assert_true(strcmp(last, row->name) < 0);
        assert_ptr_equal(syscall_find(row->name), row);
        last = row->name;
    }
    assert_in_range(count, 450, 1000);
    assert_null(syscall_find("no_such_call"));
    assert_null(syscall_find(""));
}

static void no_two_calls_share_a_number(void **state)
{
    (void)state;
    for (unsigned arch = 0; arch < SYSCALL_ARCH_COUNT_; arch++) {
        const char *by_number[NUMBERS] = { NULL };
        const struct syscall_row *row;
        for (size_t i = 0; (row = syscall_row_at(i)) != NULL; i++) {
            int32_t nr = row->nr[arch];
            if (nr == SYSCALL_NONE || nr > ARM_PRIVATE)
                continue;
            assert_in_range(nr, 0, NUMBERS - 1);
            if (by_number[nr])
                fail_msg("%s and %s are both %d", by_number[nr], row->name, nr);
            by_number[nr] = row->name;
        }
    }
}

/* libseccomp numbers the calls behind socketcall(2) -100-N, those behind ipc(2) -200-N. */
static int multiplexed(int pseudo)
{
    return pseudo > -200 ? SYSCALL_BY_SOCKETCALL | (-pseudo - 100)
                         : SYSCALL_BY_IPC | (-pseudo - 200);
}

static void compare_row(const struct syscall_row *row, unsigned arch)
{
    int theirs = seccomp_syscall_resolve_name_arch(tokens[arch], row->name);
    /* Newer than that library; or got its number, which is the same everywhere, here later. */
    if (theirs == __NR_SCMP_ERROR || (theirs < 0 && row->nr[arch] >= COMMON_FIRST))
        return;
    if (arch == SYSCALL_X32 && theirs >= 0)
        theirs &= ~X32_BIT;
    if (arch == SYSCALL_X86 && theirs <= -100 && theirs > -300)
        assert_int_equal(row->i386_multiplexed, multiplexed(theirs));
    else if (row->nr[arch] != (theirs < 0 ? SYSCALL_NONE : theirs))
        fail_msg("%s on %u: ours %d theirs %d", row->name, arch, row->nr[arch], theirs);
}

static void every_row_equals_libseccomp(void **state)
{
    (void)state;
    const struct syscall_row *row;
    for (size_t i = 0; (row = syscall_row_at(i)) != NULL; i++)
        for (unsigned arch = 0; arch < SYSCALL_ARCH_COUNT_; arch++)
            compare_row(row, arch);
}

static unsigned find_number(unsigned arch, int nr)
{
    char *name = seccomp_syscall_resolve_num_arch(tokens[arch], nr);
    if (!name)
        return 0;
    const struct syscall_row *row = syscall_find(name);
    if (!row)
        fail_msg("%s (%d on %u) is missing", name, nr, arch);
    else
        compare_row(row, arch);
    free(name);
    return 1;
}

static void libseccomp_knows_nothing_that_we_do_not(void **state)
{
    (void)state;
    for (unsigned arch = 0; arch < SYSCALL_ARCH_COUNT_; arch++) {
        unsigned found = 0;
        for (int nr = -300; nr < NUMBERS; nr++)
            found += find_number(arch, arch == SYSCALL_X32 && nr >= 0 ? nr | X32_BIT : nr);
        for (int nr = ARM_PRIVATE; nr < ARM_PRIVATE + 16; nr++)
            found += find_number(arch, nr);
        for (int nr = -10400; nr < -10000; nr++) /* calls of other architectures */
            found += find_number(arch, nr);
        assert_true(found > 300);
    }
}

/* Of this machine's headers, whatever their age; and what is newer than they are. */
static void newer_calls_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int nr;
    } common[] = {
        { "openat2", SYS_openat2 },   { "landlock_add_rule", SYS_landlock_add_rule },
        { "futex_waitv", 449 },       { "set_mempolicy_home_node", 450 },
        { "cachestat", 451 },         { "fchmodat2", 452 },
        { "map_shadow_stack", 453 },  { "futex_wake", 454 },
        { "futex_wait", 455 },        { "futex_requeue", 456 },
        { "statmount", 457 },         { "listmount", 458 },
        { "lsm_get_self_attr", 459 }, { "lsm_set_self_attr", 460 },
        { "lsm_list_modules", 461 },  { "mseal", 462 },
        { "setxattrat", 463 },        { "getxattrat", 464 },
        { "listxattrat", 465 },       { "removexattrat", 466 },
        { "open_tree_attr", 467 },    { "file_getattr", 468 },
        { "file_setattr", 469 },
    };
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        const struct syscall_row *row = syscall_find(common[i].name);
        assert_non_null(row);
        for (unsigned arch = 0; arch < SYSCALL_ARCH_COUNT_; arch++)
            assert_int_equal(row->nr[arch], common[i].nr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_sorted_and_found),
        cmocka_unit_test(no_two_calls_share_a_number),
        cmocka_unit_test(every_row_equals_libseccomp),
        cmocka_unit_test(libseccomp_knows_nothing_that_we_do_not),
        cmocka_unit_test(newer_calls_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
