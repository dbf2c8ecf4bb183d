#pragma once
/* What containers write: from pipes into rotated files, and out again to readers and followers.
 *
 * Files are DIR/SERVICE-REPLICA.log, .log.1, .log.2 (10 MiB each), one line per line:
 * `2026-11-21T04:05:06.789012Z stdout text`; a line over 16 KiB is split, all pieces but the last
 * with `stdout+`. At least once: bytes leave the pipe only after the file has them, unfinished
 * lines stay in it. So a killed engine loses nothing as long as the keeper holds the pipes; some
 * lines may stand there twice then, the first of them without its beginning. A full disk drops
 * lines, with a warning, rather than block the service. Owns the pipes given to it. Runs in the
 * engine; nothing blocks but writing to files. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/auto.h"
#include "runtime/base/err.h"
#include "supervisor/loop/loop.h"

enum {
    LOGS_LINE_MAX = 16384,      /* bytes of text */
    LOGS_FILE_BYTES = 10 << 20, /* of one file, unless logs_limit says otherwise */
    LOGS_FILES = 3,             /* per replica, unless logs_limit says otherwise */
    LOGS_FILES_MAX = 10,
    LOGS_READERS_MAX = 1024,    /* replicas that one reader merges */
    LOGS_PIPE_BYTES = 256 << 10 /* asked for; less when not allowed */
};

enum logs_stream {
    LOGS_STDOUT,
    LOGS_STDERR,
    LOGS_STREAM_COUNT_
};

struct logs_line { /* valid during the callback, or until the next call on the reader */
    const char *service;
    uint32_t replica;
    enum logs_stream stream;
    bool is_continued; /* the next line of this stream belongs to this one */
    uint64_t time_ns;  /* CLOCK_REALTIME */
    const char *text;  /* no line feed, not NUL-terminated, any bytes */
    size_t len;
};

struct logs;
struct logs_reader;

typedef void logs_line_fn(void *self, const struct logs_line *line);
/* Everything that SERVICE/REPLICA wrote to STREAM of this attachment is in its file. */
typedef void logs_end_fn(void *self, const char *service, uint32_t replica,
                         enum logs_stream stream);

struct logs_follower {   /* lives in its owner's memory until logs_unfollow */
    const char *service; /* borrowed; NULL: all */
    logs_line_fn *on_line;
    void *self;
    struct logs_follower *next;
};

/* DIR_FD is borrowed. ON_END (may be NULL) is called once per attachment that ended by itself. */
must_check int logs_new(struct logs **out, struct loop *loop, int dir_fd, logs_end_fn *on_end,
                        void *self, struct err *e);
/* Stops reading and closes the pipes; what they still hold is lost unless held elsewhere. */
void logs_free(struct logs *logs);
DEFINE_AUTO(logs_free, struct logs *);

/* Reads OWNED_PIPE_FD (closed also on failure) until its end. A second attachment of the same
 * replica and stream (a restart) is fine: lines of both go to the same file. */
must_check int logs_attach(struct logs *logs, const char *service, uint32_t replica,
                           enum logs_stream stream, int owned_pipe_fd, struct err *e);
/* From now on, while something is attached to SERVICE/REPLICA: files of at most FILE_BYTES, FILES
 * of them (up to LOGS_FILES_MAX); 0 is the default of each. Older files beyond it are deleted. */
void logs_limit(struct logs *logs, const char *service, uint32_t replica, uint64_t file_bytes,
                unsigned files);
/* Writes what the replica's pipes hold now, unfinished lines too, and closes them, without on_end:
 * for a container that is gone while something else still has its pipe open. */
void logs_detach(struct logs *logs, const char *service, uint32_t replica);
/* Deletes the files of SERVICE (all replicas); NULL: of every service. Attachments are detached. */
void logs_remove(struct logs *logs, const char *service);

/* From now on F->on_line gets each line. A callback may unfollow itself, no other. */
void logs_follow(struct logs *logs, struct logs_follower *f);
void logs_unfollow(struct logs *logs, struct logs_follower *f);

/* Reads the last TAIL lines (SIZE_MAX: all) of SERVICE (NULL: all), merged by time over replicas
 * and rotated files. Needs no struct logs: also for a stack that is down. */
must_check int logs_reader_new(struct logs_reader **out, int dir_fd, const char *service,
                               size_t tail, struct err *e);
void logs_reader_free(struct logs_reader *r);
DEFINE_AUTO(logs_reader_free, struct logs_reader *);
/* 1: *OUT is the next line. 0: caught up with the files as they are now; who calls logs_follow
 * before returning to the loop misses nothing. -1: error. */
must_check int logs_reader_next(struct logs_reader *r, struct logs_line *out, struct err *e);
