/* Hands rows to the next stage.  By key: rows go to the partition of their key group
 * (column 1 is the key's hash); a chunk whose rows all go one way is passed as it is,
 * which is what a partial aggregate makes.  A full target does not keep blocks from the
 * others: all that can be pushed is pushed before the task says BLOCKED. */

#include "engine/exec/operator_private.h"

typedef struct exchange_out {
    sl_op op;
    uint32_t producer, target_count;
    uint64_t rows, blocks; /* pushed */

    bool split;        /* `pieces` holds what is left of the input at hand */
    sl_chunk **pieces; /* of each target; NULL = none, or taken */
    uint32_t piece_count;
    uint32_t *end; /* counting sort: of each target */
    uint16_t *order;
} exchange_out;

static sl_code open_exchange_out(sl_op *op, sl_error *err)
{
    exchange_out *x = (exchange_out *)op;
    const sl_task_request *r = &op->env->request;
    if (r->out == NULL)
        return sl_fail(err, SL_EINTERNAL, "stage %u was given no exchange to fill",
                       r->stage);
    SL_TRY(sl_exchange_producer_of(r->out, r->stage, r->task, &x->producer, err));
    x->target_count = op->env->stage->output == SL_TO_EXCHANGE_KEY
                          ? sl_exchange_target_count(r->out)
                          : 1;
    const sl_schema *schema = op->env->stage->output_schema;
    if (x->target_count > 1 &&
        (schema->field_count < 2 || schema->fields[1].type->id != SL_TYPE_LONG))
        return sl_fail(err, SL_EINTERNAL, "stage %u has no key hashes to shuffle by",
                       r->stage);
    x->pieces = sl_calloc(x->target_count, sizeof *x->pieces);
    x->end = sl_calloc(x->target_count + 1, sizeof *x->end);
    x->order = sl_alloc(SL_CHUNK_ROWS_MAX * sizeof *x->order);
    return SL_OK;
}

static void close_exchange_out(sl_op *op)
{
    exchange_out *x = (exchange_out *)op;
    for (uint32_t t = 0; x->pieces != NULL && t < x->target_count; t++)
        sl_chunk_unref(x->pieces[t]);
    sl_free(x->pieces);
    sl_free(x->end);
    sl_free(x->order);
}

/* A chunk with few of its rows selected would hold the others' memory while it waits. */
static sl_code whole_piece(exchange_out *x, sl_chunk *in, uint32_t target, sl_error *err)
{
    if (in->selected >= in->row_count / 2)
        x->pieces[target] = sl_chunk_ref(in);
    else
        SL_TRY(sl_chunk_flatten(in, x->op.env->request.budget, &x->pieces[target], err));
    x->piece_count = 1;
    return SL_OK;
}

static uint32_t target_of(const exchange_out *x, const sl_chunk *in, uint32_t row)
{
    uint64_t hash = (uint64_t)sl_column_i64(&in->columns[1])[row];
    return sl_partition_of_group(sl_key_group_of(hash), x->target_count);
}

static sl_code gather_piece(exchange_out *x, const sl_chunk *in, uint32_t target,
                            const uint16_t *rows, uint32_t count, sl_error *err)
{
    sl_code code = SL_OK;
    sl_chunk *piece = sl_chunk_new(in->column_count, count);
    for (uint32_t i = 0; i < in->column_count && code == SL_OK; i++)
        code = sl_column_gather(&in->columns[i], rows, count, x->op.env->request.budget,
                                &piece->columns[i], err);
    if (code != SL_OK) {
        sl_chunk_unref(piece);
        return code;
    }
    x->pieces[target] = piece;
    x->piece_count++;
    return SL_OK;
}

static sl_code split(exchange_out *x, sl_chunk *in, sl_error *err)
{
    uint32_t n = in->selected, first = 0;
    if (n == 0)
        return SL_OK;
    if (x->target_count > 1) {
        first = target_of(x, in, sl_chunk_row(in, 0));
        uint32_t same = 1;
        while (same < n && target_of(x, in, sl_chunk_row(in, same)) == first)
            same++;
        if (same < n)
            goto by_target;
    }
    return whole_piece(x, in, first, err);

by_target:
    memset(x->end, 0, (x->target_count + 1) * sizeof *x->end);
    for (uint32_t i = 0; i < n; i++)
        x->end[target_of(x, in, sl_chunk_row(in, i)) + 1]++;
    for (uint32_t t = 0; t < x->target_count; t++)
        x->end[t + 1] += x->end[t];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sl_chunk_row(in, i);
        x->order[x->end[target_of(x, in, row)]++] = (uint16_t)row;
    }
    uint32_t from = 0;
    for (uint32_t t = 0; t < x->target_count; t++) {
        if (x->end[t] != from)
            SL_TRY(gather_piece(x, in, t, x->order + from, x->end[t] - from, err));
        from = x->end[t];
    }
    return SL_OK;
}

static sl_code push_pieces(exchange_out *x, sl_error *err)
{
    for (uint32_t t = 0; t < x->target_count && x->piece_count != 0; t++) {
        sl_chunk *piece = x->pieces[t];
        sl_exchange_answer answer;
        if (piece == NULL)
            continue;
        SL_TRY(sl_exchange_push(x->op.env->request.out, x->producer, t, piece, &answer,
                                err));
        if (answer == SL_EXCHANGE_BLOCKED)
            continue;
        x->rows += piece->selected;
        x->blocks++;
        sl_chunk_unref(piece);
        x->pieces[t] = NULL;
        x->piece_count--;
    }
    return SL_OK;
}

static sl_code process_exchange_out(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                                    sl_op_next *ret_next, sl_error *err)
{
    (void)ret_out;
    exchange_out *x = (exchange_out *)op;
    if (!x->split) {
        SL_TRY(split(x, in, err));
        x->split = true;
    }
    SL_TRY(push_pieces(x, err));
    x->split = x->piece_count != 0;
    *ret_next = x->split ? SL_OP_BLOCKED : SL_OP_NEED_INPUT;
    return SL_OK;
}

static sl_code finish_exchange_out(sl_op *op, sl_chunk **ret_out, sl_op_next *ret_next,
                                   sl_error *err)
{
    (void)ret_out;
    exchange_out *x = (exchange_out *)op;
    *ret_next = SL_OP_NEED_INPUT;
    return sl_exchange_end(op->env->request.out, x->producer, x->rows, x->blocks, err);
}

const sl_op_class sl_exec__exchange_out = {
    .name = "exchange",
    .size_bytes = sizeof(exchange_out),
    .open = open_exchange_out,
    .process = process_exchange_out,
    .finish = finish_exchange_out,
    .close = close_exchange_out,
};
