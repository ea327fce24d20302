/* The noop sink: rows are counted by the engine and forgotten. */
#include "base/alloc.h"
#include "connectors/connectors_private.h"

static sl_code writer_open(const sl_write_request *q, sl_sink_writer **ret, sl_error *err)
{
    (void)q;
    (void)err;
    sl_sink_writer *w = (sl_sink_writer *)sl_calloc(1, sizeof *w);
    w->class = &sl_noop_sink_writer;
    *ret = w;
    return SL_OK;
}

static sl_code writer_write(sl_sink_writer *w, const sl_chunk *chunk, sl_error *err)
{
    (void)w;
    (void)chunk;
    (void)err;
    return SL_OK;
}

static sl_code writer_finish(sl_sink_writer *w, bool *ret_has_file, sl_staged_file *ret,
                             sl_error *err)
{
    (void)w;
    (void)ret;
    (void)err;
    *ret_has_file = false;
    return SL_OK;
}

static void writer_close(sl_sink_writer *w)
{
    sl_free(w);
}

const sl_sink_writer_class sl_noop_sink_writer = { "noop", writer_open, writer_write,
                                                   writer_finish, writer_close };

static uint32_t option_names(const char **ret)
{
    (void)ret;
    return 0;
}

static sl_code describe(const sl_option_list *l, sl_sink_caps *ret, sl_error *err)
{
    SL_TRY(sl_option_list_check(l, "noop sink", NULL, 0, err));
    *ret = (sl_sink_caps){ .guarantee = SL_SINK_NONE,
                           .append = true,
                           .update = true,
                           .complete = true,
                           .rows_max = -1 };
    return SL_OK;
}

static sl_code open_sink(const sl_sink_env *env, const sl_option_list *l, sl_sink **ret,
                         sl_error *err)
{
    (void)env;
    (void)l;
    (void)err;
    sl_sink *s = (sl_sink *)sl_calloc(1, sizeof *s);
    s->class = &sl_noop_sink;
    *ret = s;
    return SL_OK;
}

static void description(const sl_sink *sink, sl_bytes *out)
{
    (void)sink;
    sl_bytes_text(out, "NoopTable");
}

static void close_sink(sl_sink *sink)
{
    sl_free(sink);
}

const sl_sink_class sl_noop_sink = {
    .name = "noop",
    .option_names = option_names,
    .describe = describe,
    .open = open_sink,
    .description = description,
    .close = close_sink,
};
