#include "engine/exec/operator_private.h"

sl_code sl_exec__scan_open(const sl_op_env *env, sl_source_reader **ret, sl_error *err)
{
    const sl_task_request *r = &env->request;
    if (env->stage->source >= r->plan->source_count)
        return sl_fail(err, SL_EINTERNAL, "stage %u reads source %u of %u", r->stage,
                       env->stage->source, r->plan->source_count);
    const sl_source_plan *source = &r->plan->sources[env->stage->source];
    const sl_read_request request = {
        .fs = r->fs,
        .connector = source->connector,
        .options = source->options,
        .schema = source->schema,
        .columns = source->columns,
        .column_count = source->column_count,
        .slice = r->slice,
        .chunk_rows = r->chunk_rows,
        .budget = r->budget,
        .zone = r->eval.zone,
        .memory = r->memory,
    };
    return sl_source_reader_open(&request, ret, err);
}
