#pragma once
/* Which answer a conditional or partial request for a file gets: RFC 9110 13.2.2 and 14.2, as a
 * pure function of the fields and the file's state. */
#include "supervisor/http/message.h"

enum {
    HTTP_ETAG_MAX = 48
};

struct http_file {
    uint64_t size;
    int64_t mtime_s;
    uint32_t mtime_ns;
};

struct http_file_answer {
    unsigned status; /* 200, 206, 304, 412, 416 */
    uint64_t offset; /* of the part to send */
    uint64_t length; /* bytes to send, 0 for 304, 412, 416 */
};

/* Strong validator from size and time: "\"65a1b2c3-1f40\"". */
char *http_file_etag(char to[HTTP_ETAG_MAX], const struct http_file *f);
/* For GET and HEAD. A Range of several parts is answered with the whole file. */
void http_file_decide(const struct http_request *r, const struct http_file *f, const char *etag,
                      struct http_file_answer *out);
