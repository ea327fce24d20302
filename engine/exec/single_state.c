#include "engine/exec/operator_private.h"

void sl_exec__single_key(uint8_t ret_key[SL_EXEC__SINGLE_KEY_BYTES], uint64_t *ret_hash)
{
    for (uint32_t i = 0;; i++) {
        uint8_t key[SL_EXEC__SINGLE_KEY_BYTES] = { (uint8_t)(i >> 24), (uint8_t)(i >> 16),
                                                   (uint8_t)(i >> 8), (uint8_t)i };
        uint64_t hash = sl_hash64(key, sizeof key);
        if (sl_key_group_of(hash) != 0)
            continue;
        memcpy(ret_key, key, sizeof key);
        *ret_hash = hash;
        return;
    }
}

sl_code sl_exec__state_table(const sl_op_env *env, uint32_t state_op,
                             sl_state_table **ret, sl_error *err)
{
    const sl_physical_plan *plan = env->request.plan;
    if (state_op >= plan->state_op_count)
        return sl_fail(err, SL_EINTERNAL, "there is no state operator %u", state_op);
    if (env->request.state == NULL)
        return sl_fail(err, SL_EINTERNAL, "task %u was given no state",
                       env->request.task);
    sl_state_table *table =
        sl_state_table_of(env->request.state, plan->state_ops[state_op].id);
    if (table == NULL)
        return sl_fail(err, SL_EINTERNAL, "the state has no operator %u (%s)",
                       plan->state_ops[state_op].id, plan->state_ops[state_op].name);
    env->states[state_op].present = true;
    *ret = table;
    return SL_OK;
}
