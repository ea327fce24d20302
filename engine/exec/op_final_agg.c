/* Batch aggregation after the shuffle: partial groups meet in one table; rows leave at
 * the end in ascending key order. */

#include "engine/exec/operator_private.h"

typedef struct final_agg {
    sl_op op;
    uint32_t buffer_count;
    sl_exec__partial_rows rows;
    sl_hash_table *table;
    sl_exec__slot_blobs blobs;
    uint32_t *ids;
    uint8_t **slots;
    sl_exec__groups groups;
    bool sorted;
} final_agg;

static sl_code open_final_agg(sl_op *op, sl_error *err)
{
    final_agg *a = (final_agg *)op;
    const sl_task_request *r = &op->env->request;
    a->buffer_count =
        sl_exec__buffer_count(op->plan->u.agg.aggs, op->plan->u.agg.agg_count);
    a->blobs.budget = r->budget;
    a->ids = sl_alloc(SL_CHUNK_ROWS_MAX * sizeof *a->ids);
    a->slots = sl_alloc(SL_CHUNK_ROWS_MAX * sizeof *a->slots);
    sl_exec__groups_init(&a->groups, r->chunk_rows, r->budget);
    return sl_hash_table_new(op->plan->u.agg.slot_width, r->budget, &a->table, err);
}

static sl_code process_final_agg(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                                 sl_op_next *ret_next, sl_error *err)
{
    (void)ret_out;
    final_agg *a = (final_agg *)op;
    SL_TRY(sl_exec__partial_rows_set(&a->rows, in, a->buffer_count,
                                     op->env->request.budget, err));
    SL_TRY(sl_hash_table_upsert_many(a->table, &a->rows.keys, a->ids, NULL, err));
    sl_hash_table_values(a->table, a->ids, a->rows.keys.count, a->slots);
    *ret_next = SL_OP_NEED_INPUT;
    return sl_exec__merge(&a->rows, op->plan->u.agg.aggs, op->plan->u.agg.agg_count,
                          a->slots, sl_exec__slot_blob_set, &a->blobs, err);
}

/* SELECT count(*) of nothing is one row: 0. */
static sl_code add_empty_group(final_agg *a, sl_error *err)
{
    const uint32_t offsets[2] = { 0, 0 };
    const uint64_t hash = sl_hash64("", 0);
    sl_key_batch one = { (const uint8_t *)"", offsets, &hash, 1 };
    return sl_hash_table_upsert_many(a->table, &one, a->ids, NULL, err);
}

static sl_code sort_groups(final_agg *a, sl_error *err)
{
    if (a->op.plan->u.agg.key_count == 0 && sl_hash_table_count(a->table) == 0)
        SL_TRY(add_empty_group(a, err));
    uint32_t n = sl_hash_table_count(a->table);
    SL_TRY(sl_exec__groups_reserve(&a->groups, n, err));
    for (uint32_t id = 0; id < n; id++)
        sl_exec__groups_add(&a->groups, id, sl_hash_table_key(a->table, id));
    return sl_exec__groups_sort(&a->groups, err);
}

static sl_code finish_final_agg(sl_op *op, sl_chunk **ret_out, sl_op_next *ret_next,
                                sl_error *err)
{
    final_agg *a = (final_agg *)op;
    if (!a->sorted) {
        SL_TRY(sort_groups(a, err));
        a->sorted = true;
    }
    uint32_t n = sl_exec__groups_next(&a->groups);
    if (n != 0) {
        sl_hash_table_values(a->table, a->groups.ids, n, a->groups.slots);
        SL_TRY(sl_exec__groups_emit(&a->groups, op->plan, n, ret_out, err));
    }
    *ret_next = a->groups.at < a->groups.count ? SL_OP_HAVE_OUTPUT : SL_OP_NEED_INPUT;
    return SL_OK;
}

static void close_final_agg(sl_op *op)
{
    final_agg *a = (final_agg *)op;
    sl_exec__partial_rows_deinit(&a->rows);
    sl_hash_table_free(a->table);
    sl_exec__slot_blobs_deinit(&a->blobs);
    sl_exec__groups_deinit(&a->groups);
    sl_free(a->ids);
    sl_free(a->slots);
}

const sl_op_class sl_exec__final_agg = {
    .name = "aggregate",
    .size_bytes = sizeof(final_agg),
    .open = open_final_agg,
    .process = process_final_agg,
    .finish = finish_final_agg,
    .close = close_final_agg,
};
