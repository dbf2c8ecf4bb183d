#include "specs/yaml_scalar.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/str.h"

struct word {
    const char *text;
    enum json_type type;
    bool boolean;
    const char *older;
};

static const struct word words[] = {
    { "", JSON_NULL, false, NULL },         { "~", JSON_NULL, false, NULL },
    { "null", JSON_NULL, false, NULL },     { "Null", JSON_NULL, false, NULL },
    { "NULL", JSON_NULL, false, NULL },     { "true", JSON_BOOL, true, NULL },
    { "True", JSON_BOOL, true, NULL },      { "TRUE", JSON_BOOL, true, NULL },
    { "false", JSON_BOOL, false, NULL },    { "False", JSON_BOOL, false, NULL },
    { "FALSE", JSON_BOOL, false, NULL },    { "yes", JSON_STRING, false, "true" },
    { "Yes", JSON_STRING, false, "true" },  { "YES", JSON_STRING, false, "true" },
    { "on", JSON_STRING, false, "true" },   { "On", JSON_STRING, false, "true" },
    { "ON", JSON_STRING, false, "true" },   { "no", JSON_STRING, false, "false" },
    { "No", JSON_STRING, false, "false" },  { "NO", JSON_STRING, false, "false" },
    { "off", JSON_STRING, false, "false" }, { "Off", JSON_STRING, false, "false" },
    { "OFF", JSON_STRING, false, "false" },
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The value of DIGITS in BASE; false when one does not belong there, or they are too many. */
static bool whole_number(const char *digits, unsigned base, uint64_t *out)
{
    uint64_t n = 0;
    if (!*digits)
        return false;
    for (; *digits; digits++) {
        char c = (char)(*digits | 0x20);
        unsigned d = is_digit(*digits)      ? (unsigned)(*digits - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                            : 16;
        if (d >= base || n > (UINT64_MAX - d) / base)
            return false;
        n = n * base + d;
    }
    *out = n;
    return true;
}

/* 0x1f, 0o17, 017, 0b11: as decimal digits. */
static bool based_number(const char *digits, struct yaml_scalar *out, const char *sign)
{
    static const struct {
        const char *prefix;
        unsigned base;
    } bases[] = { { "0x", 16 }, { "0o", 8 }, { "0b", 2 }, { "0", 8 } };
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        size_t len = strlen(bases[i].prefix);
        uint64_t n;
        if (strncmp(digits, bases[i].prefix, len) == 0 &&
            whole_number(digits + len, bases[i].base, &n)) {
            (void)snprintf(out->number, sizeof(out->number), "%s%llu", sign, (unsigned long long)n);
            return true;
        }
    }
    return false;
}

/* [0-9]* ( . [0-9]* )? ( [eE] [-+]? [0-9]+ )? with a digit before the exponent. */
static bool is_decimal(const char *p)
{
    size_t whole = strspn(p, "0123456789"), part = 0;
    p += whole;
    if (*p == '.') {
        part = strspn(p + 1, "0123456789");
        p += part + 1;
    }
    if (whole + part == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        size_t digits = strspn(p, "0123456789");
        if (!digits)
            return false;
        p += digits;
    }
    return !*p;
}

/* As JSON has it: no zeros in front, a digit on both sides of the point. */
static void write_decimal(const char *p, struct yaml_scalar *out, const char *sign)
{
    while (*p == '0' && is_digit(p[1]))
        p++;
    size_t whole = strspn(p, "0123456789");
    const char *rest = p + whole;
    bool is_bare_point = *rest == '.' && !is_digit(rest[1]);
    (void)snprintf(out->number, sizeof(out->number), "%s%.*s%s%s", sign, whole ? (int)whole : 1,
                   whole ? p : "0", is_bare_point ? ".0" : "", rest + (is_bare_point ? 1 : 0));
}

/* [-+]? digits ( : [0-5]?[0-9] )+, which YAML 1.1 reads in base 60. */
static bool is_base_60(const char *p)
{
    p += *p == '-' || *p == '+';
    size_t digits = strspn(p, "0123456789");
    if (!digits || *p == '0' || p[digits] != ':')
        return false;
    for (p += digits; *p == ':'; p += digits) {
        p++;
        digits = strspn(p, "0123456789");
        if (digits < 1 || digits > 2 || (digits == 2 && *p > '5'))
            return false;
    }
    return !*p;
}

static bool resolve_number(const char *text, struct yaml_scalar *out)
{
    char plain[YAML_NUMBER_MAX + 1] = "";
    size_t len = 0;
    const char *sign = *text == '-' ? "-" : "";
    text += *text == '-' || *text == '+';
    if (!is_digit(*text) && *text != '.')
        return false;
    for (; *text; text++)
        if (*text != '_')
            plain[len++] = *text;
    plain[len] = '\0';
    if (based_number(plain, out, sign))
        return true;
    if (!is_decimal(plain))
        return false;
    write_decimal(plain, out, sign);
    return true;
}

void yaml_scalar_resolve(const char *text, size_t len, struct yaml_scalar *out)
{
    *out = (struct yaml_scalar){ .type = JSON_STRING };
    if (len > YAML_NUMBER_MAX)
        return;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(words[i].text, text)) {
            out->type = words[i].type;
            out->boolean = words[i].boolean;
            out->older = words[i].older;
            return;
        }
    if (resolve_number(text, out))
        out->type = JSON_NUMBER;
    else if (is_base_60(text))
        out->older = "a number in base 60";
}
