/* The memory sink: rows go to a table of this process named as the query (spark 4.9).
 * Complete mode replaces them; append and update skip batches already written. */
#include "base/alloc.h"
#include "connectors/connectors_private.h"
#include "connectors/memory_table.h"

#define COMPLETE 2 /* sl_output_mode */

typedef struct memory_sink {
    sl_sink sink;
    sl_sink_env env;
    char *name;
} memory_sink;

static uint32_t option_names(const char **ret)
{
    (void)ret;
    return 0;
}

static sl_code describe(const sl_option_list *l, sl_sink_caps *ret, sl_error *err)
{
    SL_TRY(sl_option_list_check(l, "memory sink", NULL, 0, err));
    *ret = (sl_sink_caps){ .guarantee = SL_SINK_D,
                           .append = true,
                           .update = true,
                           .complete = true,
                           .to_driver = true,
                           .keeps_state = true,
                           .rows_max = -1 };
    return SL_OK;
}

static sl_code open_sink(const sl_sink_env *env, const sl_option_list *l, sl_sink **ret,
                         sl_error *err)
{
    (void)l;
    if (env->query_name == NULL)
        return sl_fail(err, SL_EANALYSIS, "queryName must be specified for memory sink");
    if (env->memory == NULL)
        return sl_fail(err, SL_EUNSUPPORTED, "this process keeps no memory tables");
    SL_TRY(sl_memory_table_create(env->memory, env->query_name, env->schema, err));
    memory_sink *s = (memory_sink *)sl_calloc(1, sizeof *s);
    s->sink.class = &sl_memory_sink;
    s->env = *env;
    s->name = sl_strdup(env->query_name);
    *ret = &s->sink;
    return SL_OK;
}

static sl_code write_batch(sl_sink *sink, int64_t batch, sl_chunk *const *chunks,
                           uint32_t chunk_count, sl_error *err)
{
    memory_sink *s = (memory_sink *)sink;
    bool complete = s->env.mode == COMPLETE;
    if (!complete && batch <= sl_memory_table_last_batch(s->env.memory, s->name))
        return SL_OK;
    if (complete)
        sl_memory_table_truncate(s->env.memory, s->name);
    for (uint32_t i = 0; i < chunk_count; i++)
        SL_TRY(sl_memory_table_append(s->env.memory, s->name, chunks[i], err));
    sl_memory_table_set_last_batch(s->env.memory, s->name, batch);
    return SL_OK;
}

static void description(const sl_sink *sink, sl_bytes *out)
{
    (void)sink;
    sl_bytes_text(out, "MemorySink");
}

static void close_sink(sl_sink *sink)
{
    sl_free(((memory_sink *)sink)->name);
    sl_free(sink);
}

const sl_sink_class sl_memory_sink = {
    .name = "memory",
    .option_names = option_names,
    .describe = describe,
    .open = open_sink,
    .write = write_batch,
    .description = description,
    .close = close_sink,
};
