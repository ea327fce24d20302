#include "engine/exec/operator_private.h"

typedef struct sink {
    sl_op op;
    sl_sink_writer *writer;
} sink;

static sl_code open_sink(sl_op *op, sl_error *err)
{
    if (op->env->request.sink == NULL)
        return sl_fail(err, SL_EINTERNAL, "stage %u was given no sink",
                       op->env->request.stage);
    return sl_sink_writer_open(op->env->request.sink, &((sink *)op)->writer, err);
}

static sl_code process_sink(sl_op *op, sl_chunk *in, sl_chunk **ret_out,
                            sl_op_next *ret_next, sl_error *err)
{
    (void)ret_out;
    *ret_next = SL_OP_NEED_INPUT;
    if (in->selected == 0)
        return SL_OK;
    return sl_sink_writer_write(((sink *)op)->writer, in, err);
}

static sl_code finish_sink(sl_op *op, sl_chunk **ret_out, sl_op_next *ret_next,
                           sl_error *err)
{
    (void)ret_out;
    *ret_next = SL_OP_NEED_INPUT;
    sl_op_env *env = op->env;
    SL_TRY(sl_sink_writer_finish(((sink *)op)->writer, &env->outcome.has_file, &env->file,
                                 err));
    if (env->outcome.has_file)
        env->outcome.file = &env->file;
    return SL_OK;
}

static void close_sink(sl_op *op)
{
    sl_sink_writer_close(((sink *)op)->writer);
}

const sl_op_class sl_exec__sink = {
    .name = "sink",
    .size_bytes = sizeof(sink),
    .open = open_sink,
    .process = process_sink,
    .finish = finish_sink,
    .close = close_sink,
};
