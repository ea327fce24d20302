/* Spark's cast from string: [+-]yyyy[y[y]][-[m]m[-[d]d[
 * |T[h]h[:[m]m[:[s]s[.f*][zone]]]]]] trimmed. What input really looks like,
 * yyyy-MM-ddTHH:mm:ss[.SSS][Z], is checked and taken apart eight bytes at a time first,
 * and the minute only if it is another than that of the row before.
 */
#include <string.h>

#include "engine/columnar/text_private.h"
#include "engine/columnar/time_zone_private.h"

#define US_SECOND INT64_C(1000000)
#define US_DAY (INT64_C(86400) * US_SECOND)
#define YEAR_MAX 294247 /* of an int64_t of microseconds, and a bit */

/* ---- civil dates: Howard Hinnant, chrono-compatible low-level date algorithms ---- */

static int64_t days_of(int64_t year, uint32_t month, uint32_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year =
        (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

int32_t sl_days_from_civil(int32_t year, uint32_t month, uint32_t day)
{
    return (int32_t)days_of(year, month, day);
}

void sl_civil_from_days(int32_t days, int32_t *ret_year, uint32_t *ret_month,
                        uint32_t *ret_day)
{
    int64_t z = (int64_t)days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *ret_day = (uint32_t)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *ret_month = (uint32_t)(shifted < 10 ? shifted + 3 : shifted - 9);
    *ret_year = (int32_t)(year_of_era + era * 400 + (*ret_month <= 2));
}

static uint32_t days_in_month(int32_t year, uint32_t month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* ---- what was read ---- */

typedef struct fields {
    int32_t year;
    uint32_t month, day, hour, minute, second, micros;
} fields;

static bool is_date(const fields *f)
{
    return f->month >= 1 && f->month <= 12 && f->day >= 1 &&
           f->day <= days_in_month(f->year, f->month);
}

static bool is_time(const fields *f)
{
    return f->hour < 24 && f->minute < 60 && f->second < 60;
}

/* False if out of range of microseconds. */
static bool to_local_us(const fields *f, int64_t *ret_us)
{
    if (!is_date(f) || !is_time(f) || f->year > YEAR_MAX || f->year < -YEAR_MAX - 61)
        return false;
    int64_t seconds = f->hour * 3600 + f->minute * 60 + f->second;
    int64_t us;
    return !__builtin_mul_overflow(days_of(f->year, f->month, f->day), US_DAY, &us) &&
           !__builtin_add_overflow(us, seconds * US_SECOND + f->micros, ret_us);
}

/* ---- the fast path ---- */

/* x: digit bytes 0..9 and separator bytes 0, after XOR with the pattern. limits: 0x76 for
 * a digit, 0x7f for a separator, so that anything larger reaches the top bit. */
static bool matches(uint64_t x, uint64_t limits)
{
    return (((x + limits) | x) & UINT64_C(0x8080808080808080)) == 0;
}

static uint32_t byte_of(uint64_t x, int i)
{
    return (uint32_t)(x >> (i * 8)) & 0xffu;
}

static uint32_t pair_of(uint64_t x, int i)
{
    return byte_of(x, i) * 10 + byte_of(x, i + 1);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "yyyy-MM-ddTHH:mm" (or a space for the T) in the first 16 bytes. */
static bool parse_16(const char *p, fields *ret)
{
    uint64_t a, b, pattern_a, pattern_b;
    memcpy(&a, p, 8);
    memcpy(&b, p + 8, 8);
    memcpy(&pattern_a, "0000-00-", 8);
    memcpy(&pattern_b, p[10] == ' ' ? "00 00:00" : "00T00:00", 8);
    a ^= pattern_a;
    b ^= pattern_b;
    if (!matches(a, UINT64_C(0x7f76767f76767676)) ||
        !matches(b, UINT64_C(0x76767f76767f7676)))
        return false;
    *ret = (fields){ .year = (int32_t)(pair_of(a, 0) * 100 + pair_of(a, 2)),
                     .month = pair_of(a, 5),
                     .day = pair_of(b, 0),
                     .hour = pair_of(b, 3),
                     .minute = pair_of(b, 6) };
    return true;
}

/* ":ss[.SSS][Z]" of length bytes (3, 4, 7 or 8) as local time within the minute. */
static bool parse_rest(const char *p, size_t length, int64_t *ret_us, bool *ret_z)
{
    if (p[0] != ':' || !is_digit(p[1]) || !is_digit(p[2]))
        return false;
    int64_t us = ((p[1] - '0') * 10 + (p[2] - '0')) * US_SECOND;
    if (length >= 7) {
        if (p[3] != '.' || !is_digit(p[4]) || !is_digit(p[5]) || !is_digit(p[6]))
            return false;
        us += ((p[4] - '0') * 100 + (p[5] - '0') * 10 + (p[6] - '0')) * 1000;
    }
    *ret_z = length == 4 || length == 8;
    *ret_us = us;
    return (length == 3 || length == 7 || *ret_z) && (!*ret_z || p[length - 1] == 'Z');
}

/* The start of the minute the first 16 bytes name. 1, 0, -1 as below. */
static int parse_minute(const char *p, sl_timestamp_memo *memo, int64_t *ret_us)
{
    uint64_t head[2];
    memcpy(head, p, sizeof head);
    if (memo->known && head[0] == memo->head[0] && head[1] == memo->head[1]) {
        *ret_us = memo->minute_us;
        return 1;
    }
    fields f;
    if (!parse_16(p, &f))
        return -1;
    if (!to_local_us(&f, ret_us))
        return 0;
    *memo = (sl_timestamp_memo){ true, { head[0], head[1] }, *ret_us };
    return 1;
}

/* 1 and *ret_us, 0: not a value, -1: not of this form. */
static int parse_fast(const char *p, size_t length, const sl_time_zone *zone,
                      sl_timestamp_memo *memo, int64_t *ret_us)
{
    int64_t minute_us, rest_us;
    bool z;
    if (length < 19 || length > 24 || !parse_rest(p + 16, length - 16, &rest_us, &z))
        return -1;
    int found = parse_minute(p, memo, &minute_us);
    if (found != 1)
        return found;
    if (rest_us >= 60 * US_SECOND)
        return 0;
    *ret_us = z ? minute_us + rest_us : sl_time_zone_to_utc_us(zone, minute_us + rest_us);
    return 1;
}

/* ---- the general forms ---- */

/* min..max digits. */
static bool digits(const char **p, const char *end, int min, int max, uint32_t *ret)
{
    const char *from = *p;
    uint32_t v = 0;
    while (*p < end && is_digit(**p) && *p - from < max)
        v = v * 10 + (uint32_t)(*(*p)++ - '0');
    *ret = v;
    return *p - from >= min;
}

/* The date part; *p is after it. */
static bool parse_date_part(const char **p, const char *end, int year_digits, fields *f)
{
    bool negative = false;
    if (*p < end && (**p == '-' || **p == '+'))
        negative = *(*p)++ == '-';
    uint32_t year;
    if (!digits(p, end, 4, year_digits, &year))
        return false;
    f->year = negative ? -(int32_t)year : (int32_t)year;
    f->month = f->day = 1;
    if (*p == end)
        return true;
    if (*(*p)++ != '-' || !digits(p, end, 1, 2, &f->month))
        return false;
    if (*p == end)
        return true;
    return *(*p)++ == '-' && digits(p, end, 1, 2, &f->day);
}

/* Digits past the sixth are cut. */
static void parse_fraction(const char **p, const char *end, fields *f)
{
    uint32_t scale = 100000;
    for (; *p < end && is_digit(**p); (*p)++) {
        f->micros += (uint32_t)(**p - '0') * scale;
        scale /= 10;
    }
}

static bool parse_time_part(const char **p, const char *end, fields *f)
{
    if (!digits(p, end, 1, 2, &f->hour))
        return false;
    if (*p == end)
        return true;
    if (*(*p)++ != ':' || !digits(p, end, 1, 2, &f->minute))
        return false;
    if (*p == end || **p != ':')
        return true;
    (*p)++;
    if (!digits(p, end, 1, 2, &f->second))
        return false;
    if (*p < end && **p == '.') {
        (*p)++;
        parse_fraction(p, end, f);
    }
    return true;
}

/* The zone text [p, end), or the session's if empty. */
static bool to_utc(const char *p, const char *end, const sl_time_zone *zone,
                   int64_t local_us, int64_t *ret_us)
{
    char name[80];
    int64_t offset_us;
    while (p < end && *p == ' ')
        p++;
    size_t length = (size_t)(end - p);
    if (length != 0 && sl_time_zone__fixed(p, length, &offset_us))
        return !__builtin_sub_overflow(local_us, offset_us, ret_us);
    if (length != 0) {
        if (length >= sizeof name || memchr(p, 0, length) != NULL)
            return false;
        memcpy(name, p, length);
        name[length] = '\0';
        zone = sl_time_zone__find(name);
    }
    if (zone == NULL)
        return false;
    *ret_us = sl_time_zone_to_utc_us(zone, local_us);
    return true;
}

bool sl_timestamp_parse(const char *text, size_t length, const sl_time_zone *zone,
                        int64_t *ret_us)
{
    sl_timestamp_memo memo = { 0 };
    return sl_timestamp_parse_next(text, length, zone, &memo, ret_us);
}

bool sl_timestamp_parse_next(const char *text, size_t length, const sl_time_zone *zone,
                             sl_timestamp_memo *memo, int64_t *ret_us)
{
    int fast = parse_fast(text, length, zone, memo, ret_us);
    if (fast >= 0)
        return fast == 1;

    sl_text__trim(&text, &length);
    const char *p = text, *end = text + length;
    fields f = { 0 };
    int64_t local_us;
    if (!parse_date_part(&p, end, 6, &f))
        return false;
    if (p < end && ((*p != ' ' && *p != 'T') || (p++, !parse_time_part(&p, end, &f))))
        return false;
    return to_local_us(&f, &local_us) && to_utc(p, end, zone, local_us, ret_us);
}

bool sl_date_parse(const char *text, size_t length, int32_t *ret_days)
{
    sl_text__trim(&text, &length);
    const char *p = text, *end = text + length;
    fields f = { 0 };
    if (!parse_date_part(&p, end, 7, &f) || !is_date(&f))
        return false;
    if (p < end && *p != ' ' && *p != 'T')
        return false;
    int64_t days = days_of(f.year, f.month, f.day);
    if (days < INT32_MIN || days > INT32_MAX)
        return false;
    *ret_days = (int32_t)days;
    return true;
}

/* ---- printing ---- */

static char *put_digits(char *to, uint32_t v, int width)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        to[i] = (char)('0' + v % 10);
    return to + width;
}

static char *put_date(char *to, int32_t days)
{
    int32_t year;
    uint32_t month, day;
    sl_civil_from_days(days, &year, &month, &day);
    uint32_t magnitude = year < 0 ? (uint32_t) - (int64_t)year : (uint32_t)year;
    if (year < 0)
        *to++ = '-';
    else if (year > 9999)
        *to++ = '+';
    int width = 4;
    for (uint32_t limit = 10000; width < 10 && magnitude >= limit; limit *= 10)
        width++;
    to = put_digits(to, magnitude, width);
    *to++ = '-';
    to = put_digits(to, month, 2);
    *to++ = '-';
    return put_digits(to, day, 2);
}

uint32_t sl_date_text(int32_t days, char ret_text[SL_TIME_TEXT_BYTES])
{
    char *end = put_date(ret_text, days);
    *end = '\0';
    return (uint32_t)(end - ret_text);
}

/* "yyyy-MM-dd<separator>HH:mm:ss"; the microseconds of the second are left over. The sum
 * is split by hand, since local time may not fit where UTC does. */
static char *put_seconds(char *to, int64_t us, int64_t offset_us, char separator,
                         uint32_t *ret_micros)
{
    int64_t days = us / US_DAY, rest = us % US_DAY + offset_us;
    int64_t carry = rest / US_DAY - (rest % US_DAY < 0);
    rest -= carry * US_DAY;
    to = put_date(to, (int32_t)(days + carry));
    *to++ = separator;
    uint32_t second = (uint32_t)(rest / US_SECOND);
    to = put_digits(to, second / 3600, 2);
    *to++ = ':';
    to = put_digits(to, second / 60 % 60, 2);
    *to++ = ':';
    *ret_micros = (uint32_t)(rest % US_SECOND);
    return put_digits(to, second % 60, 2);
}

uint32_t sl_timestamp_text(int64_t us, const sl_time_zone *zone,
                           char ret_text[SL_TIME_TEXT_BYTES])
{
    uint32_t micros;
    int64_t offset_us = sl_time_zone_offset_us(zone, us);
    char *end = put_seconds(ret_text, us, offset_us, ' ', &micros);
    if (micros != 0) {
        *end++ = '.';
        end = put_digits(end, micros, 6);
        while (end[-1] == '0')
            end--;
    }
    *end = '\0';
    return (uint32_t)(end - ret_text);
}

uint32_t sl_time_text__iso(int64_t us, const sl_time_zone *zone, bool with_zone,
                           char ret_text[SL_TIME_TEXT_BYTES])
{
    uint32_t micros;
    int64_t offset_us = sl_time_zone_offset_us(zone, us);
    char *end = put_seconds(ret_text, us, offset_us, 'T', &micros);
    *end++ = '.';
    end = put_digits(end, micros / 1000, 3);
    if (with_zone && offset_us == 0) {
        *end++ = 'Z';
    } else if (with_zone) {
        uint32_t minutes =
            (uint32_t)((offset_us < 0 ? -offset_us : offset_us) / (60 * US_SECOND));
        *end++ = offset_us < 0 ? '-' : '+';
        end = put_digits(end, minutes / 60, 2);
        *end++ = ':';
        end = put_digits(end, minutes % 60, 2);
    }
    *end = '\0';
    return (uint32_t)(end - ret_text);
}
