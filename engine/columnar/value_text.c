#include "engine/columnar/value_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "engine/columnar/time_zone_private.h"

/* ---- pieces ---- */

static int64_t integer_at(const sl_column *c, uint32_t row)
{
    switch (sl_type_width(c->type)) {
    case 1:
        return ((const int8_t *)c->values)[row];
    case 2:
        return ((const int16_t *)c->values)[row];
    case 4:
        return sl_column_i32(c)[row];
    default:
        return sl_column_i64(c)[row];
    }
}

/* Float.toString: the fewest digits, two at least, that read back as the same float;
 * plain between 10^-3 and 10^7, else with E. */
static void float_java(float v, char ret_text[32])
{
    if (isnan(v) || isinf(v) || v == 0.0f) {
        sl_double_java((double)v, ret_text);
        return;
    }
    char scientific[32];
    int digits = 1; /* after the first */
    do
        snprintf(scientific, sizeof scientific, "%.*e", digits, (double)fabsf(v));
    while (strtof(scientific, NULL) != fabsf(v) && ++digits < 9);

    char figures[16] = "";
    int count = 0;
    for (const char *p = scientific; *p != 'e'; p++)
        if (*p != '.')
            figures[count++] = *p;
    if (count == 2 && figures[1] == '0')
        figures[--count] = '\0';
    int exponent = atoi(strchr(scientific, 'e') + 1);
    const char *sign = v < 0 ? "-" : "";
    if (exponent < -3 || exponent >= 7)
        snprintf(ret_text, 32, "%s%c.%sE%d", sign, figures[0],
                 count > 1 ? figures + 1 : "0", exponent);
    else if (exponent < 0)
        snprintf(ret_text, 32, "%s0.%.*s%s", sign, -exponent - 1, "00", figures);
    else if (count > exponent + 1)
        snprintf(ret_text, 32, "%s%.*s.%s", sign, exponent + 1, figures,
                 figures + exponent + 1);
    else
        snprintf(ret_text, 32, "%s%s%.*s.0", sign, figures, exponent + 1 - count,
                 "000000");
}

static void day_time_text(int64_t us, sl_bytes *out)
{
    uint64_t v = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t second = v / 1000000, micros = v % 1000000;
    sl_bytes_printf(out, "INTERVAL '%s%" PRIu64 " %02u:%02u:%02u", us < 0 ? "-" : "",
                    second / 86400, (unsigned)(second / 3600 % 24),
                    (unsigned)(second / 60 % 60), (unsigned)(second % 60));
    if (micros != 0) {
        char fraction[8];
        snprintf(fraction, sizeof fraction, "%06u", (unsigned)micros);
        size_t length = 6;
        while (fraction[length - 1] == '0')
            length--;
        sl_bytes_char(out, '.');
        sl_bytes_append(out, fraction, length);
    }
    sl_bytes_text(out, "' DAY TO SECOND");
}

static void year_month_text(int32_t months, sl_bytes *out)
{
    uint32_t v = months < 0 ? 0 - (uint32_t)months : (uint32_t)months;
    sl_bytes_printf(out, "INTERVAL '%s%u-%u' YEAR TO MONTH", months < 0 ? "-" : "",
                    v / 12, v % 12);
}

static void binary_text(const sl_string_view *v, sl_bytes *out)
{
    static const char hex[] = "0123456789ABCDEF";
    const uint8_t *data = (const uint8_t *)sl_string_data(v);
    sl_bytes_char(out, '[');
    for (uint32_t i = 0; i < v->length; i++) {
        if (i != 0)
            sl_bytes_char(out, ' ');
        sl_bytes_char(out, hex[data[i] >> 4]);
        sl_bytes_char(out, hex[data[i] & 15]);
    }
    sl_bytes_char(out, ']');
}

static const sl_time_zone *zone_of(const sl_column *c, const sl_time_zone *zone)
{
    return c->type->id == SL_TYPE_TIMESTAMP ? zone : sl_time_zone_utc();
}

/* ---- as show() prints ---- */

static void struct_text(const sl_column *c, uint32_t row, const sl_time_zone *zone,
                        sl_bytes *out)
{
    sl_bytes_char(out, '{');
    for (uint32_t i = 0; i < c->child_count; i++) {
        if (i != 0)
            sl_bytes_text(out, ", ");
        sl_value_text(&c->children[i], row, zone, out);
    }
    sl_bytes_char(out, '}');
}

void sl_value_text(const sl_column *c, uint32_t row, const sl_time_zone *zone,
                   sl_bytes *out)
{
    char text[SL_TIME_TEXT_BYTES];
    if (!sl_column_is_valid(c, row)) {
        sl_bytes_text(out, "NULL");
        return;
    }
    switch (c->type->id) {
    case SL_TYPE_BOOLEAN:
        sl_bytes_text(out, sl_bitmap_get(c->values, row) ? "true" : "false");
        return;
    case SL_TYPE_BYTE:
    case SL_TYPE_SHORT:
    case SL_TYPE_INT:
    case SL_TYPE_LONG:
        sl_bytes_printf(out, "%" PRId64, integer_at(c, row));
        return;
    case SL_TYPE_FLOAT:
        float_java(((const float *)c->values)[row], text);
        sl_bytes_text(out, text);
        return;
    case SL_TYPE_DOUBLE:
        sl_double_java(sl_column_f64(c)[row], text);
        sl_bytes_text(out, text);
        return;
    case SL_TYPE_STRING: {
        const sl_string_view *v = &sl_column_strings(c)[row];
        sl_bytes_append(out, sl_string_data(v), v->length);
        return;
    }
    case SL_TYPE_BINARY:
        binary_text(&sl_column_strings(c)[row], out);
        return;
    case SL_TYPE_DATE:
        sl_bytes_append(out, text, sl_date_text(sl_column_i32(c)[row], text));
        return;
    case SL_TYPE_TIMESTAMP:
    case SL_TYPE_TIMESTAMP_NTZ: {
        uint32_t n = sl_timestamp_text(sl_column_i64(c)[row], zone_of(c, zone), text);
        sl_bytes_append(out, text, n);
        return;
    }
    case SL_TYPE_INTERVAL_DAY_TIME:
        day_time_text(sl_column_i64(c)[row], out);
        return;
    case SL_TYPE_INTERVAL_YEAR_MONTH:
        year_month_text(sl_column_i32(c)[row], out);
        return;
    case SL_TYPE_STRUCT:
        struct_text(c, row, zone, out);
        return;
    default: /* VOID is never valid; the others have no columns */
        return;
    }
}

/* ---- as JSON ---- */

static void base64(const sl_string_view *v, sl_bytes *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = (const uint8_t *)sl_string_data(v);
    sl_bytes_char(out, '"');
    for (uint32_t i = 0; i < v->length; i += 3) {
        uint32_t left = v->length - i, bits = (uint32_t)p[i] << 16;
        bits |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        bits |= left > 2 ? p[i + 2] : 0;
        sl_bytes_char(out, letters[bits >> 18]);
        sl_bytes_char(out, letters[bits >> 12 & 63]);
        sl_bytes_char(out, left > 1 ? letters[bits >> 6 & 63] : '=');
        sl_bytes_char(out, left > 2 ? letters[bits & 63] : '=');
    }
    sl_bytes_char(out, '"');
}

static void struct_json(const sl_column *c, uint32_t row, const sl_time_zone *zone,
                        bool iso, sl_bytes *out)
{
    bool first = true;
    sl_bytes_char(out, '{');
    for (uint32_t i = 0; i < c->child_count; i++) {
        if (iso && !sl_column_is_valid(&c->children[i], row))
            continue;
        if (!first)
            sl_bytes_char(out, ',');
        first = false;
        const char *name = c->type->fields[i].name;
        sl_json_string(out, name, strlen(name));
        sl_bytes_char(out, ':');
        sl_value_json(&c->children[i], row, zone, iso, out);
    }
    sl_bytes_char(out, '}');
}

/* A float's own shortest text; numbers JSON lacks go in quotes. */
static void float_json(float v, sl_bytes *out)
{
    char text[32];
    float_java(v, text);
    bool number = isfinite(v) != 0;
    if (!number)
        sl_bytes_char(out, '"');
    sl_bytes_text(out, text);
    if (!number)
        sl_bytes_char(out, '"');
}

/* Types whose text has no letter that JSON would escape. */
static void quoted_text(const sl_column *c, uint32_t row, const sl_time_zone *zone,
                        bool iso, sl_bytes *out)
{
    bool timestamp =
        c->type->id == SL_TYPE_TIMESTAMP || c->type->id == SL_TYPE_TIMESTAMP_NTZ;
    sl_bytes_char(out, '"');
    if (iso && timestamp) {
        char text[SL_TIME_TEXT_BYTES];
        uint32_t n = sl_time_text__iso(sl_column_i64(c)[row], zone_of(c, zone),
                                       c->type->id == SL_TYPE_TIMESTAMP, text);
        sl_bytes_append(out, text, n);
    } else {
        sl_value_text(c, row, zone, out);
    }
    sl_bytes_char(out, '"');
}

void sl_value_json(const sl_column *c, uint32_t row, const sl_time_zone *zone, bool iso,
                   sl_bytes *out)
{
    if (!sl_column_is_valid(c, row)) {
        sl_bytes_text(out, "null");
        return;
    }
    switch (c->type->id) {
    case SL_TYPE_BOOLEAN:
    case SL_TYPE_BYTE:
    case SL_TYPE_SHORT:
    case SL_TYPE_INT:
    case SL_TYPE_LONG:
        sl_value_text(c, row, zone, out);
        return;
    case SL_TYPE_FLOAT:
        float_json(((const float *)c->values)[row], out);
        return;
    case SL_TYPE_DOUBLE:
        sl_json_double(out, sl_column_f64(c)[row]);
        return;
    case SL_TYPE_STRING: {
        const sl_string_view *v = &sl_column_strings(c)[row];
        sl_json_string(out, sl_string_data(v), v->length);
        return;
    }
    case SL_TYPE_STRUCT:
        struct_json(c, row, zone, iso, out);
        return;
    case SL_TYPE_BINARY:
        if (iso) {
            base64(&sl_column_strings(c)[row], out);
            return;
        }
        quoted_text(c, row, zone, iso, out);
        return;
    default:
        quoted_text(c, row, zone, iso, out);
    }
}
