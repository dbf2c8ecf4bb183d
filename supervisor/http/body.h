#pragma once
/* Bodies: the framing of a body as a small state machine that splits received bytes into payload
 * and rest, and the chunked encoder. Pure; owns nothing; 32 bytes of state. Trailers are read,
 * checked and dropped; chunk extensions too. */
#include "supervisor/http/parse.h"

enum {
    HTTP_CHUNK_EXT_MAX = 256, /* bytes of extensions of one chunk */
    HTTP_TRAILER_MAX = 8192,  /* bytes of a trailer section */
    HTTP_CHUNK_HEAD_MAX = 20, /* bytes that http_chunk_head may write */
};

struct http_body {
    uint64_t left;   /* LENGTH: of the body; CHUNKED: of the chunk */
    uint32_t spent;  /* bytes of the extension or trailer section so far */
    uint8_t framing; /* enum http_framing */
    uint8_t state;
    uint8_t digits;
};

enum http_body_step {
    HTTP_BODY_DATA, /* *payload is to be used, *used bytes were consumed; call again */
    HTTP_BODY_MORE, /* everything was consumed, the body goes on */
    HTTP_BODY_END,  /* the body ended; what is after *used belongs to the next message */
    HTTP_BODY_ERROR,
};

void http_body_init(struct http_body *b, const struct http_head *h);
/* Takes the next piece of DATA. *payload points into DATA. *error is set on ERROR only. For CLOSE
 * framing END never comes: the caller sees the end of the connection. */
enum http_body_step http_body_read(struct http_body *b, const char *data, size_t len, size_t *used,
                                   struct http_text *payload, enum http_error *error);
/* Nothing more is to come (true from the start for an empty body). */
bool http_body_is_done(const struct http_body *b);
/* How many more payload bytes could come without any framing between them, when known: LENGTH and
 * CLOSE (UINT64_MAX). 0 for CHUNKED. The caller that moved N of them by splice or sendfile
 * says so with http_body_skip. */
uint64_t http_body_plain_left(const struct http_body *b);
void http_body_skip(struct http_body *b, uint64_t n);

/* "1f40\r\n" for a chunk of LEN > 0 bytes, without NUL; returns its length. After the data comes
 * "\r\n"; after the last chunk "0\r\n\r\n". */
size_t http_chunk_head(char to[HTTP_CHUNK_HEAD_MAX], uint64_t len);
#define HTTP_CHUNK_LAST "0\r\n\r\n"
