#pragma once
/* One line of a log file, `2026-11-21T04:05:06.789012Z stdout text`, written and read. Pure. */
#include "supervisor/logs/logs.h"

enum {
    LOGS_HEAD_MAX = 64, /* bytes before the text, with NUL */
};

/* Writes what stands before the text; returns its length. */
size_t logs_line_head(char to[LOGS_HEAD_MAX], uint64_t time_ns, enum logs_stream stream,
                      bool is_continued);
/* A line without its line feed; *out points into it, service and replica are not set. -1 when it is
 * not one: torn by a crash, or written by somebody else. */
must_check int logs_line_parse(const char *data, size_t len, struct logs_line *out);
