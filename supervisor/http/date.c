#include "supervisor/http/date.h"

#include <string.h>
#include <strings.h>

static const char day_names[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

enum {
    SECONDS_OF_DAY = 86400
};

struct civil {
    int64_t year;
    unsigned month, day; /* 1… */
};

/* The proleptic Gregorian calendar by eras of 400 years; no time zone, no locale, no libc tables.
 */
static struct civil civil_of_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned doe = (unsigned)(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    unsigned month = mp < 10 ? mp + 3 : mp - 9;
    return (struct civil){ (int64_t)yoe + era * 400 + (month <= 2), month,
                           doy - (153 * mp + 2) / 5 + 1 };
}

static int64_t days_of_civil(struct civil c)
{
    int64_t y = c.year - (c.month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy = (153 * (c.month > 2 ? c.month - 3 : c.month + 9) + 2) / 5 + c.day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

static char *put_number(char *to, unsigned n, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--, n /= 10)
        to[i - 1] = (char)('0' + n % 10);
    return to + digits;
}

static char *put_word(char *to, const char *word)
{
    size_t len = strlen(word);
    memcpy(to, word, len);
    return to + len;
}

char *http_date_format(char to[HTTP_DATE_MAX], int64_t t)
{
    if (t < 0) /* nothing of ours is older; a file that says so is as good as 1970 */
        t = 0;
    int64_t days = t / SECONDS_OF_DAY;
    unsigned rest = (unsigned)(t % SECONDS_OF_DAY);
    struct civil c = civil_of_days(days);
    char *p = put_word(to, day_names[(days + 4) % 7]);
    p = put_number(put_word(p, ", "), c.day, 2);
    p = put_word(put_word(put_word(p, " "), month_names[c.month - 1]), " ");
    p = put_number(p, (unsigned)(c.year % 10000), 4);
    p = put_number(put_word(p, " "), rest / 3600, 2);
    p = put_number(put_word(p, ":"), rest / 60 % 60, 2);
    p = put_number(put_word(p, ":"), rest % 60, 2);
    *put_word(p, " GMT") = '\0';
    return to;
}

struct cursor {
    const char *at, *end;
    bool is_bad;
};

static void expect(struct cursor *c, const char *word)
{
    size_t len = strlen(word);
    if (c->is_bad || (size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        c->is_bad = true;
    else
        c->at += len;
}

static unsigned number(struct cursor *c, int digits)
{
    unsigned n = 0;
    if (c->end - c->at < digits)
        c->is_bad = true;
    for (int i = 0; !c->is_bad && i < digits; i++, c->at++) {
        if (*c->at < '0' || *c->at > '9')
            c->is_bad = true;
        n = n * 10 + (unsigned)(*c->at - '0');
    }
    return n;
}

static unsigned month(struct cursor *c)
{
    for (unsigned i = 0; !c->is_bad && c->end - c->at >= 3 && i < 12; i++) {
        if (memcmp(c->at, month_names[i], 3) == 0) {
            c->at += 3;
            return i + 1;
        }
    }
    c->is_bad = true;
    return 1;
}

static int64_t clock_time(struct cursor *c)
{
    unsigned hour = number(c, 2);
    expect(c, ":");
    unsigned minute = number(c, 2);
    expect(c, ":");
    unsigned second = number(c, 2);
    if (hour > 23 || minute > 59 || second > 60)
        c->is_bad = true;
    return hour * 3600 + minute * 60 + second;
}

/* RFC 9110 5.6.7: a year of two digits that is more than 50 years ahead is of the past. The present
 * is taken to be in 2000–2049. */
static unsigned short_year(struct cursor *c)
{
    unsigned year = number(c, 2);
    return year < 70 ? 2000 + year : 1900 + year;
}

static int64_t parse_named_day(struct cursor *c, struct civil *d)
{
    const char *comma = memchr(c->at, ',', (size_t)(c->end - c->at));
    if (!comma) { /* asctime: Sun Nov  6 08:49:37 1994 */
        c->at += c->end - c->at >= 3 ? 3 : 0;
        expect(c, " ");
        d->month = month(c);
        expect(c, " ");
        if (c->at < c->end && *c->at == ' ') {
            c->at++;
            d->day = number(c, 1);
        } else {
            d->day = number(c, 2);
        }
        expect(c, " ");
        int64_t time = clock_time(c);
        expect(c, " ");
        d->year = number(c, 4);
        return time;
    }
    bool is_rfc850 = comma - c->at > 3;
    c->at = comma + 1;
    const char *separator = is_rfc850 ? "-" : " ";
    expect(c, " ");
    d->day = number(c, 2);
    expect(c, separator);
    d->month = month(c);
    expect(c, separator);
    d->year = is_rfc850 ? short_year(c) : number(c, 4);
    expect(c, " ");
    int64_t time = clock_time(c);
    expect(c, " GMT");
    return time;
}

int http_date_parse(struct http_text text, int64_t *out)
{
    if (text.len < 24 || text.len > 40)
        return -1;
    struct cursor c = { .at = text.at, .end = text.at + text.len };
    struct civil d = { 0 };
    int64_t time = parse_named_day(&c, &d);
    if (c.is_bad || c.at != c.end || d.day < 1 || d.day > 31 || d.year < 1601)
        return -1;
    *out = days_of_civil(d) * SECONDS_OF_DAY + time;
    return 0;
}
