/* Streaming aggregation: partial groups of the batch are merged into the state; what
 * leaves, and what the state forgets, is decided at the end by the output mode.
 *
 *              late groups   leaves at the end              forgotten
 *   append     dropped       groups closed by the watermark those       (spark:A4)
 *   update     dropped       groups changed in this batch   closed ones (spark:A5)
 *   complete   kept          all groups                     nothing     (spark:A3)
 *
 * A group's time stands first in its key: the window's start or the timestamp itself
 * (spark:L1: window end or timestamp at or before the watermark; L2: null is never late).
 * A global aggregate has one state row, of a fixed key, and always a result (A7). */

#include "engine/exec/operator_private.h"

enum {
    TIME_KEY_BYTES = 9, /* row_key.h: 0x01, then 8 bytes big-endian, sign flipped */
    ID_BATCH = 1024,
    PREFETCH_AHEAD = 24, /* the key lies right before the value */
};

typedef struct state_agg {
    sl_op op;
    const sl_state_op_plan *state;
    sl_state_table *table;
    sl_task_state_figures *figures;
    int64_t late_us, evict_us;
    bool has_time;
    int64_t window_us;
    uint32_t buffer_count;

    sl_exec__partial_rows rows;
    uint8_t **slots;
    uint16_t *kept;
    sl_bytes text; /* a string on its way into the state */
    uint8_t single_key[SL_EXEC__SINGLE_KEY_BYTES];
    uint64_t single_hash;

    bool collected; /* groups holds what leaves */
    sl_exec__groups groups;
} state_agg;

static sl_code open_state_agg(sl_op *op, sl_error *err)
{
    state_agg *a = (state_agg *)op;
    const sl_task_request *r = &op->env->request;
    const sl_op_plan *plan = op->plan;
    SL_TRY(sl_exec__state_table(op->env, plan->u.agg.state_op, &a->table, err));
    a->state = &r->plan->state_ops[plan->u.agg.state_op];
    a->figures = &op->env->states[plan->u.agg.state_op];
    a->late_us = op->env->bounds[plan->u.agg.state_op].late_us;
    a->evict_us = op->env->bounds[plan->u.agg.state_op].evict_us;
    if (a->state->slot_width != plan->u.agg.slot_width)
        return sl_fail(err, SL_EINTERNAL, "groups take %u bytes, state rows %u",
                       plan->u.agg.slot_width, a->state->slot_width);
    if (plan->u.agg.event_time_key > 0)
        return sl_fail(err, SL_EINTERNAL, "the event time is key %d, not the first",
                       plan->u.agg.event_time_key);
    if (plan->u.agg.key_count == 0 && op->env->stage->width != SL_WIDTH_ONE)
        return sl_fail(err, SL_EINTERNAL, "a global aggregate over several partitions");
    a->has_time = plan->u.agg.event_time_key == 0;
    a->window_us = a->has_time ? plan->u.agg.keys[0].window_us : 0;
    a->buffer_count = sl_exec__buffer_count(plan->u.agg.aggs, plan->u.agg.agg_count);
    a->slots = sl_alloc(SL_CHUNK_ROWS_MAX * sizeof *a->slots);
    a->kept = sl_alloc(SL_CHUNK_ROWS_MAX * sizeof *a->kept);
    if (plan->u.agg.key_count == 0)
        sl_exec__single_key(a->single_key, &a->single_hash);
    sl_exec__groups_init(&a->groups, r->chunk_rows, r->budget);
    a->groups.hide_key = plan->u.agg.key_count == 0;
    return SL_OK;
}

static void close_state_agg(sl_op *op)
{
    state_agg *a = (state_agg *)op;
    sl_exec__partial_rows_deinit(&a->rows);
    sl_exec__groups_deinit(&a->groups);
    sl_bytes_deinit(&a->text);
    sl_free(a->slots);
    sl_free(a->kept);
}

/* ---- in ---- */

/* spark:L1, L2 */
static bool is_late(const uint8_t *key, uint32_t length, int64_t window_us,
                    int64_t late_us)
{
    if (length < TIME_KEY_BYTES || key[0] == 0)
        return false;
    uint64_t bits;
    memcpy(&bits, key + 1, sizeof bits);
    int64_t time_us = (int64_t)(__builtin_bswap64(bits) ^ (UINT64_C(1) << 63));
    int64_t end_us;
    if (__builtin_add_overflow(time_us, window_us, &end_us))
        end_us = INT64_MAX;
    return end_us <= late_us;
}

/* Leave late groups out of a->rows. */
static sl_code drop_late(state_agg *a, sl_error *err)
{
    const sl_key_batch *keys = &a->rows.keys;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < keys->count; i++) {
        uint32_t from = keys->offsets[i];
        a->kept[kept] = (uint16_t)i;
        kept += !is_late(keys->data + from, keys->offsets[i + 1] - from, a->window_us,
                         a->late_us);
    }
    if (kept == keys->count)
        return SL_OK;
    a->figures->rows_dropped += keys->count - kept; /* spark:L5 */
    sl_chunk *some;
    SL_TRY(sl_chunk_select(a->rows.chunk, a->kept, kept, &some, err));
    sl_code code = sl_exec__partial_rows_set(&a->rows, some, a->buffer_count,
                                             a->op.env->request.budget, err);
    sl_chunk_unref(some);
    return code;
}

/* A state blob's size is the aggregate's length_plus_1, so a string is stored with one
 * zero byte behind it; the empty string differs from none. */
static sl_code set_state_blob(void *user, uint8_t *slot, uint32_t blob_offset,
                              const void *data, uint32_t length, sl_error *err)
{
    state_agg *a = user;
    uint32_t blob = 0;
    while (blob < a->state->blob_count && a->state->blob_offsets[blob] != blob_offset)
        blob++;
    if (blob == a->state->blob_count)
        return sl_fail(err, SL_EINTERNAL, "state rows have no string at byte %u",
                       blob_offset);
    sl_bytes_clear(&a->text);
    sl_bytes_append(&a->text, data, length);
    sl_bytes_char(&a->text, '\0');
    return sl_state_set_blob(a->table, slot, blob, sl_bytes_span(&a->text), err);
}

static_assert(sizeof(sl_agg_blob) == sizeof(sl_state_blob) &&
                  offsetof(sl_agg_blob, data) == offsetof(sl_state_blob, data) &&
                  offsetof(sl_agg_blob, length_plus_1) ==
                      offsetof(sl_state_blob, size_bytes),
              "aggregates read the strings that the state keeps");

static sl_code touch_single(state_agg *a, uint8_t **ret_slot, sl_error *err)
{
    const uint32_t offsets[2] = { 0, sizeof a->single_key };
    sl_key_batch one = { a->single_key, offsets, &a->single_hash, 1 };
    return sl_state_upsert_many(a->table, &one, NULL, ret_slot, NULL, err);
}

static sl_code process_state_agg(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                                 sl_op_next *ret_next, sl_error *err)
{
    (void)ret_out;
    state_agg *a = (state_agg *)op;
    const sl_op_plan *plan = op->plan;
    *ret_next = SL_OP_NEED_INPUT;
    SL_TRY(sl_exec__partial_rows_set(&a->rows, in, a->buffer_count,
                                     op->env->request.budget, err));
    if (a->has_time && plan->u.agg.mode != SL_OUTPUT_COMPLETE) /* spark:L3, L4 */
        SL_TRY(drop_late(a, err));
    uint32_t n = a->rows.keys.count;
    if (n == 0)
        return SL_OK;
    if (plan->u.agg.key_count == 0) {
        SL_TRY(touch_single(a, a->slots, err));
        for (uint32_t i = 1; i < n; i++)
            a->slots[i] = a->slots[0];
    } else {
        SL_TRY(sl_state_upsert_many(a->table, &a->rows.keys, NULL, a->slots, NULL, err));
    }
    return sl_exec__merge(&a->rows, plan->u.agg.aggs, plan->u.agg.agg_count, a->slots,
                          set_state_blob, a, err);
}

/* ---- out ---- */

typedef uint32_t (*next_ids)(const sl_state_table *t, uint64_t *cursor, uint32_t *ret_ids,
                             uint32_t max);

static sl_code add_groups(state_agg *a, const uint32_t *ids, uint32_t n, sl_error *err)
{
    SL_TRY(sl_exec__groups_reserve(&a->groups, n, err));
    for (uint32_t i = 0; i < n; i++) {
        if (i + PREFETCH_AHEAD < n)
            __builtin_prefetch(sl_state_value(a->table, ids[i + PREFETCH_AHEAD]));
        sl_exec__groups_add(&a->groups, ids[i], sl_state_key(a->table, ids[i]));
    }
    return SL_OK;
}

static sl_code collect(state_agg *a, next_ids next, sl_error *err)
{
    uint32_t ids[ID_BATCH];
    uint64_t cursor = 0;
    for (uint32_t n; (n = next(a->table, &cursor, ids, ID_BATCH)) != 0;)
        SL_TRY(add_groups(a, ids, n, err));
    return SL_OK;
}

static sl_code collect_closed(state_agg *a, sl_error *err)
{
    const uint32_t *ids;
    uint32_t n;
    if (!a->has_time)
        return SL_OK;
    SL_TRY(sl_state_expired(a->table, a->evict_us, &ids, &n, err));
    return add_groups(a, ids, n, err);
}

static uint32_t count_touched(const state_agg *a)
{
    uint32_t ids[ID_BATCH], total = 0;
    uint64_t cursor = 0;
    for (uint32_t n; (n = sl_state_touched(a->table, &cursor, ids, ID_BATCH)) != 0;)
        total += n;
    return total;
}

/* All input is merged: which groups leave, sorted. */
static sl_code collect_output(state_agg *a, sl_error *err)
{
    sl_output_mode mode = a->op.plan->u.agg.mode;
    uint8_t *slot;
    if (a->op.plan->u.agg.key_count == 0)
        SL_TRY(touch_single(a, &slot, err)); /* spark:A7 */
    a->figures->rows_updated += count_touched(a);
    if (mode == SL_OUTPUT_COMPLETE)
        SL_TRY(collect(a, sl_state_live, err));
    else if (mode == SL_OUTPUT_UPDATE)
        SL_TRY(collect(a, sl_state_touched, err));
    else
        SL_TRY(collect_closed(a, err));
    return sl_exec__groups_sort(&a->groups, err);
}

static sl_code forget(state_agg *a, const uint32_t *ids, uint32_t n, sl_error *err)
{
    a->figures->rows_removed += n;
    return sl_state_remove_many(a->table, ids, n, err);
}

static sl_code finish_state_agg(sl_op *op, sl_chunk **ret_out, sl_op_next *ret_next,
                                sl_error *err)
{
    state_agg *a = (state_agg *)op;
    sl_output_mode mode = op->plan->u.agg.mode;
    sl_chunk *out = NULL;
    if (!a->collected) {
        SL_TRY(collect_output(a, err));
        a->collected = true;
    }
    uint32_t n = sl_exec__groups_next(&a->groups);
    if (n != 0) {
        sl_state_values(a->table, a->groups.ids, n, a->groups.slots);
        SL_TRY(sl_exec__groups_emit(&a->groups, op->plan, n, &out, err));
        sl_code code =
            mode == SL_OUTPUT_APPEND ? forget(a, a->groups.ids, n, err) : SL_OK;
        if (code != SL_OK) {
            sl_chunk_unref(out);
            return code;
        }
    }
    if (a->groups.at < a->groups.count) {
        *ret_out = out;
        *ret_next = SL_OP_HAVE_OUTPUT;
        return SL_OK;
    }
    if (mode == SL_OUTPUT_UPDATE && a->has_time) {
        const uint32_t *ids;
        uint32_t count;
        sl_code code = sl_state_expired(a->table, a->evict_us, &ids, &count, err);
        if (code == SL_OK && count != 0)
            code = forget(a, ids, count, err);
        if (code != SL_OK) {
            sl_chunk_unref(out);
            return code;
        }
    }
    a->figures->rows_total = sl_state_count(a->table);
    *ret_out = out;
    *ret_next = SL_OP_NEED_INPUT;
    return SL_OK;
}

const sl_op_class sl_exec__state_agg = {
    .name = "streaming aggregate",
    .size_bytes = sizeof(state_agg),
    .sees_all = true,
    .open = open_state_agg,
    .process = process_state_agg,
    .finish = finish_state_agg,
    .close = close_state_agg,
};
