/* min, max, any_value (which is the least: some value, and the same on every run).
 *
 * State of fixed-width types: { 8 bytes of value, u64 seen }; of strings: a blob. NaN is
 * above all numbers; -0.0 counts as 0.0. Buffer: the value, null if there was none. */
#include "engine/expr/aggregate_private.h"

typedef struct extreme {
    union {
        int64_t i64;
        double f64;
    } value;
    uint64_t seen;
} extreme;

static bool wants_max(const sl_agg *a)
{
    return a->class == &sl_agg__classes_extreme[1];
}

/* Keep v if it is better; a shape for each type and direction. */
#define UPDATE(name, T, MEMBER, load, better)                                            \
    static void name(const sl_agg_call *c)                                               \
    {                                                                                    \
        const T *values = c->column->values;                                             \
        const uint64_t *validity = c->column->validity;                                  \
        (void)values;                                                                    \
        for (uint32_t i = 0; i < c->n; i++) {                                            \
            uint32_t row = sl_agg__row(c, i);                                            \
            if (validity != NULL && !sl_bitmap_get(validity, row))                       \
                continue;                                                                \
            extreme *s = sl_agg__state(c, i);                                            \
            __typeof__(s->value.MEMBER) v = load, old = s->value.MEMBER;                 \
            if (s->seen == 0 || (better))                                                \
                s->value.MEMBER = v;                                                     \
            s->seen = 1;                                                                 \
        }                                                                                \
    }
#define BOTH(name, T, MEMBER, load, less, more)                                          \
    UPDATE(min_##name, T, MEMBER, load, less)                                            \
    UPDATE(max_##name, T, MEMBER, load, more)
#define INTEGER(name, T) BOTH(name, T, i64, values[row], v<old, v> old)
#define REAL(name, T)                                                                    \
    BOTH(name, T, f64, (double)values[row] + 0.0, v < old || (old != old && v == v),     \
         v > old || (v != v && old == old))

INTEGER(i8, int8_t)
INTEGER(i16, int16_t)
INTEGER(i32, int32_t)
INTEGER(i64, int64_t)
REAL(f32, float)
REAL(f64, double)
BOTH(bits, uint64_t, i64, sl_bitmap_get(values, row), v<old, v> old)

/* ---- strings ---- */

static sl_code update_text(const sl_agg_call *c, sl_error *err)
{
    bool max = wants_max(c->agg);
    const sl_string_view *values = c->column->values;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t row = sl_agg__row(c, i);
        if (!sl_column_is_valid(c->column, row))
            continue;
        const sl_string_view *v = &values[row];
        sl_agg_blob blob;
        memcpy(&blob, c->slots[i] + c->agg->blob_offset, sizeof blob);
        if (blob.length_plus_1 != 0) {
            sl_string_view old = sl_string_view_make((const char *)blob.data,
                                                     (uint32_t)blob.length_plus_1 - 1);
            int order = sl_string_compare(v, &old);
            if (max ? order <= 0 : order >= 0)
                continue;
        }
        SL_TRY(c->set_blob(c->user, c->slots[i], c->agg->blob_offset, sl_string_data(v),
                           v->length, err));
    }
    return SL_OK;
}

static sl_code emit_text(const sl_agg_call *c, sl_error *err)
{
    sl_column_builder b;
    sl_code code;
    SL_TRY(sl_column_builder_init(&b, c->agg->result_type, c->n, c->budget, err));
    for (uint32_t i = 0; i < c->n; i++) {
        sl_agg_blob blob;
        memcpy(&blob, c->slots[i] + c->agg->blob_offset, sizeof blob);
        code = blob.length_plus_1 == 0
                   ? sl_column_builder_null(&b, err)
                   : sl_column_builder_string(&b, (const char *)blob.data,
                                              (uint32_t)blob.length_plus_1 - 1, err);
        if (code != SL_OK) {
            sl_column_builder_deinit(&b);
            return code;
        }
    }
    sl_column_builder_finish(&b, c->ret);
    return SL_OK;
}

/* ---- fixed width ---- */

static sl_code update(const sl_agg_call *c, sl_error *err)
{
    static void (*const loops[2][SL_BITS + 1])(const sl_agg_call *) = {
        { min_i8, min_i16, min_i32, min_i64, min_f32, min_f64, min_bits },
        { max_i8, max_i16, max_i32, max_i64, max_f32, max_f64, max_bits }
    };
    static_assert(SL_I8 == 0 && SL_F64 == 5 && SL_BITS == 6, "order of the loops");
    sl_storage s = sl_storage__of(c->column->type);
    if (s == SL_TEXT)
        return update_text(c, err);
    if (s <= SL_BITS)
        loops[wants_max(c->agg)][s](c);
    return SL_OK; /* VOID: never a value */
}

static void put_value(const extreme *s, sl_storage storage, void *out, uint32_t i)
{
    switch (storage) {
    case SL_I8:
        ((int8_t *)out)[i] = (int8_t)s->value.i64;
        break;
    case SL_I16:
        ((int16_t *)out)[i] = (int16_t)s->value.i64;
        break;
    case SL_I32:
        ((int32_t *)out)[i] = (int32_t)s->value.i64;
        break;
    case SL_I64:
        ((int64_t *)out)[i] = s->value.i64;
        break;
    case SL_F32:
        ((float *)out)[i] = (float)s->value.f64;
        break;
    case SL_F64:
        ((double *)out)[i] = s->value.f64;
        break;
    default:
        sl_bitmap_put(out, i, s->value.i64 != 0);
    }
}

static sl_code emit(const sl_agg_call *c, sl_error *err)
{
    sl_storage storage = sl_storage__of(c->agg->result_type);
    if (storage == SL_TEXT)
        return emit_text(c, err);
    if (storage == SL_NOTHING)
        return sl_column_nulls(c->agg->result_type, c->n, c->budget, c->ret, err);
    void *out;
    uint64_t *validity;
    SL_TRY(sl_column_alloc(c->agg->result_type, c->n, true, c->budget, c->ret, &out,
                           &validity, err));
    for (uint32_t i = 0; i < c->n; i++) {
        const extreme *s = sl_agg__state(c, i);
        put_value(s, storage, out, i);
        if (s->seen == 0)
            sl_bitmap_clear(validity, i);
    }
    return SL_OK;
}

static sl_code resolve(sl_call_site *s, sl_agg *a, sl_error *err)
{
    const sl_type *t = s->args[0]->type;
    if (t->id == SL_TYPE_STRUCT && sl_type__is_ordered(t)) {
        a->class = wants_max(a) ? &sl_agg__class_max_struct : &sl_agg__class_min_struct;
        return a->class->resolve(s, a, err);
    }
    if (t->id >= SL_TYPE_STRUCT || t->id == SL_TYPE_DECIMAL)
        return sl_coerce__mismatch(s, "INVALID_ORDERING_TYPE", err,
                                   "The `%s` does not support ordering on type \"%s\".",
                                   s->name, sl_type__name(s->arena, t));
    a->arg = s->args[0];
    a->result_type = t;
    a->result_nullable = true;
    a->state_width = 16;
    a->has_blob = t->id == SL_TYPE_STRING || t->id == SL_TYPE_BINARY;
    a->buffer_count = 1;
    a->buffer_types[0] = t;
    return SL_OK;
}

const sl_agg_class sl_agg__classes_extreme[3] = {
    { "min", 1, 1, "min(a): least value", resolve, update, emit, update, emit },
    { "max", 1, 1, "max(a): largest value", resolve, update, emit, update, emit },
    { "any_value", 1, 1, "any_value(a): some value (the least)", resolve, update, emit,
      update, emit },
};
