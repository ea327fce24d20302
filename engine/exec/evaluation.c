#include "engine/exec/operator_private.h"

sl_code sl_exec__evaluation_open(sl_exec__evaluation *e, const sl_expr *const *exprs,
                                 uint32_t count, sl_budget *budget, sl_error *err)
{
    if (count == 0)
        return SL_OK;
    SL_TRY(sl_program_compile(exprs, count, &e->program, err));
    SL_TRY(sl_program_run_new(e->program, budget, &e->run, err));
    e->columns = sl_calloc(count, sizeof *e->columns);
    e->count = count;
    return SL_OK;
}

void sl_exec__evaluation_close(sl_exec__evaluation *e)
{
    sl_exec__evaluation_clear(e);
    sl_free(e->columns);
    if (e->run != NULL)
        sl_program_run_free(e->run);
    if (e->program != NULL)
        sl_program_free(e->program);
    *e = (sl_exec__evaluation){ 0 };
}

void sl_exec__evaluation_clear(sl_exec__evaluation *e)
{
    for (uint32_t i = 0; i < e->count; i++)
        sl_column_release(&e->columns[i]);
}

sl_code sl_exec__evaluate(sl_exec__evaluation *e, const sl_op_env *env,
                          const sl_chunk *in, sl_error *err)
{
    if (e->count == 0)
        return SL_OK;
    sl_exec__evaluation_clear(e);
    return sl_program_eval(e->run, &env->eval, in, e->columns, err);
}

sl_chunk *sl_exec__chunk_like(const sl_chunk *in, sl_column *columns, uint32_t count)
{
    sl_chunk *c = sl_chunk_new(count, in->row_count);
    for (uint32_t i = 0; i < count; i++) {
        c->columns[i] = columns[i];
        columns[i] = (sl_column){ 0 };
    }
    c->selected = in->selected;
    c->selection = in->selection;
    if (in->selection_buffer != NULL)
        c->selection_buffer = sl_buffer_ref(in->selection_buffer);
    return c;
}
