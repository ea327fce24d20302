/* json_read.h - JSON lines of a byte range of a file, as chunks of the wanted columns.
 *
 * A file is cut into ranges of bytes by anybody, anywhere: a line belongs to the range
 * its first byte lies in, so every line is read exactly once.  Lines end with \n, \r or
 * \r\n; empty and blank ones are no rows; a UTF-8 byte order mark is skipped.
 *
 * Speed: a line that looks like one of the last few (same keys, same order, same spacing,
 * plain strings and numbers) is scanned by comparing the text between its values; any
 * other line goes through a general parser.  Both give the same rows.  Strings longer
 * than 12 bytes point into the block of the file they were read in.
 *
 * Rules: spark:FJ1 malformed lines by mode, text in the corrupt record column;
 *        spark:FJ2 wrong type: null field, kept row, counted as malformed; missing: null;
 *        extra: ignored; names match exactly; of equal names the last counts;
 *        spark:FJ3 timestamps; spark:FJ5 numbers, objects, arrays read as string: raw
 * text. As Spark, text after the object is ignored, and an array of objects is a row
 * each. Owns: its blocks.  Borrows until close: the file, schema, columns, options'
 * zone. Thread: one at a time. Errors: SL_EIO, SL_EBUDGET, SL_EDATA (FAILFAST, with file
 * and byte offset). */

#ifndef SL_FORMATS_JSON_READ_H
#define SL_FORMATS_JSON_READ_H

#include "base/fs.h"
#include "engine/columnar/chunk.h"
#include "formats/json_options.h"

typedef struct sl_json_read_request {
    sl_file *file;           /* borrowed */
    const char *name;        /* of the file, for messages; borrowed */
    int64_t begin, end;      /* bytes; end = INT64_MAX: to the end of the file */
    const sl_schema *schema; /* of the table */
    const uint32_t *columns; /* wanted, ascending */
    uint32_t column_count;
    uint32_t chunk_rows; /* 1 .. SL_CHUNK_ROWS_MAX */
    sl_json_options options;
    const sl_time_zone *zone; /* of the session */
    sl_budget *budget;        /* may be NULL */
    size_t row_bytes_max;     /* a longer line is malformed; 0 = SL_ROW_BYTES_MAX */
    size_t block_bytes;       /* read at a time; 0 = 512 KiB (tests make it tiny) */
    bool general_only;        /* tests: never scan, always parse */
} sl_json_read_request;

typedef struct sl_json_read_stats {
    int64_t rows, bytes, malformed_rows;
    int64_t scanned_rows; /* of rows: took the fast way */
} sl_json_read_stats;

typedef struct sl_json_reader sl_json_reader;

/* SL_EUNSUPPORTED for a wanted column of a type JSON cannot hold here; SL_EINVAL for a
 * corrupt record column that is not STRING. */
SL_CHECKED sl_code sl_json_reader_open(const sl_json_read_request *request,
                                       sl_json_reader **ret, sl_error *err);
/* *ret = NULL at the end. After a failure only close is allowed. */
SL_CHECKED sl_code sl_json_reader_next(sl_json_reader *r, sl_chunk **ret, sl_error *err);
void sl_json_reader_stats(const sl_json_reader *r, sl_json_read_stats *ret);
void sl_json_reader_close(sl_json_reader *r); /* NULL is fine */

/* The stage 1 kernel in use: "avx2" or "scalar" (SLUICE_CPU=scalar|avx2 caps it).
 */
const char *sl_json_kernel_name(void);

#endif /* SL_FORMATS_JSON_READ_H */
