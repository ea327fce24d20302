/* The reading half of rate and rate-micro-batch: rows made from a slice's numbers. */
#include <math.h>

#include "base/alloc.h"
#include "connectors/connectors_private.h"
#include "connectors/rate/rate_private.h"

typedef struct rate_reader {
    sl_source_reader reader;
    const sl_schema *schema;
    const uint32_t *columns;
    uint32_t column_count, chunk_rows;
    sl_budget *budget;
    sl_rate_slice slice;
    int64_t next; /* value */
    sl_read_stats stats;
} rate_reader;

static sl_code reader_open(const sl_read_request *q, sl_source_reader **ret,
                           sl_error *err)
{
    sl_rate_slice slice;
    SL_TRY(sl_rate__slice_read(q->slice, &slice, err));
    rate_reader *r = (rate_reader *)sl_calloc(1, sizeof *r);
    r->reader.class = &sl_rate_source_reader;
    r->schema = q->schema;
    r->columns = q->columns;
    r->column_count = q->column_count;
    r->chunk_rows = q->chunk_rows;
    r->budget = q->budget;
    r->slice = slice;
    r->next = slice.begin + slice.partition;
    *ret = &r->reader;
    return SL_OK;
}

/* Java's Math.round: half goes up. */
static void fill_timestamps(const rate_reader *r, uint32_t rows, int64_t *ret)
{
    const sl_rate_slice *s = &r->slice;
    int64_t value = r->next - s->begin;
    for (uint32_t i = 0; i < rows; i++, value += s->partitions) {
        int64_t late_ms = (int64_t)floor((double)value * s->ms_per_value + 0.5);
        ret[i] = (s->start_ms + late_ms) * 1000;
    }
}

static void fill_values(const rate_reader *r, uint32_t rows, int64_t *ret)
{
    for (uint32_t i = 0; i < rows; i++)
        ret[i] = r->next + (int64_t)i * r->slice.partitions;
}

static uint32_t rows_left(const rate_reader *r)
{
    if (r->next >= r->slice.end)
        return 0;
    int64_t rows = (r->slice.end - r->next - 1) / r->slice.partitions + 1;
    return rows < r->chunk_rows ? (uint32_t)rows : r->chunk_rows;
}

static sl_code fill(rate_reader *r, sl_chunk *chunk, sl_error *err)
{
    for (uint32_t i = 0; i < r->column_count; i++) {
        void *values;
        uint64_t *validity;
        const sl_type *type = r->schema->fields[r->columns[i]].type;
        SL_TRY(sl_column_alloc(type, chunk->row_count, false, r->budget,
                               &chunk->columns[i], &values, &validity, err));
        if (r->columns[i] == 0)
            fill_timestamps(r, chunk->row_count, (int64_t *)values);
        else
            fill_values(r, chunk->row_count, (int64_t *)values);
    }
    return SL_OK;
}

static sl_code reader_next(sl_source_reader *reader, sl_chunk **ret_chunk, sl_error *err)
{
    rate_reader *r = (rate_reader *)reader;
    uint32_t rows = rows_left(r);
    if (rows == 0) {
        *ret_chunk = NULL;
        return SL_OK;
    }
    sl_chunk *chunk = sl_chunk_new(r->column_count, rows);
    sl_code code = fill(r, chunk, err);
    if (code != SL_OK) {
        sl_chunk_unref(chunk);
        return code;
    }
    r->next += (int64_t)rows * r->slice.partitions;
    r->stats.rows += rows;
    *ret_chunk = chunk;
    return SL_OK;
}

static void reader_stats(const sl_source_reader *reader, sl_read_stats *ret)
{
    *ret = ((const rate_reader *)reader)->stats;
}

static void reader_close(sl_source_reader *reader)
{
    sl_free(reader);
}

const sl_source_reader_class sl_rate_source_reader = { "rate", reader_open, reader_next,
                                                       reader_stats, reader_close };
