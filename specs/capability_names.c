#include "specs/capability_names.h"

#include <strings.h>

#include <linux/capability.h>

#include "runtime/base/str.h"

#define BIT(n) (UINT64_C(1) << (n))

/* By number; a kernel header with more of them fails here and asks for a new row. */
static const char *const names[CAPABILITY_COUNT] = {
    [CAP_CHOWN] = "CAP_CHOWN",
    [CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
    [CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
    [CAP_FOWNER] = "CAP_FOWNER",
    [CAP_FSETID] = "CAP_FSETID",
    [CAP_KILL] = "CAP_KILL",
    [CAP_SETGID] = "CAP_SETGID",
    [CAP_SETUID] = "CAP_SETUID",
    [CAP_SETPCAP] = "CAP_SETPCAP",
    [CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
    [CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
    [CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
    [CAP_NET_ADMIN] = "CAP_NET_ADMIN",
    [CAP_NET_RAW] = "CAP_NET_RAW",
    [CAP_IPC_LOCK] = "CAP_IPC_LOCK",
    [CAP_IPC_OWNER] = "CAP_IPC_OWNER",
    [CAP_SYS_MODULE] = "CAP_SYS_MODULE",
    [CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
    [CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
    [CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
    [CAP_SYS_PACCT] = "CAP_SYS_PACCT",
    [CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
    [CAP_SYS_BOOT] = "CAP_SYS_BOOT",
    [CAP_SYS_NICE] = "CAP_SYS_NICE",
    [CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
    [CAP_SYS_TIME] = "CAP_SYS_TIME",
    [CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
    [CAP_MKNOD] = "CAP_MKNOD",
    [CAP_LEASE] = "CAP_LEASE",
    [CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
    [CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
    [CAP_SETFCAP] = "CAP_SETFCAP",
    [CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
    [CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
    [CAP_SYSLOG] = "CAP_SYSLOG",
    [CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
    [CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
    [CAP_AUDIT_READ] = "CAP_AUDIT_READ",
    [CAP_PERFMON] = "CAP_PERFMON",
    [CAP_BPF] = "CAP_BPF",
    [CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};
_Static_assert(CAP_LAST_CAP + 1 == CAPABILITY_COUNT, "one name for each capability");

const uint64_t capability_default_mask =
    BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_KILL) |
    BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETFCAP) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) |
    BIT(CAP_SETUID) | BIT(CAP_SYS_CHROOT);

const char *capability_name(unsigned number)
{
    return number < CAPABILITY_COUNT ? names[number] : NULL;
}

int capability_number(const char *name)
{
    for (int i = 0; i < CAPABILITY_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

int capability_number_loose(const char *name)
{
    const size_t prefix = strlen("CAP_");
    if (strncasecmp(name, "CAP_", prefix) == 0)
        name += prefix;
    for (int i = 0; i < CAPABILITY_COUNT; i++)
        if (strcasecmp(names[i] + prefix, name) == 0)
            return i;
    return -1;
}

const char *capability_nearest(const char *name)
{
    /* Without the prefix, which would hide that a short rest has nothing in common. */
    const size_t prefix = strlen("CAP_");
    const char *words[CAPABILITY_COUNT];
    for (size_t i = 0; i < CAPABILITY_COUNT; i++)
        words[i] = names[i] + prefix;
    const char *near =
        str_nearest(str_starts(name, "CAP_") ? name + prefix : name, words, CAPABILITY_COUNT);
    return near ? near - prefix : NULL;
}
