#include "supervisor/proxy/frame.h"

#include <string.h>

int frame_read(struct frame *f, struct http_body *b, char *data, size_t len, enum http_error *error)
{
    *f = (struct frame){ .at = data };
    for (;;) {
        size_t used = 0;
        struct http_text payload;
        enum http_body_step step =
            http_body_read(b, data + f->used, len - f->used, &used, &payload, error);
        if (step == HTTP_BODY_ERROR)
            return -1;
        f->used += used;
        if (step != HTTP_BODY_DATA)
            break;
        if (payload.at != data + f->len)
            memmove(data + f->len, payload.at, payload.len);
        f->len += payload.len;
    }
    f->is_end = http_body_is_done(b);
    return 0;
}

void frame_wrap(struct frame *f)
{
    if (f->len) {
        char head[HTTP_CHUNK_HEAD_MAX];
        size_t n = http_chunk_head(head, f->len);
        memcpy(f->at + f->len, "\r\n", 2);
        memcpy(f->at - n, head, n);
        f->at -= n;
        f->len += n + 2;
    }
    if (f->is_end) {
        memcpy(f->at + f->len, HTTP_CHUNK_LAST, sizeof(HTTP_CHUNK_LAST) - 1);
        f->len += sizeof(HTTP_CHUNK_LAST) - 1;
    }
}
