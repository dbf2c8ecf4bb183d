/* Reading log files: from each replica the last lines over its rotated files, merged by time. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/str.h"
#include "supervisor/logs/file.h"
#include "supervisor/logs/line.h"
#include "supervisor/logs/logs.h"

enum {
    /* A line as it stands in the file, and as much again so that reads are not small. */
    WINDOW_BYTES = 2 * (LOGS_LINE_MAX + LOGS_HEAD_MAX),
    BLOCK_BYTES = 32768,
};

/* The files of one replica, oldest first, and a window into the one being read. */
struct cursor {
    char service[NAME_LIMIT];
    uint32_t replica;
    int fds[LOGS_FILES_MAX]; /* -1: none of that age */
    size_t at_file;
    off_t offset; /* of the end of the window */
    char *window;
    size_t start, end;
    bool has_line;
    struct logs_line line; /* points into the window */
    size_t line_bytes;     /* of the window, with the line feed */
};

struct logs_reader {
    int dir_fd; /* ours */
    struct cursor *cursors;
    size_t count, cap;
    size_t skip; /* merged lines that are before the last TAIL */
    struct cursor *given;
};

void logs_reader_free(struct logs_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++) {
        for (size_t f = 0; f < LOGS_FILES_MAX; f++)
            fd_close(&r->cursors[i].fds[f]);
        free(r->cursors[i].window);
    }
    free(r->cursors);
    fd_close(&r->dir_fd);
    free(r);
}

/* Where the last *LINES lines of FD begin; *LINES becomes how many are still missing. */
static off_t seek_lines(int fd, size_t *lines)
{
    char block[BLOCK_BYTES];
    off_t end = lseek(fd, 0, SEEK_END);
    size_t seen = 0; /* line feeds; the one that ends the last line is the first */
    while (end > 0) {
        size_t n = end < BLOCK_BYTES ? (size_t)end : BLOCK_BYTES;
        ssize_t got = pread(fd, block, n, end - (off_t)n);
        if (got != (ssize_t)n)
            break;
        for (size_t i = n; i > 0; i--) {
            if (block[i - 1] != '\n')
                continue;
            if (seen == *lines) {
                *lines = 0;
                return end - (off_t)(n - i);
            }
            seen++;
        }
        end -= (off_t)n;
    }
    *lines -= seen;
    return 0;
}

/* Opens the files of C and puts it before its last TAIL lines; returns how many there are. */
static size_t open_cursor(struct logs_reader *r, struct cursor *c, size_t tail)
{
    for (unsigned age = 0; age < LOGS_FILES_MAX; age++) {
        char name[LOGS_FILE_NAME_MAX];
        c->fds[LOGS_FILES_MAX - 1 - age] = -1;
        if (logs_file_name(name, c->service, c->replica, age) == 0)
            c->fds[LOGS_FILES_MAX - 1 - age] =
                openat(r->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (tail == SIZE_MAX)
        return 0;
    size_t missing = tail;
    for (c->at_file = LOGS_FILES_MAX; c->at_file > 0;) {
        c->at_file--;
        if (c->fds[c->at_file] >= 0)
            c->offset = seek_lines(c->fds[c->at_file], &missing);
        else
            c->offset = 0;
        if (!missing)
            break;
    }
    return tail - missing;
}

static bool has_cursor(const struct logs_reader *r, const char *service, uint32_t replica)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->cursors[i].replica == replica && str_eq(r->cursors[i].service, service))
            return true;
    return false;
}

static int find_replicas(struct logs_reader *r, const char *service, struct err *e)
{
    int fd = openat(r->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int saved = errno;
        fd_close(&fd);
        return err_sys(e, saved, "read the directory of the logs");
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) && r->count < LOGS_READERS_MAX) {
        char of[NAME_LIMIT];
        uint32_t replica;
        unsigned age;
        if (!logs_file_parse_name(entry->d_name, of, &replica, &age) ||
            (service && !str_eq(of, service)) || has_cursor(r, of, replica))
            continue;
        r->cursors = mem_grow(r->cursors, &r->cap, r->count + 1, sizeof(*r->cursors));
        struct cursor *c = &r->cursors[r->count++];
        *c = (struct cursor){ .replica = replica };
        memcpy(c->service, of, sizeof(of));
        for (size_t f = 0; f < LOGS_FILES_MAX; f++)
            c->fds[f] = -1;
    }
    (void)closedir(dir);
    return 0;
}

int logs_reader_new(struct logs_reader **out, int dir_fd, const char *service, size_t tail,
                    struct err *e)
{
    auto_(logs_reader_free) struct logs_reader *r = mem_alloc(sizeof(*r));
    r->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
    if (r->dir_fd < 0)
        return err_sys(e, errno, "open the directory of the logs");
    if (find_replicas(r, service, e) < 0)
        return -1;
    size_t total = 0;
    for (size_t i = 0; i < r->count; i++)
        total += open_cursor(r, &r->cursors[i], tail);
    r->skip = total > tail ? total - tail : 0;
    *out = take_ptr(r);
    return 0;
}

/* At the end of the newest file: when it was rotated meanwhile, goes on with the new one. */
static bool follow_rotation(struct logs_reader *r, struct cursor *c)
{
    char name[LOGS_FILE_NAME_MAX];
    struct stat ours, theirs;
    int *last = &c->fds[LOGS_FILES_MAX - 1];
    if (logs_file_name(name, c->service, c->replica, 0) < 0)
        return false;
    auto_fd int fd = openat(r->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &theirs) < 0)
        return false;
    if (*last >= 0 && fstat(*last, &ours) == 0 && ours.st_ino == theirs.st_ino &&
        ours.st_dev == theirs.st_dev)
        return false;
    fd_close(last);
    *last = take_fd(&fd);
    c->offset = 0;
    return true;
}

/* Reads on into the window. 1: more is there, 0: nothing more now. */
static int fill(struct logs_reader *r, struct cursor *c, struct err *e)
{
    if (!c->window)
        c->window = mem_alloc(WINDOW_BYTES);
    memmove(c->window, c->window + c->start, c->end - c->start);
    c->end -= c->start;
    c->start = 0;
    if (c->end == WINDOW_BYTES) /* no line of ours is so long */
        c->end = 0;
    for (;;) {
        int fd = c->fds[c->at_file];
        ssize_t n = fd < 0 ? 0 : pread(fd, c->window + c->end, WINDOW_BYTES - c->end, c->offset);
        if (n < 0)
            return err_sys(e, errno, "read the logs of %s-%u", c->service, c->replica);
        if (n > 0) {
            c->end += (size_t)n;
            c->offset += n;
            return 1;
        }
        if (c->at_file + 1 < LOGS_FILES_MAX) {
            c->at_file++;
            c->offset = 0;
        } else if (!follow_rotation(r, c)) {
            return 0;
        }
    }
}

/* Makes c->line the next line, if there is one. Lines that are none are passed over. */
static int advance(struct logs_reader *r, struct cursor *c, struct err *e)
{
    while (!c->has_line) {
        char *at = c->window ? c->window + c->start : NULL;
        char *end = at ? memchr(at, '\n', c->end - c->start) : NULL;
        if (!end) {
            int more = fill(r, c, e);
            if (more <= 0)
                return more;
            continue;
        }
        c->line_bytes = (size_t)(end - at) + 1;
        if (logs_line_parse(at, (size_t)(end - at), &c->line) == 0) {
            c->line.service = c->service;
            c->line.replica = c->replica;
            c->has_line = true;
        } else {
            c->start += c->line_bytes;
        }
    }
    return 0;
}

static void consume(struct cursor *c)
{
    c->start += c->line_bytes;
    c->has_line = false;
}

int logs_reader_next(struct logs_reader *r, struct logs_line *out, struct err *e)
{
    for (;;) {
        if (r->given)
            consume(take_ptr(r->given));
        struct cursor *first = NULL;
        for (size_t i = 0; i < r->count; i++) {
            struct cursor *c = &r->cursors[i];
            if (advance(r, c, e) < 0)
                return -1;
            if (c->has_line && (!first || c->line.time_ns < first->line.time_ns))
                first = c;
        }
        if (!first)
            return 0;
        r->given = first;
        if (r->skip) {
            r->skip--;
            continue;
        }
        *out = first->line;
        return 1;
    }
}
