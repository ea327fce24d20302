/* date_format(ts, pattern): the letters of java.time's patterns that people use. Anything
 * else is an error that names the letter. */
#include <ctype.h>
#include <stdio.h>

#include "engine/expr/kernels_text_private.h"
#include "engine/expr/kernels_time_private.h"

static const char *const month_names[] = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"
};
static const char *const day_names[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                         "Friday", "Saturday", "Sunday" };

typedef struct moment {
    int32_t year, days;
    uint32_t month, day, hour, minute, second, micros;
} moment;

static moment moment_of(int64_t local_us)
{
    moment m = { .days = (int32_t)sl_floor_div(local_us, SL_DAY_US) };
    int64_t us = sl_floor_mod(local_us, SL_DAY_US);
    sl_civil_from_days(m.days, &m.year, &m.month, &m.day);
    m.hour = (uint32_t)(us / SL_HOUR_US);
    m.minute = (uint32_t)(us / SL_MINUTE_US % 60);
    m.second = (uint32_t)(us / SL_SECOND_US % 60);
    m.micros = (uint32_t)(us % SL_SECOND_US);
    return m;
}

static void put_name(sl_bytes *out, const char *name, uint32_t count)
{
    sl_bytes_append(out, name, count >= 4 ? strlen(name) : 3);
}

/* QQQ is Q1, QQQQ 1st quarter. */
static bool put_quarter(sl_bytes *out, uint32_t quarter, uint32_t count)
{
    static const char *const words[] = { "1st", "2nd", "3rd", "4th" };
    if (count == 3)
        sl_bytes_printf(out, "Q%u", quarter);
    else
        sl_bytes_printf(out, "%s quarter", words[quarter - 1]);
    return true;
}

/* A run of `count` equal letters. False: no such letter. */
static bool put_field(sl_bytes *out, const moment *m, char letter, uint32_t count)
{
    int width = (int)(count < 20 ? count : 20);
    switch (letter) {
    case 'y':
    case 'u':
        if (count == 2)
            sl_bytes_printf(out, "%02d", (int)sl_floor_mod(m->year, 100));
        else
            sl_bytes_printf(out, "%0*d", width, m->year);
        return true;
    case 'M':
    case 'L':
        if (count >= 3)
            put_name(out, month_names[m->month - 1], count);
        else
            sl_bytes_printf(out, "%0*u", width, m->month);
        return true;
    case 'E':
        put_name(out, day_names[sl_floor_mod((int64_t)m->days + 3, 7)], count);
        return true;
    case 'a':
        sl_bytes_text(out, m->hour < 12 ? "AM" : "PM");
        return true;
    case 'S':
        for (uint32_t i = 0, unit = 100000; i < count && i < 9; i++, unit /= 10)
            sl_bytes_char(out, (char)('0' + (unit != 0 ? m->micros / unit % 10 : 0)));
        return true;
    default:
        break;
    }
    uint32_t v;
    switch (letter) {
    case 'd':
        v = m->day;
        break;
    case 'D':
        v = (uint32_t)(m->days - sl_days_from_civil(m->year, 1, 1)) + 1;
        break;
    case 'Q':
    case 'q':
        v = (m->month - 1) / 3 + 1;
        if (count >= 3)
            return put_quarter(out, v, count);
        break;
    case 'H':
        v = m->hour;
        break;
    case 'k':
        v = m->hour == 0 ? 24 : m->hour;
        break;
    case 'h':
        v = m->hour % 12 == 0 ? 12 : m->hour % 12;
        break;
    case 'K':
        v = m->hour % 12;
        break;
    case 'm':
        v = m->minute;
        break;
    case 's':
        v = m->second;
        break;
    default:
        return false;
    }
    sl_bytes_printf(out, "%0*u", width, v);
    return true;
}

/* Quoted text from i; '' is one quote. Returns past the closing quote. */
static uint32_t put_quoted(sl_bytes *out, const char *p, uint32_t i, uint32_t length)
{
    if (i + 1 < length && p[i + 1] == '\'') {
        sl_bytes_char(out, '\'');
        return i + 2;
    }
    for (i++; i < length; i++) {
        if (p[i] == '\'' && (i + 1 >= length || p[i + 1] != '\''))
            return i + 1;
        i += p[i] == '\'';
        sl_bytes_char(out, p[i]);
    }
    return length;
}

static bool format(sl_bytes *out, const moment *m, const sl_string_view *pattern,
                   char *ret_bad)
{
    const char *p = sl_string_data(pattern);
    for (uint32_t i = 0; i < pattern->length;) {
        if (p[i] == '\'') {
            i = put_quoted(out, p, i, pattern->length);
        } else if (isalpha((unsigned char)p[i])) {
            uint32_t count = 1;
            while (i + count < pattern->length && p[i + count] == p[i])
                count++;
            *ret_bad = p[i];
            if (!put_field(out, m, p[i], count))
                return false;
            i += count;
        } else {
            sl_bytes_char(out, p[i++]);
        }
    }
    return true;
}

static sl_code format_row(sl_kernel_call *c, uint32_t row, sl_zone zone, sl_bytes *text,
                          sl_string_view *out, sl_error *err)
{
    char bad = 0, *bytes;
    int64_t us = SL_VALUES(int64_t, c->args[0])[row * sl_vector__stride(c->args[0])];
    moment m = moment_of(sl_zone__local(zone, us));
    sl_bytes_clear(text);
    if (!format(text, &m, sl_text__at(c->args[1], row), &bad))
        return sl_call__fail(c, "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER", "22007",
                             err,
                             "Unrecognized datetime pattern: illegal pattern character "
                             "found: '%c'. Known are y M d D E Q a H h k K m s S and "
                             "quoted text.",
                             bad);
    SL_TRY(sl_text__room(c, text->size_bytes, out, &bytes, err));
    memcpy(bytes, sl_bytes_cstr(text), text->size_bytes);
    sl_text__finish(out, bytes, text->size_bytes);
    return SL_OK;
}

sl_code sl_kernel__date_format(sl_kernel_call *c, sl_error *err)
{
    sl_zone zone = sl_zone__of(c, c->args[0]->type);
    void *p;
    SL_TRY(sl_register__values(c->out, c->rows, &p, err));
    sl_bytes text = { 0 };
    sl_code code = SL_OK;
    sl_rows rows = sl_call__rows(c);
    uint32_t i;
    while (code == SL_OK && sl_rows__next(&rows, &i))
        code = format_row(c, i, zone, &text, &((sl_string_view *)p)[i], err);
    sl_bytes_deinit(&text);
    return code;
}
