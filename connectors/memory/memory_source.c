/* Memory tables and inline rows as sources.  A slice carries the rows themselves in the
 * chunk codec, so that a re-run reads the same: version u8 = 1, then the chunk's bytes.
 * Offsets are row counts. */
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "connectors/connectors_private.h"
#include "connectors/memory_table.h"

#define VERSION 1

typedef struct memory_source {
    sl_source source;
    sl_memory_tables *tables;
    char *table;
    sl_bytes inline_rows;      /* values: the chunk's bytes */
    int64_t offset, frozen_at; /* -1: not frozen */
    bool planned;              /* values */
    bool has_offset;           /* memory: something was planned or restored */
} memory_source;

static const char *table_of(const sl_option_list *l)
{
    return sl_option_list_get(l, "table");
}

static uint32_t memory_option_names(const char **ret)
{
    ret[0] = "table";
    return 1;
}

static sl_code memory_describe(const sl_source_env *env, const sl_option_list *l,
                               const sl_schema *user_schema, bool streaming,
                               sl_arena *arena, sl_source_caps *ret, sl_error *err)
{
    const char *known[SL_OPTION_NAMES_MAX];
    (void)user_schema;
    (void)streaming;
    SL_TRY(
        sl_option_list_check(l, "memory source", known, memory_option_names(known), err));
    const char *name = table_of(l);
    if (name == NULL)
        return sl_fail(err, SL_EOPTION, "the memory source needs the option table");
    const sl_schema *schema =
        env->memory != NULL ? sl_memory_table_schema(env->memory, name, arena) : NULL;
    if (schema == NULL)
        return sl_fail_as(err, SL_ENOTFOUND, "TABLE_OR_VIEW_NOT_FOUND", "42P01",
                          "there is no memory table %s in this process", name);
    *ret = (sl_source_caps){ .can_batch = true,
                             .can_stream = true,
                             .replayable = true,
                             .available_now = true,
                             .schema = schema,
                             .schema_given = true };
    return SL_OK;
}

static void memory_close(sl_source *source)
{
    memory_source *s = (memory_source *)source;
    sl_free(s->table);
    sl_bytes_deinit(&s->inline_rows);
    sl_free(s);
}

static sl_code memory_open(const sl_source_env *env, const sl_option_list *l,
                           const sl_schema *schema, bool streaming, sl_source **ret,
                           sl_error *err)
{
    (void)schema;
    (void)streaming;
    if (table_of(l) == NULL || env->memory == NULL)
        return sl_fail(err, SL_EOPTION, "the memory source needs the option table");
    memory_source *s = (memory_source *)sl_calloc(1, sizeof *s);
    s->source.class = &sl_memory_source;
    s->tables = env->memory;
    s->table = sl_strdup(table_of(l));
    s->frozen_at = -1;
    *ret = &s->source;
    return SL_OK;
}

static sl_code memory_restore_offset(sl_source *source, sl_span offset, sl_error *err)
{
    sl_reader r = sl_reader_of(offset);
    uint8_t version = sl_read_u8(&r);
    int64_t rows = sl_read_i64(&r);
    if (!sl_reader_done(&r) || version != VERSION || rows < 0)
        return sl_fail(err, SL_ECORRUPT, "a memory offset does not decode");
    ((memory_source *)source)->offset = rows;
    ((memory_source *)source)->has_offset = true;
    return SL_OK;
}

static sl_code memory_freeze(sl_source *source, sl_error *err)
{
    memory_source *s = (memory_source *)source;
    (void)err;
    s->frozen_at = sl_memory_table_rows(s->tables, s->table);
    return SL_OK;
}

static sl_span span_of_bytes(sl_bytes *b, sl_arena *arena)
{
    sl_span s = sl_span_of(sl_arena_memdup(arena, b->data, b->size_bytes), b->size_bytes);
    sl_bytes_deinit(b);
    return s;
}

static sl_span chunk_slice(const sl_chunk *c, sl_arena *arena)
{
    sl_bytes b = { 0 };
    sl_bytes_u8(&b, VERSION);
    sl_chunk_write(c, &b);
    return span_of_bytes(&b, arena);
}

static sl_code memory_plan(sl_source *source, bool no_limit, sl_arena *arena,
                           sl_source_batch *ret, sl_error *err)
{
    memory_source *s = (memory_source *)source;
    sl_chunk **chunks;
    uint32_t count;
    (void)no_limit;
    int64_t end =
        s->frozen_at >= 0 ? s->frozen_at : sl_memory_table_rows(s->tables, s->table);
    if (end < 0)
        return sl_fail(err, SL_ESOURCE, "memory table %s was dropped", s->table);
    SL_TRY(sl_memory_table_rows_get(s->tables, s->table, s->offset, end, &chunks, &count,
                                    err));
    sl_source_batch b = { .has_data = end > s->offset };
    b.start_json =
        s->has_offset ? sl_arena_printf(arena, "%lld", (long long)s->offset) : "null";
    b.slices = SL_ARENA_ARRAY(arena, sl_span, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        b.slices[b.slice_count++] = chunk_slice(chunks[i], arena);
        sl_chunk_unref(chunks[i]);
    }
    sl_free(chunks);
    s->offset = end;
    s->has_offset = s->has_offset || b.has_data; /* nothing is kept of a look in vain */
    sl_bytes offset = { 0 };
    sl_bytes_u8(&offset, VERSION);
    sl_bytes_i64(&offset, end);
    b.end_offset = span_of_bytes(&offset, arena);
    b.end_json = b.latest_json = sl_arena_printf(arena, "%lld", (long long)end);
    *ret = b;
    return SL_OK;
}

static void memory_description(const sl_source *source, sl_bytes *out)
{
    sl_bytes_printf(out, "MemoryStream[%s]", ((const memory_source *)source)->table);
}

const sl_source_class sl_memory_source = {
    .name = "memory",
    .option_names = memory_option_names,
    .describe = memory_describe,
    .open = memory_open,
    .restore_offset = memory_restore_offset,
    .freeze = memory_freeze,
    .plan = memory_plan,
    .description = memory_description,
    .close = memory_close,
};

/* ---- values: option rows = hex of the chunk's bytes ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t values_option_names(const char **ret)
{
    ret[0] = "rows";
    return 1;
}

static sl_code values_describe(const sl_source_env *env, const sl_option_list *l,
                               const sl_schema *user_schema, bool streaming,
                               sl_arena *arena, sl_source_caps *ret, sl_error *err)
{
    (void)env;
    (void)arena;
    if (user_schema == NULL || sl_option_list_get(l, "rows") == NULL)
        return sl_fail(err, SL_EOPTION, "the values source is made by VALUES (...)");
    if (streaming)
        return sl_fail(err, SL_EUNSUPPORTED, "inline rows are no stream");
    *ret =
        (sl_source_caps){ .can_batch = true, .replayable = true, .schema = user_schema };
    return SL_OK;
}

static sl_code values_open(const sl_source_env *env, const sl_option_list *l,
                           const sl_schema *schema, bool streaming, sl_source **ret,
                           sl_error *err)
{
    const char *hex = sl_option_list_get(l, "rows");
    (void)env;
    (void)schema;
    (void)streaming;
    if (hex == NULL)
        return sl_fail(err, SL_EOPTION, "the values source needs the option rows");
    memory_source *s = (memory_source *)sl_calloc(1, sizeof *s);
    s->source.class = &sl_values_source;
    sl_bytes_u8(&s->inline_rows, VERSION);
    for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
        int high = hex_digit(hex[0]), low = hex_digit(hex[1]);
        if (high < 0 || low < 0)
            break;
        sl_bytes_u8(&s->inline_rows, (uint8_t)(high * 16 + low));
    }
    if (*hex != '\0') {
        memory_close(&s->source);
        return sl_fail(err, SL_EOPTION, "option rows is not hexadecimal");
    }
    *ret = &s->source;
    return SL_OK;
}

static sl_code values_plan(sl_source *source, bool no_limit, sl_arena *arena,
                           sl_source_batch *ret, sl_error *err)
{
    memory_source *s = (memory_source *)source;
    (void)no_limit;
    (void)err;
    sl_source_batch b = { .has_data = !s->planned, .start_json = "null" };
    b.slices = SL_ARENA_ARRAY(arena, sl_span, 1);
    b.slices[0] =
        sl_span_of(sl_arena_memdup(arena, s->inline_rows.data, s->inline_rows.size_bytes),
                   s->inline_rows.size_bytes);
    b.slice_count = s->planned ? 0 : 1;
    b.end_json = b.latest_json = "1";
    s->planned = true;
    *ret = b;
    return SL_OK;
}

static void values_description(const sl_source *source, sl_bytes *out)
{
    (void)source;
    sl_bytes_text(out, "LocalRelation");
}

const sl_source_class sl_values_source = {
    .name = "values",
    .option_names = values_option_names,
    .describe = values_describe,
    .open = values_open,
    .plan = values_plan,
    .description = values_description,
    .close = memory_close,
};

/* ---- reading a slice of either ---- */

typedef struct memory_reader {
    sl_source_reader reader;
    sl_chunk *chunk;
    uint32_t at, chunk_rows;
    int64_t bytes;
} memory_reader;

static sl_code reader_open(const sl_read_request *q, sl_source_reader **ret,
                           sl_error *err)
{
    sl_chunk *all;
    if (q->slice.size_bytes < 1 || q->slice.data[0] != VERSION)
        return sl_fail(err, SL_ECORRUPT, "a memory slice does not decode");
    SL_TRY(sl_chunk_read(sl_span_of(q->slice.data + 1, q->slice.size_bytes - 1),
                         q->schema, q->budget, &all, err));
    memory_reader *r = (memory_reader *)sl_calloc(1, sizeof *r);
    r->reader.class = &sl_memory_source_reader;
    r->chunk = sl_chunk_project(all, q->columns, q->column_count);
    r->chunk_rows = q->chunk_rows;
    r->bytes = (int64_t)q->slice.size_bytes;
    sl_chunk_unref(all);
    *ret = &r->reader;
    return SL_OK;
}

static sl_code reader_next(sl_source_reader *reader, sl_chunk **ret_chunk, sl_error *err)
{
    memory_reader *r = (memory_reader *)reader;
    uint32_t left = r->chunk->row_count - r->at;
    uint32_t n = left < r->chunk_rows ? left : r->chunk_rows;
    uint16_t rows[SL_CHUNK_ROWS_MAX];
    sl_chunk *part;
    if (n == 0) {
        *ret_chunk = NULL;
        return SL_OK;
    }
    for (uint32_t i = 0; i < n; i++)
        rows[i] = (uint16_t)(r->at + i);
    SL_TRY(sl_chunk_select(r->chunk, rows, n, &part, err));
    sl_code code = sl_chunk_flatten(part, NULL, ret_chunk, err);
    sl_chunk_unref(part);
    r->at += n;
    return code;
}

static void reader_stats(const sl_source_reader *reader, sl_read_stats *ret)
{
    const memory_reader *r = (const memory_reader *)reader;
    *ret = (sl_read_stats){ .rows = r->at, .bytes = r->bytes };
}

static void reader_close(sl_source_reader *reader)
{
    sl_chunk_unref(((memory_reader *)reader)->chunk);
    sl_free(reader);
}

const sl_source_reader_class sl_memory_source_reader = { "memory", reader_open,
                                                         reader_next, reader_stats,
                                                         reader_close };
