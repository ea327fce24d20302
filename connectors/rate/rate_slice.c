/* What both rate sources share of planning: options, schema, cutting values into slices.
 *
 * Without numPartitions a batch is cut by its number of rows, never by the number of
 * executors: the cut decides the order of rows, which must not depend on the machine. */
#include "base/text.h"
#include "connectors/rate/rate_private.h"

#define VERSION 1
#define ROWS_PER_SLICE (INT64_C(1) << 18)
#define SLICES_AUTO_MAX 64

void sl_rate__slice_write(const sl_rate_slice *s, sl_bytes *out)
{
    sl_bytes_u8(out, VERSION);
    sl_bytes_u32(out, s->partition);
    sl_bytes_u32(out, s->partitions);
    sl_bytes_i64(out, s->begin);
    sl_bytes_i64(out, s->end);
    sl_bytes_i64(out, s->start_ms);
    sl_bytes_f64(out, s->ms_per_value);
}

sl_code sl_rate__slice_read(sl_span bytes, sl_rate_slice *ret, sl_error *err)
{
    sl_reader r = sl_reader_of(bytes);
    uint8_t version = sl_read_u8(&r);
    sl_rate_slice s = { .partition = sl_read_u32(&r) };
    s.partitions = sl_read_u32(&r);
    s.begin = sl_read_i64(&r);
    s.end = sl_read_i64(&r);
    s.start_ms = sl_read_i64(&r);
    s.ms_per_value = sl_read_f64(&r);
    if (!sl_reader_done(&r) || version != VERSION || s.partition >= s.partitions ||
        s.begin < 0 || s.end < s.begin || !(s.ms_per_value >= 0))
        return sl_fail(err, SL_ECORRUPT, "a rate slice of %zu bytes does not decode",
                       bytes.size_bytes);
    *ret = s;
    return SL_OK;
}

/* ---- schema ---- */

static const sl_type timestamp_type = { .id = SL_TYPE_TIMESTAMP };
static const sl_type long_type = { .id = SL_TYPE_LONG };
static const sl_field fields[] = {
    { .name = "timestamp", .type = &timestamp_type, .nullable = true },
    { .name = "value", .type = &long_type, .nullable = true },
};
const sl_schema sl_rate__schema = { 2, fields };

static bool is_ours(const sl_schema *s)
{
    if (s->field_count != sl_rate__schema.field_count)
        return false;
    for (uint32_t i = 0; i < s->field_count; i++)
        if (!sl_text_equal_nocase(s->fields[i].name, fields[i].name) ||
            s->fields[i].type->id != fields[i].type->id)
            return false;
    return true;
}

static sl_code check_schema(const sl_schema *given, sl_error *err)
{
    if (given == NULL || is_ours(given))
        return SL_OK;
    sl_bytes text = { 0 };
    sl_schema_simple(given, &text);
    sl_code code = sl_fail_as(
        err, SL_EANALYSIS, "DATA_SOURCE_TABLE_SCHEMA_MISMATCH", "42K03",
        "The schema of the data source table does not match the expected schema. When "
        "creating a table of this source, avoid specifying the schema. Data Source "
        "schema: struct<timestamp:timestamp,value:bigint> Expected schema: %.400s",
        sl_bytes_cstr(&text));
    sl_bytes_deinit(&text);
    return code;
}

sl_code sl_rate__describe(const sl_schema *given, sl_source_caps *ret, sl_error *err)
{
    SL_TRY(check_schema(given, err));
    *ret = (sl_source_caps){ .can_stream = true,
                             .replayable = true,
                             .available_now = true,
                             .schema = &sl_rate__schema,
                             .schema_given = true };
    return SL_OK;
}

/* ---- options ---- */

sl_code sl_rate__number(const sl_option_list *l, const char *name, int64_t fallback,
                        int64_t least, int64_t *ret, sl_error *err)
{
    const char *text = sl_option_list_get(l, name);
    int64_t value = fallback;
    if (text != NULL && sl_int64_parse(text, &value, NULL) != SL_OK)
        return sl_fail(err, SL_EOPTION,
                       "Invalid value '%.100s'. The option '%s' must be a whole number",
                       text, name);
    if (value < least)
        return sl_fail(err, SL_EOPTION, "Invalid value '%lld'. The option '%s' must %s",
                       (long long)value, name,
                       least > 0 ? "be positive" : "not be negative");
    *ret = value;
    return SL_OK;
}

sl_code sl_rate__partitions(const sl_option_list *l, int64_t *ret, sl_error *err)
{
    int64_t n = 0;
    if (sl_option_list_get(l, "numPartitions") != NULL)
        SL_TRY(sl_rate__number(l, "numPartitions", 1, 1, &n, err));
    if (n > SL_RATE__PARTITIONS_MAX)
        return sl_fail(err, SL_EOPTION,
                       "Invalid value '%lld'. The option 'numPartitions' is at most %d",
                       (long long)n, SL_RATE__PARTITIONS_MAX);
    *ret = n;
    return SL_OK;
}

/* ---- cutting ---- */

static uint32_t partitions_of(int64_t rows, int64_t option_partitions)
{
    if (option_partitions > 0)
        return (uint32_t)option_partitions;
    int64_t n = rows / ROWS_PER_SLICE + 1;
    return (uint32_t)(n < SLICES_AUTO_MAX ? n : SLICES_AUTO_MAX);
}

void sl_rate__cut(sl_rate_slice whole, int64_t option_partitions, sl_arena *arena,
                  sl_source_batch *b)
{
    int64_t rows = whole.end - whole.begin;
    whole.partitions = partitions_of(rows, option_partitions);
    b->slices = SL_ARENA_ARRAY(arena, sl_span, whole.partitions);
    for (uint32_t p = 0; p < whole.partitions && p < rows; p++) {
        sl_bytes out = { 0 };
        whole.partition = p;
        sl_rate__slice_write(&whole, &out);
        b->slices[b->slice_count++] =
            sl_span_of(sl_arena_memdup(arena, out.data, out.size_bytes), out.size_bytes);
        sl_bytes_deinit(&out);
    }
}
