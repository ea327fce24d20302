#include "engine/exec/operator_private.h"

typedef struct project {
    sl_op op;
    sl_exec__evaluation exprs;
} project;

static sl_code open_project(sl_op *op, sl_error *err)
{
    project *p = (project *)op;
    return sl_exec__evaluation_open(&p->exprs, op->plan->u.project.exprs,
                                    op->plan->u.project.count, op->env->request.budget,
                                    err);
}

static sl_code process_project(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                               sl_op_next *ret_next, sl_error *err)
{
    project *p = (project *)op;
    SL_TRY(sl_exec__evaluate(&p->exprs, op->env, in, err));
    *ret_out = sl_exec__chunk_like(in, p->exprs.columns, p->exprs.count);
    *ret_next = SL_OP_NEED_INPUT;
    return SL_OK;
}

static void close_project(sl_op *op)
{
    sl_exec__evaluation_close(&((project *)op)->exprs);
}

const sl_op_class sl_exec__project = {
    .name = "projection",
    .size_bytes = sizeof(project),
    .open = open_project,
    .process = process_project,
    .close = close_project,
};
