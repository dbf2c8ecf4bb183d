#include "supervisor/stack/idrange.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/limits.h"
#include "runtime/base/str.h"

enum {
    OWNER_MAX = NAME_LIMIT + ID_MAX + 2
};

static void slot_name(char name[16], unsigned slot)
{
    (void)snprintf(name, 16, "%u", slot);
}

/* -1 when the slot is free or unreadable. */
static int read_owner(int root_fd, const char *name, char owner[OWNER_MAX])
{
    auto_fd int fd = openat(root_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, owner, OWNER_MAX - 1);
    if (n < 0)
        return -1;
    owner[n] = '\0';
    return 0;
}

static int write_owner(int root_fd, const char *name, const char *owner)
{
    /* The name appears with its content in one step: a reader never sees an empty owner. */
    char temporary[64];
    (void)snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid());
    auto_fd int fd = openat(root_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    int result = fd_write_all(fd, owner, strlen(owner));
    if (result == 0)
        result = linkat(root_fd, temporary, root_fd, name, 0);
    int saved = errno;
    (void)unlinkat(root_fd, temporary, 0);
    errno = saved;
    return result;
}

int idrange_take(int root_fd, const char *owner, uint32_t *base, struct err *e)
{
    char held[OWNER_MAX], name[16];
    for (unsigned slot = 0; slot < IDRANGE_SLOTS; slot++) {
        slot_name(name, slot);
        if (read_owner(root_fd, name, held) == 0) {
            if (!str_eq(held, owner))
                continue;
        } else if (write_owner(root_fd, name, owner) < 0) {
            if (errno == EEXIST)
                continue;
            return err_sys(e, errno, "take an id range");
        }
        *base = IDRANGE_BASE + slot * (uint32_t)IDRANGE_COUNT;
        return 0;
    }
    return err_conflict(e, "all %d id ranges of this machine are in use", IDRANGE_SLOTS);
}

void idrange_release(int root_fd, uint32_t base)
{
    char name[16];
    slot_name(name, (base - IDRANGE_BASE) / IDRANGE_COUNT);
    (void)unlinkat(root_fd, name, 0);
}

void idrange_release_project(int root_fd, const char *project)
{
    char held[OWNER_MAX], name[16];
    size_t len = strlen(project);
    for (unsigned slot = 0; slot < IDRANGE_SLOTS; slot++) {
        slot_name(name, slot);
        if (read_owner(root_fd, name, held) == 0 && str_starts(held, project) && held[len] == '/')
            (void)unlinkat(root_fd, name, 0);
    }
}
