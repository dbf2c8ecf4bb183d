#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "runtime/cgroup_impl.h"

int cgroup_write_file(int dir_fd, const char *file, const char *text)
{
    auto_fd int fd = openat(dir_fd, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t len = strlen(text);
    return write(fd, text, len) == (ssize_t)len ? 0 : -1;
}

int cgroup_read_file(int dir_fd, const char *file, char *to, size_t size)
{
    auto_fd int fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t used = 0;
    while (used < size - 1) {
        ssize_t n = read(fd, to + used, size - 1 - used);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0)
            break;
        used += n > 0 ? (size_t)n : 0;
    }
    to[used] = '\0';
    return 0;
}

int cgroup_read_u64(int dir_fd, const char *file, uint64_t *out)
{
    char text[32];
    if (cgroup_read_file(dir_fd, file, text, sizeof(text)) < 0)
        return -1;
    text[strcspn(text, "\n")] = '\0';
    if (str_eq(text, "max")) {
        *out = UINT64_MAX;
        return 0;
    }
    return str_to_u64(text, UINT64_MAX, out);
}

uint64_t cgroup_find_u64(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) != 0 || line[len] != ' ')
            continue;
        char number[24];
        size_t digits = strcspn(line + len + 1, "\n");
        uint64_t n = 0;
        if (digits < sizeof(number)) {
            memcpy(number, line + len + 1, digits);
            number[digits] = '\0';
            (void)!str_to_u64(number, UINT64_MAX, &n);
        }
        return n;
    }
    return 0;
}
