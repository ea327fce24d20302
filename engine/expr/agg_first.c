/* first, last: the value of the first or last row, null too, in the order of (slice,
 * row), which is the same on every run; on a stream of all batches so far (spark:B4).
 *
 * State: { blob, or 8 bytes of value and 8 unused; u64 what }.  Buffers: the value, and
 * `what` as a number: 0 no row yet, 1 a null, 2 a value. */
#include "engine/expr/aggregate_private.h"

enum { NO_ROW, IS_NULL, IS_VALUE };

typedef struct place {
    union {
        int64_t i64;
        double f64;
        sl_agg_blob blob;
    } value;
    uint64_t what;
} place;

static bool wants_last(const sl_agg *a)
{
    return a->name[0] == 'l';
}

static int64_t whole_at(const sl_column *c, sl_storage s, uint32_t row)
{
    switch (s) {
    case SL_I8:
        return ((const int8_t *)c->values)[row];
    case SL_I16:
        return ((const int16_t *)c->values)[row];
    case SL_I32:
        return ((const int32_t *)c->values)[row];
    case SL_I64:
        return ((const int64_t *)c->values)[row];
    default:
        return sl_bitmap_get(c->values, row);
    }
}

/* Let the slot of row i hold the value at `row`, or a null. */
static sl_code hold(const sl_agg_call *c, uint32_t i, uint32_t row, uint64_t what,
                    sl_error *err)
{
    sl_storage storage = sl_storage__of(c->agg->result_type);
    place *p = sl_agg__state(c, i);
    p->what = what;
    if (what != IS_VALUE)
        return SL_OK;
    if (storage == SL_TEXT) {
        const sl_string_view *v = &((const sl_string_view *)c->column->values)[row];
        return c->set_blob(c->user, c->slots[i], c->agg->blob_offset, sl_string_data(v),
                           v->length, err);
    }
    if (storage == SL_F32)
        p->value.f64 = (double)((const float *)c->column->values)[row];
    else if (storage == SL_F64)
        p->value.f64 = ((const double *)c->column->values)[row];
    else
        p->value.i64 = whole_at(c->column, storage, row);
    return SL_OK;
}

static sl_code update(const sl_agg_call *c, sl_error *err)
{
    bool last = wants_last(c->agg);
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t row = sl_agg__row(c, i);
        const place *p = sl_agg__state(c, i);
        if (p->what != NO_ROW && !last)
            continue;
        bool valid = sl_column_is_valid(c->column, row);
        SL_TRY(hold(c, i, row, valid ? IS_VALUE : IS_NULL, err));
    }
    return SL_OK;
}

static sl_code merge(const sl_agg_call *c, sl_error *err)
{
    bool last = wants_last(c->agg);
    const int64_t *what = sl_column_i64(&c->column[1]);
    for (uint32_t i = 0; i < c->n; i++) {
        const place *p = sl_agg__state(c, i);
        if (what[i] != NO_ROW && (p->what == NO_ROW || last))
            SL_TRY(hold(c, i, i, (uint64_t)what[i], err));
    }
    return SL_OK;
}

static sl_code emit_text(const sl_agg_call *c, sl_error *err)
{
    sl_column_builder b;
    SL_TRY(sl_column_builder_init(&b, c->agg->result_type, c->n, c->budget, err));
    for (uint32_t i = 0; i < c->n; i++) {
        const place *p = sl_agg__state(c, i);
        sl_code code = p->what != IS_VALUE
                           ? sl_column_builder_null(&b, err)
                           : sl_column_builder_string(
                                 &b, (const char *)p->value.blob.data,
                                 (uint32_t)p->value.blob.length_plus_1 - 1, err);
        if (code != SL_OK) {
            sl_column_builder_deinit(&b);
            return code;
        }
    }
    sl_column_builder_finish(&b, c->ret);
    return SL_OK;
}

static void put(const place *p, sl_storage storage, void *out, uint32_t i)
{
    switch (storage) {
    case SL_I8:
        ((int8_t *)out)[i] = (int8_t)p->value.i64;
        break;
    case SL_I16:
        ((int16_t *)out)[i] = (int16_t)p->value.i64;
        break;
    case SL_I32:
        ((int32_t *)out)[i] = (int32_t)p->value.i64;
        break;
    case SL_I64:
        ((int64_t *)out)[i] = p->value.i64;
        break;
    case SL_F32:
        ((float *)out)[i] = (float)p->value.f64;
        break;
    case SL_F64:
        ((double *)out)[i] = p->value.f64;
        break;
    default:
        sl_bitmap_put(out, i, p->value.i64 != 0);
    }
}

static sl_code result(const sl_agg_call *c, sl_error *err)
{
    sl_storage storage = sl_storage__of(c->agg->result_type);
    void *out;
    uint64_t *validity;
    if (storage == SL_TEXT)
        return emit_text(c, err);
    SL_TRY(sl_column_alloc(c->agg->result_type, c->n, true, c->budget, c->ret, &out,
                           &validity, err));
    for (uint32_t i = 0; i < c->n; i++) {
        const place *p = sl_agg__state(c, i);
        put(p, storage, out, i);
        if (p->what != IS_VALUE)
            sl_bitmap_clear(validity, i);
    }
    return SL_OK;
}

static sl_code partial(const sl_agg_call *c, sl_error *err)
{
    void *values;
    uint64_t *validity;
    SL_TRY(result(c, err));
    sl_code code = sl_column_alloc(c->agg->buffer_types[1], c->n, false, c->budget,
                                   &c->ret[1], &values, &validity, err);
    if (code != SL_OK) {
        sl_column_release(&c->ret[0]);
        return code;
    }
    for (uint32_t i = 0; i < c->n; i++)
        ((int64_t *)values)[i] = (int64_t)((const place *)sl_agg__state(c, i))->what;
    return SL_OK;
}

static sl_code resolve(sl_call_site *s, sl_agg *a, sl_error *err)
{
    const sl_type *t = s->args[0]->type;
    if (t->id >= SL_TYPE_STRUCT || t->id == SL_TYPE_DECIMAL || t->id == SL_TYPE_VOID)
        return sl_coerce__mismatch(s, "UNEXPECTED_INPUT_TYPE", err,
                                   "`%s` does not take the type \"%s\" yet.", s->name,
                                   sl_type__name(s->arena, t));
    a->arg = s->args[0];
    a->result_type = t;
    a->result_nullable = true;
    a->needs_order = true;
    a->state_width = sizeof(place);
    a->has_blob = t->id == SL_TYPE_STRING || t->id == SL_TYPE_BINARY;
    a->buffer_count = 2;
    a->buffer_types[0] = t;
    a->buffer_types[1] = sl_type_of(SL_TYPE_LONG);
    return SL_OK;
}

#define FIRST(name, usage)                                                               \
    {                                                                                    \
        name, 1, 1, usage, resolve, update, partial, merge, result                       \
    }

const sl_agg_class sl_agg__classes_first[4] = {
    FIRST("first", "first(a): of the first row, null too"),
    FIRST("first_value", "first_value(a): as first(a)"),
    FIRST("last", "last(a): of the last row, null too"),
    FIRST("last_value", "last_value(a): as last(a)"),
};
