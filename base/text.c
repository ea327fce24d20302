#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES_MAX = 255 };

__extension__ typedef __int128 wide;

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool sl_text_equal_nocase(const char *a, const char *b)
{
    for (; *a && lower(*a) == lower(*b); a++, b++)
        continue;
    return lower(*a) == lower(*b);
}

bool sl_text_is_name(const char *text, uint32_t length_max)
{
    size_t n = strlen(text);
    size_t good = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789_.-");
    return n >= 1 && n <= length_max && good == n;
}

/* ---- nearest name ---- */

static uint32_t least3(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Damerau-Levenshtein distance in its "optimal string alignment" form: insert, delete,
 * replace, swap of neighbours.  Three rows; lengths up to NAME_BYTES_MAX. */
static uint32_t edit_distance(const char *a, size_t a_length, const char *b,
                              size_t b_length)
{
    uint32_t rows[3][NAME_BYTES_MAX + 1];
    uint32_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (uint32_t j = 0; j <= b_length; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        now[0] = (uint32_t)i;
        for (size_t j = 1; j <= b_length; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            now[j] = least3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        uint32_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b_length];
}

const char *sl_text_nearest(const char *name, const char *const *candidates,
                            uint32_t count)
{
    size_t length = strlen(name);
    if (length > NAME_BYTES_MAX)
        return NULL;
    size_t far = length / 3 > 2 ? length / 3 : 2;
    const char *nearest = NULL;
    size_t nearest_distance = far + 1;
    for (uint32_t i = 0; i < count; i++) {
        size_t other = strlen(candidates[i]);
        if (other > NAME_BYTES_MAX || other > length + far || length > other + far)
            continue;
        uint32_t distance = edit_distance(name, length, candidates[i], other);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

/* ---- numbers with units ---- */

typedef struct unit {
    const char *name;
    int64_t factor;
} unit;

static const unit duration_units[] = {
    { "us", 1 },
    { "microsecond", 1 },
    { "microseconds", 1 },
    { "ms", 1000 },
    { "msec", 1000 },
    { "msecs", 1000 },
    { "millisecond", 1000 },
    { "milliseconds", 1000 },
    { "s", 1000000 },
    { "sec", 1000000 },
    { "secs", 1000000 },
    { "second", 1000000 },
    { "seconds", 1000000 },
    { "m", 60 * INT64_C(1000000) },
    { "min", 60 * INT64_C(1000000) },
    { "mins", 60 * INT64_C(1000000) },
    { "minute", 60 * INT64_C(1000000) },
    { "minutes", 60 * INT64_C(1000000) },
    { "h", 3600 * INT64_C(1000000) },
    { "hr", 3600 * INT64_C(1000000) },
    { "hrs", 3600 * INT64_C(1000000) },
    { "hour", 3600 * INT64_C(1000000) },
    { "hours", 3600 * INT64_C(1000000) },
    { "d", 86400 * INT64_C(1000000) },
    { "day", 86400 * INT64_C(1000000) },
    { "days", 86400 * INT64_C(1000000) },
    { "w", 604800 * INT64_C(1000000) },
    { "week", 604800 * INT64_C(1000000) },
    { "weeks", 604800 * INT64_C(1000000) },
};

static const unit size_units[] = {
    { "b", 1 },
    { "byte", 1 },
    { "bytes", 1 },
    { "k", 1 << 10 },
    { "kb", 1 << 10 },
    { "kib", 1 << 10 },
    { "m", 1 << 20 },
    { "mb", 1 << 20 },
    { "mib", 1 << 20 },
    { "g", 1 << 30 },
    { "gb", 1 << 30 },
    { "gib", 1 << 30 },
    { "t", INT64_C(1) << 40 },
    { "tb", INT64_C(1) << 40 },
    { "tib", INT64_C(1) << 40 },
};

/* "-1.5" as digits: value = (negative ? -1 : 1) * (whole + part / part_scale). */
typedef struct decimal {
    bool negative;
    int64_t whole;
    int64_t part, part_scale;
} decimal;

static void skip_space(const char **at)
{
    while (is_space(**at))
        ++*at;
}

/* False: no number here, or too large. */
static bool take_decimal(const char **at, decimal *ret)
{
    const char *p = *at;
    decimal d = { .part_scale = 1 };
    if (*p == '-' || *p == '+')
        d.negative = *p++ == '-';
    bool any = false;
    for (; is_digit(*p); p++, any = true)
        if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
            __builtin_add_overflow(d.whole, *p - '0', &d.whole))
            return false;
    if (*p == '.') {
        for (p++; is_digit(*p); p++, any = true) {
            if (d.part_scale >= INT64_C(100000000000000000))
                continue; /* beyond any unit's resolution */
            d.part = d.part * 10 + (*p - '0');
            d.part_scale *= 10;
        }
    }
    *at = p;
    *ret = d;
    return any;
}

/* Letters up to the next digit, sign or space; NULL if they are no unit of the list. */
static const unit *take_unit(const char **at, const unit *units, size_t unit_count)
{
    char word[16];
    size_t length = 0;
    const char *p = *at;
    for (; (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'); p++) {
        if (length + 1 == sizeof word)
            return NULL;
        word[length++] = *p;
    }
    word[length] = '\0';
    for (size_t i = 0; i < unit_count; i++) {
        if (sl_text_equal_nocase(word, units[i].name)) {
            *at = p;
            return &units[i];
        }
    }
    return NULL;
}

/* sum += d * factor; false if that leaves int64. */
static bool add_scaled(int64_t *sum, decimal d, int64_t factor)
{
    wide value = (wide)d.whole * factor + (wide)d.part * factor / d.part_scale;
    value = (d.negative ? -value : value) + *sum;
    if (value > INT64_MAX || value < INT64_MIN)
        return false;
    *sum = (int64_t)value;
    return true;
}

static bool starts_with_nocase(const char *text, const char *word)
{
    for (; *word; text++, word++)
        if (lower(*text) != *word)
            return false;
    return true;
}

sl_code sl_duration_parse(const char *text, int64_t default_unit_us, int64_t *ret_us,
                          sl_error *err)
{
    static const char forms[] = "a duration is written like '500 ms', '10 seconds', "
                                "'1 minute 30 seconds' or '2h'";
    const char *at = text;
    skip_space(&at);
    if (starts_with_nocase(at, "interval") && is_space(at[8])) {
        at += 8;
        skip_space(&at);
    }
    int64_t sum_us = 0;
    bool first = true;
    for (; first || *at; first = false) {
        decimal d;
        if (!take_decimal(&at, &d))
            return sl_fail(err, SL_EINVAL, "'%.200s' is not a duration: %s", text, forms);
        skip_space(&at);
        int64_t factor = default_unit_us;
        if (!(first && *at == '\0' && default_unit_us > 0)) {
            if (starts_with_nocase(at, "month") || starts_with_nocase(at, "year"))
                return sl_fail(err, SL_EINVAL,
                               "'%.200s': months and years have no fixed length; use "
                               "days or smaller units",
                               text);
            const unit *u = take_unit(&at, duration_units,
                                      sizeof duration_units / sizeof duration_units[0]);
            if (!u)
                return sl_fail(err, SL_EINVAL,
                               "'%.200s' has an unknown or missing unit; %s", text,
                               forms);
            factor = u->factor;
        }
        if (!add_scaled(&sum_us, d, factor))
            return sl_fail(err, SL_EINVAL, "'%.200s' is longer than 292,000 years", text);
        skip_space(&at);
    }
    *ret_us = sum_us;
    return SL_OK;
}

sl_code sl_size_parse(const char *text, int64_t *ret_bytes, sl_error *err)
{
    static const char forms[] =
        "a size is written like '64m', '1GiB', '100 MB' or as a number of bytes";
    const char *at = text;
    decimal d;
    skip_space(&at);
    if (!take_decimal(&at, &d) || d.negative)
        return sl_fail(err, SL_EINVAL, "'%.200s' is not a size: %s", text, forms);
    skip_space(&at);
    int64_t factor = 1;
    if (*at) {
        const unit *u =
            take_unit(&at, size_units, sizeof size_units / sizeof size_units[0]);
        skip_space(&at);
        if (!u || *at)
            return sl_fail(err, SL_EINVAL, "'%.200s' has an unknown unit; %s", text,
                           forms);
        factor = u->factor;
    }
    int64_t bytes = 0;
    if (!add_scaled(&bytes, d, factor))
        return sl_fail(err, SL_EINVAL, "'%.200s' is larger than 8 EiB", text);
    *ret_bytes = bytes;
    return SL_OK;
}

sl_code sl_int64_parse(const char *text, int64_t *ret, sl_error *err)
{
    const char *at = text;
    skip_space(&at);
    bool negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    if (!is_digit(*at))
        return sl_fail(err, SL_EINVAL, "'%.200s' is not a whole number", text);
    int64_t value = 0;
    for (; is_digit(*at); at++) {
        int digit = negative ? '0' - *at : *at - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return sl_fail(err, SL_EINVAL, "'%.200s' does not fit 64 bits", text);
    }
    skip_space(&at);
    if (*at)
        return sl_fail(err, SL_EINVAL, "'%.200s' is not a whole number", text);
    *ret = value;
    return SL_OK;
}

sl_code sl_bool_parse(const char *text, bool *ret, sl_error *err)
{
    if (sl_text_equal_nocase(text, "true"))
        *ret = true;
    else if (sl_text_equal_nocase(text, "false"))
        *ret = false;
    else
        return sl_fail(err, SL_EINVAL, "'%.200s' is neither true nor false", text);
    return SL_OK;
}

/* Days to a civil date: the proleptic Gregorian calendar in eras of 400 years, counted
 * from 1 March (Howard Hinnant, chrono-compatible date algorithms). */
void sl_iso8601_ms(int64_t ms, char ret_text[32])
{
    int64_t days = ms / 86400000, rest = ms % 86400000;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t day = doy - (153 * mp + 2) / 5 + 1;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2);
    char text[96];
    snprintf(text, sizeof text,
             "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64
             ":%02" PRId64 ".%03" PRId64 "Z",
             year, month, day, rest / 3600000, rest / 60000 % 60, rest / 1000 % 60,
             rest % 1000);
    memcpy(ret_text, text, 31);
    ret_text[31] = '\0';
}
