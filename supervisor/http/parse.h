#pragma once
/* The strict parser of HTTP/1 heads.
 *
 * Incremental by looking again: give it everything received so far; `scan` remembers how far the
 * search for the end has come, so a head that arrives byte by byte costs each byte once. A wrong
 * line is an error as soon as it is complete, not only when the head is. Pure. Errors are an enum
 * with one text and one status each, made for 4xx answers and for 502 reasons. */
#include "supervisor/http/message.h"

enum http_error {
    HTTP_OK,
    HTTP_ERR_BARE_LF,    /* a line not ended by CRLF */
    HTTP_ERR_START_LINE, /* not METHOD SP TARGET SP VERSION, or not a status line */
    HTTP_ERR_METHOD,
    HTTP_ERR_METHOD_LONG,   /* 501 */
    HTTP_ERR_TARGET,        /* forbidden byte, fragment, or not a form for this method */
    HTTP_ERR_TARGET_LONG,   /* 414 */
    HTTP_ERR_VERSION,       /* not HTTP/x.y */
    HTTP_ERR_VERSION_MAJOR, /* 505 */
    HTTP_ERR_HEAD_LARGE,    /* 431 */
    HTTP_ERR_FIELD_COUNT,   /* 431 */
    HTTP_ERR_FIELD_NAME,    /* not a token, or space before the colon */
    HTTP_ERR_FIELD_VALUE,   /* control byte */
    HTTP_ERR_OBS_FOLD,      /* continued line */
    HTTP_ERR_HOST_MISSING,
    HTTP_ERR_HOST_TWICE,
    HTTP_ERR_HOST,   /* not a host, or with user information */
    HTTP_ERR_LENGTH, /* Content-Length not digits or too large */
    HTTP_ERR_LENGTH_TWICE,
    HTTP_ERR_LENGTH_AND_TE,
    HTTP_ERR_TE_TWICE,
    HTTP_ERR_TE_VERSION, /* Transfer-Encoding in HTTP/1.0 */
    HTTP_ERR_TE_CODING,  /* 501: anything but "chunked" */
    HTTP_ERR_EXPECT,     /* 417 */
    HTTP_ERR_CONNECT,    /* 405 */
    HTTP_ERR_STATUS,     /* response: not three digits 100–599 */
    HTTP_ERR_CHUNK_SIZE, /* not 1–16 hexadecimal digits */
    HTTP_ERR_CHUNK_EXT,  /* chunk extension too long or with a forbidden byte */
    HTTP_ERR_CHUNK_END,  /* no CRLF after the data or size */
    HTTP_ERR_TRAILER,    /* trailer section too large or malformed */
    HTTP_ERROR_COUNT_
};

/* Status that answers a request with this error (400 mostly), and its sentence: "Content-Length is
 * not a number". */
unsigned http_error_status(enum http_error e);
const char *http_error_text(enum http_error e);

struct http_scan { /* zero: start of a head */
    size_t seen;
    size_t skipped; /* empty lines before the start line */
};

enum http_parsed {
    HTTP_PARSE_MORE,  /* the head is not complete */
    HTTP_PARSE_DONE,  /* *out is filled; out->head.head_bytes consumed, body follows */
    HTTP_PARSE_ERROR, /* *error says which */
};

/* DATA must not move until *out is no longer used. SCAN is reset on DONE. */
enum http_parsed http_parse_request(const char *data, size_t len, struct http_scan *scan,
                                    struct http_request *out, enum http_error *error);
/* METHOD is of the request that it answers (HEAD: no body). 1xx heads are returned like others,
 * with framing NONE: the caller goes on parsing after head_bytes. */
enum http_parsed http_parse_response(const char *data, size_t len, struct http_scan *scan,
                                     enum http_method method, struct http_response *out,
                                     enum http_error *error);
