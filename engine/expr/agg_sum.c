/* sum, avg. Integers are summed exactly; doubles in the order rows arrive, so partials
 * must be merged in (slice, block) order (needs_order).
 *
 * State: { sum (16 bytes for avg of bigint, else 8), i64 count of values }.
 * Buffers: sum: the sum, null if there was no value. avg: sum [, its high half], count.
 */
#include <inttypes.h>

#include "engine/expr/aggregate_private.h"

typedef struct sum_i64 {
    int64_t sum, count;
} sum_i64;
typedef struct sum_f64 {
    double sum;
    int64_t count;
} sum_f64;
typedef struct sum_wide {
    uint64_t low;
    int64_t high, count;
} sum_wide;

static bool is_real(const sl_agg *a)
{
    return a->arg_type->id == SL_TYPE_DOUBLE;
}
static bool is_wide(const sl_agg *a)
{
    return a->buffer_count == 3;
}

static void add_wide(sum_wide *s, uint64_t low, int64_t high)
{
    uint64_t before = s->low;
    s->low += low;
    s->high = (int64_t)((uint64_t)s->high + (uint64_t)high + (s->low < before));
}

static sl_code overflow(const sl_agg_call *c, sl_error *err)
{
    return sl_error__at(err,
                        sl_fail_as(err, SL_EARITH, "ARITHMETIC_OVERFLOW", "22003",
                                   "long overflow in `%s`: the sum does not fit a "
                                   "BIGINT. Use sum(CAST(x AS DOUBLE)) to tolerate it.",
                                   c->agg->pretty),
                        c->agg->pos);
}

/* ---- update ---- */

/* One loop for each input type, state and shape; the shape is a compile-time constant. */
#define UPDATE(name, T, STATE, add)                                                      \
    static inline __attribute__((always_inline)) bool name##_shape(                      \
        const sl_agg_call *c, const uint64_t *validity, const uint16_t *selection)       \
    {                                                                                    \
        const T *values = c->column->values;                                             \
        uint32_t offset = c->agg->offset;                                                \
        bool bad = false;                                                                \
        for (uint32_t i = 0; i < c->n; i++) {                                            \
            uint32_t row = selection != NULL ? selection[i] : i;                         \
            STATE *s = (STATE *)(void *)(c->slots[i] + offset);                          \
            if (validity != NULL && !sl_bitmap_get(validity, row))                       \
                continue;                                                                \
            T v = values[row];                                                           \
            add;                                                                         \
            s->count++;                                                                  \
        }                                                                                \
        return bad;                                                                      \
    }                                                                                    \
    static bool name(const sl_agg_call *c)                                               \
    {                                                                                    \
        if (c->column->validity == NULL)                                                 \
            return c->selection == NULL ? name##_shape(c, NULL, NULL)                    \
                                        : name##_shape(c, NULL, c->selection);           \
        return c->selection == NULL                                                      \
                   ? name##_shape(c, c->column->validity, NULL)                          \
                   : name##_shape(c, c->column->validity, c->selection);                 \
    }

UPDATE(sum_8, int8_t, sum_i64, bad |= __builtin_add_overflow(s->sum, v, &s->sum))
UPDATE(sum_16, int16_t, sum_i64, bad |= __builtin_add_overflow(s->sum, v, &s->sum))
UPDATE(sum_32, int32_t, sum_i64, bad |= __builtin_add_overflow(s->sum, v, &s->sum))
UPDATE(sum_64, int64_t, sum_i64, bad |= __builtin_add_overflow(s->sum, v, &s->sum))
UPDATE(sum_real, double, sum_f64, s->sum += v)
UPDATE(sum_128, int64_t, sum_wide, add_wide(s, (uint64_t)v, v >> 63))

static sl_code update(const sl_agg_call *c, sl_error *err)
{
    bool bad;
    switch (sl_storage__of(c->column->type)) {
    case SL_I8:
        bad = sum_8(c);
        break;
    case SL_I16:
        bad = sum_16(c);
        break;
    case SL_I32:
        bad = sum_32(c);
        break;
    case SL_I64:
        bad = is_wide(c->agg) ? sum_128(c) : sum_64(c);
        break;
    default:
        bad = sum_real(c);
    }
    return bad ? overflow(c, err) : SL_OK;
}

/* ---- columns out ---- */

/* 64-bit words of the states at `at` bytes, null where there was no value. */
static sl_code emit_words(const sl_agg_call *c, const sl_type *type, uint32_t at,
                          bool with_nulls, sl_column *ret, sl_error *err)
{
    void *values;
    uint64_t *validity;
    SL_TRY(
        sl_column_alloc(type, c->n, with_nulls, c->budget, ret, &values, &validity, err));
    uint64_t *out = values;
    for (uint32_t i = 0; i < c->n; i++)
        memcpy(&out[i], (const uint8_t *)sl_agg__state(c, i) + at, 8);
    for (uint32_t i = 0; with_nulls && i < c->n; i++) {
        const sum_i64 *s = sl_agg__state(c, i);
        if (s->count == 0)
            sl_bitmap_clear(validity, i);
    }
    return SL_OK;
}

static sl_code emit_sum(const sl_agg_call *c, sl_error *err)
{
    return emit_words(c, c->agg->result_type, 0, true, c->ret, err);
}

static sl_code emit_avg(const sl_agg_call *c, sl_error *err)
{
    for (uint32_t k = 0; k < c->agg->buffer_count; k++) {
        sl_code code =
            emit_words(c, c->agg->buffer_types[k], 8 * k, false, &c->ret[k], err);
        if (code != SL_OK) {
            while (k-- > 0)
                sl_column_release(&c->ret[k]);
            return code;
        }
    }
    return SL_OK;
}

static double mean_of(const sl_agg_call *c, uint32_t i, int64_t *ret_count)
{
    if (is_real(c->agg)) {
        const sum_f64 *s = sl_agg__state(c, i);
        *ret_count = s->count;
        return s->sum / (double)s->count;
    }
    if (is_wide(c->agg)) {
        const sum_wide *s = sl_agg__state(c, i);
        *ret_count = s->count;
        sl_i128 sum = (sl_i128)s->high * ((sl_i128)1 << 64) + s->low;
        return (double)sum / (double)s->count;
    }
    const sum_i64 *s = sl_agg__state(c, i);
    *ret_count = s->count;
    return (double)s->sum / (double)s->count;
}

static sl_code result_avg(const sl_agg_call *c, sl_error *err)
{
    void *values;
    uint64_t *validity;
    SL_TRY(sl_column_alloc(c->agg->result_type, c->n, true, c->budget, c->ret, &values,
                           &validity, err));
    double *out = values;
    for (uint32_t i = 0; i < c->n; i++) {
        int64_t count;
        double mean = mean_of(c, i, &count);
        out[i] = count != 0 ? mean : 0;
        if (count == 0)
            sl_bitmap_clear(validity, i);
    }
    return SL_OK;
}

/* ---- merge ---- */

static sl_code merge_sum(const sl_agg_call *c, sl_error *err)
{
    const sl_column *in = &c->column[0];
    bool bad = false;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!sl_column_is_valid(in, i))
            continue;
        if (is_real(c->agg)) {
            sum_f64 *s = sl_agg__state(c, i);
            s->sum += sl_column_f64(in)[i];
            s->count = 1; /* sums only ask whether there was a value */
        } else {
            sum_i64 *s = sl_agg__state(c, i);
            bad |= __builtin_add_overflow(s->sum, sl_column_i64(in)[i], &s->sum);
            s->count = 1;
        }
    }
    return bad ? overflow(c, err) : SL_OK;
}

static sl_code merge_avg(const sl_agg_call *c, sl_error *err)
{
    const sl_column *in = c->column;
    const int64_t *counts = sl_column_i64(&in[c->agg->buffer_count - 1]);
    bool bad = false;
    for (uint32_t i = 0; i < c->n; i++) {
        if (is_real(c->agg)) {
            sum_f64 *s = sl_agg__state(c, i);
            s->sum += sl_column_f64(&in[0])[i];
            s->count += counts[i];
        } else if (is_wide(c->agg)) {
            sum_wide *s = sl_agg__state(c, i);
            add_wide(s, (uint64_t)sl_column_i64(&in[0])[i], sl_column_i64(&in[1])[i]);
            s->count += counts[i];
        } else {
            sum_i64 *s = sl_agg__state(c, i);
            bad |= __builtin_add_overflow(s->sum, sl_column_i64(&in[0])[i], &s->sum);
            s->count += counts[i];
        }
    }
    return bad ? overflow(c, err) : SL_OK;
}

/* ---- types ---- */

/* Integers and DOUBLE stay; FLOAT, strings and NULL become DOUBLE. */
static sl_code numeric_argument(sl_call_site *s, sl_agg *a, bool intervals, sl_error *err)
{
    const sl_type *t = s->args[0]->type;
    if (t->id == SL_TYPE_STRING || t->id == SL_TYPE_VOID || t->id == SL_TYPE_FLOAT)
        SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_DOUBLE), err));
    t = s->args[0]->type;
    bool interval = intervals && t->id == SL_TYPE_INTERVAL_DAY_TIME;
    if ((!sl_type_is_numeric(t) || t->id == SL_TYPE_DECIMAL) && !interval)
        return sl_coerce__unexpected(
            s, 0, intervals ? "NUMERIC\" or \"INTERVAL DAY TO SECOND" : "NUMERIC", err);
    a->arg = s->args[0];
    a->result_nullable = true;
    a->needs_order = t->id == SL_TYPE_DOUBLE;
    a->state_width = 16;
    return SL_OK;
}

static sl_code resolve_sum(sl_call_site *s, sl_agg *a, sl_error *err)
{
    SL_TRY(numeric_argument(s, a, true, err));
    const sl_type *t = a->arg->type;
    a->result_type = sl_type_is_integral(t) ? sl_type_of(SL_TYPE_LONG) : t;
    a->buffer_count = 1;
    a->buffer_types[0] = a->result_type;
    return SL_OK;
}

static sl_code resolve_avg(sl_call_site *s, sl_agg *a, sl_error *err)
{
    SL_TRY(numeric_argument(s, a, false, err));
    const sl_type *t = a->arg->type, *word = sl_type_of(SL_TYPE_LONG);
    bool wide = t->id == SL_TYPE_LONG; /* 2^63 values of 2^63 need 126 bits */
    a->result_type = sl_type_of(SL_TYPE_DOUBLE);
    a->state_width = wide ? 24 : 16;
    a->buffer_count = wide ? 3 : 2;
    a->buffer_types[0] = t->id == SL_TYPE_DOUBLE ? t : word;
    a->buffer_types[1] = word;
    a->buffer_types[2] = wide ? word : NULL;
    return SL_OK;
}

const sl_agg_class sl_agg__classes_sum[3] = {
    { "sum", 1, 1, "sum(a): bigint of integers (overflow is an error), else double",
      resolve_sum, update, emit_sum, merge_sum, emit_sum },
    { "avg", 1, 1, "avg(a): mean as double; exact sums of integers", resolve_avg, update,
      emit_avg, merge_avg, result_avg },
    { "mean", 1, 1, "mean(a): as avg(a)", resolve_avg, update, emit_avg, merge_avg,
      result_avg },
};
