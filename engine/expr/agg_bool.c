/* bool_and, every, bool_or, some, any. State: u64, 0 no value, 1 false, 2 true. */
#include "engine/expr/aggregate_private.h"

static bool wants_or(const sl_agg *a)
{
    return a->class >= &sl_agg__classes_bool[2];
}

static sl_code update(const sl_agg_call *c, sl_error *err)
{
    (void)err;
    bool or = wants_or(c->agg);
    const uint64_t *values = c->column->values;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t row = sl_agg__row(c, i);
        if (!sl_column_is_valid(c->column, row))
            continue;
        uint64_t *state = sl_agg__state(c, i),
                 v = 1 + (uint64_t)sl_bitmap_get(values, row);
        if (*state == 0 || (or ? v > *state : v < *state))
            *state = v;
    }
    return SL_OK;
}

static sl_code emit(const sl_agg_call *c, sl_error *err)
{
    void *out;
    uint64_t *validity;
    SL_TRY(sl_column_alloc(c->agg->result_type, c->n, true, c->budget, c->ret, &out,
                           &validity, err));
    memset(out, 0, sl_bitmap_words(c->n) * 8);
    for (uint32_t i = 0; i < c->n; i++) {
        uint64_t state = *(const uint64_t *)sl_agg__state(c, i);
        sl_bitmap_put(out, i, state == 2);
        sl_bitmap_put(validity, i, state != 0);
    }
    return SL_OK;
}

static sl_code resolve(sl_call_site *s, sl_agg *a, sl_error *err)
{
    SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_BOOLEAN), err));
    a->arg = s->args[0];
    a->result_type = sl_type_of(SL_TYPE_BOOLEAN);
    a->result_nullable = true;
    a->state_width = 8;
    a->buffer_count = 1;
    a->buffer_types[0] = a->result_type;
    return SL_OK;
}

const sl_agg_class sl_agg__classes_bool[5] = {
    { "bool_and", 1, 1, "bool_and(b): true if all are", resolve, update, emit, update,
      emit },
    { "every", 1, 1, "every(b): as bool_and(b)", resolve, update, emit, update, emit },
    { "bool_or", 1, 1, "bool_or(b): true if one is", resolve, update, emit, update,
      emit },
    { "some", 1, 1, "some(b): as bool_or(b)", resolve, update, emit, update, emit },
    { "any", 1, 1, "any(b): as bool_or(b)", resolve, update, emit, update, emit },
};
