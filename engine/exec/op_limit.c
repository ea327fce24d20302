#include "engine/exec/operator_private.h"

typedef struct limit {
    sl_op op;
    int64_t to_skip, to_pass; /* rows still; to_pass -1: no limit */
    uint16_t rows[SL_CHUNK_ROWS_MAX];
} limit;

static sl_code open_limit(sl_op *op, sl_error *err)
{
    (void)err;
    limit *l = (limit *)op;
    l->to_skip = op->plan->u.limit.offset;
    l->to_pass = op->plan->u.limit.limit;
    return SL_OK;
}

static sl_code process_limit(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                             sl_op_next *ret_next, sl_error *err)
{
    limit *l = (limit *)op;
    uint32_t skip = l->to_skip < in->selected ? (uint32_t)l->to_skip : in->selected;
    uint32_t pass = in->selected - skip;
    if (l->to_pass >= 0 && l->to_pass < pass)
        pass = (uint32_t)l->to_pass;
    if (pass == in->selected && pass != 0) {
        *ret_out = sl_chunk_ref(in);
    } else if (pass != 0) {
        for (uint32_t i = 0; i < pass; i++)
            l->rows[i] = (uint16_t)sl_chunk_row(in, skip + i);
        SL_TRY(sl_chunk_select(in, l->rows, pass, ret_out, err));
    }
    l->to_skip -= skip;
    if (l->to_pass >= 0)
        l->to_pass -= pass;
    *ret_next = l->to_pass == 0 ? SL_OP_FINISHED : SL_OP_NEED_INPUT;
    return SL_OK;
}

const sl_op_class sl_exec__limit = {
    .name = "limit",
    .size_bytes = sizeof(limit),
    .open = open_limit,
    .process = process_limit,
};
