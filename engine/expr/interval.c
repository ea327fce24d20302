/* Interval text in and out. In: "10 minutes", "1 day 2 hours", "-5 seconds", "INTERVAL
 * '1' DAY", "INTERVAL '1 02:03:04.5' DAY TO SECOND", "INTERVAL '1-2' YEAR TO MONTH". Out:
 * the ANSI form of Spark's literals, with the fewest fields that say it all. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/expr/function_private.h"

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)

typedef struct unit {
    const char *name; /* singular; a final s is allowed after two letters or more */
    int32_t months;
    int64_t us;
} unit;

static const unit units[] = {
    { "year", 12, 0 },          { "yr", 12, 0 },         { "y", 12, 0 },
    { "month", 1, 0 },          { "mon", 1, 0 },         { "week", 0, 7 * DAY_US },
    { "w", 0, 7 * DAY_US },     { "day", 0, DAY_US },    { "d", 0, DAY_US },
    { "hour", 0, HOUR_US },     { "hr", 0, HOUR_US },    { "h", 0, HOUR_US },
    { "minute", 0, MINUTE_US }, { "min", 0, MINUTE_US }, { "m", 0, MINUTE_US },
    { "second", 0, SECOND_US }, { "sec", 0, SECOND_US }, { "s", 0, SECOND_US },
    { "millisecond", 0, 1000 }, { "msec", 0, 1000 },     { "ms", 0, 1000 },
    { "microsecond", 0, 1 },    { "usec", 0, 1 },        { "us", 0, 1 },
};

typedef struct scan {
    const char *p;
    int64_t months, us;
} scan;

static void skip_spaces(scan *s)
{
    while (isspace((unsigned char)*s->p))
        s->p++;
}

/* The word at p if it is `word`, in any case. */
static bool take_word(scan *s, const char *word)
{
    size_t n = strlen(word);
    if (strncasecmp(s->p, word, n) != 0 || isalnum((unsigned char)s->p[n]))
        return false;
    s->p += n;
    skip_spaces(s);
    return true;
}

/* -12.345678 -> whole part and millionths with the sign; at most six decimals count. */
static bool take_number(scan *s, bool *ret_negative, int64_t *ret_whole,
                        int64_t *ret_millionths)
{
    bool negative = *s->p == '-';
    if (*s->p == '-' || *s->p == '+')
        s->p++;
    skip_spaces(s);
    int64_t whole = 0, part = 0;
    uint32_t digits = 0, decimals = 0;
    for (; isdigit((unsigned char)*s->p); s->p++, digits++) {
        if (__builtin_mul_overflow(whole, INT64_C(10), &whole) ||
            __builtin_add_overflow(whole, *s->p - '0', &whole))
            return false;
    }
    if (*s->p == '.') {
        s->p++;
        for (; isdigit((unsigned char)*s->p); s->p++, decimals++) {
            if (decimals < 6)
                part = part * 10 + (*s->p - '0');
        }
        for (uint32_t i = decimals; i < 6; i++)
            part *= 10;
    }
    if (digits == 0 && decimals == 0)
        return false;
    *ret_negative = negative;
    *ret_whole = negative ? -whole : whole;
    *ret_millionths = negative ? -part : part;
    return true;
}

static bool take_unit(scan *s, const unit **ret)
{
    size_t n = 0;
    while (isalpha((unsigned char)s->p[n]))
        n++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t length = strlen(units[i].name);
        bool plural =
            length > 1 && n == length + 1 && (s->p[n - 1] == 's' || s->p[n - 1] == 'S');
        if ((n == length || plural) && strncasecmp(s->p, units[i].name, length) == 0) {
            *ret = &units[i];
            s->p += n;
            skip_spaces(s);
            return true;
        }
    }
    return false;
}

/* number * unit added up; only seconds and below may have decimals. */
static bool add_amount(scan *s, int64_t whole, int64_t millionths, const unit *u)
{
    int64_t months, us, part_us;
    if (millionths != 0 && u->us != SECOND_US && u->us != 1000)
        return false;
    part_us = u->us == SECOND_US ? millionths : millionths / 1000;
    return !__builtin_mul_overflow(whole, (int64_t)u->months, &months) &&
           !__builtin_mul_overflow(whole, u->us, &us) &&
           !__builtin_add_overflow(us, part_us, &us) &&
           !__builtin_add_overflow(s->months, months, &s->months) &&
           !__builtin_add_overflow(s->us, us, &s->us);
}

static bool take_pairs(scan *s, char end)
{
    bool any = false;
    while (*s->p != end && *s->p != '\0') {
        bool negative;
        int64_t whole, part;
        const unit *u;
        if (!take_number(s, &negative, &whole, &part))
            return false;

        skip_spaces(s);
        if (!take_unit(s, &u) || !add_amount(s, whole, part, u))
            return false;
        any = true;
    }
    return any;
}

/* '1 02:03:04.5' in fields from `at` (0 day, 1 hour, 2 minute, 3 second). */
static bool take_fields(scan *s, uint32_t at)
{
    static const int64_t sizes_us[4] = { DAY_US, HOUR_US, MINUTE_US, SECOND_US };
    bool first = true, minus = false;
    for (; at < 4; at++) {
        bool negative;
        int64_t whole, part;
        if (!take_number(s, &negative, &whole, &part))
            return false;
        if (first)
            minus = negative;
        unit u = { "", 0, sizes_us[at] };
        if ((!first && negative) || !add_amount(s, minus && !first ? -whole : whole,
                                                minus && !first ? -part : part, &u))
            return false;
        first = false;
        if (*s->p == ' ' || *s->p == ':')
            s->p++;
        if (*s->p == '\'')
            return true;
    }
    return false;
}

/* 'year-month' */
static bool take_year_month(scan *s)
{
    bool negative, month_negative;
    int64_t years, months, part;
    if (!take_number(s, &negative, &years, &part) || *s->p++ != '-' ||
        !take_number(s, &month_negative, &months, &part) || month_negative || months > 11)
        return false;
    static const unit year = { "", 12, 0 };
    s->months += negative ? -months : months;
    return add_amount(s, years, 0, &year);
}

static const unit *peek_unit(const char *p)
{
    scan s = { .p = p };
    const unit *u;
    skip_spaces(&s);
    return take_unit(&s, &u) ? u : NULL;
}

/* '...' UNIT [TO UNIT], or '10 minutes' alone in quotes. */
static bool take_quoted(scan *s)
{
    const char *open = s->p++;
    const char *close = strchr(s->p, '\'');
    if (close == NULL)
        return false;
    const unit *u = peek_unit(close + 1);
    if (u == NULL) {
        skip_spaces(s);
        if (!take_pairs(s, '\''))
            return false;
        s->p = close + 1;
        skip_spaces(s);
        return true;
    }
    scan after = { .p = close + 1 };
    const unit *to = NULL;
    skip_spaces(&after);
    if (!take_unit(&after, &u) || (take_word(&after, "to") && !take_unit(&after, &to)))
        return false;
    s->p = open + 1;
    skip_spaces(s);
    bool ok;
    if (to == NULL) {
        bool negative;
        int64_t whole, part;
        ok = take_number(s, &negative, &whole, &part) && add_amount(s, whole, part, u);
    } else if (u->months != 0) {
        ok = take_year_month(s);
    } else {
        ok = take_fields(s, u->us == DAY_US      ? 0
                            : u->us == HOUR_US   ? 1
                            : u->us == MINUTE_US ? 2
                                                 : 3);
    }
    skip_spaces(s);
    ok = ok && s->p == close;
    s->p = after.p;
    return ok;
}

sl_code sl_interval_parse(const char *text, int32_t *ret_months, int64_t *ret_us,
                          sl_error *err)
{
    scan s = { .p = text };
    skip_spaces(&s);
    take_word(&s, "interval");
    bool negate = false;
    if (*s.p == '-' && strchr(s.p, '\'') != NULL) { /* INTERVAL -'1' DAY */
        negate = true;
        s.p++;
        skip_spaces(&s);
    }
    bool ok = *s.p == '\'';
    if (ok) {
        while (ok && *s.p == '\'') /* INTERVAL '1' DAY '2' HOURS */
            ok = take_quoted(&s);
    } else {
        ok = take_pairs(&s, '\0');
    }
    int64_t months = negate ? -s.months : s.months;
    if (!ok || *s.p != '\0' || months != (int32_t)months)
        return sl_fail_as(err, SL_EINVAL, "INVALID_INTERVAL_FORMAT", "22006",
                          "Error parsing '%.100s' to interval: write for example '10 "
                          "minutes' or INTERVAL '1' DAY",
                          text);
    *ret_months = (int32_t)months;
    *ret_us = negate ? (int64_t)(0 - (uint64_t)s.us) : s.us;
    return SL_OK;
}

/* ---- out ---- */

static void day_time_text(int64_t v, sl_bytes *out)
{
    static const char *const names[4] = { "DAY", "HOUR", "MINUTE", "SECOND" };
    uint64_t us = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    uint64_t fields[4] = { us / (uint64_t)DAY_US, us / (uint64_t)HOUR_US % 24,
                           us / (uint64_t)MINUTE_US % 60, us / (uint64_t)SECOND_US % 60 };
    uint64_t part = us % (uint64_t)SECOND_US;
    uint32_t first = 0, last = 3;
    while (first < 3 && fields[first] == 0)
        first++;
    while (last > first && fields[last] == 0 && !(last == 3 && part != 0))
        last--;
    sl_bytes_printf(out, "INTERVAL '%s", v < 0 ? "-" : "");
    for (uint32_t i = first; i <= last; i++) {
        sl_bytes_text(out, i == first ? "" : i == 1 ? " " : ":");
        sl_bytes_printf(out, i == first ? "%" PRIu64 : "%02" PRIu64, fields[i]);
    }
    if (part != 0) {
        char digits[8];
        snprintf(digits, sizeof digits, "%06u", (unsigned)part);
        size_t n = 6;
        while (digits[n - 1] == '0')
            n--;
        sl_bytes_char(out, '.');
        sl_bytes_append(out, digits, n);
    }
    sl_bytes_printf(out, "' %s", names[first]);
    if (last != first)
        sl_bytes_printf(out, " TO %s", names[last]);
}

void sl_interval__text(const sl_type *type, int64_t v, sl_bytes *out)
{
    if (type->id == SL_TYPE_INTERVAL_DAY_TIME) {
        day_time_text(v, out);
        return;
    }
    int64_t months = v < 0 ? -v : v;
    const char *sign = v < 0 ? "-" : "";
    if (months % 12 == 0 && months != 0)
        sl_bytes_printf(out, "INTERVAL '%s%" PRId64 "' YEAR", sign, months / 12);
    else if (months < 12)
        sl_bytes_printf(out, "INTERVAL '%s%" PRId64 "' MONTH", sign, months);
    else
        sl_bytes_printf(out, "INTERVAL '%s%" PRId64 "-%" PRId64 "' YEAR TO MONTH", sign,
                        months / 12, months % 12);
}
