/* Map-side aggregation: rows of a slice meet in one table by key bytes and leave as
 * partial groups, already sorted by target so that each block goes to one.
 *
 *   chunk -> keys, args -> key bytes + hashes -> table ids -> slots -> update kernels
 *   full table or end -> ids in (target, first seen) order -> chunks of key, hash,
 * buffers
 *
 * Flushing depends on rows only, never on memory, so that attempts make the same blocks.
 * Where grouping does not pay (almost every row its own group) rows pass by the table:
 * each gets a slot of its own and leaves at once. */

#include "engine/exec/operator_private.h"

/* Grouping does not pay if, after so many rows, more than so many in a hundred began a
 * group. Few repeats in few rows already say that the groups are very many. */
static const struct {
    uint32_t rows, percent;
} judgements[] = { { 16384, 98 }, { 65536, 90 } };
enum { JUDGEMENTS = sizeof judgements / sizeof *judgements };

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
    uint32_t judged;     /* judgements made */
    bool pays_not;
    bool passing;       /* grouping does not pay: ids are rows of the chunk at hand */
    uint8_t *row_slots; /* then, a slot for each */
    size_t row_slots_capacity;
    uint64_t rows_seen, groups_flushed;

    /* While flushing: ids in order, and where each target's end. */
    bool flushing;
    uint32_t group_count; /* that leave */
    uint32_t *order, order_capacity;
    uint64_t *hashes; /* by id */
    sl_span *spans;   /* keys of one chunk out */
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
    a->ids = sl_alloc(SL_CHUNK_ROWS_MAX * sizeof *a->ids);
    a->slots = sl_alloc(SL_CHUNK_ROWS_MAX * sizeof *a->slots);
    a->spans = sl_alloc(SL_CHUNK_ROWS_MAX * sizeof *a->spans);
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
    sl_free(a->hashes);
    sl_free(a->spans);
    sl_free(a->row_slots);
    sl_free(a->slots);
    sl_free(a->ids);
}

/* ---- in ---- */

/* An empty slot for each of n rows. */
static void slots_of_rows(partial_agg *a, uint32_t n)
{
    size_t width = ((size_t)a->op.plan->u.agg.slot_width + 7) & ~(size_t)7;
    if (n * width > a->row_slots_capacity || a->row_slots == NULL) {
        sl_free(a->row_slots);
        a->row_slots_capacity = n * width;
        a->row_slots = sl_alloc(a->row_slots_capacity);
    }
    memset(a->row_slots, 0, n * width);
    for (uint32_t i = 0; i < n; i++)
        a->slots[i] = a->row_slots + i * width;
}

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
    if (a->passing) {
        slots_of_rows(a, n);
        return SL_OK;
    }
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
    return SL_OK;
}

/* Does the table hold fewer groups than rows came? If not, it leaves, and then rows pass.
 */
static void judge(partial_agg *a)
{
    if (a->judged == JUDGEMENTS || a->rows_seen < judgements[a->judged].rows ||
        a->op.plan->u.agg.key_count == 0)
        return;
    uint64_t groups = a->groups_flushed + sl_hash_table_count(a->table);
    a->pays_not |= groups * 100 > a->rows_seen * judgements[a->judged].percent;
    a->judged = a->pays_not ? JUDGEMENTS : a->judged + 1;
}

/* ---- out ---- */

static uint32_t target_of(const partial_agg *a, uint64_t hash)
{
    return sl_partition_of_group(sl_key_group_of(hash), a->target_count);
}

/* Counting sort of all ids by target; stable, so first seen comes first. */
static void start_flush(partial_agg *a)
{
    uint32_t n = a->passing ? a->keys.batch.count : sl_hash_table_count(a->table);
    if (n > a->order_capacity) {
        a->order_capacity = n;
        a->order = sl_realloc(a->order, n * sizeof *a->order);
        a->hashes = sl_realloc(a->hashes, n * sizeof *a->hashes);
    }
    if (a->passing)
        memcpy(a->hashes, a->keys.batch.hashes, n * sizeof *a->hashes);
    else
        sl_hash_table_hashes(a->table, 0, n, a->hashes); /* nothing is ever removed */
    memset(a->target_end, 0, (a->target_count + 1) * sizeof *a->target_end);
    for (uint32_t id = 0; id < n; id++)
        a->target_end[target_of(a, a->hashes[id]) + 1]++;
    for (uint32_t t = 0; t < a->target_count; t++)
        a->target_end[t + 1] += a->target_end[t];
    for (uint32_t id = 0; id < n; id++)
        a->order[a->target_end[target_of(a, a->hashes[id])]++] = id;
    a->flushing = true;
    a->group_count = n;
    a->at = 0;
    a->target = 0;
    a->groups_flushed += n;
}

static void find_keys(partial_agg *a, const uint32_t *ids, uint32_t n)
{
    const sl_key_batch *b = &a->keys.batch;
    if (!a->passing) {
        sl_hash_table_keys(a->table, ids, n, a->spans);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = b->offsets[ids[i]];
        a->spans[i] = sl_span_of(b->data + from, b->offsets[ids[i] + 1] - from);
    }
}

/* Views of the n keys in a->spans; keys too long for a view are copied to `heap`. */
static void view_keys(const sl_span *keys, uint32_t n, uint8_t *heap,
                      sl_string_view *ret_views)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *data = (const char *)keys[i].data;
        uint32_t length = (uint32_t)keys[i].size_bytes;
        if (length > SL_STRING_INLINE_MAX) {
            memcpy(heap, data, length);
            data = (const char *)heap;
            heap += length;
        }
        sl_string_view_put(&ret_views[i], data, length);
    }
}

static sl_code key_and_hash(partial_agg *a, const uint32_t *ids, uint32_t n,
                            sl_chunk *out, sl_error *err)
{
    sl_budget *budget = a->op.env->request.budget;
    size_t long_bytes = 0;
    void *views, *hashes;
    uint64_t *validity;
    SL_TRY(sl_column_alloc(sl_type_of(SL_TYPE_BINARY), n, false, budget, &out->columns[0],
                           &views, &validity, err));
    SL_TRY(sl_column_alloc(sl_type_of(SL_TYPE_LONG), n, false, budget, &out->columns[1],
                           &hashes, &validity, err));
    find_keys(a, ids, n);
    for (uint32_t i = 0; i < n; i++) {
        ((uint64_t *)hashes)[i] = a->hashes[ids[i]];
        long_bytes +=
            a->spans[i].size_bytes > SL_STRING_INLINE_MAX ? a->spans[i].size_bytes : 0;
    }
    sl_buffer *heap = NULL;
    if (long_bytes != 0) {
        SL_TRY(sl_buffer_new(long_bytes, budget, &heap, err));
        heap->size_bytes = long_bytes;
        sl_column_hold(&out->columns[0], heap);
    }
    view_keys(a->spans, n, heap != NULL ? heap->data : NULL, views);
    sl_buffer_unref(heap);
    return SL_OK;
}

static void find_values(partial_agg *a, const uint32_t *ids, uint32_t n)
{
    size_t width = ((size_t)a->op.plan->u.agg.slot_width + 7) & ~(size_t)7;
    if (!a->passing) {
        sl_hash_table_values(a->table, ids, n, a->slots);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        a->slots[i] = a->row_slots + ids[i] * width;
}

static sl_code emit(partial_agg *a, const uint32_t *ids, uint32_t n, sl_chunk **ret_out,
                    sl_error *err)
{
    const sl_op_plan *plan = a->op.plan;
    sl_code code = SL_OK;
    uint32_t aggs = plan->u.agg.agg_count, column = 2;
    sl_chunk *out = sl_chunk_new(2 + sl_exec__buffer_count(plan->u.agg.aggs, aggs), n);
    SL_TRY_GOTO(key_and_hash(a, ids, n, out, err), fail);
    find_values(a, ids, n);
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
    if (a->at < a->group_count) {
        *ret_next = SL_OP_HAVE_OUTPUT;
        return SL_OK;
    }
    if (!a->passing)
        sl_hash_table_clear(a->table);
    a->passing = a->pays_not; /* from here on: the table is empty */
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
        judge(a);
        if (!a->pays_not && sl_hash_table_count(a->table) < a->groups_max)
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
