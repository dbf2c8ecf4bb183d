#include "supervisor/logs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/str.h"
#include "supervisor/logs/line.h"

int logs_file_name(char to[LOGS_FILE_NAME_MAX], const char *service, uint32_t replica, unsigned age)
{
    char suffix[8] = "";
    if (age)
        (void)snprintf(suffix, sizeof(suffix), ".%u", age % 10);
    int n = snprintf(to, LOGS_FILE_NAME_MAX, "%s-%u.log%s", service, replica, suffix);
    return n > 0 && n < LOGS_FILE_NAME_MAX && strlen(service) < NAME_LIMIT ? 0 : -1;
}

bool logs_file_parse_name(const char *name, char service[NAME_LIMIT], uint32_t *replica,
                          unsigned *age)
{
    const char *dot = strstr(name, ".log");
    for (const char *next = dot; next; next = strstr(next + 1, ".log"))
        dot = next; /* a service may be named "a.log-b" */
    if (!dot)
        return false;
    uint64_t parsed_age = 0;
    if (dot[4] != '\0' &&
        (dot[4] != '.' || str_to_u64(dot + 5, LOGS_FILES_MAX - 1, &parsed_age) < 0 || !parsed_age))
        return false;
    const char *dash = dot;
    while (dash > name && *dash != '-')
        dash--;
    char digits[16];
    uint64_t number = 0;
    size_t digit_count = (size_t)(dot - dash) - (dash < dot);
    size_t service_len = (size_t)(dash - name);
    if (!service_len || service_len >= NAME_LIMIT || digit_count >= sizeof(digits))
        return false;
    memcpy(digits, dash + 1, digit_count);
    digits[digit_count] = '\0';
    if (str_to_u64(digits, UINT32_MAX, &number) < 0)
        return false;
    memcpy(service, name, service_len);
    service[service_len] = '\0';
    *replica = (uint32_t)number;
    *age = (unsigned)parsed_age;
    return true;
}

/* A write that a SIGKILL cut short left the beginning of a line, whose bytes are still in the pipe
 * and will be written again, whole. So it goes, rather than to look like a line or swallow one. */
static void cut_torn_line(struct logs_file *f, int fd)
{
    char tail[LOGS_LINE_MAX + LOGS_HEAD_MAX];
    size_t n = f->size_bytes < sizeof(tail) ? (size_t)f->size_bytes : sizeof(tail);
    if (!n || pread(fd, tail, n, (off_t)(f->size_bytes - n)) != (ssize_t)n)
        return;
    const char *end = memrchr(tail, '\n', n);
    uint64_t whole = f->size_bytes - n + (end ? (size_t)(end - tail) + 1 : 0);
    if (whole != f->size_bytes && ftruncate(fd, (off_t)whole) == 0)
        f->size_bytes = whole;
}

static int open_current(struct logs_file *f, struct err *e)
{
    auto_fd int fd =
        openat(f->dir_fd, f->name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(e, errno, "open the log file %s", f->name);
    f->size_bytes = (uint64_t)st.st_size;
    cut_torn_line(f, fd);
    f->fd = take_fd(&fd);
    return 0;
}

int logs_file_open(struct logs_file *f, int dir_fd, const char *service, uint32_t replica,
                   struct err *e)
{
    f->dir_fd = dir_fd;
    f->fd = -1;
    f->max_bytes = LOGS_FILE_BYTES;
    f->max_files = LOGS_FILES;
    if (logs_file_name(f->name, service, replica, 0) < 0)
        return err_input(e, "name of the log file of service %s is too long", service);
    return open_current(f, e);
}

void logs_file_limit(struct logs_file *f, uint64_t max_bytes, unsigned max_files)
{
    char name[LOGS_FILE_NAME_MAX + 16];
    f->max_bytes = max_bytes ? max_bytes : LOGS_FILE_BYTES;
    f->max_files = max_files ? max_files : LOGS_FILES;
    for (unsigned age = f->max_files; age < LOGS_FILES_MAX; age++) {
        (void)snprintf(name, sizeof(name), "%s.%u", f->name, age);
        (void)unlinkat(f->dir_fd, name, 0);
    }
}

void logs_file_close(struct logs_file *f)
{
    fd_close(&f->fd);
}

static int rotate(struct logs_file *f, struct err *e)
{
    char from[LOGS_FILE_NAME_MAX + 16], to[LOGS_FILE_NAME_MAX + 16];
    if (f->max_files == 1 && unlinkat(f->dir_fd, f->name, 0) < 0 && errno != ENOENT)
        return err_sys(e, errno, "rotate the log file %s", f->name);
    for (unsigned age = f->max_files - 1; age > 0; age--) {
        if (age > 1)
            (void)snprintf(from, sizeof(from), "%s.%u", f->name, age - 1);
        else
            (void)snprintf(from, sizeof(from), "%s", f->name);
        (void)snprintf(to, sizeof(to), "%s.%u", f->name, age);
        if (renameat(f->dir_fd, from, f->dir_fd, to) < 0 && errno != ENOENT)
            return err_sys(e, errno, "rotate the log file %s", f->name);
    }
    fd_close(&f->fd);
    return open_current(f, e);
}

int logs_file_append(struct logs_file *f, const char *data, size_t len, struct err *e)
{
    if (f->fd < 0 && open_current(f, e) < 0)
        return -1;
    if (f->size_bytes && f->size_bytes + len > f->max_bytes && rotate(f, e) < 0)
        return -1;
    if (fd_write_all(f->fd, data, len) < 0) {
        int saved = errno;
        /* Half a line would read as a torn one. When even this does not work, it does. */
        (void)!ftruncate(f->fd, (off_t)f->size_bytes);
        return err_sys(e, saved, "write the log file %s", f->name);
    }
    f->size_bytes += len;
    return 0;
}
