#include "engine/exec/operator_private.h"

typedef struct filter {
    sl_op op;
    sl_exec__evaluation predicate;
    uint16_t rows[SL_CHUNK_ROWS_MAX];
} filter;

static sl_code open_filter(sl_op *op, sl_error *err)
{
    filter *f = (filter *)op;
    return sl_exec__evaluation_open(&f->predicate, &op->plan->u.filter.predicate, 1,
                                    op->env->request.budget, err);
}

static sl_code process_filter(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                              sl_op_next *ret_next, sl_error *err)
{
    filter *f = (filter *)op;
    uint32_t count;
    SL_TRY(sl_program_filter(f->predicate.run, &op->env->eval, in, f->rows, &count, err));
    if (count == in->selected)
        *ret_out = sl_chunk_ref(in);
    else if (count != 0)
        SL_TRY(sl_chunk_select(in, f->rows, count, ret_out, err));
    *ret_next = SL_OP_NEED_INPUT;
    return SL_OK;
}

static void close_filter(sl_op *op)
{
    sl_exec__evaluation_close(&((filter *)op)->predicate);
}

const sl_op_class sl_exec__filter = {
    .name = "filter",
    .size_bytes = sizeof(filter),
    .open = open_filter,
    .process = process_filter,
    .close = close_filter,
};
