/* LIMIT of a stream in append mode: the first rows over the query's life (spark:B1).  One
 * state row holds how many have passed. */

#include "engine/exec/operator_private.h"

typedef struct state_limit {
    sl_op op;
    sl_state_table *table;
    sl_task_state_figures *figures;
    uint8_t key[SL_EXEC__SINGLE_KEY_BYTES];
    uint64_t hash;
    int64_t limit, passed, passed_before;
    uint16_t rows[SL_CHUNK_ROWS_MAX];
} state_limit;

static sl_code open_state_limit(sl_op *op, sl_error *err)
{
    state_limit *l = (state_limit *)op;
    uint32_t number = op->plan->u.limit.state_op;
    SL_TRY(sl_exec__state_table(op->env, number, &l->table, err));
    if (op->env->request.plan->state_ops[number].slot_width < sizeof l->passed)
        return sl_fail(err, SL_EINTERNAL, "state rows take %u bytes, 8 are due",
                       op->env->request.plan->state_ops[number].slot_width);
    l->figures = &op->env->states[number];
    l->limit = op->plan->u.limit.limit;

    const uint32_t offsets[2] = { 0, sizeof l->key };
    uint32_t id;
    sl_exec__single_key(l->key, &l->hash);
    sl_key_batch one = { l->key, offsets, &l->hash, 1 };
    sl_state_get_many(l->table, &one, &id);
    if (id != SL_ENTRY_NONE)
        memcpy(&l->passed, sl_state_value(l->table, id), sizeof l->passed);
    l->passed_before = l->passed;
    return SL_OK;
}

static sl_code process_state_limit(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                                   sl_op_next *ret_next, sl_error *err)
{
    state_limit *l = (state_limit *)op;
    int64_t room = l->limit - l->passed;
    if (in->selected != 0 && in->selected <= room) {
        *ret_out = sl_chunk_ref(in);
        l->passed += in->selected;
    } else if (room > 0 && in->selected != 0) {
        for (uint32_t i = 0; i < room; i++)
            l->rows[i] = (uint16_t)sl_chunk_row(in, i);
        SL_TRY(sl_chunk_select(in, l->rows, (uint32_t)room, ret_out, err));
        l->passed += room;
    }
    *ret_next = l->passed >= l->limit ? SL_OP_FINISHED : SL_OP_NEED_INPUT;
    return SL_OK;
}

static sl_code finish_state_limit(sl_op *op, sl_chunk **ret_out, sl_op_next *ret_next,
                                  sl_error *err)
{
    (void)ret_out;
    state_limit *l = (state_limit *)op;
    if (l->passed != l->passed_before) {
        const uint32_t offsets[2] = { 0, sizeof l->key };
        sl_key_batch one = { l->key, offsets, &l->hash, 1 };
        uint8_t *slot;
        SL_TRY(sl_state_upsert_many(l->table, &one, NULL, &slot, NULL, err));
        memcpy(slot, &l->passed, sizeof l->passed);
        l->figures->rows_updated = 1;
    }
    l->figures->rows_total = sl_state_count(l->table);
    *ret_next = SL_OP_NEED_INPUT;
    return SL_OK;
}

const sl_op_class sl_exec__state_limit = {
    .name = "streaming limit",
    .size_bytes = sizeof(state_limit),
    .sees_all = true,
    .open = open_state_limit,
    .process = process_state_limit,
    .finish = finish_state_limit,
};
