/* The console sink, class D: a block per batch, byte for byte as Spark prints it
 * (spark 5.3). */
#include "base/alloc.h"
#include "connectors/connectors_private.h"
#include "engine/columnar/show.h"

#define ROWS_MAX 1000000

typedef struct console_sink {
    sl_sink sink;
    sl_sink_env env;
    int64_t num_rows;
    bool truncate;
} console_sink;

static uint32_t option_names(const char **ret)
{
    ret[0] = "numRows";
    ret[1] = "truncate";
    return 2;
}

static sl_code read_options(const sl_option_list *l, int64_t *num_rows, bool *truncate,
                            sl_error *err)
{
    const char *known[SL_OPTION_NAMES_MAX];
    SL_TRY(sl_option_list_check(l, "console sink", known, option_names(known), err));
    SL_TRY(sl_option_list_int(l, "numRows", 20, 0, ROWS_MAX, num_rows, err));
    return sl_option_list_bool(l, "truncate", true, truncate, err);
}

static sl_code describe(const sl_option_list *l, sl_sink_caps *ret, sl_error *err)
{
    int64_t num_rows;
    bool truncate;
    SL_TRY(read_options(l, &num_rows, &truncate, err));
    *ret = (sl_sink_caps){ .guarantee = SL_SINK_D,
                           .append = true,
                           .update = true,
                           .complete = true,
                           .to_driver = true,
                           .rows_max = num_rows + 1 };
    return SL_OK;
}

static sl_code open_sink(const sl_sink_env *env, const sl_option_list *l, sl_sink **ret,
                         sl_error *err)
{
    int64_t num_rows;
    bool truncate;
    SL_TRY(read_options(l, &num_rows, &truncate, err));
    console_sink *s = (console_sink *)sl_calloc(1, sizeof *s);
    s->sink.class = &sl_console_sink;
    s->env = *env;
    s->num_rows = num_rows;
    s->truncate = truncate;
    *ret = &s->sink;
    return SL_OK;
}

static sl_code write_batch(sl_sink *sink, int64_t batch, sl_chunk *const *chunks,
                           uint32_t chunk_count, sl_error *err)
{
    console_sink *s = (console_sink *)sink;
    static const char rule[] = "-------------------------------------------\n";
    sl_bytes out = { 0 };
    uint64_t rows = 0;
    for (uint32_t i = 0; i < chunk_count; i++)
        rows += chunks[i]->selected;
    sl_bytes_printf(&out, "%sBatch: %lld\n%s", rule, (long long)batch, rule);
    sl_show_table(s->env.schema, chunks, chunk_count, (uint32_t)s->num_rows,
                  s->truncate ? 20 : 0, s->env.zone, &out);
    if (rows <= (uint64_t)s->num_rows)
        sl_bytes_char(&out, '\n'); /* no empty line after "only showing top" (spark:O3) */
    sl_code code = s->env.print(s->env.user, sl_bytes_cstr(&out), out.size_bytes, err);
    sl_bytes_deinit(&out);
    return code;
}

static void description(const sl_sink *sink, sl_bytes *out)
{
    const console_sink *s = (const console_sink *)sink;
    sl_bytes_printf(out, "ConsoleTable[numRows=%lld, truncate=%s]",
                    (long long)s->num_rows, s->truncate ? "true" : "false");
}

static void close_sink(sl_sink *sink)
{
    sl_free(sink);
}

const sl_sink_class sl_console_sink = {
    .name = "console",
    .option_names = option_names,
    .describe = describe,
    .open = open_sink,
    .write = write_batch,
    .description = description,
    .close = close_sink,
};
