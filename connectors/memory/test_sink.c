/* The sink of `sluice test`: the rows of batch N of query q are the memory table "q@N",
 * made also when there are none, and made anew when the batch runs again.  Unlike the
 * memory sink it may follow a query over restarts: the tables are the test's own. */
#include "base/alloc.h"
#include "connectors/connectors_private.h"
#include "connectors/memory_table.h"

typedef struct test_sink {
    sl_sink sink;
    sl_sink_env env;
    char *name;
} test_sink;

static uint32_t option_names(const char **ret)
{
    (void)ret;
    return 0;
}

static sl_code describe(const sl_option_list *l, sl_sink_caps *ret, sl_error *err)
{
    SL_TRY(sl_option_list_check(l, "test sink", NULL, 0, err));
    *ret = (sl_sink_caps){ .guarantee = SL_SINK_D,
                           .append = true,
                           .update = true,
                           .complete = true,
                           .to_driver = true,
                           .rows_max = -1 };
    return SL_OK;
}

static sl_code open_sink(const sl_sink_env *env, const sl_option_list *l, sl_sink **ret,
                         sl_error *err)
{
    (void)l;
    if (env->query_name == NULL || env->memory == NULL)
        return sl_fail(err, SL_EUNSUPPORTED,
                       "the test sink is for queries of `sluice test`");
    test_sink *s = (test_sink *)sl_calloc(1, sizeof *s);
    s->sink.class = &sl_test_sink;
    s->env = *env;
    s->name = sl_strdup(env->query_name);
    *ret = &s->sink;
    return SL_OK;
}

static sl_code write_batch(sl_sink *sink, int64_t batch, sl_chunk *const *chunks,
                           uint32_t chunk_count, sl_error *err)
{
    test_sink *s = (test_sink *)sink;
    sl_bytes table = { 0 };
    sl_bytes_printf(&table, "%s@%lld", s->name, (long long)batch);
    const char *name = sl_bytes_cstr(&table);
    sl_code code = sl_memory_table_create(s->env.memory, name, s->env.schema, err);
    for (uint32_t i = 0; code == SL_OK && i < chunk_count; i++)
        code = sl_memory_table_append(s->env.memory, name, chunks[i], err);
    sl_bytes_deinit(&table);
    return code;
}

static void description(const sl_sink *sink, sl_bytes *out)
{
    (void)sink;
    sl_bytes_text(out, "TestSink");
}

static void close_sink(sl_sink *sink)
{
    sl_free(((test_sink *)sink)->name);
    sl_free(sink);
}

const sl_sink_class sl_test_sink = {
    .name = "test",
    .option_names = option_names,
    .describe = describe,
    .open = open_sink,
    .write = write_batch,
    .description = description,
    .close = close_sink,
};
