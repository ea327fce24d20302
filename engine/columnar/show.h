/* show.h - tables of text, byte for byte as Spark's show() (spark 5.4 O6-O13).
 * Cells are collected first, since widths depend on all of them.  Thread: any. */

#ifndef SL_ENGINE_COLUMNAR_SHOW_H
#define SL_ENGINE_COLUMNAR_SHOW_H

#include "engine/columnar/chunk.h"
#include "engine/columnar/value_text.h"

/* The first `num_rows` rows of the chunks (in order), cut to `truncate` characters (0: no
 * cut, left aligned).  "only showing top n rows" if there are more.  Appends without a
 * final empty line. */
void sl_show_table(const sl_schema *schema, sl_chunk *const *chunks, uint32_t chunk_count,
                   uint32_t num_rows, uint32_t truncate, const sl_time_zone *zone,
                   sl_bytes *out);

#endif /* SL_ENGINE_COLUMNAR_SHOW_H */
