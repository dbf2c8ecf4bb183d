#include "supervisor/http/message.h"

#include <string.h>
#include <strings.h>

struct named {
    const char *name;
    size_t len;
};
#define NAME(literal)                  \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static const struct named methods[HTTP_METHOD_COUNT_] = {
    [HTTP_GET] = NAME("GET"),         [HTTP_HEAD] = NAME("HEAD"),
    [HTTP_POST] = NAME("POST"),       [HTTP_PUT] = NAME("PUT"),
    [HTTP_DELETE] = NAME("DELETE"),   [HTTP_CONNECT] = NAME("CONNECT"),
    [HTTP_OPTIONS] = NAME("OPTIONS"), [HTTP_TRACE] = NAME("TRACE"),
    [HTTP_PATCH] = NAME("PATCH"),
};

static const struct named fields[HTTP_FIELD_COUNT_] = {
    [HTTP_ACCEPT] = NAME("accept"),
    [HTTP_AUTHORIZATION] = NAME("authorization"),
    [HTTP_CONNECTION] = NAME("connection"),
    [HTTP_CONTENT_LENGTH] = NAME("content-length"),
    [HTTP_CONTENT_TYPE] = NAME("content-type"),
    [HTTP_COOKIE] = NAME("cookie"),
    [HTTP_DATE] = NAME("date"),
    [HTTP_EXPECT] = NAME("expect"),
    [HTTP_FORWARDED] = NAME("forwarded"),
    [HTTP_HOST] = NAME("host"),
    [HTTP_IF_MATCH] = NAME("if-match"),
    [HTTP_IF_MODIFIED_SINCE] = NAME("if-modified-since"),
    [HTTP_IF_NONE_MATCH] = NAME("if-none-match"),
    [HTTP_IF_RANGE] = NAME("if-range"),
    [HTTP_IF_UNMODIFIED_SINCE] = NAME("if-unmodified-since"),
    [HTTP_KEEP_ALIVE] = NAME("keep-alive"),
    [HTTP_LOCATION] = NAME("location"),
    [HTTP_PROXY_CONNECTION] = NAME("proxy-connection"),
    [HTTP_RANGE] = NAME("range"),
    [HTTP_REFERER] = NAME("referer"),
    [HTTP_SERVER] = NAME("server"),
    [HTTP_TE] = NAME("te"),
    [HTTP_TRAILER] = NAME("trailer"),
    [HTTP_TRANSFER_ENCODING] = NAME("transfer-encoding"),
    [HTTP_UPGRADE] = NAME("upgrade"),
    [HTTP_USER_AGENT] = NAME("user-agent"),
    [HTTP_VIA] = NAME("via"),
    [HTTP_X_FORWARDED_FOR] = NAME("x-forwarded-for"),
    [HTTP_X_FORWARDED_HOST] = NAME("x-forwarded-host"),
    [HTTP_X_FORWARDED_PORT] = NAME("x-forwarded-port"),
    [HTTP_X_FORWARDED_PROTO] = NAME("x-forwarded-proto"),
    [HTTP_X_REAL_IP] = NAME("x-real-ip"),
    [HTTP_X_REQUEST_ID] = NAME("x-request-id"),
};

enum {
    FIELD_NAME_LONGEST = 19,
    FIELDS_OF_A_LENGTH = 4,
};

/* The candidates for a name of so many bytes, so that a lookup compares one or two names. The unit
 * test holds it against the table above. */
static const uint8_t fields_by_length[FIELD_NAME_LONGEST + 1][FIELDS_OF_A_LENGTH + 1] = {
    [2] = { HTTP_TE },
    [3] = { HTTP_VIA },
    [4] = { HTTP_HOST, HTTP_DATE },
    [5] = { HTTP_RANGE },
    [6] = { HTTP_ACCEPT, HTTP_COOKIE, HTTP_EXPECT, HTTP_SERVER },
    [7] = { HTTP_UPGRADE, HTTP_REFERER, HTTP_TRAILER },
    [8] = { HTTP_LOCATION, HTTP_IF_MATCH, HTTP_IF_RANGE },
    [9] = { HTTP_FORWARDED, HTTP_X_REAL_IP },
    [10] = { HTTP_CONNECTION, HTTP_USER_AGENT, HTTP_KEEP_ALIVE },
    [12] = { HTTP_CONTENT_TYPE, HTTP_X_REQUEST_ID },
    [13] = { HTTP_AUTHORIZATION, HTTP_IF_NONE_MATCH },
    [14] = { HTTP_CONTENT_LENGTH },
    [15] = { HTTP_X_FORWARDED_FOR },
    [16] = { HTTP_PROXY_CONNECTION, HTTP_X_FORWARDED_HOST, HTTP_X_FORWARDED_PORT },
    [17] = { HTTP_TRANSFER_ENCODING, HTTP_IF_MODIFIED_SINCE, HTTP_X_FORWARDED_PROTO },
    [19] = { HTTP_IF_UNMODIFIED_SINCE },
};

static const struct {
    uint16_t status;
    const char *name;
} statuses[] = {
    { 100, "Continue" },
    { 101, "Switching Protocols" },
    { 102, "Processing" },
    { 103, "Early Hints" },
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 203, "Non-Authoritative Information" },
    { 204, "No Content" },
    { 205, "Reset Content" },
    { 206, "Partial Content" },
    { 207, "Multi-Status" },
    { 300, "Multiple Choices" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 402, "Payment Required" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 425, "Too Early" },
    { 426, "Upgrade Required" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 451, "Unavailable For Legal Reasons" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
};

const char *http_status_name(unsigned status)
{
    size_t low = 0, high = ARRAY_LEN(statuses);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (statuses[middle].status == status)
            return statuses[middle].name;
        if (statuses[middle].status < status)
            low = middle + 1;
        else
            high = middle;
    }
    return "Unknown";
}

bool http_text_eq(struct http_text a, const char *b)
{
    return strlen(b) == a.len && (a.len == 0 || memcmp(a.at, b, a.len) == 0);
}

bool http_text_is(struct http_text a, const char *b)
{
    return strlen(b) == a.len && (a.len == 0 || strncasecmp(a.at, b, a.len) == 0);
}

enum http_method http_method_of(struct http_text name)
{
    for (enum http_method m = HTTP_GET; m < HTTP_METHOD_COUNT_; m++)
        if (methods[m].len == name.len && memcmp(methods[m].name, name.at, name.len) == 0)
            return m;
    return HTTP_METHOD_OTHER;
}

bool http_method_is_idempotent(enum http_method m)
{
    return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_OPTIONS || m == HTTP_TRACE ||
           m == HTTP_PUT || m == HTTP_DELETE;
}

enum http_field http_field_of(struct http_text name)
{
    if (name.len > FIELD_NAME_LONGEST)
        return HTTP_FIELD_OTHER;
    for (const uint8_t *f = fields_by_length[name.len]; *f; f++)
        /* The names are letters and '-', which has bit 0x20 set: no other byte folds onto them in
         * the first place, and strncasecmp decides. */
        if ((name.at[0] | 0x20) == fields[*f].name[0] &&
            strncasecmp(name.at, fields[*f].name, name.len) == 0)
            return (enum http_field) * f;
    return HTTP_FIELD_OTHER;
}

struct http_text http_value(const struct http_head *h, enum http_field f)
{
    const struct http_header *header = http_find(h, f);
    return header ? header->value : (struct http_text){ "", 0 };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool http_list_next(struct http_text *list, struct http_text *element)
{
    while (list->len) {
        const char *comma = memchr(list->at, ',', list->len);
        size_t len = comma ? (size_t)(comma - list->at) : list->len;
        struct http_text t = { list->at, len };
        size_t step = comma ? len + 1 : len;
        list->at += step;
        list->len -= step;
        while (t.len && is_blank(t.at[0])) {
            t.at++;
            t.len--;
        }
        while (t.len && is_blank(t.at[t.len - 1]))
            t.len--;
        if (t.len) {
            *element = t;
            return true;
        }
    }
    return false;
}

bool http_list_has(struct http_text list, const char *token)
{
    struct http_text element;
    while (http_list_next(&list, &element))
        if (http_text_is(element, token))
            return true;
    return false;
}
