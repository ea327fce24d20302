/* CAST to and from text, and between dates, timestamps and numbers. */
#include <math.h>

#include "engine/expr/kernels_cast_private.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* ---- to text ---- */

/* Digits of v at the end of a buffer of 24; returns where they start. */
static uint32_t digits_of(int64_t v, char buffer[24])
{
    uint64_t n = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    uint32_t at = 24;
    do {
        buffer[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    if (v < 0)
        buffer[--at] = '-';
    return at;
}

static sl_code put_text(sl_cast *k, sl_string_view *out, const char *text, size_t length,
                        sl_error *err)
{
    if (length <= SL_STRING_INLINE_MAX) {
        *out = sl_string_view_make(text, (uint32_t)length);
        return SL_OK;
    }
    if (length > SL_STRING_BYTES_MAX)
        return sl_fail(err, SL_ELIMIT, "a string of %zu bytes: at most %u", length,
                       SL_STRING_BYTES_MAX);
    char *bytes;
    SL_TRY(sl_register__bytes(k->out, (uint32_t)length, &bytes, err));
    memcpy(bytes, text, length);
    *out = sl_string_view_make(bytes, (uint32_t)length);
    return SL_OK;
}

static int64_t integer_at(const sl_vector *v, uint32_t at)
{
    switch (sl_storage__of(v->type)) {
    case SL_I8:
        return SL_VALUES(int8_t, v)[at];
    case SL_I16:
        return SL_VALUES(int16_t, v)[at];
    case SL_I32:
        return SL_VALUES(int32_t, v)[at];
    default:
        return SL_VALUES(int64_t, v)[at];
    }
}

static sl_code integers_to_text(sl_cast *k, sl_string_view *out, sl_error *err)
{
    sl_rows rows = sl_cast__rows(k);
    uint32_t i, stride = sl_vector__stride(k->from);
    while (sl_rows__next(&rows, &i)) {
        char buffer[24];
        uint32_t at = digits_of(integer_at(k->from, i * stride), buffer);
        SL_TRY(put_text(k, &out[i], buffer + at, 24 - at, err));
    }
    return SL_OK;
}

sl_code sl_cast__to_text(sl_cast *k, void *p, sl_error *err)
{
    sl_string_view *out = p;
    const sl_type *from = k->from->type;
    uint32_t stride = sl_vector__stride(k->from), i;
    sl_rows rows = sl_cast__rows(k);
    if (from->id == SL_TYPE_STRING || from->id == SL_TYPE_BINARY) {
        while (sl_rows__next(&rows, &i))
            out[i] = SL_VALUES(sl_string_view, k->from)[i * stride];
        sl_register__hold(k->out, k->from);
        return SL_OK;
    }
    if (sl_type_is_integral(from))
        return integers_to_text(k, out, err);
    sl_bytes text = { 0 };
    sl_code code = SL_OK;
    while (code == SL_OK && sl_rows__next(&rows, &i)) {
        sl_bytes_clear(&text);
        sl_vector__text(k->from, i, k->call->context->zone, &text);
        code = put_text(k, &out[i], sl_bytes_cstr(&text), text.size_bytes, err);
    }
    sl_bytes_deinit(&text);
    return code;
}

/* ---- from text ---- */

/* out[row] from the text; false: malformed. */
static bool integer_from_text(sl_storage s, const char *text, uint32_t length, void *out,
                              uint32_t row)
{
    int64_t v;
    if (!sl_int64_from_text(text, length, &v))
        return false;
    switch (s) {
    case SL_I8:
        ((int8_t *)out)[row] = (int8_t)v;
        return v == (int8_t)v;
    case SL_I16:
        ((int16_t *)out)[row] = (int16_t)v;
        return v == (int16_t)v;
    case SL_I32:
        ((int32_t *)out)[row] = (int32_t)v;
        return v == (int32_t)v;
    default:
        ((int64_t *)out)[row] = v;
        return true;
    }
}

static bool interval_from_text(const sl_type *type, const char *text, uint32_t length,
                               void *out, uint32_t row)
{
    char copy[128];
    int32_t months;
    int64_t us;
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (sl_interval_parse(copy, &months, &us, NULL) != SL_OK)
        return false;
    if (type->id == SL_TYPE_INTERVAL_DAY_TIME)
        ((int64_t *)out)[row] = us;
    else
        ((int32_t *)out)[row] = months;
    return type->id == SL_TYPE_INTERVAL_DAY_TIME ? months == 0 : us == 0;
}

static bool value_from_text(const sl_cast *k, const char *text, uint32_t length,
                            void *out, uint32_t row)
{
    const sl_type *to = k->out->vector.type;
    const sl_time_zone *zone = k->call->context->zone;
    double real;
    bool bit;
    switch (to->id) {
    case SL_TYPE_BOOLEAN:
        if (!sl_boolean_from_text(text, length, &bit))
            return false;
        sl_bitmap_put(out, row, bit);
        return true;
    case SL_TYPE_FLOAT:
        if (!sl_double_from_text(text, length, &real))
            return false;
        ((float *)out)[row] = (float)real;
        return true;
    case SL_TYPE_DOUBLE:
        return sl_double_from_text(text, length, &((double *)out)[row]);
    case SL_TYPE_DATE:
        return sl_date_parse(text, length, &((int32_t *)out)[row]);
    case SL_TYPE_TIMESTAMP:
        return sl_timestamp_parse(text, length, zone, &((int64_t *)out)[row]);
    case SL_TYPE_TIMESTAMP_NTZ:
        return sl_timestamp_parse(text, length, sl_time_zone_utc(),
                                  &((int64_t *)out)[row]);
    case SL_TYPE_INTERVAL_DAY_TIME:
    case SL_TYPE_INTERVAL_YEAR_MONTH:
        return interval_from_text(to, text, length, out, row);
    default:
        return integer_from_text(sl_storage__of(to), text, length, out, row);
    }
}

sl_code sl_cast__from_text(sl_cast *k, void *out, sl_error *err)
{
    const sl_string_view *a = k->from->values;
    uint32_t stride = sl_vector__stride(k->from), i;
    sl_rows rows = sl_cast__rows(k);
    memset(out, 0, (size_t)sl_type_width(k->out->vector.type) * k->call->rows);
    while (sl_rows__next(&rows, &i)) {
        const sl_string_view *v = &a[i * stride];
        if (!value_from_text(k, sl_string_data(v), v->length, out, i))
            SL_TRY(sl_cast__failed(k, i, "CAST_INVALID_INPUT", err));
    }
    return SL_OK;
}

/* ---- dates and timestamps ---- */

static int32_t clamp_days(int64_t days)
{
    return days > INT32_MAX ? INT32_MAX : days < INT32_MIN ? INT32_MIN : (int32_t)days;
}

/* Seconds to us, stopping at the ends as Java's SECONDS.toMicros. */
static int64_t seconds_to_us(int64_t v)
{
    int64_t us;
    if (__builtin_mul_overflow(v, SECOND_US, &us))
        return v < 0 ? INT64_MIN : INT64_MAX;
    return us;
}

static void cast_date(sl_cast *k, const sl_type *to, int64_t *out)
{
    const sl_time_zone *zone = k->call->context->zone;
    const int32_t *days = k->from->values;
    uint32_t stride = sl_vector__stride(k->from), i;
    sl_rows rows = sl_cast__rows(k);
    while (sl_rows__next(&rows, &i)) {
        int64_t us;
        if (__builtin_mul_overflow((int64_t)days[i * stride], DAY_US, &us))
            us = days[i * stride] < 0 ? INT64_MIN : INT64_MAX;
        out[i] = to->id == SL_TYPE_TIMESTAMP ? sl_time_zone_to_utc_us(zone, us) : us;
    }
}

/* Between the two kinds of timestamp, or to a date: through the local time. */
static void cast_timestamp(sl_cast *k, const sl_type *to, void *out)
{
    const sl_time_zone *zone = k->call->context->zone;
    bool absolute = k->from->type->id == SL_TYPE_TIMESTAMP;
    const int64_t *a = k->from->values;
    uint32_t stride = sl_vector__stride(k->from), i;
    sl_rows rows = sl_cast__rows(k);
    while (sl_rows__next(&rows, &i)) {
        int64_t us = a[i * stride];
        int64_t offset = absolute ? sl_time_zone_offset_us(zone, us) : 0;
        int64_t local = (int64_t)((uint64_t)us + (uint64_t)offset);
        if (to->id == SL_TYPE_DATE)
            ((int32_t *)out)[i] = clamp_days(floor_div(local, DAY_US));
        else if (to->id == SL_TYPE_TIMESTAMP)
            ((int64_t *)out)[i] = sl_time_zone_to_utc_us(zone, local);
        else
            ((int64_t *)out)[i] = local;
    }
}

/* Seconds since 1970 as a number. */
static sl_code timestamp_to_number(sl_cast *k, const sl_type *to, void *out,
                                   sl_error *err)
{
    const int64_t *a = k->from->values;
    uint32_t stride = sl_vector__stride(k->from), i;
    sl_rows rows = sl_cast__rows(k);
    while (sl_rows__next(&rows, &i)) {
        int64_t us = a[i * stride], s = floor_div(us, SECOND_US);
        bool fits = true;
        switch (sl_storage__of(to)) {
        case SL_I8:
            ((int8_t *)out)[i] = (int8_t)s;
            fits = s == (int8_t)s;
            break;
        case SL_I16:
            ((int16_t *)out)[i] = (int16_t)s;
            fits = s == (int16_t)s;
            break;
        case SL_I32:
            ((int32_t *)out)[i] = (int32_t)s;
            fits = s == (int32_t)s;
            break;
        case SL_I64:
            ((int64_t *)out)[i] = s;
            break;
        case SL_F32:
            ((float *)out)[i] = (float)((double)us / 1e6);
            break;
        default:
            ((double *)out)[i] = (double)us / 1e6;
        }
        if (!fits)
            SL_TRY(sl_cast__failed(k, i, "CAST_OVERFLOW", err));
    }
    return SL_OK;
}

static sl_code number_to_timestamp(sl_cast *k, int64_t *out, sl_error *err)
{
    sl_storage s = sl_storage__of(k->from->type);
    uint32_t stride = sl_vector__stride(k->from), i;
    sl_rows rows = sl_cast__rows(k);
    while (sl_rows__next(&rows, &i)) {
        if (s < SL_F32) {
            out[i] = seconds_to_us(integer_at(k->from, i * stride));
            continue;
        }
        double v = s == SL_F32 ? (double)SL_VALUES(float, k->from)[i * stride]
                               : SL_VALUES(double, k->from)[i * stride];
        double us = v * 1e6;
        bool fits = us >= -0x1p63 && us < 0x1p63; /* NaN fits nowhere */
        out[i] = fits ? (int64_t)us : 0;
        if (!fits)
            SL_TRY(sl_cast__failed(
                k, i, isfinite(v) ? "CAST_OVERFLOW" : "CAST_INVALID_INPUT", err));
    }
    return SL_OK;
}

sl_code sl_cast__time(sl_cast *k, void *out, sl_error *err)
{
    const sl_type *from = k->from->type, *to = k->out->vector.type;
    memset(out, 0, (size_t)sl_type_width(to) * k->call->rows);
    if (sl_type_is_numeric(to))
        return timestamp_to_number(k, to, out, err);
    if (sl_type_is_numeric(from))
        return number_to_timestamp(k, out, err);
    if (from->id == SL_TYPE_DATE)
        cast_date(k, to, out);
    else if (sl_type__is_time(from))
        cast_timestamp(k, to, out);
    else
        return sl_fail(err, SL_EINTERNAL, "cast from %s to %s", sl_type_tree_name(from),
                       sl_type_tree_name(to));
    return SL_OK;
}
