#pragma once
/* Looking into a pipe without taking anything out: tee(2) into a pipe of our own, read that. So the
 * bytes stay in the service's pipe until they are safe. One for all pipes of an engine. */
#include <sys/types.h>

#include "runtime/base/err.h"

struct logs_tee {
    int read_fd, write_fd;
    int null_fd; /* where bytes go that are taken out */
};

must_check int logs_tee_init(struct logs_tee *t, struct err *e);
void logs_tee_done(struct logs_tee *t);
/* Up to SIZE bytes from the front of PIPE_FD. 0: end of file; -1 with errno, EAGAIN: empty. */
must_check ssize_t logs_tee_look(struct logs_tee *t, int pipe_fd, char *to, size_t size);
/* Removes LEN bytes that were looked at. */
void logs_tee_take(struct logs_tee *t, int pipe_fd, size_t len);
