#include "runtime/oom.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"

enum {
    SHELL_KILLED = 128 + SIGKILL,
    FIELD_START = 22, /* proc_pid_stat(5) */
    FIELD_EXIT_CODE = 52,
};

/* NAME_END: the ")" of the second field. */
static uint64_t field(const char *name_end, int wanted)
{
    char word[24];
    uint64_t n;
    const char *p = name_end;
    for (int i = 2; i < wanted && p; i++)
        p = strchr(p + 1, ' ');
    if (!p)
        return 0;
    (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(p + 1, " \n"), p + 1);
    return str_to_u64(word, UINT64_MAX, &n) < 0 ? 0 : n;
}

/* A zombie tells how it ended; one that is gone does not. */
static bool ended_otherwise(const struct container *c)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)c->state.pid);
    auto_fd int fd = c->state.pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *name_end = strrchr(text, ')');
    if (!name_end || strncmp(name_end, ") Z", 3) != 0 ||
        field(name_end, FIELD_START) != c->state.start_ticks)
        return false;
    uint64_t status = field(name_end, FIELD_EXIT_CODE);
    return (status & 0x7f) != SIGKILL && status >> 8 != SHELL_KILLED;
}

bool oom_has_ended(const struct container *c)
{
    auto_(cgroup_free) struct cgroup *cg = NULL;
    struct err ignored; /* the cgroup is gone: then nobody knows */
    return container_open_cgroup(c, &cg, &ignored) == 0 && cgroup_oom_kills(cg) > 0 &&
           !ended_otherwise(c);
}

const char *oom_words(const struct container *c, char *to, size_t size)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
    auto_(cgroup_free) struct cgroup *cg = NULL;
    struct err ignored;
    uint64_t limit =
        container_open_cgroup(c, &cg, &ignored) == 0 ? cgroup_memory_limit(cg) : UINT64_MAX;
    size_t unit = 0;
    if (limit == UINT64_MAX) { /* a parent's limit, or the machine's */
        (void)snprintf(to, size, "out of memory");
        return to;
    }
    for (; unit + 1 < ARRAY_LEN(units) && limit >= 1024 && limit % 1024 == 0; unit++)
        limit /= 1024;
    (void)snprintf(to, size, "out of memory (memory.limit %llu %s)", (unsigned long long)limit,
                   units[unit]);
    return to;
}
