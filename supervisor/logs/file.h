#pragma once
/* The rotated files of one replica: SERVICE-REPLICA.log is written, .log.1, .log.2, … are older.
 * Engine only; writing blocks as files do. */
#include "runtime/base/limits.h"
#include "supervisor/logs/logs.h"

enum {
    LOGS_FILE_NAME_MAX = NAME_LIMIT + 24, /* "SERVICE-4294967295.log.2" with NUL */
};

struct logs_file {
    int dir_fd; /* borrowed */
    int fd;     /* -1: not open */
    uint64_t size_bytes;
    uint64_t max_bytes; /* of one file */
    unsigned max_files;
    char name[LOGS_FILE_NAME_MAX];
};

/* Name of the file that is AGE rotations old; -1 when SERVICE is too long. */
must_check int logs_file_name(char to[LOGS_FILE_NAME_MAX], const char *service, uint32_t replica,
                              unsigned age);
/* Takes a directory entry apart; false when it is not a log file. */
bool logs_file_parse_name(const char *name, char service[NAME_LIMIT], uint32_t *replica,
                          unsigned *age);

must_check int logs_file_open(struct logs_file *f, int dir_fd, const char *service,
                              uint32_t replica, struct err *e);
/* 0: the default. Files that are too old by the new limit are deleted. */
void logs_file_limit(struct logs_file *f, uint64_t max_bytes, unsigned max_files);
void logs_file_close(struct logs_file *f);
/* Whole lines; rotates before, when they would not fit. After a failure the file is as before. */
must_check int logs_file_append(struct logs_file *f, const char *data, size_t len, struct err *e);
