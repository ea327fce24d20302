/* count(*), count(x), count(x, y), count_if(b). State: i64. Buffer: LONG. */
#include "engine/expr/aggregate_private.h"

/* ---- updates: a loop for each shape ---- */

static inline __attribute__((always_inline)) void
count_rows(const sl_agg_call *c, const uint64_t *bits, const uint64_t *more_bits)
{
    uint32_t offset = c->agg->offset;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t row = sl_agg__row(c, i);
        int64_t *state = (int64_t *)(void *)(c->slots[i] + offset);
        *state += (bits == NULL || sl_bitmap_get(bits, row)) &&
                  (more_bits == NULL || sl_bitmap_get(more_bits, row));
    }
}

static sl_code update_count(const sl_agg_call *c, sl_error *err)
{
    (void)err;
    if (c->agg->arg == NULL)
        count_rows(c, NULL, NULL);
    else if (c->column->type->id == SL_TYPE_VOID)
        return SL_OK; /* all null */
    else if (c->column->validity == NULL)
        count_rows(c, NULL, NULL);
    else
        count_rows(c, c->column->validity, NULL);
    return SL_OK;
}

static sl_code update_count_if(const sl_agg_call *c, sl_error *err)
{
    (void)err;
    if (c->column->validity == NULL)
        count_rows(c, c->column->values, NULL);
    else
        count_rows(c, c->column->values, c->column->validity);
    return SL_OK;
}

/* ---- the rest ---- */

static sl_code emit(const sl_agg_call *c, sl_error *err)
{
    void *values;
    SL_TRY(sl_column_alloc(sl_type_of(SL_TYPE_LONG), c->n, false, c->budget, c->ret,
                           &values, NULL, err));
    int64_t *out = values;
    for (uint32_t i = 0; i < c->n; i++)
        out[i] = *(const int64_t *)sl_agg__state(c, i);
    return SL_OK;
}

static sl_code merge(const sl_agg_call *c, sl_error *err)
{
    (void)err;
    const int64_t *in = c->column->values;
    for (uint32_t i = 0; i < c->n; i++)
        *(int64_t *)sl_agg__state(c, i) += in[i];
    return SL_OK;
}

static void describe(sl_agg *a)
{
    a->result_type = sl_type_of(SL_TYPE_LONG);
    a->state_width = 8;
    a->buffer_count = 1;
    a->buffer_types[0] = a->result_type;
}

/* count(x, y) counts rows where neither is null: one BOOLEAN that is true or null. */
static sl_code none_null(sl_call_site *s, const sl_expr **ret, sl_error *err)
{
    const sl_expr *all = NULL;
    for (uint32_t i = 0; i < s->arg_count; i++) {
        const sl_expr *one;
        SL_TRY(sl_expr_call(s->arena, "isnotnull", &s->args[i], 1, s->pos, &one, err));
        const sl_expr *both[2] = { all, one };
        if (all == NULL)
            all = one;
        else
            SL_TRY(sl_expr_call(s->arena, "and", both, 2, s->pos, &all, err));
    }
    sl_value yes = { .type = sl_type_of(SL_TYPE_BOOLEAN), .i64 = 1 };
    const sl_expr *branch[2] = { all, sl_expr_literal(s->arena, &yes, NULL, s->pos) };
    return sl_expr_call(s->arena, "case", branch, 2, s->pos, ret, err);
}

static sl_code resolve_count(sl_call_site *s, sl_agg *a, sl_error *err)
{
    describe(a);
    if (s->arg_count == 1)
        a->arg = s->args[0];
    else if (s->arg_count > 1)
        SL_TRY(none_null(s, &a->arg, err));
    if (a->arg != NULL && a->arg->kind == SL_EXPR_LITERAL && !a->arg->nullable)
        a->arg = NULL; /* count(1) is count(*) */
    return SL_OK;
}

static sl_code resolve_count_if(sl_call_site *s, sl_agg *a, sl_error *err)
{
    describe(a);
    SL_TRY(sl_coerce__argument(s, 0, sl_type_of(SL_TYPE_BOOLEAN), err));
    a->arg = s->args[0];
    return SL_OK;
}

const sl_agg_class sl_agg__classes_count[2] = {
    { "count", 1, 64, "count(*) | count(a, ...): rows where no argument is null",
      resolve_count, update_count, emit, merge, emit },
    { "count_if", 1, 1, "count_if(condition): rows for which it is true",
      resolve_count_if, update_count_if, emit, merge, emit },
};
