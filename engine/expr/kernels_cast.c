/* CAST between numbers and booleans, and the dispatch of all casts. Numbers: a loop for
 * each pair of types, branch-free, which reports whether any row did not fit; the rows
 * that count are looked at again only then. TRY_CAST makes such rows null. */
#include <math.h>

#include "engine/expr/kernels_cast_private.h"

/* ---- numbers ---- */

typedef bool (*cast_loop)(const void *from, void *ret, uint32_t n);

/* fits(x): the value x of type F is one of type T. */
#define NUMBER(F, T, fits)                                                               \
    SL_HOT static bool F##_to_##T(const void *from, void *ret, uint32_t n)               \
    {                                                                                    \
        const F *restrict a = from;                                                      \
        T *restrict out = ret;                                                           \
        int bad = 0;                                                                     \
        for (uint32_t i = 0; i < n; i++) {                                               \
            F x = a[i];                                                                  \
            int ok = (fits);                                                             \
            bad |= !ok;                                                                  \
            out[i] = ok ? (T)x : 0;                                                      \
        }                                                                                \
        return bad != 0;                                                                 \
    }

#define TO_INTEGERS(F)                                                                   \
    NUMBER(F, int8_t, x >= INT8_MIN && x <= INT8_MAX)                                    \
    NUMBER(F, int16_t, x >= INT16_MIN && x <= INT16_MAX)                                 \
    NUMBER(F, int32_t, x >= INT32_MIN && x <= INT32_MAX)                                 \
    NUMBER(F, int64_t, 1)                                                                \
    NUMBER(F, float, 1)                                                                  \
    NUMBER(F, double, 1)

/* Fractions are cut off, so everything above MIN - 1 and below MAX + 1 fits. NaN fits
 * nowhere. */
#define FROM_REAL(F)                                                                     \
    NUMBER(F, int8_t, x > (F)-129.0 && x < (F)128.0)                                     \
    NUMBER(F, int16_t, x > (F)-32769.0 && x < (F)32768.0)                                \
    NUMBER(F, int32_t, (double)x > -2147483649.0 && (double)x < 2147483648.0)            \
    NUMBER(F, int64_t, (double)x >= -0x1p63 && (double)x < 0x1p63)                       \
    NUMBER(F, float, 1)                                                                  \
    NUMBER(F, double, 1)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wtautological-constant-out-of-range-compare"
#pragma GCC diagnostic ignored "-Wtautological-type-limit-compare"
#endif
TO_INTEGERS(int8_t)
TO_INTEGERS(int16_t)
TO_INTEGERS(int32_t)
TO_INTEGERS(int64_t)
FROM_REAL(float)
FROM_REAL(double)
#pragma GCC diagnostic pop

#define ROW(F)                                                                           \
    {                                                                                    \
        F##_to_int8_t, F##_to_int16_t, F##_to_int32_t, F##_to_int64_t, F##_to_float,     \
            F##_to_double                                                                \
    }
static const cast_loop number_loops[SL_F64 + 1][SL_F64 + 1] = {
    ROW(int8_t), ROW(int16_t), ROW(int32_t), ROW(int64_t), ROW(float), ROW(double)
};
static_assert(SL_I8 == 0 && SL_I64 == 3 && SL_F32 == 4 && SL_F64 == 5,
              "the table is in the order of sl_storage");

/* ---- failing ---- */

sl_code sl_cast__failed(sl_cast *k, uint32_t row, const char *condition, sl_error *err)
{
    sl_kernel_call *c = k->call;
    if (k->is_try) {
        uint64_t *validity;
        SL_TRY(sl_call__own_validity(c, &validity, err));
        sl_bitmap_clear(validity, row);
        return SL_OK;
    }
    bool overflow = condition[5] == 'O'; /* CAST_OVERFLOW, CAST_INVALID_INPUT */
    bool text = k->from->type->id == SL_TYPE_STRING;
    sl_bytes value = { 0 }, from = { 0 }, to = { 0 };
    sl_vector__text(k->from, row, c->context->zone, &value);
    sl_type_sql(k->from->type, &from);
    sl_type_sql(c->expr->type, &to);
    sl_code code = sl_call__fail(
        c, condition, overflow ? "22003" : "22018", err,
        overflow ? "The value %s%.200s%s of the type \"%s\" cannot be cast to \"%s\" due "
                   "to an overflow. Use `try_cast` to tolerate overflow and return NULL "
                   "instead."
                 : "The value %s%.200s%s of the type \"%s\" cannot be cast to \"%s\" "
                   "because it is malformed. Correct the value as per the syntax, or "
                   "change its target type. Use `try_cast` to tolerate malformed input "
                   "and return NULL instead.",
        text ? "'" : "", sl_bytes_cstr(&value), text ? "'" : "", sl_bytes_cstr(&from),
        sl_bytes_cstr(&to));
    sl_bytes_deinit(&value);
    sl_bytes_deinit(&from);
    sl_bytes_deinit(&to);
    return code;
}

static bool number_fits(const sl_vector *v, uint32_t row, cast_loop loop)
{
    uint32_t width = sl_type_width(v->type);
    uint64_t room;
    return !loop((const uint8_t *)v->values + (size_t)width * row * sl_vector__stride(v),
                 &room, 1);
}

static sl_code cast_number(sl_cast *k, void *out, sl_error *err)
{
    cast_loop loop =
        number_loops[sl_storage__of(k->from->type)][sl_storage__of(k->out->vector.type)];
    if (!loop(k->from->values, out, k->call->rows))
        return SL_OK;
    sl_rows rows = sl_cast__rows(k);
    uint32_t row;
    while (sl_rows__next(&rows, &row)) {
        if (!number_fits(k->from, row, loop))
            SL_TRY(sl_cast__failed(k, row, "CAST_OVERFLOW", err));
    }
    return SL_OK;
}

/* ---- booleans ---- */

static void number_to_bits(const sl_vector *v, uint64_t *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        bool bit = false;
        switch (sl_storage__of(v->type)) {
        case SL_I8:
            bit = SL_VALUES(int8_t, v)[i] != 0;
            break;
        case SL_I16:
            bit = SL_VALUES(int16_t, v)[i] != 0;
            break;
        case SL_I32:
            bit = SL_VALUES(int32_t, v)[i] != 0;
            break;
        case SL_I64:
            bit = SL_VALUES(int64_t, v)[i] != 0;
            break;
        case SL_F32:
            bit = SL_VALUES(float, v)[i] != 0;
            break;
        default:
            bit = SL_VALUES(double, v)[i] != 0;
        }
        out[i / 64] |= (uint64_t)bit << (i % 64);
    }
}

static void bits_to_number(const uint64_t *bits, sl_storage to, void *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        bool bit = sl_bitmap_get(bits, i);
        switch (to) {
        case SL_I8:
            ((int8_t *)out)[i] = bit;
            break;
        case SL_I16:
            ((int16_t *)out)[i] = bit;
            break;
        case SL_I32:
            ((int32_t *)out)[i] = bit;
            break;
        case SL_I64:
            ((int64_t *)out)[i] = bit;
            break;
        case SL_F32:
            ((float *)out)[i] = bit ? 1.0f : 0.0f;
            break;
        default:
            ((double *)out)[i] = bit ? 1.0 : 0.0;
        }
    }
}

/* ---- dispatch ---- */

static bool is_datetime(const sl_type *t)
{
    return t->id == SL_TYPE_DATE || sl_type__is_time(t);
}

static sl_code cast_values(sl_cast *k, sl_error *err);

/* Struct to struct: field by field; a field that fails fails the whole. */
static sl_code cast_struct(sl_cast *k, sl_error *err)
{
    sl_register__make_parts(k->out);
    for (uint32_t i = 0; i < k->out->part_count; i++) {
        const sl_vector *from = k->from->children[i];
        sl_register *part = &k->out->parts[i];
        if (sl_type_equal(from->type, part->vector.type)) {
            k->out->part_vectors[i] = from;
            continue;
        }
        sl_cast inner = *k;
        inner.from = from;
        inner.out = part;
        uint64_t *validity;
        SL_TRY(sl_register__validity(part, k->call->rows, &validity, err));
        for (size_t w = 0; w < sl_bitmap_words(k->call->rows); w++)
            validity[w] =
                (from->type->id == SL_TYPE_VOID ? 0 : sl_vector__valid_word(from, w)) &
                sl_vector__valid_word(&k->out->vector, w);
        SL_TRY(cast_values(&inner, err));
    }
    return SL_OK;
}

static sl_code cast_nothing(sl_cast *k, sl_error *err)
{
    sl_value null = { .type = k->out->vector.type, .is_null = true };
    return sl_register__constant(k->out, &null, err);
}

static sl_code cast_values(sl_cast *k, sl_error *err)
{
    const sl_type *from = k->from->type, *to = k->out->vector.type;
    if (from->id == SL_TYPE_VOID)
        return cast_nothing(k, err);
    if (to->id == SL_TYPE_STRUCT)
        return cast_struct(k, err);
    void *out;
    SL_TRY(sl_register__values(k->out, k->call->rows, &out, err));
    if (to->id == SL_TYPE_STRING || to->id == SL_TYPE_BINARY)
        return sl_cast__to_text(k, out, err);
    if (from->id == SL_TYPE_STRING)
        return sl_cast__from_text(k, out, err);
    if (is_datetime(from) || is_datetime(to))
        return sl_cast__time(k, out, err);
    if (to->id == SL_TYPE_BOOLEAN)
        number_to_bits(k->from, out, k->from->is_constant ? 1 : k->call->rows);
    else if (from->id == SL_TYPE_BOOLEAN)
        bits_to_number(k->from->values, sl_storage__of(to), out, k->call->rows);
    else
        return cast_number(k, out, err);
    return SL_OK;
}

sl_code sl_kernel__cast(sl_kernel_call *c, sl_error *err)
{
    sl_cast k = { .call = c,
                  .from = c->args[0],
                  .out = c->out,
                  .is_try = c->expr->function == sl_function__get(SL_F_TRY_CAST) };
    return cast_values(&k, err);
}
