#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/columnar/text_private.h"
#include "engine/columnar/value_text.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool sl_int64_from_text(const char *text, size_t length, int64_t *ret)
{
    sl_text__trim(&text, &length);
    const char *p = text, *end = text + length;
    bool negative = p < end && *p == '-', any = false;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    int64_t v = 0; /* negative, since -2^63 has no positive */
    for (; p < end && is_digit(*p); p++, any = true)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, *p - '0', &v))
            return false;
    if (p != end || !any || (!negative && v == INT64_MIN))
        return false;
    *ret = negative ? v : -v;
    return true;
}

/* ---- doubles ---- */

static bool equal_nocase(const char *p, size_t length, const char *word)
{
    if (strlen(word) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((p[i] | 0x20) != word[i])
            return false;
    return true;
}

static bool parse_special(const char *p, size_t length, double *ret)
{
    double sign = 1.0;
    if (equal_nocase(p, length, "nan")) {
        *ret = (double)NAN;
        return true;
    }
    if (length != 0 && (*p == '-' || *p == '+')) {
        sign = *p == '-' ? -1.0 : 1.0;
        p++;
        length--;
    }
    if (!equal_nocase(p, length, "inf") && !equal_nocase(p, length, "infinity"))
        return false;
    *ret = sign * (double)INFINITY;
    return true;
}

/* The parts of [sign]digits[.digits][e[sign]digits]. */
typedef struct decimal {
    bool negative, is_exact; /* exact: mantissa * 10^exponent with no digit lost */
    uint64_t mantissa;
    int32_t exponent;
} decimal;

static bool parse_exponent(const char **p, const char *end, int32_t *ret)
{
    bool negative = *p < end && **p == '-';
    if (*p < end && (**p == '-' || **p == '+'))
        (*p)++;
    const char *from = *p;
    int32_t v = 0;
    for (; *p < end && is_digit(**p); (*p)++)
        v = v < 100000 ? v * 10 + (**p - '0') : v;
    *ret = negative ? -v : v;
    return *p != from;
}

/* False unless all of [p, end) has the form. */
static bool parse_decimal(const char *p, const char *end, decimal *ret)
{
    decimal d = { .negative = p < end && *p == '-' };
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    bool any = false, point = false;
    int kept = 0;
    d.is_exact = true;
    for (; p < end && (is_digit(*p) || (*p == '.' && !point)); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        any = true;
        if (kept == 19) {
            d.is_exact = false;
            continue;
        }
        d.mantissa = d.mantissa * 10 + (uint64_t)(*p - '0');
        kept += d.mantissa != 0;
        if (point && d.exponent > -100000)
            d.exponent--;
    }
    int32_t exponent = 0;
    if (any && p < end && (*p | 0x20) == 'e') {
        p++;
        if (!parse_exponent(&p, end, &exponent))
            return false;
    }
    d.exponent += exponent;
    *ret = d;
    return any && p == end;
}

/* The C library's correct rounding, on a copy that ends in NUL. */
static double parse_slow(const char *p, size_t length)
{
    char small[128];
    char *copy = length < sizeof small ? small : sl_alloc(length + 1);
    memcpy(copy, p, length);
    copy[length] = '\0';
    double v = strtod(copy, NULL);
    if (copy != small)
        sl_free(copy);
    return v;
}

bool sl_double_from_text(const char *text, size_t length, double *ret)
{
    static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    decimal d;
    sl_text__trim(&text, &length);
    if (parse_special(text, length, ret))
        return true;
    if (length > 1 && strchr("dDfF", text[length - 1]) != NULL)
        length--; /* Java's suffixes */
    if (!parse_decimal(text, text + length, &d))
        return false;
    /* Clinger's fast path: both factors are exact doubles, so one rounding is right. */
    if (d.is_exact && d.mantissa <= UINT64_C(1) << 53 && d.exponent >= -22 &&
        d.exponent <= 22) {
        double v = (double)d.mantissa;
        v = d.exponent < 0 ? v / powers[-d.exponent] : v * powers[d.exponent];
        *ret = d.negative ? -v : v;
    } else {
        *ret = parse_slow(text, length);
    }
    return true;
}

bool sl_boolean_from_text(const char *text, size_t length, bool *ret)
{
    static const char *const yes[] = { "t", "true", "y", "yes" };
    static const char *const no[] = { "f", "false", "n", "no" };
    sl_text__trim(&text, &length);
    bool is_one = length == 1 && *text == '1', is_zero = length == 1 && *text == '0';
    for (int i = 0; i < 4; i++) {
        is_one = is_one || equal_nocase(text, length, yes[i]);
        is_zero = is_zero || equal_nocase(text, length, no[i]);
    }
    if (is_one || is_zero)
        *ret = is_one;
    return is_one || is_zero;
}
