/* Map-side aggregation: rows of a slice meet in one table by key bytes and leave as
 * partial groups, already sorted by target so that each block goes to one.
 *
 *   chunk -> keys, args -> key bytes + hashes -> table ids -> slots -> update kernels
 *   full table or end -> ids in (target, first seen) order -> chunks of key, hash,
 * buffers
 *
 * Flushing depends on rows only, never on memory, so that attempts make the same blocks.
 * Where grouping does not pay (almost every row its own group) the table is flushed after
 * each chunk: same result, no growth. */

#include "engine/exec/operator_private.h"

enum {
    JUDGE_ROWS = 65536, /* rows seen before judging whether grouping pays */
};

typedef struct partial_agg {
    sl_op op;
    sl_exec__evaluation values; /* keys, then the aggregates' arguments */
    const sl_column **key_columns;
    uint32_t *arg_columns; /* of each aggregate, UINT32_MAX: none */
    uint32_t target_count;
    sl_row_keys keys;
    sl_hash_table *table;
    sl_exec__slot_blobs blobs;
    uint32_t *ids;
    uint8_t **slots;

    uint32_t groups_max; /* flush at so many */
    bool judged;
    uint64_t rows_seen, groups_flushed;

    /* While flushing: ids in order, and where each target's end. */
    bool flushing;
    uint32_t *order, order_capacity;
    uint32_t *target_end;
    uint32_t at, target;
} partial_agg;

static sl_code open_values(partial_agg *a, sl_error *err)
{
    const sl_op_plan *plan = a->op.plan;
    uint32_t keys = plan->u.agg.key_count, aggs = plan->u.agg.agg_count, count = keys;
    const sl_expr **exprs = sl_calloc(keys + aggs + 1, sizeof *exprs);
    a->key_columns = sl_calloc(keys + 1, sizeof *a->key_columns);
    a->arg_columns = sl_calloc(aggs + 1, sizeof *a->arg_columns);
    for (uint32_t i = 0; i < keys; i++)
        exprs[i] = plan->u.agg.keys[i].expr;
    for (uint32_t i = 0; i < aggs; i++) {
        a->arg_columns[i] = UINT32_MAX;
        if (plan->u.agg.aggs[i].arg != NULL) {
            a->arg_columns[i] = count;
            exprs[count++] = plan->u.agg.aggs[i].arg;
        }
    }
    sl_code code = sl_exec__evaluation_open(&a->values, exprs, count,
                                            a->op.env->request.budget, err);
    sl_free(exprs);
    return code;
}

static sl_code open_partial_agg(sl_op *op, sl_error *err)
{
    partial_agg *a = (partial_agg *)op;
    const sl_task_request *r = &op->env->request;
    a->groups_max = r->partial_groups_max;
    a->blobs.budget = r->budget;
    a->target_count = op->env->stage->output == SL_TO_EXCHANGE_KEY && r->out != NULL
                          ? sl_exchange_target_count(r->out)
                          : 1;
    a->target_end = sl_calloc(a->target_count + 1, sizeof *a->target_end);
    a->ids = sl_calloc(SL_CHUNK_ROWS_MAX, sizeof *a->ids);
    a->slots = sl_calloc(SL_CHUNK_ROWS_MAX, sizeof *a->slots);
    SL_TRY(sl_hash_table_new(op->plan->u.agg.slot_width, r->budget, &a->table, err));
    return open_values(a, err);
}

static void close_partial_agg(sl_op *op)
{
    partial_agg *a = (partial_agg *)op;
    sl_exec__evaluation_close(&a->values);
    sl_row_keys_deinit(&a->keys);
    sl_hash_table_free(a->table);
    sl_exec__slot_blobs_deinit(&a->blobs);
    sl_free(a->key_columns);
    sl_free(a->arg_columns);
    sl_free(a->target_end);
    sl_free(a->order);
    sl_free(a->slots);
    sl_free(a->ids);
}

/* ---- in ---- */

/* A slot for each selected row, in a->slots. */
static sl_code find_slots(partial_agg *a, const sl_chunk *in, sl_error *err)
{
    uint32_t count = a->op.plan->u.agg.key_count, n = in->selected;
    if (count == 0) { /* one group: ask for its slot once */
        const uint32_t offsets[2] = { 0, 0 };
        const uint64_t hash = sl_hash64("", 0);
        sl_key_batch one = { (const uint8_t *)"", offsets, &hash, 1 };
        SL_TRY(sl_hash_table_upsert_many(a->table, &one, a->ids, NULL, err));
        uint8_t *slot = sl_hash_table_value(a->table, a->ids[0]);
        for (uint32_t i = 0; i < n; i++)
            a->slots[i] = slot;
        return SL_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        const sl_column *c = &a->values.columns[i];
        bool is_window =
            a->op.plan->u.agg.keys[i].window_us > 0 && c->type->id == SL_TYPE_STRUCT;
        a->key_columns[i] = is_window ? &c->children[0] : c;
    }
    SL_TRY(sl_row_keys_encode(&a->keys, a->key_columns, count, in->selection, n, err));
    SL_TRY(sl_hash_table_upsert_many(a->table, &a->keys.batch, a->ids, NULL, err));
    sl_hash_table_values(a->table, a->ids, n, a->slots);
    return SL_OK;
}

static sl_code absorb(partial_agg *a, const sl_chunk *in, sl_error *err)
{
    SL_TRY(sl_exec__evaluate(&a->values, a->op.env, in, err));
    SL_TRY(find_slots(a, in, err));
    const sl_op_plan *plan = a->op.plan;
    for (uint32_t i = 0; i < plan->u.agg.agg_count; i++) {
        uint32_t column = a->arg_columns[i];
        SL_TRY(sl_agg_update(&plan->u.agg.aggs[i], a->slots,
                             column == UINT32_MAX ? NULL : &a->values.columns[column],
                             in->selection, in->selected, sl_exec__slot_blob_set,
                             &a->blobs, err));
    }
    sl_exec__evaluation_clear(&a->values);
    a->rows_seen += in->selected;
    if (!a->judged && a->rows_seen >= JUDGE_ROWS) {
        a->judged = true;
        uint64_t groups = a->groups_flushed + sl_hash_table_count(a->table);
        if (groups * 10 > a->rows_seen * 9)
            a->groups_max = 1;
    }
    return SL_OK;
}

/* ---- out ---- */

static uint32_t target_of(const partial_agg *a, uint32_t id)
{
    return sl_partition_of_group(sl_key_group_of(sl_hash_table_hash(a->table, id)),
                                 a->target_count);
}

/* Counting sort of all ids by target; stable, so first seen comes first. */
static void start_flush(partial_agg *a)
{
    uint32_t n = sl_hash_table_count(a->table); /* nothing is ever removed */
    if (n > a->order_capacity) {
        a->order_capacity = n;
        a->order = sl_realloc(a->order, n * sizeof *a->order);
    }
    memset(a->target_end, 0, (a->target_count + 1) * sizeof *a->target_end);
    for (uint32_t id = 0; id < n; id++)
        a->target_end[target_of(a, id) + 1]++;
    for (uint32_t t = 0; t < a->target_count; t++)
        a->target_end[t + 1] += a->target_end[t];
    for (uint32_t id = 0; id < n; id++)
        a->order[a->target_end[target_of(a, id)]++] = id;
    a->flushing = true;
    a->at = 0;
    a->target = 0;
    a->groups_flushed += n;
}

static sl_code key_and_hash(const partial_agg *a, const uint32_t *ids, uint32_t n,
                            sl_chunk *out, sl_error *err)
{
    sl_budget *budget = a->op.env->request.budget;
    sl_code code = SL_OK;
    sl_column_builder keys;
    SL_TRY(sl_column_builder_init(&keys, sl_type_of(SL_TYPE_BINARY), n, budget, err));
    void *hashes;
    uint64_t *validity;
    SL_TRY_GOTO(sl_column_alloc(sl_type_of(SL_TYPE_LONG), n, false, budget,
                                &out->columns[1], &hashes, &validity, err),
                fail);
    for (uint32_t i = 0; i < n; i++) {
        sl_span key = sl_hash_table_key(a->table, ids[i]);
        SL_TRY_GOTO(sl_column_builder_string(&keys, (const char *)key.data,
                                             (uint32_t)key.size_bytes, err),
                    fail);
        ((uint64_t *)hashes)[i] = sl_hash_table_hash(a->table, ids[i]);
    }
    sl_column_builder_finish(&keys, &out->columns[0]);
    return SL_OK;

fail:
    sl_column_builder_deinit(&keys);
    return code;
}

static sl_code emit(partial_agg *a, const uint32_t *ids, uint32_t n, sl_chunk **ret_out,
                    sl_error *err)
{
    const sl_op_plan *plan = a->op.plan;
    sl_code code = SL_OK;
    uint32_t aggs = plan->u.agg.agg_count, column = 2;
    sl_chunk *out = sl_chunk_new(2 + sl_exec__buffer_count(plan->u.agg.aggs, aggs), n);
    SL_TRY_GOTO(key_and_hash(a, ids, n, out, err), fail);
    sl_hash_table_values(a->table, ids, n, a->slots);
    for (uint32_t i = 0; i < aggs; i++) {
        const sl_agg *agg = &plan->u.agg.aggs[i];
        SL_TRY_GOTO(sl_agg_partial(agg, a->slots, n, a->op.env->request.budget,
                                   &out->columns[column], err),
                    fail);
        column += agg->buffer_count;
    }
    *ret_out = out;
    return SL_OK;

fail:
    sl_chunk_unref(out);
    return code;
}

/* The next chunk of a flush; NEED_INPUT when it was the last. */
static sl_code continue_flush(partial_agg *a, sl_chunk **ret_out, sl_op_next *ret_next,
                              sl_error *err)
{
    while (a->target < a->target_count && a->at == a->target_end[a->target])
        a->target++;
    if (a->target < a->target_count) {
        uint32_t n = a->target_end[a->target] - a->at;
        if (n > a->op.env->request.chunk_rows)
            n = a->op.env->request.chunk_rows;
        SL_TRY(emit(a, a->order + a->at, n, ret_out, err));
        a->at += n;
    }
    if (a->at < sl_hash_table_count(a->table)) {
        *ret_next = SL_OP_HAVE_OUTPUT;
        return SL_OK;
    }
    sl_hash_table_clear(a->table);
    sl_exec__slot_blobs_clear(&a->blobs);
    a->flushing = false;
    *ret_next = SL_OP_NEED_INPUT;
    return SL_OK;
}

static sl_code process_partial_agg(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                                   sl_op_next *ret_next, sl_error *err)
{
    partial_agg *a = (partial_agg *)op;
    *ret_next = SL_OP_NEED_INPUT;
    if (!a->flushing) {
        if (in->selected == 0)
            return SL_OK;
        SL_TRY(absorb(a, in, err));
        if (sl_hash_table_count(a->table) < a->groups_max)
            return SL_OK;
        start_flush(a);
    }
    return continue_flush(a, ret_out, ret_next, err);
}

static sl_code finish_partial_agg(sl_op *op, sl_chunk **ret_out, sl_op_next *ret_next,
                                  sl_error *err)
{
    partial_agg *a = (partial_agg *)op;
    *ret_next = SL_OP_NEED_INPUT;
    if (!a->flushing) {
        if (sl_hash_table_count(a->table) == 0)
            return SL_OK;
        start_flush(a);
    }
    return continue_flush(a, ret_out, ret_next, err);
}

const sl_op_class sl_exec__partial_agg = {
    .name = "partial aggregate",
    .size_bytes = sizeof(partial_agg),
    .open = open_partial_agg,
    .process = process_partial_agg,
    .finish = finish_partial_agg,
    .close = close_partial_agg,
};
