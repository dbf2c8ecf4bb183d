#pragma once
/* A piece of a body on its way: taken out of the framing in which it came, put into the framing in
 * which it goes, in place. Pure. The memory needs room before (a chunk head) and after (an end of
 * chunk and the last chunk): FRAME_HEADROOM and FRAME_TAILROOM bytes. */
#include "supervisor/http/body.h"

enum {
    FRAME_HEADROOM = HTTP_CHUNK_HEAD_MAX,
    FRAME_TAILROOM = 8,
};

struct frame {
    char *at;
    size_t len;  /* payload; after frame_wrap with its framing */
    size_t used; /* of the input; the rest belongs to the next message */
    bool is_end; /* the body ended with it */
};

/* Reads DATA and moves the payload together at its beginning. -1: *error. */
must_check int frame_read(struct frame *f, struct http_body *b, char *data, size_t len,
                          enum http_error *error);
/* Makes a chunk of it, and the last chunk at the end. Overwrites what follows the payload. */
void frame_wrap(struct frame *f);
