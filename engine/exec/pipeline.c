#include "engine/exec/operator_private.h"

static const sl_op_class *class_of(sl_op_kind kind)
{
    switch (kind) {
    case SL_OP_FILTER:
        return &sl_exec__filter;
    case SL_OP_PROJECT:
        return &sl_exec__project;
    case SL_OP_WATERMARK:
        return &sl_exec__watermark;
    case SL_OP_WINDOW:
        return &sl_exec__window;
    case SL_OP_PARTIAL_AGG:
        return &sl_exec__partial_agg;
    case SL_OP_FINAL_AGG:
        return &sl_exec__final_agg;
    case SL_OP_STATE_AGG:
        return &sl_exec__state_agg;
    case SL_OP_SORT:
        return &sl_exec__sort;
    case SL_OP_LIMIT:
        return &sl_exec__limit;
    case SL_OP_STATE_LIMIT:
        return &sl_exec__state_limit;
    }
    return NULL;
}

static const sl_op_class *last_class_of(sl_stage_output output)
{
    switch (output) {
    case SL_TO_EXCHANGE_KEY:
    case SL_TO_EXCHANGE_ONE:
        return &sl_exec__exchange_out;
    case SL_TO_RESULT:
        return &sl_exec__result;
    case SL_TO_SINK:
        return &sl_exec__sink;
    }
    return NULL;
}

static sl_code open_op(sl_exec__pipeline *p, sl_op_env *env, const sl_op_class *class,
                       const sl_op_plan *plan, sl_error *err)
{
    if (class == NULL)
        return sl_fail(err, SL_EINTERNAL, "operator %u of stage %u is of no known kind",
                       p->op_count, env->request.stage);
    sl_op *op = sl_calloc(1, class->size_bytes);
    op->class = class;
    op->plan = plan;
    op->env = env;
    p->ops[p->op_count++] = op;
    return class->open == NULL ? SL_OK : class->open(op, err);
}

sl_code sl_exec__pipeline_open(sl_exec__pipeline *p, sl_op_env *env, sl_error *err)
{
    const sl_stage_plan *stage = env->stage;
    p->ops = sl_calloc((size_t)stage->op_count + 1, sizeof(sl_op *));
    for (uint32_t i = 0; i < stage->op_count; i++)
        SL_TRY(open_op(p, env, class_of(stage->ops[i].kind), &stage->ops[i], err));
    return open_op(p, env, last_class_of(stage->output), NULL, err);
}

void sl_exec__pipeline_close(sl_exec__pipeline *p)
{
    for (uint32_t i = 0; i < p->op_count; i++) {
        sl_op *op = p->ops[i];
        sl_chunk_unref(op->input);
        if (op->class->close != NULL)
            op->class->close(op);
        sl_free(op);
    }
    sl_free(p->ops);
    *p = (sl_exec__pipeline){ 0 };
}
