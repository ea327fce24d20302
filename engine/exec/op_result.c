#include "engine/exec/operator_private.h"

typedef struct result {
    sl_op op;
} result;

static sl_code open_result(sl_op *op, sl_error *err)
{
    if (op->env->request.result == NULL)
        return sl_fail(err, SL_EINTERNAL, "stage %u makes results for nobody",
                       op->env->request.stage);
    return SL_OK;
}

static sl_code process_result(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                              sl_op_next *ret_next, sl_error *err)
{
    (void)ret_out;
    const sl_task_request *r = &op->env->request;
    bool taken = true;
    if (in->selected != 0) {
        SL_TRY(r->result(r->user, in, &taken, err));
        op->env->outcome.result_chunks += taken;
    }
    *ret_next = taken ? SL_OP_NEED_INPUT : SL_OP_BLOCKED;
    return SL_OK;
}

const sl_op_class sl_exec__result = {
    .name = "result",
    .size_bytes = sizeof(result),
    .open = open_result,
    .process = process_result,
};
