/* JSON text out, and doubles as Java writes them. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

/* ---- Double.toString ---- */

enum { DIGITS_MAX = 17 };

/* A positive double as 0.d1d2d3... * 10^point. */
typedef struct digits {
    char text[DIGITS_MAX + 1];
    int count;
    int point;
} digits;

static double value_of_digits(const digits *d)
{
    char text[48];
    snprintf(text, sizeof text, "0.%se%d", d->text, d->point);
    return strtod(text, NULL);
}

static void print_digits(double v, int count, digits *ret)
{
    char text[48];
    snprintf(text, sizeof text, "%.*e", count - 1, v);
    ret->text[0] = text[0];
    if (count > 1)
        memcpy(ret->text + 1, text + 2, (size_t)count - 1);
    ret->text[count] = '\0';
    ret->count = count;
    ret->point = atoi(strchr(text, 'e') + 1) + 1;
}

/* The next larger decimal of as many digits. */
static void increment(digits *d)
{
    int i = d->count - 1;
    for (; i >= 0 && d->text[i] == '9'; i--)
        d->text[i] = '0';
    if (i >= 0) {
        d->text[i]++;
    } else {
        d->text[0] = '1';
        d->point++;
    }
}

/* True if `count` digits are enough.  Below a power of two doubles lie closer than
 * above, so there the nearest decimal may fail and the one above it hit. */
static bool try_digits(double v, int count, digits *ret)
{
    print_digits(v, count, ret);
    if (value_of_digits(ret) == v)
        return true;
    int exponent;
    if (frexp(v, &exponent) != 0.5)
        return false;
    increment(ret);
    return value_of_digits(ret) == v;
}

/* The shortest decimal that reads back as v; of several the nearest.  Java takes the
 * nearest of two digits where one would do (4.9E-324).  15 digits name any normal double
 * that has so short a form, so those start there. */
static void shortest_digits(double v, digits *ret)
{
    int count = v < 1e-300 ? 2 : 15;
    while (count < DIGITS_MAX && !try_digits(v, count, ret))
        count++;
    if (count == DIGITS_MAX)
        print_digits(v, DIGITS_MAX, ret);
    while (ret->count > 1 && ret->text[ret->count - 1] == '0')
        ret->text[--ret->count] = '\0';
}

static void format_plain(const digits *d, char *out)
{
    if (d->point <= 0) {
        *out++ = '0';
        *out++ = '.';
        for (int i = d->point; i < 0; i++)
            *out++ = '0';
        memcpy(out, d->text, (size_t)d->count + 1);
        return;
    }
    for (int i = 0; i < d->point || i < d->count; i++) {
        if (i == d->point)
            *out++ = '.';
        *out++ = i < d->count ? d->text[i] : '0';
    }
    if (d->count <= d->point) {
        *out++ = '.';
        *out++ = '0';
    }
    *out = '\0';
}

void sl_double_java(double v, char ret_text[32])
{
    if (isnan(v) || isinf(v)) {
        strcpy(ret_text, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
        return;
    }
    char *out = ret_text;
    if (signbit(v))
        *out++ = '-';
    v = fabs(v);
    if (v < 1e7 && v == (double)(int32_t)v) {
        snprintf(out, 16, "%" PRId32 ".0", (int32_t)v);
        return;
    }
    digits d;
    shortest_digits(v, &d);
    if (v >= 1e-3 && v < 1e7) {
        format_plain(&d, out);
        return;
    }
    snprintf(out, 30, "%c.%.16sE%hd", d.text[0], d.count > 1 ? d.text + 1 : "0",
             (short)(d.point - 1));
}

/* ---- JSON values ---- */

/* Bytes of the character at p, or of the longest broken start of one (*ret_ok false): the
 * practice of the Unicode standard, 3.9 "maximal subparts", which Java follows. */
static size_t utf8_length(const uint8_t *p, size_t left, bool *ret_ok)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t length = 0;
    *ret_ok = false;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        length = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        length = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        length = 4;
    else
        return 1;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < length; i++) {
        if (i >= left || p[i] < low || p[i] > high)
            return i;
        low = 0x80;
        high = 0xbf;
    }
    *ret_ok = true;
    return length;
}

static void escape(sl_bytes *out, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *found = c ? strchr(from, c) : NULL;
    if (found)
        sl_bytes_printf(out, "\\%c", to[found - from]);
    else
        sl_bytes_printf(out, "\\u%04X", c);
}

void sl_json_string(sl_bytes *out, const char *text, size_t length)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t plain = 0; /* start of what can be copied as it is */
    sl_bytes_reserve(out, length + 2);
    sl_bytes_char(out, '"');
    for (size_t i = 0; i < length;) {
        bool ok = true;
        size_t step = 1;
        if (p[i] >= 0x80)
            step = utf8_length(p + i, length - i, &ok);
        if (ok && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
            i += step;
            continue;
        }
        sl_bytes_append(out, p + plain, i - plain);
        if (ok)
            escape(out, p[i]);
        else
            sl_bytes_text(out, "\xef\xbf\xbd");
        i += step;
        plain = i;
    }
    sl_bytes_append(out, p + plain, length - plain);
    sl_bytes_char(out, '"');
}

void sl_json_double(sl_bytes *out, double v)
{
    char text[32];
    sl_double_java(v, text);
    bool is_number = !isnan(v) && !isinf(v);
    sl_bytes_printf(out, is_number ? "%s" : "\"%s\"", text);
}

/* ---- objects ---- */

void sl_json_begin(sl_json *j, sl_bytes *out)
{
    *j = (sl_json){ .out = out };
}

static void put_key(sl_json *j, const char *key)
{
    if (j->need_comma[j->depth])
        sl_bytes_char(j->out, ',');
    j->need_comma[j->depth] = true;
    if (key) {
        sl_json_string(j->out, key, strlen(key));
        sl_bytes_char(j->out, ':');
    }
}

void sl_json_open(sl_json *j, const char *key, char bracket)
{
    SL_ASSERT(bracket == '{' || bracket == '[');
    SL_ASSERT(j->depth + 1 < sizeof j->need_comma / sizeof j->need_comma[0]);
    put_key(j, key);
    sl_bytes_char(j->out, bracket);
    j->need_comma[++j->depth] = false;
}

void sl_json_close(sl_json *j, char bracket)
{
    SL_ASSERT(bracket == '}' || bracket == ']');
    SL_ASSERT(j->depth > 0);
    j->depth--;
    sl_bytes_char(j->out, bracket);
}

void sl_json_key_string(sl_json *j, const char *key, const char *value)
{
    put_key(j, key);
    if (value)
        sl_json_string(j->out, value, strlen(value));
    else
        sl_bytes_text(j->out, "null");
}

void sl_json_key_int(sl_json *j, const char *key, int64_t value)
{
    put_key(j, key);
    sl_bytes_printf(j->out, "%" PRId64, value);
}

void sl_json_key_double(sl_json *j, const char *key, double value)
{
    put_key(j, key);
    sl_json_double(j->out, value);
}

void sl_json_key_bool(sl_json *j, const char *key, bool value)
{
    put_key(j, key);
    sl_bytes_text(j->out, value ? "true" : "false");
}

void sl_json_key_raw(sl_json *j, const char *key, const char *json)
{
    put_key(j, key);
    sl_bytes_text(j->out, json);
}
