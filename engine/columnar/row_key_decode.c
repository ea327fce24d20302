#include "base/limits.h"
#include "engine/columnar/row_key.h"
#include "engine/columnar/row_key_private.h"

/* One key being taken apart. */
typedef struct input {
    const uint8_t *at, *end;
    sl_bytes scratch; /* a string without its escapes */
} input;

static sl_code corrupt(const sl_type *type, const char *what, sl_error *err)
{
    return sl_fail(err, SL_ECORRUPT, "row key: %s in a column of type %s", what,
                   sl_type_tree_name(type));
}

static uint64_t get_be(const uint8_t *from, uint32_t width)
{
    uint64_t v = 0;
    for (uint32_t i = 0; i < width; i++)
        v = v << 8 | from[i];
    return v;
}

/* Undo the order-preserving flip of a float of `width` bytes: bits as stored. */
static uint64_t float_bits(uint64_t v, uint32_t width)
{
    uint64_t sign = UINT64_C(1) << (width * 8 - 1);
    return (v & sign) != 0 ? v ^ sign : ~v & (sign | (sign - 1));
}

static sl_code decode_fixed(input *in, const sl_type *type, sl_column_builder *b,
                            sl_error *err)
{
    uint32_t width = sl_row_key__width(type);
    if ((size_t)(in->end - in->at) < width)
        return corrupt(type, "a value is cut short", err);
    uint64_t v = get_be(in->at, width);
    in->at += width;
    switch (type->id) {
    case SL_TYPE_BOOLEAN:
        if (v > 1)
            return corrupt(type, "a boolean is neither 0 nor 1", err);
        return sl_column_builder_bool(b, v != 0, err);
    case SL_TYPE_FLOAT: {
        uint32_t bits = (uint32_t)float_bits(v, 4);
        float f;
        memcpy(&f, &bits, 4);
        return sl_column_builder_f64(b, (double)f, err);
    }
    case SL_TYPE_DOUBLE: {
        uint64_t bits = float_bits(v, 8);
        double d;
        memcpy(&d, &bits, 8);
        return sl_column_builder_f64(b, d, err);
    }
    default: {
        v ^= UINT64_C(1) << (width * 8 - 1);
        if (width == 8)
            return sl_column_builder_i64(b, (int64_t)v, err);
        int32_t narrow = width == 4   ? (int32_t)(uint32_t)v
                         : width == 2 ? (int16_t)(uint16_t)v
                                      : (int8_t)(uint8_t)v;
        return sl_column_builder_i32(b, narrow, err);
    }
    }
}

static sl_code decode_string(input *in, const sl_type *type, sl_column_builder *b,
                             sl_error *err)
{
    const uint8_t *from = in->at;
    sl_bytes_clear(&in->scratch);
    for (;;) {
        size_t left = (size_t)(in->end - from);
        const uint8_t *zero = left != 0 ? memchr(from, 0, left) : NULL;
        if (zero == NULL || zero + 1 == in->end)
            return corrupt(type, "a string has no end", err);
        if (zero[1] == SL_KEY_STRING_END) {
            size_t run = (size_t)(zero - from);
            in->at = zero + 2;
            if (run + in->scratch.size_bytes > SL_KEY_BYTES_MAX)
                return corrupt(type, "a string is too long", err);
            if (in->scratch.size_bytes == 0) /* the usual case: no escape, no copy */
                return sl_column_builder_string(b, (const char *)from, (uint32_t)run,
                                                err);
            sl_bytes_append(&in->scratch, from, run);
            return sl_column_builder_string(b, (const char *)in->scratch.data,
                                            (uint32_t)in->scratch.size_bytes, err);
        }
        if (zero[1] != SL_KEY_ZERO_ESCAPE)
            return corrupt(type, "a zero byte is followed by neither 0xff nor 0x01", err);
        sl_bytes_append(&in->scratch, from, (size_t)(zero - from) + 1);
        from = zero + 2;
    }
}

static sl_code decode_value(input *in, const sl_type *type, int64_t window_us,
                            sl_column_builder *b, sl_error *err);

/* Only the start is in the key.  The end of an absurd window wraps, as where it was made
 * (engine/exec/op_window.c): one far time is no damage. */
static sl_code decode_window(input *in, const sl_type *type, int64_t window_us,
                             sl_column_builder *b, sl_error *err)
{
    if (in->end - in->at < 8)
        return corrupt(type, "a window start is cut short", err);
    uint64_t start = get_be(in->at, 8) ^ UINT64_C(1) << 63;
    in->at += 8;
    SL_TRY(sl_column_builder_i64(&b->children[0], (int64_t)start, err));
    SL_TRY(sl_column_builder_i64(&b->children[1], (int64_t)(start + (uint64_t)window_us),
                                 err));
    return sl_column_builder_struct(b, err);
}

static sl_code decode_struct(input *in, const sl_type *type, sl_column_builder *b,
                             sl_error *err)
{
    for (uint32_t i = 0; i < type->field_count; i++)
        SL_TRY(decode_value(in, type->fields[i].type, 0, &b->children[i], err));
    return sl_column_builder_struct(b, err);
}

static sl_code decode_value(input *in, const sl_type *type, int64_t window_us,
                            sl_column_builder *b, sl_error *err)
{
    if (in->at == in->end)
        return corrupt(type, "the key ends early", err);
    uint8_t mark = *in->at++;
    if (mark == SL_KEY_NULL)
        return sl_column_builder_null(b, err);
    if (mark != SL_KEY_VALUE || type->id == SL_TYPE_VOID)
        return corrupt(type, "bad null mark", err);
    if (window_us > 0)
        return decode_window(in, type, window_us, b, err);
    if (type->id == SL_TYPE_STRUCT)
        return decode_struct(in, type, b, err);
    if (sl_type_width(type) == sizeof(sl_string_view))
        return decode_string(in, type, b, err);
    return decode_fixed(in, type, b, err);
}

sl_code sl_row_keys_decode(const sl_span *keys, uint32_t count,
                           const sl_type *const *types, const int64_t *window_us,
                           uint32_t column_count, sl_column_builder *builders,
                           sl_error *err)
{
    sl_code code = SL_OK;
    input in = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        in.at = keys[i].data;
        in.end = keys[i].data + keys[i].size_bytes;
        for (uint32_t c = 0; c < column_count; c++) {
            int64_t us = window_us != NULL ? window_us[c] : 0;
            SL_TRY_GOTO(decode_value(&in, types[c], us, &builders[c], err), out);
        }
        if (in.at != in.end) {
            code = sl_fail(err, SL_ECORRUPT,
                           "row key: %zu bytes follow the last of %u columns",
                           (size_t)(in.end - in.at), column_count);
            goto out;
        }
    }
out:
    sl_bytes_deinit(&in.scratch);
    return code;
}
