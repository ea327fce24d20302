/* rows_private.h - rows as text: `10 | ann | NULL`.
 *
 * A cell is text trimmed, or in double quotes with \" \\ \n \r \t when it is empty, has
 * spaces at its ends, a '|', a quote, a line's end, or would read as NULL.  Rows are kept
 * in one canonical form, so equal rows are equal strings. */

#ifndef SL_CLIENT_STEST_ROWS_PRIVATE_H
#define SL_CLIENT_STEST_ROWS_PRIVATE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "engine/columnar/chunk.h"
#include "engine/columnar/value_text.h"

typedef struct stest_cell {
    const char *text; /* as it is: no quotes, no escapes */
    bool is_null, is_quoted;
} stest_cell;

/* The rows of a batch, a result or an expectation, each in canonical form. */
typedef struct stest_rows {
    const char **rows;
    uint32_t count, capacity;
} stest_rows;

/* Cells of a line. SL_EPARSE for a quote that does not end, or something behind it. */
SL_CHECKED sl_code stest_cells_parse(const char *line, sl_arena *arena,
                                     stest_cell **ret_cells, uint32_t *ret_count,
                                     sl_error *err);
/* Canonical form of cells. */
const char *stest_row_text(const stest_cell *cells, uint32_t count, sl_arena *arena);

void stest_rows_add(stest_rows *r, const char *row, sl_arena *arena);
void stest_rows_add_chunk(stest_rows *r, const sl_chunk *chunk, const sl_time_zone *zone,
                          sl_arena *arena);
/* Lines of text, empty ones left out. */
void stest_rows_add_lines(stest_rows *r, const char *text, sl_arena *arena);
void stest_rows_sort(stest_rows *r);
bool stest_rows_equal(const stest_rows *a, const stest_rows *b);
/* Lines "<prefix>- gone", "<prefix>+ new", "<prefix>  same". */
void stest_rows_diff(const stest_rows *expected, const stest_rows *actual,
                     const char *prefix, sl_bytes *out);
/* One line a row, cells under each other. */
void stest_rows_write(const stest_rows *r, sl_bytes *out);

/* A row of a feed as a JSON object of the schema. A number in a timestamp column is
 * seconds since 1970; a struct is written in JSON. */
SL_CHECKED sl_code stest_row_json(const char *line, const sl_schema *schema,
                                  const sl_time_zone *zone, sl_arena *arena,
                                  sl_bytes *out, sl_error *err);

#endif /* SL_CLIENT_STEST_ROWS_PRIVATE_H */
