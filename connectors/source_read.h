/* source_read.h - the worker's half of a source: rows of one slice, as chunks.
 * One of the five doors of engine/exec.
 * Thread: one thread at a time per reader; calls may block on files. */

#ifndef SL_CONNECTORS_SOURCE_READ_H
#define SL_CONNECTORS_SOURCE_READ_H

#include "base/fs.h"
#include "base/option_list.h"
#include "engine/columnar/chunk.h"
#include "engine/columnar/value_text.h"

typedef struct sl_read_request {
    sl_fs *fs;
    const char *connector;
    sl_option_list options;
    const sl_schema *schema; /* the table's */
    const uint32_t *columns; /* wanted, ascending */
    uint32_t column_count;
    sl_span slice;       /* borrowed while open */
    uint32_t chunk_rows; /* rows a chunk, <= SL_CHUNK_ROWS_MAX */
    sl_budget *budget;
    const sl_time_zone *zone;
    struct sl_memory_tables *memory; /* as in source_plan.h, may be NULL */
} sl_read_request;

typedef struct sl_read_stats {
    int64_t rows, bytes, malformed_rows;
} sl_read_stats;

typedef struct sl_source_reader sl_source_reader;

typedef struct sl_source_reader_class {
    const char *name;
    sl_code (*open)(const sl_read_request *request, sl_source_reader **ret,
                    sl_error *err);
    /* *ret_chunk = NULL at the end. Chunks have the wanted columns in order, no
     * selection. */
    sl_code (*next)(sl_source_reader *r, sl_chunk **ret_chunk, sl_error *err);
    void (*stats)(const sl_source_reader *r, sl_read_stats *ret);
    void (*close)(sl_source_reader *r);
} sl_source_reader_class;

struct sl_source_reader {
    const sl_source_reader_class *class;
};

SL_CHECKED sl_code sl_source_reader_open(const sl_read_request *request,
                                         sl_source_reader **ret, sl_error *err);
SL_CHECKED sl_code sl_source_reader_next(sl_source_reader *r, sl_chunk **ret_chunk,
                                         sl_error *err);
void sl_source_reader_stats(const sl_source_reader *r, sl_read_stats *ret);
void sl_source_reader_close(sl_source_reader *r); /* NULL is fine */

#endif /* SL_CONNECTORS_SOURCE_READ_H */
