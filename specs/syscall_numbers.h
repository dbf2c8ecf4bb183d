#pragma once
/* System calls by name: their numbers on the architectures that a filter of ours can meet. A table
 * of our own, so that a new kernel's calls do not wait for a library, and nothing is initialised or
 * relocated at start (names stand in the rows). A unit test holds it against libseccomp's.
 * Pure; threads: none. */
#include <stddef.h>
#include <stdint.h>

enum syscall_arch {
    SYSCALL_X86_64,
    SYSCALL_X86,
    SYSCALL_X32, /* without __X32_SYSCALL_BIT */
    SYSCALL_AARCH64,
    SYSCALL_ARM, /* EABI */
    SYSCALL_ARCH_COUNT_
};

enum {
    SYSCALL_NONE = -1, /* the architecture has no such call */
    /* i386 has the socket and System V calls behind a multiplexer too, whose first argument is in
     * SYSCALL_CALL_MASK: socketcall(2), ipc(2). */
    SYSCALL_BY_SOCKETCALL = 0x100,
    SYSCALL_BY_IPC = 0x200,
    SYSCALL_CALL_MASK = 0xff,
    SYSCALL_NAME_MAX = 30,
};

struct syscall_row {
    char name[SYSCALL_NAME_MAX];
    uint16_t i386_multiplexed; /* 0: not */
    int32_t nr[SYSCALL_ARCH_COUNT_];
};

/* NULL: no architecture knows it. */
const struct syscall_row *syscall_find(const char *name);
/* In the order of names; NULL past the last. */
const struct syscall_row *syscall_row_at(size_t index);
