#include "supervisor/logs/line.h"

enum {
    TIME_LEN = 27, /* 2026-11-21T04:05:06.789012Z */
};

static const char *const stream_names[LOGS_STREAM_COUNT_] = {
    [LOGS_STDOUT] = "stdout",
    [LOGS_STDERR] = "stderr",
};

/* Days since 1970-01-01 to a date and back, proleptic Gregorian, in eras of 400 years that begin on
 * a first of March (H. Hinnant, "chrono-compatible low-level date algorithms"). The C library's
 * functions would read /etc/localtime. */
static void date_of_days(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t z = days + 719468;
    uint64_t era = z / 146097;
    unsigned doe = (unsigned)(z % 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (unsigned)(yoe + era * 400) + (*month <= 2);
}

static uint64_t days_of_date(unsigned year, unsigned month, unsigned day)
{
    unsigned y = year - (month <= 2);
    unsigned era = y / 400;
    unsigned yoe = y % 400;
    unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return (uint64_t)era * 146097 + doe - 719468;
}

static char *put_digits(char *at, unsigned value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

size_t logs_line_head(char to[LOGS_HEAD_MAX], uint64_t time_ns, enum logs_stream stream,
                      bool is_continued)
{
    uint64_t seconds = time_ns / 1000000000u;
    unsigned of_day = (unsigned)(seconds % 86400);
    unsigned year, month, day;
    date_of_days(seconds / 86400, &year, &month, &day);
    char *at = put_digits(to, year, 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day, 2);
    *at++ = 'T';
    at = put_digits(at, of_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, of_day / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, of_day % 60, 2);
    *at++ = '.';
    at = put_digits(at, (unsigned)(time_ns % 1000000000u / 1000u), 6);
    *at++ = 'Z';
    *at++ = ' ';
    size_t name_len = strlen(stream_names[stream]);
    memcpy(at, stream_names[stream], name_len);
    at += name_len;
    if (is_continued)
        *at++ = '+';
    *at++ = ' ';
    *at = '\0';
    return (size_t)(at - to);
}

static int parse_time(const char *data, uint64_t *time_ns)
{
    static const char template[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    _Static_assert(sizeof(template) == TIME_LEN + 1, "template and length");
    unsigned values[7] = { 0 };
    size_t field = 0;
    for (size_t i = 0; i < TIME_LEN; i++) {
        if (template[i] != 'd') {
            if (data[i] != template[i])
                return -1;
            field++;
            continue;
        }
        if (data[i] < '0' || data[i] > '9')
            return -1;
        values[field] = values[field] * 10 + (unsigned)(data[i] - '0');
    }
    if (values[0] < 1970 || values[1] < 1 || values[1] > 12 || values[2] < 1 || values[2] > 31 ||
        values[3] > 23 || values[4] > 59 || values[5] > 59)
        return -1;
    uint64_t days = days_of_date(values[0], values[1], values[2]);
    uint64_t hours = days * 24 + values[3];
    uint64_t seconds = (hours * 60 + values[4]) * 60 + values[5];
    *time_ns = seconds * 1000000000u + (uint64_t)values[6] * 1000u;
    return 0;
}

int logs_line_parse(const char *data, size_t len, struct logs_line *out)
{
    uint64_t time_ns;
    if (len < TIME_LEN + 1 || parse_time(data, &time_ns) < 0 || data[TIME_LEN] != ' ')
        return -1;
    const char *at = data + TIME_LEN + 1;
    const char *end = data + len;
    for (size_t s = 0; s < LOGS_STREAM_COUNT_; s++) {
        size_t n = strlen(stream_names[s]);
        if ((size_t)(end - at) < n + 1 || memcmp(at, stream_names[s], n) != 0)
            continue;
        at += n;
        bool is_continued = *at == '+';
        at += is_continued;
        if (at == end || *at != ' ')
            return -1;
        at++;
        *out = (struct logs_line){ .stream = (enum logs_stream)s,
                                   .is_continued = is_continued,
                                   .time_ns = time_ns,
                                   .text = at,
                                   .len = (size_t)(end - at) };
        return 0;
    }
    return -1;
}
