/* to_timestamp(text, pattern): the letters of date_format, read.
 *
 * A field of one letter takes as many digits as there are, of more letters exactly that
 * many (but yyyy four or more); MMM and MMMM, EEE and EEEE take English names.  What the
 * pattern does not name is 1970-01-01 00:00:00. */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "engine/expr/kernels_text_private.h"
#include "engine/expr/kernels_time_private.h"

static const char *const month_names[] = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"
};
static const char *const day_names[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                         "Friday", "Saturday", "Sunday" };

typedef struct parser {
    const char *text, *end, *at;
    int32_t year, month, day, day_of_year; /* day_of_year 0: not given */
    int32_t hour, minute, second, micros;
    bool pm, has_half, has_offset;
    int64_t offset_us;
} parser;

static bool take_number(parser *p, uint32_t least, uint32_t most, int32_t *ret)
{
    int32_t v = 0;
    uint32_t n = 0;
    while (n < most && p->at < p->end && isdigit((unsigned char)*p->at)) {
        v = v * 10 + (*p->at++ - '0');
        n++;
    }
    *ret = v;
    return n >= least;
}

/* A run of one letter: exactly that many digits, one letter as many as there are. */
static bool take_field(parser *p, uint32_t count, int32_t *ret)
{
    return count == 1 ? take_number(p, 1, 9, ret)
                      : take_number(p, count, count < 9 ? count : 9, ret);
}

static bool take_name(parser *p, const char *const *names, uint32_t count, bool whole,
                      int32_t *ret)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t n = whole ? strlen(names[i]) : 3;
        if ((size_t)(p->end - p->at) < n || strncasecmp(p->at, names[i], n) != 0)
            continue;
        p->at += n;
        *ret = (int32_t)i + 1;
        return true;
    }
    return false;
}

static bool take_year(parser *p, uint32_t count)
{
    if (count == 2) {
        bool taken = take_number(p, 2, 2, &p->year);
        p->year += 2000;
        return taken;
    }
    /* Digits of a field behind belong to it: yyyyMMdd. */
    return take_number(p, count == 1 ? 1 : count, count <= 4 ? 4 : count, &p->year);
}

static bool take_fraction(parser *p, uint32_t count)
{
    static const int32_t scale[] = { 1000000, 100000, 10000, 1000, 100, 10, 1 };
    int32_t v, more;
    uint32_t digits = count < 6 ? count : 6;
    if (!take_number(p, digits, digits, &v) ||
        (count > 6 && !take_number(p, count - 6, count - 6, &more)))
        return false;
    p->micros = v * scale[digits];
    return true;
}

/* Z, +01, +0130, +01:30 */
static bool take_offset(parser *p)
{
    int32_t hours, minutes = 0;
    p->has_offset = true;
    if (p->at < p->end && *p->at == 'Z') {
        p->at++;
        return true;
    }
    if (p->at >= p->end || (*p->at != '+' && *p->at != '-'))
        return false;
    bool west = *p->at++ == '-';
    if (!take_number(p, 2, 2, &hours))
        return false;
    if (p->at < p->end && *p->at == ':')
        p->at++;
    if (p->at < p->end && isdigit((unsigned char)*p->at) &&
        !take_number(p, 2, 2, &minutes))
        return false;
    p->offset_us = (hours * 60 + minutes) * SL_MINUTE_US * (west ? -1 : 1);
    return hours <= 18 && minutes < 60;
}

static bool take_half(parser *p)
{
    if (p->end - p->at < 2 || (p->at[1] | 0x20) != 'm')
        return false;
    int c = *p->at | 0x20;
    p->at += 2;
    p->has_half = true;
    p->pm = c == 'p';
    return c == 'a' || c == 'p';
}

/* False: the text does not fit. *ret_known = false: no such letter. */
static bool take(parser *p, char letter, uint32_t count, bool *ret_known)
{
    int32_t ignored;
    *ret_known = true;
    switch (letter) {
    case 'y':
    case 'u':
        return take_year(p, count);
    case 'M':
    case 'L':
        return count >= 3 ? take_name(p, month_names, 12, count >= 4, &p->month)
                          : take_field(p, count, &p->month);
    case 'd':
        return take_field(p, count, &p->day);
    case 'D':
        return take_field(p, count, &p->day_of_year);
    case 'E':
        return take_name(p, day_names, 7, count >= 4, &ignored);
    case 'a':
        return take_half(p);
    case 'H':
    case 'K':
        return take_field(p, count, &p->hour);
    case 'k':
    case 'h':
        if (!take_field(p, count, &p->hour) || p->hour < 1)
            return false;
        p->hour %= letter == 'k' ? 24 : 12;
        return true;
    case 'm':
        return take_field(p, count, &p->minute);
    case 's':
        return take_field(p, count, &p->second);
    case 'S':
        return take_fraction(p, count);
    case 'X':
    case 'x':
    case 'Z':
        return take_offset(p);
    default:
        *ret_known = false;
        return false;
    }
}

/* Quoted text from i must stand there; '' is one quote. Returns past the closing quote,
 * or 0. */
static uint32_t take_quoted(parser *p, const char *pattern, uint32_t i, uint32_t length)
{
    bool empty = i + 1 < length && pattern[i + 1] == '\'';
    for (i++; i < length; i++) {
        bool quote = pattern[i] == '\'';
        if (quote && !empty && (i + 1 >= length || pattern[i + 1] != '\''))
            return i + 1;
        if (p->at >= p->end || *p->at++ != pattern[i])
            return 0;
        if (empty)
            return i + 1;
        i += quote;
    }
    return length;
}

/* *ret_bad: the letter that is not known, 0 if the text is what does not fit. */
static bool parse(parser *p, const char *pattern, uint32_t length, char *ret_bad)
{
    *ret_bad = 0;
    for (uint32_t i = 0; i < length;) {
        if (pattern[i] == '\'') {
            i = take_quoted(p, pattern, i, length);
            if (i == 0)
                return false;
        } else if (isalpha((unsigned char)pattern[i])) {
            uint32_t count = 1;
            bool known;
            while (i + count < length && pattern[i + count] == pattern[i])
                count++;
            if (!take(p, pattern[i], count, &known)) {
                *ret_bad = known ? 0 : pattern[i];
                return false;
            }
            i += count;
        } else if (p->at < p->end && *p->at == pattern[i]) {
            p->at++;
            i++;
        } else {
            return false;
        }
    }
    return p->at == p->end;
}

static bool is_date(const parser *p)
{
    static const int8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = p->year % 4 == 0 && (p->year % 100 != 0 || p->year % 400 == 0);
    if (p->day_of_year != 0)
        return p->day_of_year <= 365 + leap;
    return p->month >= 1 && p->month <= 12 && p->day >= 1 &&
           p->day <= lengths[p->month - 1] + (leap && p->month == 2);
}

static int64_t local_us(const parser *p)
{
    int64_t days =
        p->day_of_year != 0
            ? sl_days_from_civil(p->year, 1, 1) + p->day_of_year - 1
            : sl_days_from_civil(p->year, (uint32_t)p->month, (uint32_t)p->day);
    int32_t hour = p->has_half ? p->hour % 12 + (p->pm ? 12 : 0) : p->hour;
    return days * SL_DAY_US + hour * SL_HOUR_US + p->minute * SL_MINUTE_US +
           p->second * SL_SECOND_US + p->micros;
}

static sl_code fail_text(const sl_kernel_call *c, const parser *p, bool is_text,
                         sl_error *err)
{
    int length = p->end - p->text > 200 ? 200 : (int)(p->end - p->text);
    if (!is_text)
        return sl_call__fail(c, "CANNOT_PARSE_TIMESTAMP", "22007", err,
                             "Text '%.*s' could not be parsed: there is no such date or "
                             "time of day.",
                             length, p->text);
    return sl_call__fail(c, "CANNOT_PARSE_TIMESTAMP", "22007", err,
                         "Text '%.*s' could not be parsed at index %d.", length, p->text,
                         (int)(p->at - p->text));
}

static sl_code parse_row(const sl_kernel_call *c, uint32_t row, sl_zone zone,
                         int64_t *ret, sl_error *err)
{
    const sl_string_view *v = sl_text__at(c->args[0], row);
    const sl_string_view *pattern = sl_text__at(c->args[1], row);
    const char *text = sl_string_data(v);
    char bad;
    parser p = { .text = text,
                 .at = text,
                 .end = text + v->length,
                 .year = 1970,
                 .month = 1,
                 .day = 1 };
    if (!parse(&p, sl_string_data(pattern), pattern->length, &bad)) {
        if (bad == 0)
            return fail_text(c, &p, true, err);
        return sl_call__fail(c, "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER", "22007",
                             err,
                             "Unrecognized datetime pattern: illegal pattern character "
                             "found: '%c'. Known are y M d D E a H h K k m s S X x Z and "
                             "quoted text.",
                             bad);
    }
    if (!is_date(&p) || p.hour > 23 || p.minute > 59 || p.second > 59)
        return fail_text(c, &p, false, err);
    int64_t us = local_us(&p);
    *ret = p.has_offset ? us - p.offset_us : sl_zone__utc(zone, us);
    return SL_OK;
}

sl_code sl_kernel__time_parse(sl_kernel_call *c, sl_error *err)
{
    sl_zone zone = sl_zone__of(c, c->expr->type);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (sl_rows__next(&rows, &i))
        SL_TRY(parse_row(c, i, zone, &((int64_t *)p)[i], err));
    return SL_OK;
}
